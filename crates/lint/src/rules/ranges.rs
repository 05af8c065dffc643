//! The ranges of host-local: each by itself, and those of one configuration together.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_inspect::finding::Severity;

use super::addresses::{Placed, Range, is_link_local, overlap, ranges, same_family};
use crate::document::Plugin;
use crate::finding::{Finding, Fix};
use crate::rule::{Context, Rule};

/// Every range of a document with its plugin.
fn each<'a>(
    context: &Context<'a>,
    mut look: impl FnMut(&Plugin<'a>, &Range) -> Option<Finding>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for plugin in context.plugins() {
        findings.extend(
            ranges(&plugin)
                .iter()
                .filter_map(|range| look(&plugin, range)),
        );
    }
    findings
}

/// A subnet with the address of a host.
pub(super) static HOST_BITS: Rule = Rule {
    id: "host-bits",
    severity: Severity::Error,
    about: "a subnet that is written with the address of a host in it",
    why: "host-local wants the network's own address, and refuses any other",
    check: |context| {
        each(context, |_, range| {
            let subnet = range.subnet.value;
            (subnet.addr() != subnet.network()).then(|| {
                let network = subnet.trunc();
                HOST_BITS
                    .at(
                        range.subnet.span,
                        format!("{subnet} is an address in a network, not a network"),
                    )
                    .help(format!("the network is {network}"))
                    .fix(Fix::new(
                        format!("write {network}"),
                        range.subnet.span,
                        format!("\"{network}\""),
                    ))
            })
        })
    },
};

/// A subnet in which there is no address to give.
pub(super) static TOO_SMALL: Rule = Rule {
    id: "subnet-too-small",
    severity: Severity::Error,
    about: "a subnet without an address beside those of network, broadcast and gateway",
    why: "host-local refuses it: there would be nothing to give",
    check: |context| {
        each(context, |_, range| {
            let subnet = range.subnet.value;
            let longest = subnet.max_prefix_len() - 2;
            (subnet.prefix_len() > longest).then(|| {
                TOO_SMALL
                    .at(range.subnet.span, format!("{subnet} has no room for containers"))
                    .help(format!(
                        "a prefix of /{longest} or shorter has room; to give one certain address, use the IPAM plugin \"static\""
                    ))
            })
        })
    },
};

/// A subnet of addresses that no host can have.
pub(super) static SPECIAL: Rule = Rule {
    id: "special-subnet",
    severity: Severity::Error,
    about: "a subnet of multicast or loopback addresses, or of all addresses",
    why: "the kernel gives such addresses to no interface, or routes what is sent to them elsewhere",
    check: |context| {
        each(context, |_, range| {
            let kind = special(range.network())?;
            let words = format!("{} are {kind}", range.subnet.value);
            Some(SPECIAL.at(range.subnet.span, words).help(
                "take a part of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fd00::/8 that is free here; `linkspan new network` finds one",
            ))
        })
    },
};

fn special(subnet: IpNet) -> Option<&'static str> {
    let address = subnet.network();
    if subnet.prefix_len() == 0 {
        return Some("all addresses that there are");
    }
    if address.is_multicast() {
        return Some("multicast addresses");
    }
    address.is_loopback().then_some("loopback addresses")
}

/// An end of a range outside of its subnet.
pub(super) static END_OUTSIDE: Rule = Rule {
    id: "range-outside",
    severity: Severity::Error,
    about: "a rangeStart or rangeEnd that is not in the subnet",
    why: "host-local refuses a range that is not in its subnet",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            for range in ranges(&plugin) {
                let ends = [("rangeStart", range.start), ("rangeEnd", range.end)];
                let ends = ends.into_iter().filter_map(|(key, end)| Some((key, end?)));
                let outside = ends.filter(|(_, end)| !range.network().contains(&end.value));
                findings.extend(outside.map(|(key, end)| {
                    END_OUTSIDE
                        .at(
                            end.span,
                            format!("{key} {} is not in {}", end.value, range.network()),
                        )
                        .also(range.subnet.span, "the subnet")
                        .help(format!(
                            "an address of {}, or correct the subnet",
                            within(range.network())
                        ))
                }));
            }
        }
        findings
    },
};

