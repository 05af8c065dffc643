//! The kinds of objects that a plan can have. Each has a file of its own that says all there is to say about it:
//! its data, how it comes to be and is undone, how it differs from what is there, and how it reads. A new kind is
//! a file with an [`Object`], and a line here.

use std::fmt;

use crate::address::Address;
use crate::announcement::Announcement;
use crate::awaited::{AwaitAddresses, AwaitRunning};
use crate::bridge::Bridge;
use crate::carry::Carry;
use crate::container_link::ContainerLink;
use crate::device::Device;
use crate::gateway::Gateway;
use crate::ifb::Ifb;
use crate::link::On;
use crate::netfilter::Netfilter;
use crate::object::{Made, Object};
use crate::plan::Reasoned;
use crate::point_to_point::{OtherEnd, PointToPoint};
use crate::port_vlans::PortVlans;
use crate::route::Route;
use crate::routing::Routing;
use crate::send::Sent;
use crate::settings::Settings;
use crate::shaping::{Redirect, Shape};
use crate::sysctls::Sysctl;
use crate::tap::Tap;
use crate::veth::VethPair;
use crate::vlan_interface::VlanInterface;
use crate::vrf::Vrf;

macro_rules! steps {
    ($($way:ident { $($(#[$doc:meta])* $kind:ident($object:ty),)* })*) => {
        /// One wanted object, or one condition to wait for.
        #[derive(Clone, Debug)]
        pub enum Step {
            $($($(#[$doc])* $kind($object),)*)*
        }

        impl Step {
            /// What is so of every kind.
            pub(crate) fn object(&self) -> &dyn Object {
                match self {
                    $($(Self::$kind(object) => object,)*)*
                }
            }

            /// What kind of object it is, in a word.
            pub(crate) fn kind(&self) -> &'static str {
                match self {
                    $($(Self::$kind(_) => stringify!($kind),)*)*
                }
            }

            /// How it comes to be.
            pub(crate) fn way(&self) -> Way<'_> {
                match self {
                    $($(Self::$kind(object) => Way::$way(object),)*)*
                }
            }
        }

        $($(impl From<$object> for Step {
            fn from(object: $object) -> Self {
                Self::$kind(object)
            }
        }

        impl From<$object> for Reasoned {
            fn from(object: $object) -> Self {
                Step::from(object).into()
            }
        })*)*
    };
}

/// How an object comes to be.
pub(crate) enum Way<'s> {
    /// By itself.
    Made(&'s dyn Made),
    /// In one send with those beside it that are of the same batch.
    Sent(&'s dyn Sent),
    /// With those beside it in the same place.
    Written(&'s Sysctl),
}

steps! {
    Made {
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
        /// The VLANs that pass a bridge port.
        PortVlans(On<PortVlans>),
        /// The bridge's own interface in a VLAN, which all attachments in that VLAN share.
        VlanInterface(VlanInterface),
        /// The address of a gateway on a link that others may share.
        Gateway(On<Gateway>),
        /// A vrf, created when it is not there, used when it is.
        Vrf(Vrf),
        /// A link becomes part of a vrf, or of none, with what it has.
        Carry(On<Carry>),
        /// The addresses of a link are usable: duplicate address detection is over.
        AwaitAddresses(AwaitAddresses),
        /// A link carries traffic, and as a bridge port forwards it.
        AwaitRunning(AwaitRunning),
        /// Neighbours are told where addresses are now.
        Announce(On<Announcement>),
        /// A link that traffic is redirected to in order to be shaped.
        Ifb(Ifb),
        /// What is wanted of netfilter.
        Netfilter(Netfilter),
    }
    Sent {
        /// Settings of a link, changed in one request.
        Settings(On<Settings>),
        /// An address of a link.
        Address(On<Address>),
        /// A route out of a link.
        Route(On<Route>),
        /// The gateway at the other end of a link is reached directly.
        OtherEnd(On<OtherEnd>),
        /// The subnet of an address of a link is reached through its gateway alone.
        PointToPoint(On<PointToPoint>),
        /// A rule or a route of the container as the kernel has it.
        Routing(Routing),
        /// What a link sends is limited.
        Shape(On<Shape>),
        /// What one link receives is sent out of another, to arrive only then.
        Redirect(Redirect),
    }
    Written {
        /// A kernel parameter under `/proc/sys`.
        Sysctl(Sysctl),
    }
}

/// What the step does, as it stands after "cannot" or in a list.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.object().fmt(f)
    }
}
