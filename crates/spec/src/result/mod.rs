//! The result of ADD, in one form for all versions.

mod decode;
mod encode;
mod legacy;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Version;
use crate::decode::{DecodeError, Value};

pub use encode::pretty;

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

impl Success {
    /// Reads a result from what a plugin printed; see [`from_json_as`](Self::from_json_as).
    ///
    /// # Errors
    /// When it is not JSON within the limits, and those of [`from_json_as`](Self::from_json_as).
    pub fn parse(bytes: &[u8], version: Version) -> Result<Self, DecodeError> {
        Self::from_json_as(version, &crate::decode::value(bytes)?)
    }

    /// Reads a result in the version that its `cniVersion` states; none is 0.1.0.
    ///
    /// # Errors
    /// When the version is not known, or the JSON has not that version's shape.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        Self::from_json_as(Version::V0_1_0, value)
    }

    /// Reads a result that may lack a `cniVersion` and is then in the given version.
    ///
    /// # Errors
    /// When the version that it states is not known, or the JSON has not that version's shape.
    pub fn from_json_as(version: Version, value: &Value) -> Result<Self, DecodeError> {
        decode::success(version, value)
    }

    /// Writes the result in a version. What the version cannot express is left out, just where
    /// the reference leaves it out:
    ///
    /// - 1.1.0 and 1.0.0: everything is written.
    /// - 0.4.0, 0.3.1, 0.3.0: not `mtu`, `socketPath` and `pciID` of interfaces.
    /// - 0.2.0, 0.1.0: the first address of each family with the routes of that family, of which
    ///   destination and gateway, and `dns`.
    ///
    /// In 0.2.0 and 0.1.0 a route without a gateway of its own is written with that of its
    /// address, which such a route means.
    ///
    /// # Errors
    /// When there is no address to write and the version is 0.2.0 or 0.1.0.
    pub fn to_json(&self, version: Version) -> Result<Value, CannotExpress> {
        encode::success(self, version)
    }
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

    /// Reads a route as the newest version writes it in a result, and an IPAM configuration in its
    /// `routes`.
    ///
    /// # Errors
    /// When it has no destination, or a value is of another kind.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        decode::route(value)
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

    /// Reads the object `dns` of a result or of a configuration.
    ///
    /// # Errors
    /// When a value is of another kind.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        decode::dns(value)
    }

    /// Writes the object; what is empty is left out.
    pub fn to_json(&self) -> Value {
        encode::dns(self)
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
