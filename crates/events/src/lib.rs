//! What plugins were called for on this host: when, for whom, how long it took, and why it failed.
//!
//! Plugins append a line for each call to a small [ring](Ring) in memory (`/run/cni/linkspan/netns-ID/events`), and whoever
//! looks reads the last thousands of [events](Event) there, [waits](Follow) for the next, or [counts](Totals) them. What leaves
//! the ring stays counted, so that counters never go back as long as the machine is up.
//!
//! Nobody waits for the ring: an append is one write without a lock, and what cannot be written is not told. Names of containers
//! stand in it, so it is root's alone.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod event;
mod follow;
mod ring;
mod totals;

pub use event::{Delegated, Event};
pub use follow::Follow;
pub use ring::{History, Ring};
pub use totals::{BOUNDS, Calls, Totals};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
