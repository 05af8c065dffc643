//! What a plan is made of and for: containers as they are attached, the host as it is, packets to be sent.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::check::{Aspect, Check, Expected, Who};
use crate::outside::Wire;
use crate::promise::{Kind, Limit};
use crate::trip::Transport;

/// The port that a container listens at.
pub(crate) const CONTAINER_PORT: u16 = 8080;

/// A container that is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which.
    pub who: Who,
    /// Its addresses, by the result.
    pub addresses: Vec<IpNet>,
    /// The gateways of its addresses, by the result.
    pub gateways: Vec<IpAddr>,
    /// The largest packet of its interface, in bytes.
    pub mtu: u32,
    /// Whether it knows a way to the outside: by IPv4, by IPv6.
    pub next_hops: [NextHop; 2],
}

impl End {
    pub(crate) fn net(&self, family: usize) -> Option<IpNet> {
        let of_family = |net: &&IpNet| usize::from(net.addr().is_ipv6()) == family;
        self.addresses.iter().find(of_family).copied()
    }

    pub(crate) fn address(&self, family: usize) -> Option<IpAddr> {
        self.net(family).map(|net| net.addr())
    }

    pub(crate) fn gateway(&self, family: usize) -> Option<IpAddr> {
        let of_family = |address: &&IpAddr| usize::from(address.is_ipv6()) == family;
        self.gateways.iter().find(of_family).copied()
    }
}

/// Where a container sends what is for the world outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHop {
    /// It knows no way.
    #[default]
    None,
    /// To the host.
    Host,
    /// To somebody beyond the host.
    Beyond(Option<IpAddr>),
}

/// What the kernel says of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The host's addresses.
    pub host_addresses: Vec<IpAddr>,
    /// The bridge has a port that is no container's: others may be behind it.
    pub leads_on: bool,
    /// What the bridge passes on comes by the rules of iptables for IPv4, for IPv6.
    pub filters_bridged: [bool; 2],
    /// The addresses of what plays the world outside.
    pub wires: Vec<Wire>,
    /// The port of the host that leads to the first container.
    pub host_port: u16,
    /// Addresses in the world outside that somebody named, with a port for TCP.
    pub world: Vec<(IpAddr, Option<u16>)>,
}

impl Facts {
    pub(crate) fn wire(&self, family: usize) -> Option<Wire> {
        let of_family = |wire: &&Wire| usize::from(wire.host.is_ipv6()) == family;
        self.wires.iter().find(of_family).copied()
    }
}

/// How it is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// An echo request.
    Echo,
    /// An echo request of so many bytes that nobody may fragment, and one byte more, which must not pass.
    Whole(u32),
    /// A few bytes to a port that the receiver listens at, and back.
    Talk(Transport, u16),
    /// A second of TCP, which a limit holds back.
    Rate(Limit),
}

/// Packets to be sent, and what is promised of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What of the network it is about.
    pub aspect: Aspect,
    /// The sender.
    pub from: Who,
    /// The receiver.
    pub to: Who,
    /// By which address.
    pub address: Option<IpAddr>,
    /// By which port of it.
    pub port: Option<u16>,
    /// How.
    pub way: Way,
    /// What is promised.
    pub expected: Expected,
    /// The source address that the receiver must see.
    pub source: Option<IpAddr>,
    /// Why it is not tried.
    pub obstacle: Option<String>,
}

impl Probe {
    pub(crate) fn new(aspect: Aspect, from: Who, to: Who, address: Option<IpAddr>) -> Self {
        Self {
            aspect,
            from,
            to,
            address,
            port: None,
            way: Way::Echo,
            expected: Expected::Passes,
            source: None,
            obstacle: None,
        }
    }

    pub(crate) fn way(mut self, way: Way) -> Self {
        self.way = way;
        self
    }

    pub(crate) fn seen_as(mut self, source: Option<IpAddr>) -> Self {
        self.source = source;
        self
    }

    pub(crate) fn skipped(mut self, why: impl Into<String>) -> Self {
        self.obstacle = Some(why.into());
        self
    }

    /// A check of it that has yet to come out.
    pub(crate) fn check(&self) -> Check {
        let mut check = Check::new(self.aspect).of(self.from);
        (check.to, check.address, check.port) = (Some(self.to), self.address, self.port);
        check.expected = self.expected;
        check.protocol = Some(match self.way {
            Way::Echo | Way::Whole(_) => "icmp",
            Way::Talk(transport, _) => transport.as_str(),
            Way::Rate(_) => "tcp",
        });
        check
    }

    /// Whether the host's routing has to pass it on, as far as the configuration tells.
    pub(crate) fn is_forwarded(&self, kind: &Kind) -> bool {
        match self.aspect {
            Aspect::Outside => self.to == Who::Outside || self.to == Who::World,
            Aspect::Published => self.from != Who::Host,
            Aspect::Neighbour | Aspect::Mtu => {
                *kind == Kind::PointToPoint && self.to != Who::Gateway
            }
            _ => false,
        }
    }
}

/// The address and port that a probe goes to.
pub(crate) fn socket_address(probe: &Probe, port: u16) -> Option<SocketAddr> {
    Some(SocketAddr::new(probe.address?, probe.port.unwrap_or(port)))
}
