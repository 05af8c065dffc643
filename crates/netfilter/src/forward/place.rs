//! Where our rules stand in the filter tables of iptables.

use std::fmt;

/// A chain that FORWARD leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) chain: &'static str,
    /// The comment of the rule that leads to it.
    pub(super) comment: &'static str,
    at: End,
}

/// Of FORWARD.
#[derive(Debug, PartialEq, Eq)]
enum End {
    First,
    Last,
}

/// What the reference plugin accepts, by its names, ahead of the rules of others as it does.
pub(super) static ADMITTED: Place = Place {
    chain: "CNI-FORWARD",
    comment: "CNI firewall plugin rules",
    at: End::First,
};

/// What we alone accept: after the rules of others, so that no more than the policy is overcome.
pub(super) static PUBLISHED: Place = Place {
    chain: "LINKSPAN-PORTS",
    comment: "ports that Linkspan published",
    at: End::Last,
};

pub(super) const FORWARD: &str = "FORWARD";

/// The comment of the rules that lead to the administrator's chains.
pub(super) const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";

impl Place {
    pub(super) fn is_first(&self) -> bool {
        self.at == End::First
    }
}

/// The rule that leads to it, as it stands after "expected a rule".
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {FORWARD} to {}", self.chain)
    }
}
