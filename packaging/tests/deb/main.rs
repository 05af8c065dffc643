//! The Debian packages: what is in them, what is content with them, and what happens to a machine and its containers when they are
//! installed, upgraded and removed.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that uses them"
)]

mod contents;
mod delegation;
mod dependencies;
mod others;
mod running;
mod world;
