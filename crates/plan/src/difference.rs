//! What is not as it is wanted.

use std::fmt;

use linkspan_kernel::rtnl::Link;
use linkspan_spec::MacAddr;

use crate::link::LinkRef;

/// What is not as the plan has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub object: String,
    /// What the plan has.
    pub expected: String,
    /// What the kernel has.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            expected,
            found,
        } = self;
        write!(f, "{object}: expected {expected}, found {found}")
    }
}

/// A difference unless the condition holds.
pub(crate) fn unless(
    holds: bool,
    object: impl Into<String>,
    expected: impl ToString,
    found: impl ToString,
) -> Vec<Difference> {
    if holds {
        return Vec::new();
    }
    vec![Difference {
        object: object.into(),
        expected: expected.to_string(),
        found: found.to_string(),
    }]
}

/// That a link is not there.
pub(crate) fn missing(link: &LinkRef) -> Vec<Difference> {
    unless(false, format!("the link {link}"), "it", "nothing")
}

/// A difference when a link is of another kind than is wanted, which is told by `is_right`.
pub(crate) fn kind(is_right: bool, object: &str, expected: &str, found: &Link) -> Vec<Difference> {
    let found = found.kind.as_deref().unwrap_or("a device");
    unless(is_right, object, expected, found)
}

/// A difference when a link is to be switched on and is not.
pub(crate) fn switched_on(wanted: bool, object: &str, found: &Link) -> Vec<Difference> {
    unless(
        !wanted || found.is_up(),
        object,
        "switched on",
        "switched off",
    )
}

/// A difference when another MAC address is wanted than the link has.
pub(crate) fn mac(link: &LinkRef, wanted: Option<MacAddr>, found: &Link) -> Vec<Difference> {
    let Some(wanted) = wanted else {
        return Vec::new();
    };
    let has = found.mac.map(MacAddr::new);
    let shown = has.map_or("none".to_owned(), |mac| mac.to_string());
    let object = format!("the MAC address of {link}");
    unless(has == Some(wanted), object, wanted, shown)
}

/// A difference when another MTU is wanted than the link has.
pub(crate) fn mtu(link: &LinkRef, wanted: Option<u32>, found: &Link) -> Vec<Difference> {
    let Some(wanted) = wanted else {
        return Vec::new();
    };
    let object = format!("the MTU of {link}");
    unless(wanted == found.mtu, object, wanted, found.mtu)
}

/// What there is, or "none".
pub(crate) fn listed(there: impl IntoIterator<Item = String>) -> String {
    let there: Vec<String> = there.into_iter().collect();
    if there.is_empty() {
        return "none".to_owned();
    }
    there.join(", ")
}
