//! Differences that are meant to be, wherever they occur.

use linkspan_testkit::Plugins;

/// Which reference a difference concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// Every one.
    Any,
    /// Debian's, 1.1.1, and not the one of 2026, whose newer behaviour is ours as well.
    Debian,
}

impl Era {
    /// What the reference in use is: the newer one knows version 1.1.0.
    pub(crate) fn of(reference: &Plugins) -> Self {
        let answer = reference.version("loopback", "1.0.0").success();
        let versions = answer["supportedVersions"].as_array();
        if versions.is_some_and(|versions| versions.iter().any(|version| version == "1.1.0")) {
            Self::Any
        } else {
            Self::Debian
        }
    }
}

/// A difference that is meant to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Difference {
    /// What its lines contain; a `*` stands for anything between two pieces.
    pub(crate) fact: &'static str,
    /// Why it is meant to be.
    pub(crate) reason: &'static str,
    /// From whom.
    pub(crate) era: Era,
    /// Whether it must occur.
    pub(crate) always: bool,
}

impl Difference {
    /// Whether a line is one of its.
    pub(crate) fn matches(&self, line: &str) -> bool {
        let mut rest = Some(line);
        for piece in self.fact.split('*') {
            rest = rest.and_then(|rest| Some(rest.split_once(piece)?.1));
        }
        rest.is_some()
    }
}

/// A difference that may occur in every case.
const fn everywhere(fact: &'static str, era: Era, reason: &'static str) -> Difference {
    Difference {
        fact,
        reason,
        era,
        always: false,
    }
}

/// Differences that may occur in every case.
pub(crate) const EVERYWHERE: [Difference; 15] = [
    everywhere(
        " result dns = {}",
        Era::Any,
        "the newest reference leaves out what is empty; older ones print it, and so do ours",
    ),
    everywhere(
        "error cniVersion = ",
        Era::Any,
        "the specification gives an error its version; the reference does not",
    ),
    everywhere(
        "node link * address = ",
        Era::Any,
        "the bridge's MAC address is set at its creation and does not change with its ports (cni#285)",
    ),
    everywhere(
        " address = <mac of ",
        Era::Any,
        "the reference's bridge takes the MAC address of a port",
    ),
    everywhere(
        "result interfaces * mac = \"<mac of ",
        Era::Any,
        "the same MAC address of two interfaces: the reference's bridge has that of its port",
    ),
    everywhere(
        "+ result ip4 routes * gw = ",
        Era::Any,
        "in 0.1.0 and 0.2.0 a route without a gateway means its address's",
    ),
    everywhere(
        "+ result ip6 routes * gw = ",
        Era::Any,
        "in 0.1.0 and 0.2.0 a route without a gateway means its address's",
    ),
    everywhere(
        " nodad = true",
        Era::Any,
        "a gateway's IPv6 address is usable at once (plugins#680)",
    ),
    everywhere(
        "/ndisc_notify = ",
        Era::Any,
        "the kernel tells neighbours whose a reused IPv6 address is (plugins#858)",
    ),
    everywhere(
        "node sysctl ipv6/conf/*/accept_dad = ",
        Era::Any,
        "the link-local address of a new bridge is usable at once",
    ),
    everywhere(
        "- file /var/lib/cni/networks*/lock = ",
        Era::Any,
        "the reference makes its directory to find nothing in it",
    ),
    everywhere(
        "- file /var/lib/cni/networks* = directory",
        Era::Any,
        "the reference makes its directory to find nothing in it",
    ),
    everywhere(
        " txqlen = 1000",
        Era::Any,
        "the reference sets the queue of a veth to 0 by accident, the newer one that of the host's end only",
    ),
    everywhere(
        "x_queues = ",
        Era::Any,
        "the ends of a pair have one queue, which costs a third less time than one for each processor",
    ),
    everywhere(
        "/keep_addr_on_down = ",
        Era::Debian,
        "1.1.1 does not know it",
    ),
];

/// What the reference leaves behind of an ADD that failed, and we do not: links, settings, files.
pub(crate) fn is_left_behind(line: &str) -> bool {
    line.starts_with("- ") && !line.starts_with("- exit status") && !line.starts_with("- error")
}

/// What ours does at a DEL that the reference refuses, since the configuration or CNI_ARGS cannot be: it succeeds, and takes
/// away what the reference leaves. What there is beyond that is a difference.
pub(crate) fn is_of_a_del_that_succeeds(line: &str) -> bool {
    line.starts_with("- ") || line == "+ exit status = Some(0)"
}
