//! Single conditions, and what they are in nf_tables.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_nft::{CtState, Expr, Field, Register, Rule};

use crate::inet::IpVersion;

/// Where a condition looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// What a packet can be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Property {
    Network(Side, IpNet),
    Addresses(Side, IpAddr, IpAddr),
    /// What the address is to this host (`RTN_…`).
    AddressType(Side, u32),
    Incoming(InterfaceName),
    Outgoing(InterfaceName),
    /// `IPPROTO_…`
    Protocol(u8),
    Ports(Side, u16, u16),
    /// Value and mask.
    Mark(u32, u32),
    Mac([u8; 6]),
    /// Any of these bits.
    State(u32),
}

/// A name, or how a name begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InterfaceName {
    pub(super) name: String,
    pub(super) is_prefix: bool,
}

/// A property that a packet must have, or must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Match {
    property: Property,
    wanted: bool,
}

impl From<Property> for Match {
    fn from(property: Property) -> Self {
        Self {
            property,
            wanted: true,
        }
    }
}

impl Match {
    pub(super) fn negated(mut self) -> Self {
        self.wanted = !self.wanted;
        self
    }

    /// Whether it is about no address, or about one of this version.
    pub(super) fn is_of(&self, version: &IpVersion) -> bool {
        let address = match self.property {
            Property::Network(_, net) => net.addr(),
            Property::Addresses(_, first, _) => first,
            _ => return true,
        };
        IpVersion::of(address) == version
    }

    /// Appends it to a rule's conditions.
    pub(super) fn append_to(&self, rule: Rule, version: &IpVersion) -> Rule {
        let wanted = self.wanted;
        let address = |side| match side {
            Side::Source => version.source,
            Side::Destination => version.destination,
        };
        match &self.property {
            Property::Network(side, net) => {
                let field = address(*side).masked(net.prefix_len());
                match wanted {
                    true => rule.is(field, net.network()),
                    false => rule.is_not(field, net.network()),
                }
            }
            Property::Addresses(side, first, last) => {
                between(rule, address(*side), wanted, octets(*first), octets(*last))
            }
            Property::AddressType(side, kind) => {
                let field = match side {
                    Side::Source => Field::FibSaddrType,
                    Side::Destination => Field::FibDaddrType,
                };
                compare(rule, field, wanted, kind.to_ne_bytes().into())
            }
            Property::Incoming(name) => compare(rule, Field::IifName, wanted, name.bytes()),
            Property::Outgoing(name) => compare(rule, Field::OifName, wanted, name.bytes()),
            Property::Protocol(number) => compare(rule, Field::L4Proto, wanted, vec![*number]),
            Property::Ports(side, first, last) => {
                let field = match side {
                    Side::Source => Field::SourcePort,
                    Side::Destination => Field::DestinationPort,
                };
                let bytes = |port: &u16| port.to_be_bytes().to_vec();
                between(rule, field, wanted, bytes(first), bytes(last))
            }
            Property::Mark(value, mask) => masked(rule, Field::Mark, *mask).expression(
                Expr::Compare(Register::FIRST, wanted, value.to_ne_bytes().into()),
            ),
            Property::Mac(octets) => compare(rule, Field::EtherSaddr, wanted, octets.to_vec()),
            // Having any of the bits is to be unequal to none.
            Property::State(bits) => masked(rule, Field::CtState, *bits).expression(Expr::Compare(
                Register::FIRST,
                !wanted,
                vec![0; 4],
            )),
        }
    }
}

fn load(rule: Rule, field: Field) -> Rule {
    rule.expression(Expr::Load(field, Register::FIRST))
}

fn compare(rule: Rule, field: Field, equal: bool, value: Vec<u8>) -> Rule {
    load(rule, field).expression(Expr::Compare(Register::FIRST, equal, value))
}

fn between(rule: Rule, field: Field, inside: bool, first: Vec<u8>, last: Vec<u8>) -> Rule {
    if first == last {
        return compare(rule, field, inside, first);
    }
    load(rule, field).expression(Expr::Range(Register::FIRST, inside, first, last))
}

fn masked(rule: Rule, field: Field, bits: u32) -> Rule {
    load(rule, field).expression(Expr::Mask(Register::FIRST, bits.to_ne_bytes().into()))
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().into(),
        IpAddr::V6(address) => address.octets().into(),
    }
}

impl InterfaceName {
    /// Bytes of a name in the kernel (`IFNAMSIZ`).
    const SIZE: usize = 16;

    /// A whole name with all of its zeros, or the first bytes of one: so many are compared.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.name.as_bytes().to_vec();
        bytes.truncate(Self::SIZE - 1);
        if !self.is_prefix {
            bytes.resize(Self::SIZE, 0);
        }
        bytes
    }
}

/// The states of connections by their names, in capital letters.
pub(super) const STATES: [(&str, CtState); 5] = [
    ("INVALID", CtState::INVALID),
    ("ESTABLISHED", CtState::ESTABLISHED),
    ("RELATED", CtState::RELATED),
    ("NEW", CtState::NEW),
    ("UNTRACKED", CtState::UNTRACKED),
];

/// What an address can be to this host, by its names in capital letters (`RTN_…`).
pub(super) const ADDRESS_TYPES: [(&str, u32); 9] = [
    ("UNSPEC", 0),
    ("UNICAST", 1),
    ("LOCAL", 2),
    ("BROADCAST", 3),
    ("ANYCAST", 4),
    ("MULTICAST", 5),
    ("BLACKHOLE", 6),
    ("UNREACHABLE", 7),
    ("PROHIBIT", 8),
];
