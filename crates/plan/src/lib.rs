//! What an attachment is to consist of, as data: the wanted kernel objects in the order in which they
//! come to be.
//!
//! A plugin turns its configuration into a [`Plan`] with a pure function. [`apply()`] makes it so, with
//! undo; [`check()`] compares it with the kernel; its [`Display`] is what a person reads.
//!
//! [`Display`]: std::fmt::Display
#![forbid(unsafe_code)]

mod apply;
mod bridge;
mod carry;
mod check;
mod container_link;
mod device;
mod display;
pub mod fault;
mod gateway;
pub mod identity;
mod ifb;
mod namespaces;
mod parameters;
mod point_to_point;
mod routing;
mod settings;
mod shaping;
pub mod sysctls;
mod tap;
mod veth;
mod vlan_interface;
mod vrf;

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_spec::{IfName, MacAddr, Route};

pub use apply::apply;
pub use carry::Carry;
pub use check::{Difference, check};
pub use container_link::{ContainerLink, LinkKind};
pub use device::{Device, move_out, rename};
pub use ifb::Ifb;
pub use namespaces::{Namespaces, Side};
pub use point_to_point::PointToPoint;
pub use routing::Routing;
pub use shaping::{Shape, Traffic};
pub use tap::{Tap, tap_status};
pub use vrf::{Vrf, remove_unused as remove_unused_vrf};

use linkspan_netfilter::Attachment;

/// The wanted objects, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The steps to them.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Appends a step.
    pub fn push(&mut self, step: Step) {
        self.steps.push(step);
    }
}

impl Extend<Step> for Plan {
    fn extend<I: IntoIterator<Item = Step>>(&mut self, steps: I) {
        self.steps.extend(steps);
    }
}

/// In which namespace an object lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// That of the plugin.
    Host,
    /// That of the container.
    Container,
}

/// A link by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkRef {
    /// Where it is.
    pub place: Place,
    /// Its name.
    pub name: String,
}

impl LinkRef {
    /// A link of the host.
    pub fn host(name: impl Into<String>) -> Self {
        Self {
            place: Place::Host,
            name: name.into(),
        }
    }

    /// A link in the container.
    pub fn container(name: impl Into<String>) -> Self {
        Self {
            place: Place::Container,
            name: name.into(),
        }
    }
}

/// One wanted object, or one condition to wait for.
#[derive(Clone, Debug)]
pub enum Step {
    /// A bridge that others may share: created when it is not there, used when it is.
    Bridge(Bridge),
    /// A pair of virtual ethernet links, made in one request.
    VethPair(VethPair),
    /// A link that lives in the container alone.
    ContainerLink(ContainerLink),
    /// A tap device in the container.
    Tap(Tap),
    /// A device of the host, moved into the container.
    Device(Device),
    /// Settings of a link, changed in one request.
    Settings(LinkRef, Settings),
    /// The VLANs that pass a bridge port.
    PortVlans(LinkRef, PortVlans),
    /// A kernel parameter under `/proc/sys`.
    Sysctl(Sysctl),
    /// An address of a link.
    Address(LinkRef, Address),
    /// The bridge's own interface in a VLAN, which all attachments in that VLAN share.
    VlanInterface(VlanInterface),
    /// The address of a gateway on a link that others may share.
    Gateway(LinkRef, Gateway),
    /// A route out of a link.
    Route(LinkRef, Route),
    /// The subnet of an address of a link is reached through its gateway alone.
    PointToPoint(LinkRef, PointToPoint),
    /// A vrf, created when it is not there, used when it is.
    Vrf(Vrf),
    /// A link becomes part of a vrf, or of none, with what it has.
    Carry(LinkRef, Carry),
    /// A rule or a route as the kernel has it.
    Routing(Place, Routing),
    /// The addresses of a link are usable: duplicate address detection is over.
    AwaitAddresses(LinkRef),
    /// A link carries traffic, and as a bridge port forwards it.
    AwaitRunning(LinkRef),
    /// Neighbours are told where addresses are now.
    Announce(LinkRef, Vec<IpAddr>),
    /// A link that traffic is redirected to in order to be shaped.
    Ifb(Ifb),
    /// What a link sends is limited.
    Shape(LinkRef, Shape),
    /// What the first link receives is sent out of the second, to arrive only then.
    Redirect(LinkRef, LinkRef),
    /// What is wanted of netfilter.
    Netfilter(Box<Attachment>),
}

