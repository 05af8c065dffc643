//! The table of everything that concerns routed packets, and what IPv4 and IPv6 are in it.

use std::net::IpAddr;

use linkspan_nft::{DataType, Family, Field, Rule, Table};

/// The table of everything that concerns routed packets.
pub(super) fn table() -> Table {
    Table::new(Family::Inet, "linkspan").comment("Containers attached by Linkspan")
}

/// The priority of destination NAT (`NF_IP_PRI_NAT_DST`).
pub(super) const DESTINATION_NAT: i32 = -100;

/// The priority of source NAT (`NF_IP_PRI_NAT_SRC`).
pub(super) const SOURCE_NAT: i32 = 100;

/// What differs between IPv4 and IPv6.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IpVersion {
    /// The last letter of the names of chains and sets.
    pub(super) digit: char,
    pub(super) family: Family,
    pub(super) address: DataType,
    pub(super) source: Field,
    pub(super) destination: Field,
    pub(super) loopback: IpAddr,
}

pub(super) static IPV4: IpVersion = IpVersion {
    digit: '4',
    family: Family::Ip,
    address: DataType::Ipv4Addr,
    source: Field::IpSaddr,
    destination: Field::IpDaddr,
    loopback: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
};

pub(super) static IPV6: IpVersion = IpVersion {
    digit: '6',
    family: Family::Ip6,
    address: DataType::Ipv6Addr,
    source: Field::Ip6Saddr,
    destination: Field::Ip6Daddr,
    loopback: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
};

impl IpVersion {
    pub(super) fn both() -> [&'static Self; 2] {
        [&IPV4, &IPV6]
    }

    pub(super) fn of(address: IpAddr) -> &'static Self {
        match address {
            IpAddr::V4(_) => &IPV4,
            IpAddr::V6(_) => &IPV6,
        }
    }

    /// A rule of [`table`] for packets of this version only. It says so although a chain may be reached by no
    /// others: only then does `nft list` know how to write what is said of addresses.
    pub(super) fn rule(&self, chain: impl Into<String>) -> Rule {
        let rule = Rule::new(&table(), chain);
        match self.family {
            Family::Ip6 => rule.is_ipv6(),
            _ => rule.is_ipv4(),
        }
    }

    /// As it stands in a rule's comment.
    pub(super) fn name(&self) -> &'static str {
        match self.family {
            Family::Ip6 => "IPv6",
            _ => "IPv4",
        }
    }
}
