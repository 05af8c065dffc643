//! Masquerading by nf_tables.
//!
//! ```text
//! set masquerade4 { type ipv4_addr; elements = { 10.22.0.2 comment "mynet/c1/eth0" } }
//! set subnets4-16 { type ipv4_addr . ipv4_addr; elements = { 10.22.0.2 . 10.22.0.0 comment "mynet/c1/eth0" } }
//! chain subnets4 { ip saddr . ip daddr & 255.255.0.0 @subnets4-16 accept }
//! chain masquerade4 { ip daddr 224.0.0.0/4 return; jump subnets4; masquerade }
//! chain postrouting { type nat hook postrouting priority srcnat; ip saddr @masquerade4 goto masquerade4; ... }
//! ```
//!
//! Two elements for each address; for each length of a subnet's prefix that occurs on the host, one
//! set and one rule; everything else is constant. A packet costs one lookup, and the first packet of a
//! masqueraded connection as many more as there are lengths.
//!
//! # Kernel
//! All sets are hash tables, so that a commit costs the same however many elements there are. A set of
//! intervals (`10.22.0.2 . 10.22.0.0/16`) would say the same with fewer words, but is copied as a whole
//! by each commit; a verdict map that goes to a chain for each subnet would need half the elements, but
//! makes the kernel check all of them again at each commit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use linkspan_nft::{Chain, Element, Family, Hook, Rule, Set, Value, Verdict};

use super::{Group, Placed};
use crate::inet::{IpVersion, SOURCE_NAT, table};

/// Whether a set of the table is one of these.
pub(super) fn owns(set: &str) -> bool {
    set.starts_with("masquerade") || set.starts_with("subnets")
}

fn sources(version: &IpVersion) -> Set {
    let name = format!("masquerade{}", version.digit);
    Set::new(&table(), name, [version.address]).comment("containers' addresses")
}

fn subnets(version: &IpVersion, prefix: u8) -> Set {
    let name = format!("subnets{}-{prefix}", version.digit);
    Set::new(&table(), name, [version.address, version.address])
        .comment("containers' addresses and the subnets that they are in")
}

fn masquerade_chain(version: &IpVersion) -> Chain {
    Chain::regular(&table(), format!("masquerade{}", version.digit))
}

fn subnets_chain(version: &IpVersion) -> Chain {
    Chain::regular(&table(), format!("subnets{}", version.digit))
}

/// All multicast addresses: a prefix and its length.
fn multicast(version: &IpVersion) -> (IpAddr, u8) {
    match version.family {
        Family::Ip6 => (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).into(), 8),
        _ => (Ipv4Addr::new(224, 0, 0, 0).into(), 4),
    }
}

fn constant_rules(version: &IpVersion) -> [Rule; 4] {
    let chain = masquerade_chain(version).name;
    let (multicast, prefix) = multicast(version);
    [
        version
            .rule(POSTROUTING)
            .in_set([version.source], sources(version).name)
            .goto(chain.clone())
            .comment(format!("from a container, {}", version.name())),
        version
            .rule(&chain)
            .is(version.destination.masked(prefix), multicast)
            .return_()
            .comment("not multicast"),
        Rule::new(&table(), chain.clone())
            .jump(subnets_chain(version).name)
            .comment("not within the subnet"),
        Rule::new(&table(), chain)
            .masquerade()
            .comment("everything else"),
    ]
}

const POSTROUTING: &str = "postrouting";

/// The elements of one address.
pub(super) fn elements(address: IpNet) -> Vec<Placed> {
    let version = IpVersion::of(address.addr());
    let (host, subnet) = (Value::from(address.addr()), Value::from(address.network()));
    vec![
        Placed::new(sources(version), Element::new(host.clone())),
        Placed::new(
            subnets(version, address.prefix_len()),
            Element::new([host, subnet]),
        ),
    ]
}

/// What the elements of one address need.
pub(super) fn groups(address: IpNet) -> Vec<Group> {
    vec![constant_group(), prefix_group(address)]
}

/// What all addresses share.
fn constant_group() -> Group {
    let mut objects = vec![table().into()];
    let mut chains = Vec::new();
    let mut rules = Vec::new();
    for version in IpVersion::both() {
        objects.push(sources(version).into());
        objects.push(masquerade_chain(version).into());
        objects.push(subnets_chain(version).into());
        chains.push(masquerade_chain(version));
        rules.extend(constant_rules(version));
    }
    let postrouting = Chain::nat(&table(), POSTROUTING, Hook::Postrouting, SOURCE_NAT);
    chains.push(postrouting.clone());
    Group {
        objects,
        marker: postrouting.into(),
        chains,
        rules,
    }
}

/// What all addresses in subnets of the same size share.
fn prefix_group(address: IpNet) -> Group {
    let version = IpVersion::of(address.addr());
    let prefix = address.prefix_len();
    let set = subnets(version, prefix);
    let within = version
        .rule(subnets_chain(version).name)
        .in_set(
            [version.source.into(), version.destination.masked(prefix)],
            set.name.clone(),
        )
        .verdict(Verdict::Accept)
        .comment(format!("within a subnet /{prefix}"));
    Group {
        objects: Vec::new(),
        marker: set.into(),
        chains: Vec::new(),
        rules: vec![within],
    }
}
