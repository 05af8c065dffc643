//! Proves a network instead of describing it: throw-away containers are attached to it by its own plugins, and packets are
//! sent in every direction that its configuration promises.
//!
//! - [`Promises`] are read from the configuration alone; [`plan()`] makes of them, of the results of ADD and of what the
//!   kernel says a list of [`Probe`]s: pure functions.
//! - [`Session`] attaches, sends and detaches, and tells of every [`Check`] as soon as it is made.
//! - [`sweep()`] removes what a session left that was killed.
//!
//! No packet leaves the machine unasked. What plays the world outside is a namespace at the other end of a pair of
//! interfaces, with addresses of the documentation ranges that the host has no route to.
//!
//! Nothing but what a session made is touched. Its containers are known by their IDs ([`Run`]), and whether the session
//! lives by a lock on their namespaces, which the kernel takes away with the process.
#![forbid(unsafe_code)]

mod attached;
mod chains;
mod check;
mod diagnose;
mod limit;
mod outside;
mod place;
mod plan;
mod probe;
mod promise;
mod residue;
mod run;
mod session;
mod sweep;
mod trial;
mod trip;

pub use check::{Aspect, Check, Expected, Outcome, Who};
pub use outside::Wire;
pub use plan::plan;
pub use probe::{End, Facts, NextHop, Probe, Way};
pub use promise::{Kind, Limit, Neighbours, Promises, Published};
pub use run::Run;
pub use session::{Error, Observer, Options, Report, Session};
pub use sweep::{Swept, is_abandoned, sweep};
pub use trip::Transport;
