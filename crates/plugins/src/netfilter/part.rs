//! What an attachment can want of netfilter, and what that is in the kernel.

use std::fmt;

use ipnet::IpNet;
use linkspan_nft::{Chain, Element, Object, Rule, Set, Table};
use linkspan_plugin::spec::MacAddr;
use serde::{Deserialize, Serialize};

use super::{masquerade, spoof_guard};

/// One thing that an attachment wants of netfilter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// What the container sends from this address beyond the address's own subnet, multicast
    /// excepted, leaves with an address of the host.
    Masquerade {
        /// The address with its subnet.
        address: IpNet,
    },
    /// The container sends from its own MAC address only.
    SpoofGuard {
        /// The host's end of the container's link, a port of the bridge.
        interface: String,
        /// The container's MAC address.
        mac: [u8; 6],
    },
}

impl Part {
    /// A [`Part::SpoofGuard`].
    pub fn spoof_guard(interface: &str, mac: MacAddr) -> Self {
        Self::SpoofGuard {
            interface: interface.to_owned(),
            mac: mac.octets(),
        }
    }

    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Masquerade { .. } => Kind::Masquerade,
            Self::SpoofGuard { .. } => Kind::SpoofGuard,
        }
    }

    /// Its elements.
    pub(super) fn elements(&self) -> Vec<Placed> {
        match self {
            Self::Masquerade { address } => masquerade::elements(*address),
            Self::SpoofGuard { interface, mac } => spoof_guard::elements(interface, *mac),
        }
    }

    /// What its elements need: what many attachments share.
    pub(super) fn groups(&self) -> Vec<Group> {
        match self {
            Self::Masquerade { address } => masquerade::groups(*address),
            Self::SpoofGuard { .. } => vec![spoof_guard::group()],
        }
    }
}

/// What it does, as it stands after "cannot" or in a list.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Masquerade { address } => write!(f, "masquerade {address}"),
            Self::SpoofGuard { interface, mac } => {
                let mac = MacAddr::new(*mac);
                write!(f, "let {interface:?} send from {mac} only")
            }
        }
    }
}

/// The kinds of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Part::Masquerade`]
    Masquerade,
    /// [`Part::SpoofGuard`]
    SpoofGuard,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Masquerade, Self::SpoofGuard];

    /// The table that its sets are in.
    pub(super) fn table(self) -> Table {
        match self {
            Self::Masquerade => masquerade::table(),
            Self::SpoofGuard => spoof_guard::table(),
        }
    }

    /// Whether a set of its table is one of its own.
    pub(super) fn owns(self, set: &Set) -> bool {
        match self {
            Self::Masquerade => masquerade::owns(&set.name),
            Self::SpoofGuard => true,
        }
    }
}

/// An element and the set that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) set: Set,
    pub(super) element: Element,
}

impl Placed {
    pub(super) fn table(&self) -> Table {
        Table::new(self.set.family, self.set.table.clone())
    }
}

/// The elements of all parts, each once.
pub(super) fn elements(parts: &[Part]) -> Vec<Placed> {
    unique(parts.iter().flat_map(Part::elements))
}

/// What the elements of all parts need, each once.
pub(super) fn groups(parts: &[Part]) -> Vec<Group> {
    unique(parts.iter().flat_map(Part::groups))
}

/// The items in order, each once. They are a handful.
fn unique<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    items.fold(Vec::new(), |mut kept, item| {
        if !kept.contains(&item) {
            kept.push(item);
        }
        kept
    })
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