fn within(network: IpNet) -> String {
    format!("{} to {}", network.network(), network.broadcast())
}

/// A range that ends before it begins.
pub(super) static INVERTED: Rule = Rule {
    id: "range-inverted",
    severity: Severity::Error,
    about: "a rangeStart behind its rangeEnd",
    why: "such a range has no addresses, and host-local refuses it",
    check: |context| {
        each(context, |_, range| {
            let (start, end) = (range.start?, range.end?);
            let is_inverted = same_family(start.value, end.value) && start.value > end.value;
            is_inverted.then(|| {
                INVERTED
                    .at(
                        start.span,
                        format!(
                            "rangeStart {} is behind rangeEnd {}",
                            start.value, end.value
                        ),
                    )
                    .also(end.span, "the end")
                    .help("exchange the two")
                    .fix(
                        Fix::new("exchange the two", start.span, format!("\"{}\"", end.value))
                            .and(end.span, format!("\"{}\"", start.value)),
                    )
            })
        })
    },
};

/// An end of a range that means all hosts, or none.
pub(super) static UNUSABLE_END: Rule = Rule {
    id: "range-end-unusable",
    severity: Severity::Warning,
    about: "a range that begins with the network's address or ends with the broadcast address",
    why: "nobody answers to such an address: Linkspan gives it to nobody, the reference plugin gives it to a container",
    check: |context| {
        each(context, |_, range| {
            let network = range.network();
            let IpNet::V4(_) = network else { return None };
            if network.prefix_len() > 30 {
                return None;
            }
            let ends = [
                (
                    range.start,
                    network.network(),
                    "the network's own address",
                    1,
                ),
                (range.end, network.broadcast(), "the broadcast address", -1),
            ];
            ends.into_iter().find_map(|(end, address, what, step)| {
                let end = end.filter(|end| end.value == address)?;
                let better = moved(address, step)?;
                Some(
                    UNUSABLE_END
                        .at(end.span, format!("{address} is {what} of {network}"))
                        .help(format!("write {better}"))
                        .fix(Fix::new(
                            format!("write {better}"),
                            end.span,
                            format!("\"{better}\""),
                        )),
                )
            })
        })
    },
};

fn moved(address: IpAddr, step: i32) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => Some(IpAddr::V4(
            u32::from(address).checked_add_signed(step)?.into(),
        )),
        IpAddr::V6(_) => None,
    }
}

/// A gateway of the other version of IP.
pub(super) static GATEWAY_FAMILY: Rule = Rule {
    id: "gateway-family",
    severity: Severity::Error,
    about: "a gateway of IPv4 for a subnet of IPv6, or the other way round",
    why: "host-local refuses it: a route goes by a gateway of its own version of IP",
    check: |context| {
        each(context, |_, range| {
            let gateway = range.gateway?;
            let network = range.network();
            (!same_family(gateway.value, network.addr())).then(|| {
                GATEWAY_FAMILY
                    .at(
                        gateway.span,
                        format!(
                            "the gateway {} is of another version of IP than {network}",
                            gateway.value
                        ),
                    )
                    .also(range.subnet.span, "the subnet")
                    .help(format!(
                        "a gateway in {network}, or none: then it is the first address"
                    ))
            })
        })
    },
};

/// A gateway that the containers cannot reach.
pub(super) static GATEWAY_OUTSIDE: Rule = Rule {
    id: "gateway-outside",
    severity: Severity::Warning,
    about: "a gateway that is not in the subnet",
    why: "the container has no route to such a gateway, and the kernel refuses routes by it; only ptp makes one",
    check: |context| {
        each(context, |plugin, range| {
            let gateway = range.gateway?;
            outside(plugin, gateway, range.network()).then(|| {
                GATEWAY_OUTSIDE
                    .at(
                        gateway.span,
                        format!(
                            "the gateway {} is not in {}",
                            gateway.value,
                            range.network()
                        ),
                    )
                    .also(range.subnet.span, "the subnet")
                    .help(format!(
                        "an address of {}, or correct the subnet",
                        within(range.network())
                    ))
            })
        })
    },
};

