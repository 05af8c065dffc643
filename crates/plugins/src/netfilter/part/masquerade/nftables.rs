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

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_nft::{
    Chain, DataType, Element, Family, Field, Hook, Rule, Set, Table, Value, Verdict,
};

use super::{Group, Placed};

/// The priority of source NAT (`NF_IP_PRI_NAT_SRC`).
const SOURCE_NAT: i32 = 100;

/// The table of everything that concerns routed packets.
pub(super) fn table() -> Table {
    Table::new(Family::Inet, "linkspan").comment("Containers attached by Linkspan")
}

/// Whether a set of [`table`] is one of these.
pub(super) fn owns(set: &str) -> bool {
    set.starts_with("masquerade") || set.starts_with("subnets")
}

/// What differs between IPv4 and IPv6.
struct Protocol {
    digit: char,
    address: DataType,
    source: Field,
    destination: Field,
    multicast: IpAddr,
    multicast_prefix: u8,
}

const IPV4: Protocol = Protocol {
    digit: '4',
    address: DataType::Ipv4Addr,
    source: Field::IpSaddr,
    destination: Field::IpDaddr,
    multicast: IpAddr::V4(std::net::Ipv4Addr::new(224, 0, 0, 0)),
    multicast_prefix: 4,
};

const IPV6: Protocol = Protocol {
    digit: '6',
    address: DataType::Ipv6Addr,
    source: Field::Ip6Saddr,
    destination: Field::Ip6Daddr,
    multicast: IpAddr::V6(std::net::Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0)),
    multicast_prefix: 8,
};

impl Protocol {
    fn of(address: IpNet) -> &'static Self {
        match address {
            IpNet::V4(_) => &IPV4,
            IpNet::V6(_) => &IPV6,
        }
    }

    fn sources(&self) -> Set {
        let name = format!("masquerade{}", self.digit);
        Set::new(&table(), name, [self.address]).comment("containers' addresses")
    }

    fn subnets(&self, prefix: u8) -> Set {
        let name = format!("subnets{}-{prefix}", self.digit);
        Set::new(&table(), name, [self.address, self.address])
            .comment("containers' addresses and the subnets that they are in")
    }

    fn masquerade_chain(&self) -> Chain {
        Chain::regular(&table(), format!("masquerade{}", self.digit))
    }

    fn subnets_chain(&self) -> Chain {
        Chain::regular(&table(), format!("subnets{}", self.digit))
    }

    /// A rule for packets of this protocol only.
    fn rule(&self, chain: &str) -> Rule {
        let rule = Rule::new(&table(), chain);
        match self.address {
            DataType::Ipv6Addr => rule.is_ipv6(),
            _ => rule.is_ipv4(),
        }
    }

    fn constant_rules(&self) -> [Rule; 4] {
        let chain = self.masquerade_chain().name;
        let multicast = self.destination.masked(self.multicast_prefix);
        [
            self.rule(POSTROUTING)
                .in_set([self.source], self.sources().name)
                .goto(chain.clone())
                .comment(format!("from a container, IPv{}", self.digit)),
            self.rule(&chain)
                .is(multicast, self.multicast)
                .return_()
                .comment("not multicast"),
            Rule::new(&table(), chain.clone())
                .jump(self.subnets_chain().name)
                .comment("not within the subnet"),
            Rule::new(&table(), chain)
                .masquerade()
                .comment("everything else"),
        ]
    }
}

const POSTROUTING: &str = "postrouting";

/// The elements of one address.
pub(super) fn elements(address: IpNet) -> Vec<Placed> {
    let protocol = Protocol::of(address);
    let (host, subnet) = (Value::from(address.addr()), Value::from(address.network()));
    vec![
        Placed::new(protocol.sources(), Element::new(host.clone())),
        Placed::new(
            protocol.subnets(address.prefix_len()),
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
    for protocol in [&IPV4, &IPV6] {
        objects.push(protocol.sources().into());
        objects.push(protocol.masquerade_chain().into());
        objects.push(protocol.subnets_chain().into());
        chains.push(protocol.masquerade_chain());
        rules.extend(protocol.constant_rules());
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
    let protocol = Protocol::of(address);
    let prefix = address.prefix_len();
    let set = protocol.subnets(prefix);
    let within = protocol
        .rule(&protocol.subnets_chain().name)
        .in_set(
            [protocol.source.into(), protocol.destination.masked(prefix)],
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
