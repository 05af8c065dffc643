//! `portmap` as a runtime calls it, after `bridge`: the traffic that it lets through, and what it leaves.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod backends;
mod conditions;
mod conflicts;
mod crash;
mod lifecycle;
mod many;
mod masquerade;
mod order;
mod pods;
mod rivals;
mod sctp;
mod stale;
mod traffic;
mod world;
