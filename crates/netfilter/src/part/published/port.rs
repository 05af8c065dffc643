//! Ports of the host that lead to ports of a container.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A transport protocol that has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Transport {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Tcp, Self::Udp, Self::Sctp];

    /// `IPPROTO_…`
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// The name of no such protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of tcp, udp and sctp")]
pub struct UnknownTransport;

/// In any case, as iptables takes it.
impl FromStr for Transport {
    type Err = UnknownTransport;

    fn from_str(name: &str) -> Result<Self, UnknownTransport> {
        Self::ALL
            .into_iter()
            .find(|one| one.to_string().eq_ignore_ascii_case(name))
            .ok_or(UnknownTransport)
    }
}

/// Ports of the host, one after another, that lead to as many of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortRange {
    /// Those of this address alone; `None` is every address that the host has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_address: Option<IpAddr>,
    /// Of this protocol.
    pub protocol: Transport,
    /// The first of the host.
    pub host_port: u16,
    /// The first of the container.
    pub container_port: u16,
    /// How many there are.
    pub count: u16,
}

/// One port of the host that leads to one of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port {
    /// As in [`PortRange`].
    pub host_address: Option<IpAddr>,
    /// Its protocol.
    pub protocol: Transport,
    /// The host's.
    pub host_port: u16,
    /// The container's.
    pub container_port: u16,
}

impl PortRange {
    /// Every single port.
    pub fn ports(&self) -> impl Iterator<Item = Port> + '_ {
        let pairs = (self.host_port..=u16::MAX).zip(self.container_port..=u16::MAX);
        pairs
            .take(usize::from(self.count))
            .map(|(host_port, container_port)| Port {
                host_address: self.host_address,
                protocol: self.protocol,
                host_port,
                container_port,
            })
    }

    /// Single ports as few ranges: what follows each other is one.
    pub fn of(ports: impl IntoIterator<Item = Port>) -> Vec<Self> {
        let mut ranges: Vec<Self> = Vec::new();
        for port in ports {
            match ranges.last_mut() {
                Some(last) if last.is_continued_by(&port) => last.count += 1,
                _ => ranges.push(Self::from(port)),
            }
        }
        ranges
    }

    fn is_continued_by(&self, port: &Port) -> bool {
        let follows = |first: u16, next| first.checked_add(self.count) == Some(next);
        self.host_address == port.host_address
            && self.protocol == port.protocol
            && follows(self.host_port, port.host_port)
            && follows(self.container_port, port.container_port)
    }
}

impl From<Port> for PortRange {
    fn from(port: Port) -> Self {
        Self {
            host_address: port.host_address,
            protocol: port.protocol,
            host_port: port.host_port,
            container_port: port.container_port,
            count: 1,
        }
    }
}

/// As one writes it for a container engine: `192.0.2.1:8080/tcp`.
impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host_address {
            Some(IpAddr::V6(address)) => write!(f, "[{address}]:")?,
            Some(address) => write!(f, "{address}:")?,
            None => {}
        }
        write!(f, "{}/{}", self.host_port, self.protocol)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.ports().next();
        let last = self.ports().last();
        match (first, last) {
            (Some(first), Some(last)) if self.count > 1 => write!(f, "{first} to {last}"),
            (Some(first), _) => first.fmt(f),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_port: u16, container_port: u16) -> Port {
        Port {
            host_address: None,
            protocol: Transport::Tcp,
            host_port,
            container_port,
        }
    }

    #[test]
    fn ports_that_follow_each_other_become_one_range_and_are_the_same_again() {
        let ports = [
            port(8000, 80),
            port(8001, 81),
            port(8002, 90),
            port(8003, 91),
            port(65_535, 65_535),
        ];
        let ranges = PortRange::of(ports);
        let counts: Vec<u16> = ranges.iter().map(|range| range.count).collect();
        assert_eq!(counts, [2, 2, 1]);
        let again: Vec<Port> = ranges.iter().flat_map(PortRange::ports).collect();
        assert_eq!(again, ports);
        assert_eq!(ranges[0].to_string(), "8000/tcp to 8001/tcp");
    }

    #[test]
    fn a_range_ends_at_the_last_port_whatever_it_says() {
        let range = PortRange {
            count: 9,
            ..PortRange::from(port(65_534, 80))
        };
        assert_eq!(range.ports().count(), 2);
    }

    #[test]
    fn protocols_are_read_in_any_case() {
        assert_eq!("SCTP".parse(), Ok(Transport::Sctp));
        assert_eq!("icmp".parse::<Transport>(), Err(UnknownTransport));
        assert_eq!("".parse::<Transport>(), Err(UnknownTransport));
    }
}
