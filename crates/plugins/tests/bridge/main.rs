//! `bridge` as a runtime calls it, with `host-local` behind it: killed anywhere, called by many at once, given nonsense, and
//! judged by the traffic that passes.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod addresses;
mod bad_input;
mod check;
mod collect;
mod concurrency;
mod crash;
mod delegates;
mod detach;
mod forged;
mod host;
mod ipv6;
mod neighbours;
mod ports;
mod process;
mod reboot;
mod session;
mod traffic;
mod vlan;
