//! Random histories against a model: dozens of processes at a time attach, check, detach, collect and are killed, the rules are
//! flushed, namespaces and boots end, with this release's plugins, those of a release of before, and the reference's, on the
//! same state. What was answered is judged by `model`.
//!
//! A seed is a schedule, always the same; how its processes interleave is up to the kernel. So a seed that failed may have to be
//! played more than once to fail again:
//!
//! ```text
//! SEED=17 REPEAT=10 cargo test -p linkspan-proof --test histories seeds
//! ```
//!
//! What failed is shrunk, and printed as a schedule that can be played (`HISTORY=FILE`) and kept: those below `kept` are played by
//! each run of the tests.

mod generate;
mod host;
mod look;
mod model;
mod networks;
mod perform;
mod run;
mod schedule;
mod session;
mod shrink;
