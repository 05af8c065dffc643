//! Values of keys and data.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::types::{DataType, padded};

/// One value of a key, of a map's data or of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A MAC address.
    Ether([u8; 6]),
    /// A transport protocol (`IPPROTO_…`).
    Protocol(u8),
    /// A port.
    Port(u16),
    /// The name of an interface, at most 15 bytes.
    IfName(String),
    /// A mark, or another 32-bit number in the machine's byte order.
    Mark(u32),
    /// One byte, such as `NFPROTO_…`.
    Byte(u8),
}

impl Value {
    /// Appends the bytes as registers hold them, without padding.
    pub(crate) fn append_to(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Ipv4(address) => bytes.extend_from_slice(&address.octets()),
            Self::Ipv6(address) => bytes.extend_from_slice(&address.octets()),
            Self::Ether(address) => bytes.extend_from_slice(address),
            Self::Protocol(number) | Self::Byte(number) => bytes.push(*number),
            Self::Port(port) => bytes.extend_from_slice(&port.to_be_bytes()),
            Self::IfName(name) => bytes.extend_from_slice(&interface_name(name)),
            Self::Mark(mark) => bytes.extend_from_slice(&mark.to_ne_bytes()),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(16);
        self.append_to(&mut bytes);
        bytes
    }

    fn decode(bytes: &[u8], data_type: DataType) -> Option<Self> {
        Some(match data_type {
            DataType::Ipv4Addr => Self::Ipv4(Ipv4Addr::from(*bytes.first_chunk::<4>()?)),
            DataType::Ipv6Addr => Self::Ipv6(Ipv6Addr::from(*bytes.first_chunk::<16>()?)),
            DataType::EtherAddr => Self::Ether(*bytes.first_chunk()?),
            DataType::InetProto => Self::Protocol(*bytes.first()?),
            DataType::InetService => Self::Port(u16::from_be_bytes(*bytes.first_chunk()?)),
            DataType::Mark => Self::Mark(u32::from_ne_bytes(*bytes.first_chunk()?)),
            DataType::IfName => {
                let end = bytes.iter().position(|byte| *byte == 0);
                let name = &bytes[..end.unwrap_or(bytes.len())];
                Self::IfName(String::from_utf8_lossy(name).into_owned())
            }
        })
    }

    /// The value after this one, for the exclusive end of an interval; `None` when this is the last.
    pub(crate) fn successor(&self) -> Option<Vec<u8>> {
        let mut bytes = self.to_bytes();
        if matches!(self, Self::Mark(_)) && cfg!(target_endian = "little") {
            bytes.reverse();
        }
        for byte in bytes.iter_mut().rev() {
            let (next, overflow) = byte.overflowing_add(1);
            *byte = next;
            if !overflow {
                return Some(bytes);
            }
        }
        None
    }
}

/// The name as the kernel compares it: 16 bytes, the rest zero, the last always zero.
fn interface_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6(address) => address.fmt(f),
            Self::Ether([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Self::Protocol(number) => match i32::from(*number) {
                libc::IPPROTO_TCP => f.write_str("tcp"),
                libc::IPPROTO_UDP => f.write_str("udp"),
                libc::IPPROTO_SCTP => f.write_str("sctp"),
                _ => number.fmt(f),
            },
            Self::Byte(number) => number.fmt(f),
            Self::Port(port) => port.fmt(f),
            Self::IfName(name) => write!(f, "{name:?}"),
            Self::Mark(mark) => write!(f, "{mark:#010x}"),
        }
    }
}

impl From<Ipv4Addr> for Value {
    fn from(address: Ipv4Addr) -> Self {
        Self::Ipv4(address)
    }
}

impl From<Ipv6Addr> for Value {
    fn from(address: Ipv6Addr) -> Self {
        Self::Ipv6(address)
    }
}

impl From<IpAddr> for Value {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6(address),
        }
    }
}

/// One value, or several concatenated (`10.0.0.1 . 80`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key(Vec<Value>);

impl Key {
    /// The values.
    pub fn values(&self) -> &[Value] {
        &self.0
    }

    /// The bytes as a set holds them: a single value bare, those of a concatenation padded each.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if let [single] = self.0.as_slice() {
            return single.to_bytes();
        }
        let mut bytes = Vec::with_capacity(16 * self.0.len());
        for value in &self.0 {
            value.append_to(&mut bytes);
            bytes.resize(padded(bytes.len()), 0);
        }
        bytes
    }

    /// Reads a key with these fields; `None` when there are too few bytes.
    pub(crate) fn decode(mut bytes: &[u8], fields: &[DataType]) -> Option<Self> {
        let mut values = Vec::with_capacity(fields.len());
        for field in fields {
            values.push(Value::decode(bytes, *field)?);
            bytes = bytes.get(padded(field.size())..).unwrap_or_default();
        }
        Some(Self(values))
    }
}

impl<V: Into<Value>> From<V> for Key {
    fn from(value: V) -> Self {
        Self(vec![value.into()])
    }
}

impl<const N: usize> From<[Value; N]> for Key {
    fn from(values: [Value; N]) -> Self {
        Self(values.into())
    }
}

impl From<Vec<Value>> for Key {
    fn from(values: Vec<Value>) -> Self {
        Self(values)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, value) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { " . " };
            write!(f, "{dot}{value}")?;
        }
        Ok(())
    }
}
