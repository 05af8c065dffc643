//! What a result holds.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::encode;
use crate::Version;

/// The result of a successful ADD: the form of version 1.1.0, of which every older version holds a
/// part.
///
/// # Spec
/// Section 5, "ADD Success".
///
/// # Examples
///
/// ```
/// use linkspan_spec::{Interface, IpConfig, Success};
///
/// let success = Success::default()
///     .with_interfaces([Interface::new("eth0").with_sandbox("/run/netns/c1")])
///     .with_ips([IpConfig::new("10.22.0.2/16".parse()?).with_interface(0)]);
/// assert_eq!(success.ips[0].interface, Some(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Success {
    /// `interfaces` that the attachment created, on the host and in the container. Since 0.3.0.
    pub interfaces: Vec<Interface>,
    /// `ips`: the addresses assigned.
    pub ips: Vec<IpConfig>,
    /// `routes` in the container.
    pub routes: Vec<Route>,
    /// `dns`: name resolution.
    pub dns: Dns,
}

impl Success {
    /// The same result with these interfaces in place of those that it has.
    #[must_use]
    pub fn with_interfaces(mut self, interfaces: impl Into<Vec<Interface>>) -> Self {
        self.interfaces = interfaces.into();
        self
    }

    /// The same result with these addresses in place of those that it has.
    #[must_use]
    pub fn with_ips(mut self, ips: impl Into<Vec<IpConfig>>) -> Self {
        self.ips = ips.into();
        self
    }

    /// The same result with these routes in place of those that it has.
    #[must_use]
    pub fn with_routes(mut self, routes: impl Into<Vec<Route>>) -> Self {
        self.routes = routes.into();
        self
    }

    /// The same result with this name resolution in place of that which it has.
    #[must_use]
    pub fn with_dns(mut self, dns: Dns) -> Self {
        self.dns = dns;
        self
    }
}

/// A network interface.
///
/// # Spec
/// Section 5, "ADD Success", `interfaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Interface {
    /// `name`.
    pub name: String,
    /// `mac`: the hardware address; empty for none. Text, because not every link is Ethernet.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mac: String,
    /// `mtu` in bytes. Since 1.1.0.
    #[serde(skip_serializing_if = "encode::says_nothing")]
    pub mtu: Option<u32>,
    /// `sandbox`: the path of the container's namespace; empty for an interface of the host.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
    /// `socketPath`: a socket that belongs to the interface; empty for none. Since 1.1.0.
    #[serde(rename = "socketPath", skip_serializing_if = "String::is_empty")]
    pub socket_path: String,
    /// `pciID`: the PCI device behind the interface; empty for none. Since 1.1.0.
    #[serde(rename = "pciID", skip_serializing_if = "String::is_empty")]
    pub pci_id: String,
}

impl Interface {
    /// An interface of the host of which only its name is known.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The same interface with a hardware address.
    #[must_use]
    pub fn with_mac(mut self, mac: impl Into<String>) -> Self {
        self.mac = mac.into();
        self
    }

    /// The same interface with an MTU in bytes.
    #[must_use]
    pub fn with_mtu(mut self, mtu: impl Into<Option<u32>>) -> Self {
        self.mtu = mtu.into();
        self
    }

    /// The same interface in the container whose namespace has this path.
    #[must_use]
    pub fn with_sandbox(mut self, sandbox: impl Into<String>) -> Self {
        self.sandbox = sandbox.into();
        self
    }

    /// The same interface with the socket that belongs to it.
    #[must_use]
    pub fn with_socket_path(mut self, socket_path: impl Into<String>) -> Self {
        self.socket_path = socket_path.into();
        self
    }

    /// The same interface with the PCI device behind it.
    #[must_use]
    pub fn with_pci_id(mut self, pci_id: impl Into<String>) -> Self {
        self.pci_id = pci_id.into();
        self
    }
}

/// An address assigned by the attachment.
///
/// # Spec
/// Section 5, "ADD Success", `ips`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct IpConfig {
    /// `interface`: the index in [`Success::interfaces`] of the interface that has the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<usize>,
    /// `address` with the length of its prefix; the bits of the host are kept.
    #[serde(serialize_with = "encode::net")]
    pub address: IpNet,
    /// `gateway` of the address's subnet.
    #[serde(serialize_with = "encode::ip", skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

