//! The kernel parameters that attachments set.

use linkspan_kernel::sysctl::LinkParameters;

use super::{LinkRef, Step, Sysctl};

/// Router advertisements are not listened to: whoever can send on the link would become the host's
/// router (CVE-2020-10749).
pub fn no_router_advertisements(link: &LinkRef) -> Step {
    of_link(link, "accept_ra", "0", false)
}

/// The same at once, for a link of the host. Best effort, as the host's routes matter more to it than to us.
pub(super) fn ignore_router_advertisements(link: &str) {
    let path = format!("net/ipv6/conf/{link}/accept_ra");
    drop(LinkParameters::of_the_caller().replace(&path, "0"));
}

/// Whether the link's own IPv6 addresses are checked for duplicates.
pub fn duplicate_address_detection(link: &LinkRef, enabled: bool) -> Vec<Step> {
    if enabled {
        vec![
            of_link(link, "enhanced_dad", "1", false),
            of_link(link, "accept_dad", "1", false),
        ]
    } else {
        vec![of_link(link, "accept_dad", "0", false)]
    }
}

/// Neighbours are told the link's IPv6 addresses when it comes up or its MAC is set.
pub fn announced_ipv6(link: &LinkRef) -> Step {
    of_link(link, "ndisc_notify", "1", false)
}

/// IPv6 is on, for the link and the loopback link of its namespace, and addresses survive that the
/// link goes down.
pub fn ipv6(link: &LinkRef) -> Vec<Step> {
    let lo = LinkRef {
        place: link.place,
        name: "lo".to_owned(),
    };
    vec![
        of_link(&lo, "disable_ipv6", "0", true),
        of_link(link, "disable_ipv6", "0", true),
        of_link(link, "keep_addr_on_down", "1", true),
    ]
}

/// The host forwards packets of IPv4.
pub fn forward_ipv4() -> Step {
    host("net/ipv4/ip_forward", "1")
}

/// The host forwards packets of IPv6.
pub fn forward_ipv6() -> Step {
    host("net/ipv6/conf/all/forwarding", "1")
}

fn host(path: &str, value: &str) -> Step {
    Step::Sysctl(Sysctl {
        place: super::Place::Host,
        path: path.to_owned(),
        value: value.to_owned(),
        required: true,
    })
}

/// A parameter of IPv6: those of IPv4 that attachments set are changed by netlink.
fn of_link(link: &LinkRef, key: &str, value: &str, required: bool) -> Step {
    Step::Sysctl(Sysctl {
        place: link.place,
        path: format!("net/ipv6/conf/{}/{key}", link.name),
        value: value.to_owned(),
        required,
    })
}
