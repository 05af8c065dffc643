//! `dhcp` as a runtime calls it, interfaces and the IPAM plugins that need them: which is there first, what the daemon is
//! told, and what DHCP servers see.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod answers;
mod attachment;
mod chain;
mod crash;
mod daemon;
mod lan;
mod lease;
mod order;
mod plugin;
mod probe;
