//! What several networks of a host, or a network and the host, want of the same addresses and links.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_inspect::finding::Severity;
use linkspan_inspect::link::{Link, Links};

use super::addresses::{Placed, Range, fixed, overlap, ranges, same_family, subnets};
use super::ranges::have_common;
use crate::document::{Document, Plugin};
use crate::finding::Finding;
use crate::rule::{Context, Rule};
use crate::source::Span;

/// Where the addresses of a plugin's containers must be told from those of others.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// On this bridge; the host routes for it.
    Gateway(String),
    /// On this bridge.
    Bridge(String),
    /// On this link of the host, in this VLAN.
    Master(String, u64),
    /// Everywhere: the host routes to each address.
    Host,
}

fn segment(plugin: &Plugin<'_>) -> Option<Segment> {
    plugin.handler?;
    let bridge = || plugin.text("bridge").unwrap_or("cni0").to_owned();
    let vlan = |key: &str| {
        let number = plugin.get(key).map(crate::json::Node::to_json);
        number.and_then(|number| number.as_u64()).unwrap_or(0)
    };
    match plugin.name() {
        "bridge" if vlan("vlan") != 0 => None,
        "bridge" if plugin.is_on("isGateway") || plugin.is_on("isDefaultGateway") => {
            Some(Segment::Gateway(bridge()))
        }
        "bridge" => Some(Segment::Bridge(bridge())),
        "ptp" => Some(Segment::Host),
        "macvlan" | "ipvlan" if !plugin.is_on("linkInContainer") => {
            Some(Segment::Master(plugin.text("master")?.to_owned(), 0))
        }
        "vlan" if !plugin.is_on("linkInContainer") => Some(Segment::Master(
            plugin.text("master")?.to_owned(),
            vlan("vlanId"),
        )),
        _ => None,
    }
}

/// The networks that come before this one, and those of the host that were not given: what two have to do with each other is
/// told once. Networks of the same name are one; a manifest is for other hosts.
fn earlier<'a>(context: &Context<'a>) -> Vec<&'a Document> {
    let document = context.document;
    if document.within.is_some() {
        return Vec::new();
    }
    let before = context
        .documents
        .iter()
        .take_while(|other| !std::ptr::eq(*other, document));
    let on_disk = context.facts.into_iter().flat_map(|facts| &facts.networks);
    let name = document.name().map(|(name, _)| name);
    let is_another =
        |other: &&Document| other.within.is_none() && other.name().map(|(name, _)| name) != name;
    before.chain(on_disk).filter(is_another).collect()
}

/// A pair of plugins of this document and of an earlier one.
fn pairs<'a>(
    context: &Context<'a>,
    mut look: impl FnMut(&Plugin<'a>, &Plugin<'a>, &'a Document) -> Option<Finding>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for plugin in context.plugins() {
        let others = earlier(context).into_iter();
        let found = others.flat_map(|other| {
            other
                .plugins()
                .into_iter()
                .map(move |plugin| (other, plugin))
        });
        findings.extend(
            found
                .filter_map(|(document, other)| look(&plugin, &other, document))
                .take(1),
        );
    }
    findings
}

fn title(document: &Document) -> String {
    let name = document.name().map_or("?", |(name, _)| name);
    format!("network {name}")
}

/// Two networks with the same addresses.
pub(super) static SAME_ADDRESSES: Rule = Rule {
    id: "networks-overlap",
    severity: Severity::Warning,
    about: "two networks whose addresses overlap where the host or a link has both",
    why: "neither network knows which addresses the other has given: two containers get the same one, and the host cannot tell where a packet is meant to go",
    check: |context| {
        pairs(context, |plugin, other, document| {
            let (one, two) = (segment(plugin)?, segment(other)?);
            let (range, taken) = common(plugin, &one, other, &two)?;
            Some(
                SAME_ADDRESSES
                    .at(range.span, format!("{} overlaps {} of {}", range.value, taken.value, title(document)))
                    .also_in(&document.source, taken.span, "the other network")
                    .help("give one of the two another subnet; `linkspan new network` finds one that is free"),
            )
        })
    },
};