/// Whether a gateway is one that cannot be reached in its network.
pub(super) fn outside(plugin: &Plugin<'_>, gateway: Placed<IpAddr>, network: IpNet) -> bool {
    let is_possible = plugin.is("ptp") || is_link_local(gateway.value);
    !is_possible && same_family(gateway.value, network.addr()) && !network.contains(&gateway.value)
}

/// A gateway that no host can be.
pub(super) static GATEWAY_UNUSABLE: Rule = Rule {
    id: "gateway-unusable",
    severity: Severity::Error,
    about: "a gateway that is the network's or the broadcast address",
    why: "no host can have this address, so nothing is passed on by it",
    check: |context| {
        each(context, |_, range| {
            let gateway = range.gateway?;
            let network = range.network();
            let IpNet::V4(_) = network else { return None };
            if network.prefix_len() > 30 {
                return None;
            }
            let what = match gateway.value {
                value if value == network.network() => "the network's own address",
                value if value == network.broadcast() => "the broadcast address",
                _ => return None,
            };
            let first = moved(network.network(), 1)?;
            Some(
                GATEWAY_UNUSABLE
                    .at(
                        gateway.span,
                        format!("the gateway {} is {what} of {network}", gateway.value),
                    )
                    .help(format!("by convention the first address: {first}")),
            )
        })
    },
};

/// A range whose addresses are all taken by its own gateway.
pub(super) static ONLY_GATEWAY: Rule = Rule {
    id: "range-only-gateway",
    severity: Severity::Error,
    about: "a range of a single address, which is the gateway's",
    why: "the gateway's address is given to nobody, so that there is no address for any container",
    check: |context| {
        each(context, |_, range| {
            let addresses = range.addresses()?;
            let is_gateway = range.meant_gateway() == Some(addresses.first);
            let place = range
                .start
                .or(range.end)
                .map_or(range.subnet.span, |end| end.span);
            (is_gateway && addresses.first == addresses.last).then(|| {
                ONLY_GATEWAY
                    .at(
                        place,
                        format!(
                            "the only address of the range, {}, is the gateway's",
                            addresses.first
                        ),
                    )
                    .help("name another gateway, or give the range more addresses")
            })
        })
    },
};

/// Two ranges with a common address.
pub(super) static OVERLAP: Rule = Rule {
    id: "ranges-overlap",
    severity: Severity::Error,
    about: "two ranges of one configuration that have addresses in common",
    why: "an address would be there twice, so host-local refuses the configuration",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let all = ranges(&plugin);
            for (place, range) in all.iter().enumerate() {
                let other = all[..place].iter().find(|other| have_common(range, other));
                findings.extend(other.map(|other| {
                    OVERLAP
                        .at(
                            range.subnet.span,
                            format!(
                                "the ranges of {} and {} overlap",
                                other.network(),
                                range.network()
                            ),
                        )
                        .also(other.subnet.span, "the other one")
                        .help("remove one of the two, or part them by rangeStart and rangeEnd")
                }));
            }
        }
        findings
    },
};

/// Whether two ranges have an address in common.
pub(super) fn have_common(one: &Range, other: &Range) -> bool {
    if !overlap(one.network(), other.network()) {
        return false;
    }
    match (one.addresses(), other.addresses()) {
        (Some(one), Some(other)) => one.contains(other.first) || other.contains(one.first),
        _ => false,
    }
}

/// A set of ranges of both versions of IP.
pub(super) static MIXED: Rule = Rule {
    id: "mixed-set",
    severity: Severity::Error,
    about: "a set of ranges with subnets of both versions of IP",
    why: "a container gets one address of each set, so a set is of one version; host-local refuses others",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let all = ranges(&plugin);
            for (place, range) in all.iter().enumerate() {
                let is_other = |other: &&Range| {
                    other.set == range.set
                        && !same_family(other.network().addr(), range.network().addr())
                };
                let other = all[..place].iter().find(is_other);
                findings.extend(other.map(|other| {
                    MIXED
                        .at(range.subnet.span, format!("{} stands in one set with {}", range.network(), other.network()))
                        .also(other.subnet.span, "of the other version of IP")
                        .help("for an address of each, write two sets: \"ranges\": [ [ { IPv4 } ], [ { IPv6 } ] ]")
                }));
            }
        }
        findings
    },
};
