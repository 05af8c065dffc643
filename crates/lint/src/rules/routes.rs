//! Routes of the result: their destinations, and by whom they go.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_inspect::finding::Severity;
use linkspan_spec::address::parse_cidr;

use super::addresses::{MOST, Placed, address, fixed, is_link_local, same_family, subnets};
use super::ranges::outside;
use crate::document::Plugin;
use crate::finding::{Finding, Fix};
use crate::json::Node;
use crate::rule::Rule;

/// A route of host-local or static.
struct Route<'a> {
    node: &'a Node,
    dst: Placed<IpNet>,
    gw: Option<Placed<IpAddr>>,
}

fn routes<'a>(plugin: &Plugin<'a>) -> Vec<Route<'a>> {
    let ipam = plugin.ipam.filter(|_| plugin.handler.is_some());
    let ipam = ipam.filter(|ipam| ipam.handler.is_some());
    let routes = ipam.and_then(|ipam| ipam.node.get("routes"));
    let routes = routes.map(Node::items).unwrap_or_default();
    let route = |node: &'a Node| {
        let dst = node.get("dst")?;
        Some(Route {
            node,
            dst: Placed {
                value: parse_cidr(dst.as_str()?)?,
                span: dst.span,
            },
            gw: address(node, "gw"),
        })
    };
    routes.iter().take(MOST).filter_map(route).collect()
}

/// A route by a gateway of the other version of IP.
pub(super) static FAMILY: Rule = Rule {
    id: "route-family",
    severity: Severity::Error,
    about: "a route of IPv4 by a gateway of IPv6, or the other way round",
    why: "the route cannot be made, and ADD fails",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            for route in routes(&plugin) {
                let Some(gw) = route
                    .gw
                    .filter(|gw| !same_family(gw.value, route.dst.value.addr()))
                else {
                    continue;
                };
                findings.push(
                    FAMILY
                        .at(gw.span, format!("{} is of another version of IP than {}", gw.value, route.dst.value))
                        .also(route.dst.span, "the destination")
                        .help("name a gateway of the same version, or none: then it is that of the subnet"),
                );
            }
        }
        findings
    },
};

/// A route by a gateway that is in no subnet of the container.
pub(super) static UNREACHABLE: Rule = Rule {
    id: "route-unreachable",
    severity: Severity::Error,
    about: "a route by a gateway that is in no subnet of the container",
    why: "the kernel takes a route only by a gateway that it reaches on a link; ADD fails with \"network is unreachable\"",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context
            .plugins()
            .iter()
            .filter(|plugin| !plugin.node.has_unknown())
        {
            let subnets = subnets(plugin);
            let all = routes(plugin);
            for route in &all {
                let Some(gw) = route
                    .gw
                    .filter(|gw| same_family(gw.value, route.dst.value.addr()))
                else {
                    continue;
                };
                let of_family = subnets
                    .iter()
                    .filter(|subnet| same_family(subnet.network.value.addr(), gw.value));
                let known: Vec<IpNet> = of_family.map(|subnet| subnet.network.value).collect();
                // A route without a gateway on a link that has none leads onto the link itself.
                let is_led = all.iter().any(|other| {
                    other.gw.is_none()
                        && other.dst.value.prefix_len() > 0
                        && other.dst.value.contains(&gw.value)
                });
                let is_reached = known.iter().any(|network| network.contains(&gw.value))
                    || is_link_local(gw.value);
                let is_gateway = plugin.is("ptp")
                    && subnets
                        .iter()
                        .any(|subnet| subnet.gateway == Some(gw.value));
                if known.is_empty() || is_reached || is_led || is_gateway {
                    continue;
                }
                let known: Vec<String> = known.iter().map(IpNet::to_string).collect();
                findings.push(
                    UNREACHABLE
                        .at(gw.span, format!("{} is not in {}", gw.value, known.join(" or ")))
                        .label("not reached on the link")
                        .help("name a gateway in the container's subnet, or none: then it is that of the subnet"),
                );
            }
        }
        findings
    },
};

/// Two routes to one destination.
pub(super) static TWICE: Rule = Rule {
    id: "route-twice",
    severity: Severity::Warning,
    about: "two routes to the same destination",
    why: "the kernel puts the later one before the earlier, so that the last counts; of two by the same gateway the reference plugins fail at the second with \"file exists\"",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let all = routes(&plugin);
            for (place, route) in all.iter().enumerate() {
                let is_same = |other: &&Route<'_>| {
                    // Of IPv6 the kernel joins routes by several gateways.
                    let is_by_same = route.dst.value.addr().is_ipv4() || by(other) == by(route);
                    let same = |key: &str| number(other, key) == number(route, key);
                    other.dst.value.trunc() == route.dst.value.trunc()
                        && is_by_same
                        && same("priority")
                        && same("table")
                };
                let earlier = all[..place].iter().find(is_same);
                findings.extend(earlier.map(|earlier| {
                    TWICE
                        .at(
                            route.dst.span,
                            format!("there is a route to {} already", route.dst.value.trunc()),
                        )
                        .also(earlier.dst.span, "the first one")
                        .help("keep one of the two, or give them different priorities")
                }));
            }
        }
        findings
    },
};