/// The subnets of two plugins that get in each other's way.
fn common(
    plugin: &Plugin<'_>,
    one: &Segment,
    other: &Plugin<'_>,
    two: &Segment,
) -> Option<(Placed<IpNet>, Placed<IpNet>)> {
    let places = |range: &Range, other: &Range| {
        let of = |range: &Range| Placed {
            value: range.network(),
            span: range.subnet.span,
        };
        (of(range), of(other))
    };
    let first = |is_common: fn(&Range, &Range) -> bool| {
        let (mine, theirs) = (ranges(plugin), ranges(other));
        let mut all = mine
            .iter()
            .flat_map(|range| theirs.iter().map(move |other| (*range, *other)));
        all.find(|(range, other)| is_common(range, other))
            .map(|(range, other)| places(&range, &other))
    };
    match (one, two) {
        (Segment::Gateway(one), Segment::Gateway(two)) if one != two => {
            first(|one, two| overlap(one.network(), two.network()))
        }
        (
            Segment::Gateway(one) | Segment::Bridge(one),
            Segment::Gateway(two) | Segment::Bridge(two),
        ) => (one == two).then(|| first(have_common)).flatten(),
        (Segment::Host, Segment::Host | Segment::Gateway(_))
        | (Segment::Gateway(_), Segment::Host) => first(have_common),
        (Segment::Master(..), Segment::Master(..)) if one == two => first(have_common),
        _ => None,
    }
}

/// One address of static in two networks.
pub(super) static SAME_FIXED: Rule = Rule {
    id: "address-of-two-networks",
    severity: Severity::Warning,
    about: "an address of static that another network on the same bridge or master gives as well",
    why: "two containers with the same address on one link take packets from each other",
    check: |context| {
        pairs(context, |plugin, other, document| {
            let (one, two) = (segment(plugin)?, segment(other)?);
            let on_same = match (&one, &two) {
                (
                    Segment::Gateway(one) | Segment::Bridge(one),
                    Segment::Gateway(two) | Segment::Bridge(two),
                ) => one == two,
                _ => one == two,
            };
            let theirs = fixed(other);
            let mine = fixed(plugin).into_iter().filter(|_| on_same);
            let mut both = mine.filter_map(|fixed| {
                let address = fixed.address.value.addr();
                let same = theirs
                    .iter()
                    .find(|other| other.address.value.addr() == address)?;
                Some((fixed.address, same.address))
            });
            let (mine, theirs) = both.next()?;
            Some(
                SAME_FIXED
                    .at(
                        mine.span,
                        format!("{} gives {} as well", title(document), mine.value.addr()),
                    )
                    .also_in(&document.source, theirs.span, "there")
                    .help("give one of the two another address"),
            )
        })
    },
};

/// Two networks that want different gateways on one bridge.
pub(super) static SAME_BRIDGE: Rule = Rule {
    id: "bridge-of-two-networks",
    severity: Severity::Error,
    about: "two networks with isGateway, the same bridge, and other subnets",
    why: "a bridge holds one IPv4 address of a gateway: once one network has a container, every ADD of the other fails",
    check: |context| {
        pairs(context, |plugin, other, document| {
            let (Segment::Gateway(one), Segment::Gateway(two)) =
                (segment(plugin)?, segment(other)?)
            else {
                return None;
            };
            let (mine, theirs) = ipv4(plugin).zip(ipv4(other))?;
            if one != two || held(&mine) == held(&theirs) {
                return None;
            }
            let place = plugin.get("bridge").map_or(plugin.span(), |node| node.span);
            let their_place = other.get("bridge").map_or(other.span(), |node| node.span);
            let finding = SAME_BRIDGE
                .at(place, format!("the bridge {one} is that of {} too, with {} instead of {}", title(document), theirs.network(), mine.network()))
                .also_in(&document.source, their_place, "the other network")
                .help("give one of the two a bridge of its own, or both the same subnet with ranges that do not overlap");
            Some(match plugin.is_on("forceAddress") || other.is_on("forceAddress") {
                true => finding
                    .severity(Severity::Warning)
                    .why("a bridge holds one IPv4 address of a gateway; with forceAddress each network takes away that of the other's containers"),
                false => finding,
            })
        })
    },
};

fn ipv4(plugin: &Plugin<'_>) -> Option<Range> {
    ranges(plugin)
        .into_iter()
        .find(|range| range.network().addr().is_ipv4())
}

