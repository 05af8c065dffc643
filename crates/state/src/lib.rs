//! What is kept on a host between two calls: folders that root alone enters and the files and locks in them, and
//! whether what they tell of can still be there, by the boot and the network namespace that it was written for.
//!
//! It knows neither addresses nor netfilter; both stand on it, and so does whatever else outlives a call.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod folder;
pub mod lock;
pub mod nameless;
pub mod origin;

pub use folder::Folder;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
