//! What a rule can look at.

use linkspan_netlink::AttributeWriter;

use crate::register::Register;
use crate::types::padded;

/// A property of the packet, of its connection, or of the route that it would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `ip saddr`
    IpSaddr,
    /// `ip daddr`
    IpDaddr,
    /// `ip6 saddr`
    Ip6Saddr,
    /// `ip6 daddr`
    Ip6Daddr,
    /// `th sport`: the source port of TCP, UDP, SCTP
    SourcePort,
    /// `th dport`: the destination port of TCP, UDP, SCTP
    DestinationPort,
    /// `ether saddr`
    EtherSaddr,
    /// `ether daddr`
    EtherDaddr,
    /// `iifname`: the interface that it came in by
    IifName,
    /// `oifname`: the interface that it will leave by
    OifName,
    /// `meta nfproto`: IPv4 or IPv6
    NfProto,
    /// `meta l4proto`: the transport protocol
    L4Proto,
    /// `meta mark`
    Mark,
    /// `ct state`; see [`CtState`]
    CtState,
    /// `ct status`; see [`CtStatus`]
    CtStatus,
    /// `ct mark`
    CtMark,
    /// `ct direction`: 0 as the connection began, 1 replies
    CtDirection,
    /// `ct original ip saddr`
    CtOriginalIpSaddr,
    /// `ct original ip daddr`
    CtOriginalIpDaddr,
    /// `ct original ip6 saddr`
    CtOriginalIp6Saddr,
    /// `ct original ip6 daddr`
    CtOriginalIp6Daddr,
    /// `ct original proto-dst`: the destination port as the connection began
    CtOriginalDestinationPort,
    /// `fib daddr type`: what the destination is to this host (`RTN_…`, 2 is local)
    FibDaddrType,
    /// `fib saddr type`: what the source is to this host
    FibSaddrType,
}

/// Bits of [`Field::CtState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtState(u32);

impl CtState {
    /// Belongs to no connection and begins none.
    pub const INVALID: Self = Self(1);
    /// The connection has seen packets both ways.
    pub const ESTABLISHED: Self = Self(2);
    /// Belongs to another connection, such as an ICMP error.
    pub const RELATED: Self = Self(4);
    /// The first packet.
    pub const NEW: Self = Self(8);
    /// Connection tracking is switched off for it.
    pub const UNTRACKED: Self = Self(64);

    /// The bits of the state.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl std::ops::BitOr for CtState {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Bits of [`Field::CtStatus`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CtStatus(u32);

impl CtStatus {
    /// The source is translated.
    pub const SNAT: Self = Self(1 << 4);
    /// The destination is translated.
    pub const DNAT: Self = Self(1 << 5);

    /// The bits of the status.
    pub fn bits(self) -> u32 {
        self.0
    }
}

/// How a field is fetched: which expression, which key.
enum Source {
    /// Header (`NFT_PAYLOAD_…`) and offset.
    Payload(u32, u32),
    Meta(u32),
    /// Key and direction.
    Ct(u32, Option<u8>),
    /// Flags; the result is the address's type.
    Fib(u32),
}

const LINK: u32 = 0;
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;

const ORIGINAL: Option<u8> = Some(0);

/// `NFTA_FIB_F_SADDR`, `NFTA_FIB_F_DADDR`
const FIB_SADDR: u32 = 1;
const FIB_DADDR: u32 = 2;
/// `NFT_FIB_RESULT_ADDRTYPE`
const FIB_RESULT_TYPE: u32 = 3;

/// The key of a packet's mark, which rules also write.
pub(crate) const META_MARK: u32 = 3;
/// The key of a connection's mark, which rules also write.
pub(crate) const CT_MARK: u32 = 3;

impl Field {
    /// By which a meta expression fetches [`L4Proto`](Self::L4Proto).
    pub(crate) const L4PROTO_KEY: u32 = 16;

    fn source(self) -> Source {
        match self {
            Self::IpSaddr => Source::Payload(NETWORK, 12),
            Self::IpDaddr => Source::Payload(NETWORK, 16),
            Self::Ip6Saddr => Source::Payload(NETWORK, 8),
            Self::Ip6Daddr => Source::Payload(NETWORK, 24),
            Self::SourcePort => Source::Payload(TRANSPORT, 0),
            Self::DestinationPort => Source::Payload(TRANSPORT, 2),
            Self::EtherSaddr => Source::Payload(LINK, 6),
            Self::EtherDaddr => Source::Payload(LINK, 0),
            Self::IifName => Source::Meta(6),
            Self::OifName => Source::Meta(7),
            Self::NfProto => Source::Meta(15),
            Self::L4Proto => Source::Meta(Self::L4PROTO_KEY),
            Self::Mark => Source::Meta(META_MARK),
            Self::CtState => Source::Ct(0, None),
            Self::CtStatus => Source::Ct(2, None),
            Self::CtMark => Source::Ct(CT_MARK, None),
            Self::CtDirection => Source::Ct(1, None),
            Self::CtOriginalIpSaddr => Source::Ct(19, ORIGINAL),
            Self::CtOriginalIpDaddr => Source::Ct(20, ORIGINAL),
            Self::CtOriginalIp6Saddr => Source::Ct(21, ORIGINAL),
            Self::CtOriginalIp6Daddr => Source::Ct(22, ORIGINAL),
            Self::CtOriginalDestinationPort => Source::Ct(12, ORIGINAL),
            Self::FibDaddrType => Source::Fib(FIB_DADDR),
            Self::FibSaddrType => Source::Fib(FIB_SADDR),
        }
    }