fn held(range: &Range) -> Option<(IpAddr, u8)> {
    Some((range.meant_gateway()?, range.network().prefix_len()))
}

/// Two networks that want what a master can only be for one of.
pub(super) static SAME_MASTER: Rule = Rule {
    id: "master-of-two-networks",
    severity: Severity::Warning,
    about: "macvlan and ipvlan, passthru and another macvlan, or two networks of one VLAN on the same master",
    why: "a link is the master of macvlan or of ipvlan, of one passthru alone, and has one interface for a VLAN; once one network has a container, the other's ADD fails with \"device or resource busy\" or \"file exists\" (multus#1339, plugins#243)",
    check: |context| {
        pairs(context, |plugin, other, document| {
            let (mine, theirs) = (plugin.get("master")?, other.get("master")?);
            plugin.handler.and(other.handler)?;
            let is_same = mine.as_str() == theirs.as_str();
            let is_inside = plugin.is_on("linkInContainer") || other.is_on("linkInContainer");
            let passes = |plugin: &Plugin<'_>| {
                plugin.is("macvlan") && plugin.text("mode") == Some("passthru")
            };
            let id = |plugin: &Plugin<'_>| plugin.get("vlanId").map(crate::json::Node::to_json);
            let why_not = match (plugin.name(), other.name()) {
                _ if !is_same || is_inside => return None,
                ("macvlan", "ipvlan") | ("ipvlan", "macvlan") => {
                    "cannot be the master of macvlan and of ipvlan at a time"
                }
                ("macvlan", "macvlan") if passes(plugin) || passes(other) => {
                    "is passed through whole, and to one only"
                }
                ("vlan", "vlan") if id(plugin) == id(other) => "has one interface for this VLAN",
                _ => return None,
            };
            let name = mine.as_str()?;
            Some(
                SAME_MASTER
                    .at(mine.span, format!("{name} {why_not}, and {} is on it as well", title(document)))
                    .also_in(&document.source, theirs.span, "the other network")
                    .help("take the same plugin for both, another master, or a bridge with the master as its port"),
            )
        })
    },
};

/// A subnet that the host has already.
pub(super) static ON_HOST: Rule = Rule {
    id: "subnet-on-host",
    severity: Severity::Warning,
    about: "a subnet that overlaps an address or a route of this host",
    why: "the host gets a route to the containers, and packets to whoever has these addresses now go astray",
    check: |context| {
        let Some(links) = context.facts.and_then(|facts| facts.links.as_ref()) else {
            return Vec::new();
        };
        if context.document.within.is_some() {
            return Vec::new();
        }
        let bridges = bridges(context);
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            if !matches!(segment(&plugin), Some(Segment::Gateway(_) | Segment::Host)) {
                continue;
            }
            for subnet in subnets(&plugin) {
                let network = subnet.network;
                findings.extend(on_host(links, &bridges, network).map(|(severity, words)| {
                    ON_HOST
                        .at(network.span, format!("{} {words}", network.value))
                        .severity(severity)
                        .help("take a subnet that is free here; `linkspan new network` finds one")
                }));
            }
        }
        findings
    },
};

/// The bridges of all networks: what is on them is containers'.
fn bridges(context: &Context<'_>) -> BTreeSet<String> {
    let on_disk = context.facts.into_iter().flat_map(|facts| &facts.networks);
    let documents = context.documents.iter().chain(on_disk);
    let plugins = documents.flat_map(Document::plugins);
    let bridges = plugins.filter(|plugin| plugin.is("bridge"));
    bridges
        .map(|plugin| plugin.text("bridge").unwrap_or("cni0").to_owned())
        .collect()
}

