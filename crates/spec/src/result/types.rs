//! What a result holds.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Version;

/// The result of a successful ADD: the form of version 1.1.0, of which every older version holds a
/// part.
///
/// # Spec
/// Section 5, "ADD Success".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// A network interface.
///
/// # Spec
/// Section 5, "ADD Success", `interfaces`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// `name`.
    pub name: String,
    /// `mac`: the hardware address; empty for none. Text, because not every link is Ethernet.
    pub mac: String,
    /// `mtu` in bytes. Since 1.1.0.
    pub mtu: Option<u32>,
    /// `sandbox`: the path of the container's namespace; empty for an interface of the host.
    pub sandbox: String,
    /// `socketPath`: a socket that belongs to the interface; empty for none. Since 1.1.0.
    pub socket_path: String,
    /// `pciID`: the PCI device behind the interface; empty for none. Since 1.1.0.
    pub pci_id: String,
}

/// An address assigned by the attachment.
///
/// # Spec
/// Section 5, "ADD Success", `ips`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpConfig {
    /// `interface`: the index in [`Success::interfaces`] of the interface that has the address.
    pub interface: Option<usize>,
    /// `address` with the length of its prefix; the bits of the host are kept.
    pub address: IpNet,
    /// `gateway` of the address's subnet.
    pub gateway: Option<IpAddr>,
}

/// A route.
///
/// # Spec
/// Section 5, "ADD Success", `routes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `dst`: the destination.
    pub dst: IpNet,
    /// `gw`: the next hop; none is the gateway of an address of the same family.
    pub gw: Option<IpAddr>,
    /// `mtu` in bytes along the route. Since 1.1.0.
    pub mtu: Option<u32>,
    /// `advmss`: the maximal segment size in bytes to advertise. Since 1.1.0.
    pub advmss: Option<u32>,
    /// `priority`: lower is preferred. Since 1.1.0.
    pub priority: Option<u32>,
    /// `table`: the routing table; none is the main table. Since 1.1.0.
    pub table: Option<u32>,
    /// `scope`: of the destinations, from global (0) to nowhere (255). Since 1.1.0.
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
}

/// Name resolution.
///
/// # Spec
/// Section 5, "ADD Success", `dns`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// `nameservers`: addresses, the preferred first.
    pub nameservers: Vec<String>,
    /// `domain` for short names; empty for none.
    pub domain: String,
    /// `search`: domains to try for short names, the preferred first.
    pub search: Vec<String>,
    /// `options` for the resolver.
    pub options: Vec<String>,
}

impl Dns {
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
pub struct CannotExpress {
    /// The version.
    pub version: Version,
}
