//! The addresses that a configuration speaks of, each with its place.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_ipam::range::{Range as Proven, RangeSpec, Span as Addresses};
use linkspan_spec::address::{parse_cidr, parse_ip};

use crate::document::Plugin;
use crate::json::Node;
use crate::source::Span;

/// As many ranges, addresses or routes of one plugin are looked at, and keys of one object: they are compared with each other.
pub(super) const MOST: usize = 1000;

/// Something with the place where it is said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<T> {
    pub value: T,
    pub span: Span,
}

/// A range of host-local as it stands there. What cannot be read is not there: the rules about values tell it.
#[derive(Clone, Copy)]
pub(super) struct Range {
    /// Which set it is in: the older form is a set of its own, before the others.
    pub set: usize,
    pub subnet: Placed<IpNet>,
    pub start: Option<Placed<IpAddr>>,
    pub end: Option<Placed<IpAddr>>,
    pub gateway: Option<Placed<IpAddr>>,
}

impl Range {
    fn of(set: usize, node: &Node) -> Option<Self> {
        let subnet = node.get("subnet")?;
        Some(Self {
            set,
            subnet: Placed {
                value: parse_cidr(subnet.as_str()?)?,
                span: subnet.span,
            },
            start: address(node, "rangeStart"),
            end: address(node, "rangeEnd"),
            gateway: address(node, "gateway"),
        })
    }

    /// The network that is meant, whatever the bits of the host say.
    pub(super) fn network(&self) -> IpNet {
        self.subnet.value.trunc()
    }

    /// The range as host-local understands it; `None` where it refuses it.
    pub(super) fn proven(&self) -> Option<Proven> {
        let value = |placed: Option<Placed<IpAddr>>| placed.map(|placed| placed.value);
        let spec = RangeSpec {
            subnet: Some(self.network()),
            start: value(self.start),
            end: value(self.end),
            gateway: value(self.gateway),
        };
        Proven::new(spec).ok()
    }

    /// The addresses that it gives, its gateway included.
    pub(super) fn addresses(&self) -> Option<Addresses> {
        self.proven().map(|range| range.span())
    }

    /// The gateway that is meant: the first address where none is named.
    pub(super) fn meant_gateway(&self) -> Option<IpAddr> {
        match self.gateway {
            Some(gateway) => Some(gateway.value),
            None => self.proven().map(|range| range.gateway()),
        }
    }
}

/// The address of a key.
pub(super) fn address(node: &Node, key: &str) -> Option<Placed<IpAddr>> {
    let node = node.get(key)?;
    Some(Placed {
        value: parse_ip(node.as_str()?)?,
        span: node.span,
    })
}

/// The ranges of a plugin of ours whose addresses host-local gives. What plugins of others make of their `ipam` is theirs.
pub(super) fn ranges(plugin: &Plugin<'_>) -> Vec<Range> {
    let Some(ipam) = ipam(plugin, "host-local") else {
        return Vec::new();
    };
    let older = Range::of(0, ipam);
    let first = usize::from(older.is_some());
    let sets = ipam.get("ranges").map(Node::items).unwrap_or_default();
    let sets = sets.iter().enumerate().flat_map(|(set, node)| {
        let ranges = node.items().iter();
        ranges.filter_map(move |range| Range::of(first + set, range))
    });
    older.into_iter().chain(sets).take(MOST).collect()
}

/// The configuration of a plugin's IPAM plugin, where the two are ours and it is of this type.
pub(super) fn ipam<'a>(plugin: &Plugin<'a>, name: &str) -> Option<&'a Node> {
    let ipam = plugin.ipam.filter(|_| plugin.handler.is_some())?;
    (ipam.handler?.name() == name).then_some(ipam.node)
}

/// One of the addresses of `static`.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    pub address: Placed<IpNet>,
    pub gateway: Option<Placed<IpAddr>>,
}

/// The addresses that `static` gives by `ipam.addresses`.
pub(super) fn fixed(plugin: &Plugin<'_>) -> Vec<Fixed> {
    let ipam = ipam(plugin, "static");
    let addresses = ipam.and_then(|ipam| ipam.get("addresses"));
    let addresses = addresses.map(Node::items).unwrap_or_default();
    let fixed = |node: &Node| {
        let address = node.get("address")?;
        Some(Fixed {
            address: Placed {
                value: parse_cidr(address.as_str()?)?,
                span: address.span,
            },
            gateway: self::address(node, "gateway"),
        })
    };
    addresses.iter().take(MOST).filter_map(fixed).collect()
}

/// A subnet that containers of a plugin have addresses of, and the gateway that they are told.
#[derive(Clone, Copy)]
pub(super) struct Subnet {
    pub network: Placed<IpNet>,
    pub gateway: Option<IpAddr>,
}

/// The subnets of a plugin, as far as the configuration says them.
pub(super) fn subnets(plugin: &Plugin<'_>) -> Vec<Subnet> {
    let ranges = ranges(plugin).into_iter().map(|range| Subnet {
        network: Placed {
            value: range.network(),
            span: range.subnet.span,
        },
        gateway: range.meant_gateway(),
    });
    let fixed = fixed(plugin).into_iter().map(|fixed| Subnet {
        network: Placed {
            value: fixed.address.value.trunc(),
            span: fixed.address.span,
        },
        gateway: fixed.gateway.map(|gateway| gateway.value),
    });
    ranges.chain(fixed).collect()
}

/// Whether a subnet and a network have an address in common.
pub(super) fn overlap(one: IpNet, other: IpNet) -> bool {
    one.contains(&other.network()) || other.contains(&one.network())
}

/// Whether an address is reached on a link without a subnet of its own: fe80::1, 169.254.1.1.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether two addresses are of one version of IP.
pub(super) fn same_family(one: IpAddr, other: IpAddr) -> bool {
    one.is_ipv4() == other.is_ipv4()
}