    /// Length in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::NfProto | Self::L4Proto | Self::CtDirection => 1,
            Self::SourcePort | Self::DestinationPort | Self::CtOriginalDestinationPort => 2,
            Self::EtherSaddr | Self::EtherDaddr => 6,
            Self::IpSaddr
            | Self::IpDaddr
            | Self::CtOriginalIpSaddr
            | Self::CtOriginalIpDaddr
            | Self::Mark
            | Self::CtState
            | Self::CtStatus
            | Self::CtMark
            | Self::FibDaddrType
            | Self::FibSaddrType => 4,
            Self::Ip6Saddr
            | Self::Ip6Daddr
            | Self::CtOriginalIp6Saddr
            | Self::CtOriginalIp6Daddr
            | Self::IifName
            | Self::OifName => 16,
        }
    }

    /// This field, with all but its first `prefix` bits zero: the network that an address is in.
    pub fn masked(self, prefix: u8) -> Operand {
        Operand {
            field: self,
            prefix: Some(prefix),
        }
    }

    /// The name of the expression that fetches it.
    pub(crate) fn expression(self) -> &'static str {
        match self.source() {
            Source::Payload(..) => "payload",
            Source::Meta(_) => "meta",
            Source::Ct(..) => "ct",
            Source::Fib(_) => "fib",
        }
    }

    /// Whether it is what a payload expression with this header, offset and length fetches.
    pub(crate) fn is_payload(self, header: u32, offset: u32, length: u32) -> bool {
        matches!(self.source(), Source::Payload(own, at) if (own, at) == (header, offset))
            && usize::try_from(length) == Ok(self.size())
    }

    /// The attributes of the expression that fetches it into `register`.
    pub(crate) fn write(self, to: &mut AttributeWriter, register: Register) {
        const DREG: u16 = 1;
        to.be32(DREG, register.number());
        match self.source() {
            Source::Payload(header, offset) => {
                let length = u32::try_from(self.size()).unwrap_or_default();
                to.be32(2, header).be32(3, offset).be32(4, length);
            }
            Source::Meta(key) => {
                to.be32(2, key);
            }
            Source::Ct(key, direction) => {
                to.be32(2, key);
                if let Some(direction) = direction {
                    to.u8(3, direction);
                }
            }
            Source::Fib(flags) => {
                to.be32(2, FIB_RESULT_TYPE).be32(3, flags);
            }
        }
    }
}

/// A field as it is compared or looked up: whole, or an address's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Operand {
    pub(crate) field: Field,
    pub(crate) prefix: Option<u8>,
}

impl From<Field> for Operand {
    fn from(field: Field) -> Self {
        Self {
            field,
            prefix: None,
        }
    }
}

impl Operand {
    /// How many 32-bit registers it takes.
    pub(crate) fn words(self) -> u8 {
        u8::try_from(padded(self.field.size()) / 4).unwrap_or(u8::MAX)
    }

    /// The bits that count, when not all do.
    pub(crate) fn mask(self) -> Option<Vec<u8>> {
        let prefix = usize::from(self.prefix?);
        let byte = |index: usize| match prefix.saturating_sub(8 * index) {
            0 => 0,
            bits @ 1..8 => 0xff_u8 << (8 - bits),
            _ => 0xff,
        };
        Some((0..self.field.size()).map(byte).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_of_prefixes() {
        let mask = |prefix| Field::IpDaddr.masked(prefix).mask();
        assert_eq!(mask(0), Some(vec![0, 0, 0, 0]));
        assert_eq!(mask(4), Some(vec![0xf0, 0, 0, 0]));
        assert_eq!(mask(23), Some(vec![0xff, 0xff, 0xfe, 0]));
        assert_eq!(mask(32), Some(vec![0xff; 4]));
        assert_eq!(mask(200), Some(vec![0xff; 4]));
        assert_eq!(Operand::from(Field::IpDaddr).mask(), None);
    }
}
