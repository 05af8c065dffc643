//! Addresses on this host: which there are, which is chosen, and who holds it.
//!
//! Read in this order:
//!
//! - [`config`] has the keys of a configuration;
//! - [`range`] has the ranges and the order of their addresses;
//! - [`choice`] chooses an address, wherever reservations are kept: it is pure but for the [`Pool`] that it is
//!   given;
//! - [`store`] is such a pool: a directory in the reference's format, under its lock, with an index beside it that
//!   makes it fast;
//! - [`mod@record`] says who holds an address;
//! - [`assign`] puts an attachment's addresses together: all of them or none.
//!
//! [`Pool`]: choice::Pool
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod assign;
pub mod choice;
#[cfg(test)]
mod choice_tests;
pub mod config;
pub mod error;
pub mod range;
pub mod record;
pub mod store;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
