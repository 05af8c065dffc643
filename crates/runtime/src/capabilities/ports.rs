//! The capability `portMappings`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use linkspan_spec::Value;
use linkspan_spec::decode::{self, DecodeError, Map};

/// A port of the host that leads to a port of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct PortMapping {
    /// The host's port, never 0.
    pub host_port: u16,
    /// The container's port, never 0.
    pub container_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The host's address; none is every address of the host, of the families that the container has.
    pub host_ip: Option<IpAddr>,
}

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP
    #[default]
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// What cannot be a port, or a protocol.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPort {
    /// There is no port 0: it stands for "any" where a program listens.
    #[error("port 0 is none")]
    Zero,
    /// None of tcp, udp and sctp.
    #[error("unknown protocol {0:?}; there are tcp, udp and sctp")]
    Protocol(String),
}

impl PortMapping {
    /// The mapping of one port, at every address of the host.
    ///
    /// # Errors
    /// When a port is 0.
    pub fn new(
        host_port: u16,
        container_port: u16,
        protocol: Protocol,
    ) -> Result<Self, InvalidPort> {
        if host_port == 0 || container_port == 0 {
            return Err(InvalidPort::Zero);
        }
        Ok(Self {
            host_port,
            container_port,
            protocol,
            host_ip: None,
        })
    }

    /// The same mapping at one address of the host; an unspecified one (`0.0.0.0`, `::`) is every address of its family.
    #[must_use]
    pub fn at(mut self, host_ip: IpAddr) -> Self {
        self.host_ip = Some(host_ip);
        self
    }

    pub(super) fn to_json(self) -> Value {
        let mut map = Map::new();
        map.insert("hostPort".into(), self.host_port.into());
        map.insert("containerPort".into(), self.container_port.into());
        map.insert("protocol".into(), self.protocol.as_str().into());
        if let Some(host_ip) = self.host_ip {
            map.insert("hostIP".into(), host_ip.to_string().into());
        }
        Value::Object(map)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        let port = |name| decode::required(map, name, "a port", port);
        let protocol = decode::optional(map, "protocol", protocol)?;
        Ok(Self {
            host_port: port("hostPort")?,
            container_port: port("containerPort")?,
            protocol: protocol.unwrap_or_default(),
            host_ip: decode::optional(map, "hostIP", decode::ip)?.flatten(),
        })
    }
}

fn port(value: &Value) -> Result<u16, DecodeError> {
    match decode::unsigned(value)? {
        0 => Err(DecodeError::mismatch("a port from 1 to 65535", value)),
        port => Ok(port),
    }
}

fn protocol(value: &Value) -> Result<Protocol, DecodeError> {
    match decode::string(value)? {
        "" => Ok(Protocol::default()),
        text => text
            .parse()
            .or(Err(DecodeError::mismatch("tcp, udp or sctp", value))),
    }
}

impl Protocol {
    /// As it is written: `tcp`, `udp`, `sctp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// In letters of any case, since runtimes differ.
impl FromStr for Protocol {
    type Err = InvalidPort;

    fn from_str(text: &str) -> Result<Self, InvalidPort> {
        let all = [Self::Tcp, Self::Udp, Self::Sctp];
        all.into_iter()
            .find(|protocol| text.eq_ignore_ascii_case(protocol.as_str()))
            .ok_or_else(|| InvalidPort::Protocol(text.to_owned()))
    }
}
