//! Addresses from DHCP servers for containers.
//!
//! A lease outlives the plugin that asked for it by far, so a daemon keeps it: the plugin asks the daemon over a socket,
//! in the protocol of the reference's.
//!
//! - [`message`]: DHCP's messages as bytes and as values (RFC 2131, RFC 2132);
//! - [`machine`]: the client's side of the protocol without I/O and without a clock;
//! - [`request`]: what a configuration asks of a server;
//! - [`gob`] and [`rpc`]: what plugin and daemon say to each other;
//! - [`daemon`]: sockets, timers, namespaces and what is kept on disk.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod daemon;
pub mod gob;
pub mod machine;
pub mod message;
pub mod request;
pub mod rpc;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
