//! What parts turn into: elements, and what they need.

use linkspan_nft::{Chain, Element, Object, Rule, Set, Table};

/// The comment of elements that belong to no attachment; no owner's, which have slashes.
pub(super) const SHARED: &str = "shared";

/// An element and the set that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) set: Set,
    pub(super) element: Element,
}

impl Placed {
    pub(super) fn new(set: Set, element: Element) -> Self {
        Self { set, element }
    }

    /// An element that belongs to no attachment: whoever needs it makes sure that it is there. It stays
    /// until its table goes.
    pub(super) fn shared(set: Set, element: Element) -> Self {
        Self::new(set, element.comment(SHARED))
    }

    pub(super) fn is_shared(&self) -> bool {
        self.element.comment.as_deref() == Some(SHARED)
    }

    pub(super) fn table(&self) -> Table {
        Table::new(self.set.family, self.set.table.clone())
    }
}

/// Chains, sets and rules that belong together, made once however many attachments there are.
///
/// The marker is created by the transaction that adds the rules, and by no other: creating it a second
/// time is an error, so that rules cannot be added twice however many plugins run at the same time.
/// A group never changes under its marker's name; one with other rules gets another marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// What adding again does no harm to; complete before the marker.
    pub(super) objects: Vec<Object>,
    /// A chain or a set.
    pub(super) marker: Object,
    /// Chains that only this group has rules in.
    pub(super) chains: Vec<Chain>,
    /// Each with a comment that tells it from the others of its chain.
    pub(super) rules: Vec<Rule>,
}
