//! The runtime, with plugins that are small shell scripts.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod attach;
mod cache;
mod cancel;
mod capabilities;
mod detach;
mod ends;
mod events;
mod failures;
mod journal;
mod json;
mod load;
mod nested;
mod network;
mod pods;
mod process;
mod tokio;
mod trace;
mod turns;
mod watch;
mod world;