fn by(route: &Route<'_>) -> Option<IpAddr> {
    route.gw.map(|gw| gw.value)
}

fn number(route: &Route<'_>, key: &str) -> Option<serde_json::Value> {
    route.node.get(key).map(Node::to_json)
}

/// A destination with the address of a host.
pub(super) static HOST_BITS: Rule = Rule {
    id: "route-host-bits",
    severity: Severity::Warning,
    about: "an IPv4 route whose destination is written with the address of a host",
    why: "Linkspan means the network; with the reference plugins the kernel refuses the route, and ADD fails",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let written = routes(&plugin).into_iter().map(|route| route.dst);
            let wrong = written.filter(|dst| {
                dst.value.addr().is_ipv4() && dst.value.addr() != dst.value.network()
            });
            findings.extend(wrong.map(|dst| {
                let network = dst.value.trunc();
                HOST_BITS
                    .at(
                        dst.span,
                        format!("{} is an address in a network, not a network", dst.value),
                    )
                    .help(format!("the network is {network}"))
                    .fix(Fix::new(
                        format!("write {network}"),
                        dst.span,
                        format!("\"{network}\""),
                    ))
            }));
        }
        findings
    },
};

/// An address of static without the length of its prefix.
pub(super) static NO_PREFIX: Rule = Rule {
    id: "address-without-prefix",
    severity: Severity::Error,
    about: "an address of static without the length of its prefix, or one that is none",
    why: "the length of the prefix says which addresses are on the same link; static refuses an address without it",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let Some(ipam) = super::addresses::ipam(&plugin, "static") else {
                continue;
            };
            let written = ipam.get("addresses").map(Node::items).unwrap_or_default();
            let written = written.iter().filter_map(|item| item.get("address"));
            let others = ["args.cni.ips"]
                .into_iter()
                .filter_map(|path| plugin.get(path));
            let others = others.flat_map(Node::items);
            for node in written.chain(others) {
                let Some(text) = node.as_str().filter(|text| parse_cidr(text).is_none()) else {
                    continue;
                };
                let help = match text.parse::<IpAddr>() {
                    Ok(IpAddr::V4(_)) => format!("write {text}/24 if the network is that large"),
                    Ok(IpAddr::V6(_)) => format!("write {text}/64 if the network is that large"),
                    Err(_) => {
                        "write an address with the length of its prefix, such as 10.22.0.2/16"
                            .to_owned()
                    }
                };
                findings.push(
                    NO_PREFIX
                        .at(node.span, format!("{text:?} is no address with a prefix"))
                        .help(help),
                );
            }
        }
        findings
    },
};

/// A gateway of static in another subnet than its address.
pub(super) static FIXED_GATEWAY: Rule = Rule {
    id: "gateway-elsewhere",
    severity: Severity::Warning,
    about: "a gateway of static that is not in the subnet of its address",
    why: "the container has no route to such a gateway, and the kernel refuses routes by it; only ptp makes one",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            for fixed in fixed(&plugin) {
                let Some(gateway) = fixed.gateway else {
                    continue;
                };
                let network = fixed.address.value.trunc();
                if outside(&plugin, gateway, network) || !same_family(gateway.value, network.addr())
                {
                    findings.push(
                        FIXED_GATEWAY
                            .at(
                                gateway.span,
                                format!("the gateway {} is not in {network}", gateway.value),
                            )
                            .also(fixed.address.span, "the address")
                            .help("correct the gateway or the length of the address's prefix"),
                    );
                }
            }
        }
        findings
    },
};

/// An address that is there twice.
pub(super) static ADDRESS_TWICE: Rule = Rule {
    id: "address-twice",
    severity: Severity::Error,
    about: "an address of static that is there twice with the same prefix",
    why: "an interface has an address once; ADD fails with \"file exists\"",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let all = fixed(&plugin);
            for (place, fixed) in all.iter().enumerate() {
                let earlier = all[..place]
                    .iter()
                    .find(|other| other.address.value == fixed.address.value);
                findings.extend(earlier.map(|earlier| twice(fixed.address, earlier.address)));
            }
        }
        findings
    },
};

fn twice(address: Placed<IpNet>, earlier: Placed<IpNet>) -> Finding {
    ADDRESS_TWICE
        .at(
            address.span,
            format!("{} is there already", address.value.addr()),
        )
        .also(earlier.span, "the first one")
        .help("remove one of the two")
}
