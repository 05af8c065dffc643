//! What an attachment is to consist of, as data: the wanted kernel objects in the order in which they
//! come to be.
//!
//! A plugin turns its configuration into a [`Plan`] with a pure function. [`apply()`] makes it so, with
//! undo; [`check()`] compares it with the kernel; [`foresee()`] tells what making it so would come to; its [`Display`] is
//! what a person reads.
//!
//! [`Display`]: std::fmt::Display
#![forbid(unsafe_code)]
#![deny(missing_docs)]

// The plan.
mod apply;
mod check;
mod foresee;
mod plan;
mod step;

// What is so of all kinds of objects.
mod difference;
pub mod fault;
pub mod identity;
mod imagined;
mod link;
mod lost;
mod namespaces;
mod object;
mod send;
pub mod words;

// The kinds.
mod address;
mod announcement;
mod awaited;
mod bridge;
mod carry;
mod container_link;
mod device;
mod gateway;
mod ifb;
mod netfilter;
mod point_to_point;
mod port_vlans;
mod route;
mod routing;
mod settings;
mod shaping;
pub mod sysctls;
mod tap;
mod veth;
mod vlan_interface;
mod vrf;

pub use address::Address;
pub use announcement::Announcement;
pub use apply::apply;
pub use awaited::{AwaitAddresses, AwaitRunning};
pub use bridge::Bridge;
pub use carry::Carry;
pub use check::check;
pub use container_link::{ContainerLink, LinkKind};
pub use device::{Device, Names, move_out, rename};
pub use difference::Difference;
pub use foresee::foresee;
pub use gateway::Gateway;
pub use ifb::Ifb;
pub use imagined::Imagined;
pub use link::{LinkRef, On, Place};
pub use namespaces::{Namespaces, Side};
pub use netfilter::Netfilter;
pub use plan::{Because, Plan, Reasoned};
pub use point_to_point::{OtherEnd, PointToPoint};
pub use port_vlans::PortVlans;
pub use routing::Routing;
pub use settings::Settings;
pub use shaping::{Redirect, Shape, Traffic};
pub use step::Step;
pub use sysctls::Sysctl;
pub use tap::{Tap, tap_status};
pub use veth::{VethEnd, VethPair};
pub use vlan_interface::VlanInterface;
pub use vrf::{Vrf, remove_unused as remove_unused_vrf};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