/// What on the host has addresses of a network.
fn on_host(
    links: &Links,
    bridges: &BTreeSet<String>,
    network: Placed<IpNet>,
) -> Option<(Severity, String)> {
    // What leads to containers is the network's own, or another network's, which is told elsewhere.
    let is_containers = |link: &Link| {
        bridges.contains(&link.name) || matches!(link.kind.as_deref(), Some("veth" | "ifb"))
    };
    for link in links.links.iter().filter(|link| !is_containers(link)) {
        let address = link
            .addresses
            .iter()
            .find(|address| address.prefix_len() > 0 && overlap(address.trunc(), network.value));
        if let Some(address) = address.filter(|address| !address.addr().is_loopback()) {
            return Some((
                Severity::Warning,
                format!("overlaps {address} of {}", link.name),
            ));
        }
    }
    let routes = links.routes.iter().filter(|route| {
        let link = route.link.and_then(|index| links.at(index));
        route.destination.prefix_len() > 0 && !link.is_some_and(is_containers)
    });
    let mut routes =
        routes.filter(|route| same_family(route.destination.addr(), network.value.addr()));
    let route = routes.find(|route| overlap(route.destination.trunc(), network.value))?;
    let is_part = route.destination != network.value.trunc()
        && route.destination.contains(&network.value.trunc());
    let way = match (route.gateway, route.link.and_then(|index| links.at(index))) {
        (Some(gateway), _) => format!(" by {gateway}"),
        (None, Some(link)) => format!(" on {}", link.name),
        (None, None) => String::new(),
    };
    let words = format!("overlaps the host's route to {}{way}", route.destination);
    match is_part && route.gateway.is_some() {
        true => Some((
            Severity::Note,
            format!(
                "is a part of {}, which the host has a route to{way}",
                route.destination
            ),
        )),
        false => Some((Severity::Warning, words)),
    }
}

/// A link of the bridge's name that is no bridge.
pub(super) static NO_BRIDGE: Rule = Rule {
    id: "bridge-is-none",
    severity: Severity::Error,
    about: "a bridge whose name another kind of link has on this host",
    why: "the bridge can be neither made nor used; every ADD fails",
    check: |context| {
        of_bridges(context, |plugin, link, place| {
            let kind = link.kind.as_deref().unwrap_or("network card");
            (kind != "bridge").then(|| {
                NO_BRIDGE
                    .at(
                        place,
                        format!("{} is a {kind} on this host, not a bridge", link.name),
                    )
                    .help(match plugin.get("bridge") {
                        Some(_) => "name another bridge; one that does not exist is made",
                        None => "name a bridge: \"bridge\": \"cni1\"",
                    })
            })
        })
    },
};

/// A bridge that has another address than the gateway's.
pub(super) static OTHER_ADDRESS: Rule = Rule {
    id: "bridge-has-address",
    severity: Severity::Error,
    about: "a bridge that has another address on this host than the gateway's",
    why: "isGateway gives the bridge the gateway's address, and ADD fails when another one is there (containerd#3507, podman#12306)",
    check: |context| {
        of_bridges(context, |plugin, link, place| {
            let is_gateway = plugin.is_on("isGateway") || plugin.is_on("isDefaultGateway");
            let range = ipv4(plugin)?;
            let gateway = range.meant_gateway()?;
            let has_vlan = plugin.get("vlan").is_some();
            let mut held = link
                .addresses
                .iter()
                .filter(|address| address.addr().is_ipv4());
            let other = held.clone().next()?;
            let is_right = held.any(|address| {
                address.addr() == gateway && address.prefix_len() == range.network().prefix_len()
            });
            if !is_gateway || is_right || has_vlan || plugin.is_on("forceAddress") {
                return None;
            }
            Some(
                OTHER_ADDRESS
                    .at(place, format!("{} has {other}, and is to have {gateway}/{}", link.name, range.network().prefix_len()))
                    .also(range.subnet.span, "wants its first address, or that of \"gateway\"")
                    .help(format!(
                        "name another bridge, or remove the address: `ip address del {other} dev {}`; forceAddress has every ADD do that",
                        link.name
                    )),
            )
        })
    },
};

/// Looks at the bridges of a document that are on this host.
fn of_bridges<'a>(
    context: &Context<'a>,
    mut look: impl FnMut(&Plugin<'a>, &Link, Span) -> Option<Finding>,
) -> Vec<Finding> {
    let links = context.facts.and_then(|facts| facts.links.as_ref());
    let Some(links) = links.filter(|_| context.document.within.is_none()) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for plugin in context
        .plugins()
        .iter()
        .filter(|plugin| plugin.is("bridge"))
    {
        let link = links.named(plugin.text("bridge").unwrap_or("cni0"));
        let place = plugin.get("bridge").map_or(plugin.span(), |node| node.span);
        findings.extend(link.and_then(|link| look(plugin, link, place)));
    }
    findings
}