/// A bridge on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: IfName,
    /// Bytes; `None` leaves it to the kernel. Only for a new bridge.
    pub mtu: Option<u32>,
    /// Only for a new bridge: set at creation, so that it does not change as ports come and go.
    pub mac: MacAddr,
    /// It tells VLANs apart. Only for a new bridge.
    pub vlan_filtering: bool,
    /// It takes every frame.
    pub promisc: bool,
}

/// A pair of virtual ethernet links: one end on the host, the other in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethPair {
    /// The end on the host, up from the start.
    pub host: VethEnd,
    /// The bridge that the host's end is a port of.
    pub master: Option<IfName>,
    /// The end in the container, down until it is configured.
    pub container: VethEnd,
    /// Bytes, of both ends; `None` leaves it to the kernel.
    pub mtu: Option<u32>,
    /// A text written on the host's end, for people and for collection; shown by `ip link`. Only links
    /// with this text have the host end's name.
    pub alias: String,
}

/// One end of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethEnd {
    /// Its name.
    pub name: String,
    /// Set explicitly, so that nobody (udev) believes that it may choose another.
    pub mac: MacAddr,
}

/// The host's way into one VLAN of a bridge: a pair whose one end is a port in the VLAN, and whose other
/// end has the gateway's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanInterface {
    /// The end with the address.
    pub name: String,
    /// The end that is the bridge's port; both MAC addresses only for a new pair.
    pub port: VethEnd,
    /// The MAC address of the end with the address.
    pub mac: MacAddr,
    /// The bridge.
    pub bridge: IfName,
    /// What passes the port.
    pub vlans: PortVlans,
}

/// Settings of a link; what is `None` or `false` stays as it is. Those that replace a value (from `mac` on)
/// are put back when ADD fails; the others are of links that then go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// It is switched on.
    pub up: bool,
    /// As a bridge port, it sends frames back out.
    pub hairpin: bool,
    /// As a bridge port, it does not talk to other isolated ports.
    pub isolated: bool,
    /// Neighbours are told its IPv4 addresses when it is switched on or is given a MAC address later.
    pub announced: bool,
    /// The hardware address.
    pub mac: Option<MacAddr>,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// It takes every frame.
    pub promisc: Option<bool>,
    /// It takes every multicast frame.
    pub allmulti: Option<bool>,
    /// The length of its transmit queue, in packets.
    pub tx_queue_len: Option<u32>,
}

/// The VLANs of a bridge port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortVlans {
    /// The VLAN of untagged frames.
    pub native: Option<u16>,
    /// The VLANs of tagged frames.
    pub tagged: Vec<u16>,
    /// The VLANs that the bridge gave the port by itself are taken away.
    pub without_default: bool,
}

/// A kernel parameter. In the container it is put back when ADD fails; on the host, where others need it as
/// well, it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// In which namespace.
    pub place: Place,
    /// Its path below `/proc/sys`, with slashes: names of links can hold dots.
    pub path: String,
    /// The value.
    pub value: String,
    /// Whether it is an error when it is not there, as IPv6's are on a host without IPv6.
    pub required: bool,
}

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address with the length of its subnet's prefix.
    pub address: IpNet,
    /// Duplicate address detection (IPv6), as the link's settings have it; without, it is usable at once.
    pub detect_duplicates: bool,
}

/// A gateway's address on a shared link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The address with the length of its subnet's prefix.
    pub address: IpNet,
    /// Another address in its way is taken away, instead of failing.
    pub force: bool,
}
