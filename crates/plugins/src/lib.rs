//! The reference plugins in one multi-call binary.
#![forbid(unsafe_code)]

pub mod bandwidth;
pub mod bridge;
pub mod firewall;
pub mod host_device;
pub mod host_local;
pub mod loopback;
pub mod portmap;
pub mod ptp;
pub mod sbr;
pub mod static_ipam;
pub mod tap;
pub mod tuning;
pub mod vrf;

pub mod attach;
mod fault;
pub mod identity;
pub mod netfilter;
pub mod plan;

use linkspan_plugin::Table;

/// The plugins, sorted by name.
pub const PLUGINS: &Table = &[
    &bandwidth::Bandwidth,
    &bridge::Bridge,
    &firewall::Firewall,
    &host_device::HostDevice,
    &host_local::HostLocal,
    &loopback::Loopback,
    &portmap::Portmap,
    &ptp::Ptp,
    &sbr::Sbr,
    &static_ipam::Static,
    &tap::Tap,
    &tuning::Tuning,
    &vrf::Vrf,
];
