//! Address families.

use std::fmt;

/// The family of a table: which packets its chains see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Frames that cross a bridge.
    Bridge,
    /// ARP.
    Arp,
    /// Ingress and egress of one device.
    Netdev,
}

impl Family {
    /// `NFPROTO_…`
    pub fn number(self) -> u8 {
        let number = match self {
            Self::Inet => libc::NFPROTO_INET,
            Self::Ip => libc::NFPROTO_IPV4,
            Self::Ip6 => libc::NFPROTO_IPV6,
            Self::Bridge => libc::NFPROTO_BRIDGE,
            Self::Arp => libc::NFPROTO_ARP,
            Self::Netdev => libc::NFPROTO_NETDEV,
        };
        u8::try_from(number).unwrap_or_default()
    }

    /// The family with this `NFPROTO_…` number.
    pub fn from_number(number: u8) -> Option<Self> {
        [
            Self::Inet,
            Self::Ip,
            Self::Ip6,
            Self::Bridge,
            Self::Arp,
            Self::Netdev,
        ]
        .into_iter()
        .find(|family| family.number() == number)
    }

    /// The fixed header of every message: `struct nfgenmsg`.
    pub(crate) fn header(self) -> [u8; 4] {
        header(self.number(), 0)
    }
}

/// `struct nfgenmsg`: family, version 0, resource in network byte order.
pub(crate) fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// Length of `struct nfgenmsg` in bytes.
pub(crate) const HEADER_LEN: usize = 4;

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Bridge => "bridge",
            Self::Arp => "arp",
            Self::Netdev => "netdev",
        })
    }
}
