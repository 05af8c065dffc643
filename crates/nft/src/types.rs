//! The types of keys and data, as `nft` names them.

use std::fmt;

/// The type of one field of a set's key or of a map's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// `ipv4_addr`
    Ipv4Addr,
    /// `ipv6_addr`
    Ipv6Addr,
    /// `ether_addr`
    EtherAddr,
    /// `inet_proto`: the transport protocol
    InetProto,
    /// `inet_service`: a port
    InetService,
    /// `ifname`
    IfName,
    /// `mark`: a packet's or connection's mark, in the machine's byte order
    Mark,
}

/// The byte order that `nft` notes beside a set, so that it can print keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Mixed = 0,
    Host = 1,
    Network = 2,
}

impl DataType {
    const ALL: [Self; 7] = [
        Self::Ipv4Addr,
        Self::Ipv6Addr,
        Self::EtherAddr,
        Self::InetProto,
        Self::InetService,
        Self::IfName,
        Self::Mark,
    ];

    /// The number by which `nft` knows the type; the kernel only keeps it.
    fn id(self) -> u32 {
        match self {
            Self::Ipv4Addr => 7,
            Self::Ipv6Addr => 8,
            Self::EtherAddr => 9,
            Self::InetProto => 12,
            Self::InetService => 13,
            Self::Mark => 19,
            Self::IfName => 41,
        }
    }

    /// Length in bytes, without padding.
    pub fn size(self) -> usize {
        match self {
            Self::Ipv4Addr | Self::Mark => 4,
            Self::Ipv6Addr | Self::IfName => 16,
            Self::EtherAddr => 6,
            Self::InetProto => 1,
            Self::InetService => 2,
        }
    }

    fn byte_order(self) -> ByteOrder {
        match self {
            Self::Mark | Self::IfName => ByteOrder::Host,
            _ => ByteOrder::Network,
        }
    }
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Addr => "ipv4_addr",
            Self::Ipv6Addr => "ipv6_addr",
            Self::EtherAddr => "ether_addr",
            Self::InetProto => "inet_proto",
            Self::InetService => "inet_service",
            Self::IfName => "ifname",
            Self::Mark => "mark",
        })
    }
}

/// Bits of one type's number within the number of a concatenation.
const ID_BITS: u32 = 6;

/// The number of a concatenation: those of its fields, six bits each, the first in the highest.
pub(crate) fn concatenated_id(fields: &[DataType]) -> u32 {
    fields
        .iter()
        .fold(0, |id, field| id << ID_BITS | field.id())
}

/// The fields of the type with this number, when all are known here.
pub(crate) fn from_id(mut id: u32) -> Option<Vec<DataType>> {
    let mut fields = Vec::new();
    while id != 0 {
        let field = id & ((1 << ID_BITS) - 1);
        fields.push(
            DataType::ALL
                .into_iter()
                .find(|known| known.id() == field)?,
        );
        id >>= ID_BITS;
    }
    fields.reverse();
    (!fields.is_empty()).then_some(fields)
}

/// Length in bytes of a value with these fields: a single one bare, those of a concatenation each
/// padded to a register's 4 bytes.
pub(crate) fn concatenated_len(fields: &[DataType]) -> usize {
    match fields {
        [single] => single.size(),
        several => several.iter().map(|field| padded(field.size())).sum(),
    }
}

pub(crate) fn concatenated_byte_order(fields: &[DataType]) -> ByteOrder {
    match fields {
        [single] => single.byte_order(),
        _ => ByteOrder::Mixed,
    }
}

/// The next multiple of a register's length.
pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}
