//! The plugins that make an interface, as a runtime calls them: traffic between containers, CHECK after each thing that
//! somebody may have changed, and nothing left behind, whatever was missing or failed.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod cases;
mod crash;
mod dummy;
mod ipvlan;
mod macvlan;
mod on_master;
mod plugin;
mod ptp;
mod vlan;
mod wire;
mod world;
