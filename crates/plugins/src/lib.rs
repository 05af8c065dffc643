//! The reference plugins in one multi-call binary.
//!
//! # Features
//!
//! - `firewalld`: the backend firewalld of `firewall`, over D-Bus; brings `zbus`. On by default.
//! - `in-process`: `InProcess`, which attaches containers without processes, for programs that embed `linkspan-runtime`. Off by
//!   default.
//! - `preserve_order`: as in `linkspan-spec`; on by default, since the binary hands configurations on as they were written.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod bandwidth;
pub mod bridge;
pub mod dhcp;
pub mod dummy;
pub mod firewall;
pub mod host_device;
pub mod host_local;
pub mod ipvlan;
pub mod loopback;
pub mod macvlan;
pub mod portmap;
pub mod ptp;
pub mod sbr;
pub mod static_ipam;
pub mod tap;
pub mod tuning;
pub mod vlan;
pub mod vrf;

pub mod attach;
#[cfg(feature = "in-process")]
mod in_process;
mod record;

#[cfg(feature = "in-process")]
pub use in_process::InProcess;
#[cfg(feature = "in-process")]
use record::record_of;
pub use record::{is_host, record};

use linkspan_plugin::Table;

/// What the multi-call binary calls itself.
pub const PRODUCT: &str = PRODUCT_TO_ITS_END.split_at(PRODUCT_TO_ITS_END.len() - 1).0;

/// The same with an end, as it stands in the binary, by which its files are known: 0.1.1 is no beginning of 0.1.10.
const PRODUCT_TO_ITS_END: &str = concat!("Linkspan ", env!("CARGO_PKG_VERSION"), "\n");

/// The version that the plugins tell as theirs: that of the reference's release whose work they do, with our own behind it, as
/// distributions write theirs. Runtimes compare it with releases of the reference: nerdctl isolates bridges by `firewall` from
/// 1.1.0 on, Nomad wants `bridge` to be 0.4.0, and uses CHECK from 1.3.0 on.
pub const VERSION: &str = concat!("1.9.1+linkspan.", env!("CARGO_PKG_VERSION"));

/// The plugins, sorted by name.
pub const PLUGINS: &Table = &[
    &bandwidth::Bandwidth,
    &bridge::Bridge,
    &dhcp::Dhcp,
    &dummy::Dummy,
    &firewall::Firewall,
    &host_device::HostDevice,
    &host_local::HostLocal,
    &ipvlan::Ipvlan,
    &loopback::Loopback,
    &macvlan::Macvlan,
    &portmap::Portmap,
    &ptp::Ptp,
    &sbr::Sbr,
    &static_ipam::Static,
    &tap::Tap,
    &tuning::Tuning,
    &vlan::Vlan,
    &vrf::Vrf,
];

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use linkspan_plugin::Role;
    use linkspan_plugin::config::Key;

    #[test]
    fn the_plugins_are_those_of_the_reference() {
        let names: Vec<_> = super::PLUGINS.iter().map(|plugin| plugin.name()).collect();
        assert_eq!(names, linkspan_testkit::PLUGIN_NAMES);
    }

    #[test]
    fn ipam_plugins_are_those_whose_keys_are_in_ipam() {
        for plugin in super::PLUGINS {
            let is_in_ipam = |key: &Key| key.name.starts_with("ipam.") && key.name != "ipam.type";
            let has_such_keys = plugin.keys().iter().any(is_in_ipam);
            assert_eq!(
                plugin.role() == Role::Ipam,
                has_such_keys,
                "{}",
                plugin.name()
            );
        }
    }
}