impl IpConfig {
    /// An address that belongs to no interface of the result, without a gateway.
    pub fn new(address: IpNet) -> Self {
        Self {
            interface: None,
            address,
            gateway: None,
        }
    }

    /// The same address, of the interface with this index in [`Success::interfaces`].
    #[must_use]
    pub fn with_interface(mut self, interface: impl Into<Option<usize>>) -> Self {
        self.interface = interface.into();
        self
    }

    /// The same address with its subnet's gateway.
    #[must_use]
    pub fn with_gateway(mut self, gateway: impl Into<Option<IpAddr>>) -> Self {
        self.gateway = gateway.into();
        self
    }
}

/// A route.
///
/// # Spec
/// Section 5, "ADD Success", `routes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Route {
    /// `dst`: the destination.
    #[serde(serialize_with = "encode::net")]
    pub dst: IpNet,
    /// `gw`: the next hop; none is the gateway of an address of the same family.
    #[serde(serialize_with = "encode::ip", skip_serializing_if = "Option::is_none")]
    pub gw: Option<IpAddr>,
    /// `mtu` in bytes along the route. Since 1.1.0.
    #[serde(skip_serializing_if = "encode::says_nothing")]
    pub mtu: Option<u32>,
    /// `advmss`: the maximal segment size in bytes to advertise. Since 1.1.0.
    #[serde(skip_serializing_if = "encode::says_nothing")]
    pub advmss: Option<u32>,
    /// `priority`: lower is preferred. Since 1.1.0.
    #[serde(skip_serializing_if = "encode::says_nothing")]
    pub priority: Option<u32>,
    /// `table`: the routing table; none is the main table. Since 1.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<u32>,
    /// `scope`: of the destinations, from global (0) to nowhere (255). Since 1.1.0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<u8>,
}

impl Route {
    /// A route with nothing but its destination and its next hop.
    pub fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self {
            dst,
            gw,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
        }
    }

    /// The same route by another next hop, or by none.
    #[must_use]
    pub fn with_gw(mut self, gw: impl Into<Option<IpAddr>>) -> Self {
        self.gw = gw.into();
        self
    }

    /// The same route with an MTU in bytes.
    #[must_use]
    pub fn with_mtu(mut self, mtu: impl Into<Option<u32>>) -> Self {
        self.mtu = mtu.into();
        self
    }

    /// The same route with a maximal segment size in bytes.
    #[must_use]
    pub fn with_advmss(mut self, advmss: impl Into<Option<u32>>) -> Self {
        self.advmss = advmss.into();
        self
    }

    /// The same route with a priority.
    #[must_use]
    pub fn with_priority(mut self, priority: impl Into<Option<u32>>) -> Self {
        self.priority = priority.into();
        self
    }

    /// The same route in a routing table.
    #[must_use]
    pub fn with_table(mut self, table: impl Into<Option<u32>>) -> Self {
        self.table = table.into();
        self
    }

    /// The same route with a scope.
    #[must_use]
    pub fn with_scope(mut self, scope: impl Into<Option<u8>>) -> Self {
        self.scope = scope.into();
        self
    }
}

/// Name resolution.
///
/// # Spec
/// Section 5, "ADD Success", `dns`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Dns {
    /// `nameservers`: addresses, the preferred first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nameservers: Vec<String>,
    /// `domain` for short names; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub domain: String,
    /// `search`: domains to try for short names, the preferred first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// `options` for the resolver.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
}

impl Dns {
    /// The same with these servers in place of those that it has.
    #[must_use]
    pub fn with_nameservers(mut self, nameservers: impl Into<Vec<String>>) -> Self {
        self.nameservers = nameservers.into();
        self
    }

    /// The same with a domain for short names.
    #[must_use]
    pub fn with_domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = domain.into();
        self
    }

    /// The same with these domains to search in place of those that it has.
    #[must_use]
    pub fn with_search(mut self, search: impl Into<Vec<String>>) -> Self {
        self.search = search.into();
        self
    }

    /// The same with these options in place of those that it has.
    #[must_use]
    pub fn with_options(mut self, options: impl Into<Vec<String>>) -> Self {
        self.options = options.into();
        self
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A result that a version has no way to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a result without an IP address cannot be expressed in CNI version {version}; \
     use a configuration of cniVersion 0.3.0 or later"
)]
#[non_exhaustive]
pub struct CannotExpress {
    /// The version.
    pub version: Version,
}
