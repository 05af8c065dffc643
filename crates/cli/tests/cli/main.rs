//! The binary `linkspan`, with plugins that are small shell scripts.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod attach;
mod cnitool;
mod conformance;
mod demo;
mod detach;
mod dhcp;
mod doctor;
mod events;
mod explain;
mod gc;
mod install;
mod ipam;
mod json;
mod lint;
mod manners;
mod meaning;
mod migrate;
mod network;
mod network_rm;
mod new;
mod new_plugin;
mod node;
mod programs;
mod reconcile;
mod shell;
mod show;
mod signals;
mod status;
mod test;
mod trace;
mod transcript;
mod trouble;
mod world;
