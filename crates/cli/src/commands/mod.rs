//! The commands, a module for each kind.

pub(crate) mod attach;
mod bin_dir;
mod confirm;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod gc;
pub(crate) mod install;
pub(crate) mod ipam;
pub(crate) mod lint;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod metrics;
mod migrate;
pub(crate) mod network;
pub(crate) mod new;
pub(crate) mod pause;
pub(crate) mod reconcile;
mod replaced;
pub(crate) mod shell;
pub(crate) mod show;
pub(crate) mod status;
pub(crate) mod test;
pub(crate) mod trace;
pub(crate) mod uninstall;
pub(crate) mod version;
