//! The runtime, with plugins that are small shell scripts.
#![forbid(unsafe_code)]

mod attach;
mod cache;
mod failures;
mod load;
mod network;
mod process;
mod world;
