//! Typed operations on Linux networking: namespaces, links, addresses, routes, traffic control, nftables,
//! connection tracking, tap devices, sysctls.
//!
//! The only crate that talks to the kernel. It knows nothing of CNI.
//! Every failure is an [`Error`] that says what was attempted, on what, and why in the kernel's own
//! words (its extended acknowledgement), and [what to do](Error::advice).
//!
//! # Features
//!
//! - `cni`: an error becomes the one that a CNI plugin answers with (`linkspan-spec`); off by default.
//! - `fuzzing`: what reads the kernel's answers, for a fuzzer; no part of what is promised.
#![deny(missing_docs)]

pub mod checksum;
pub mod conntrack;
pub mod echo;
mod error;
mod exchange;
pub mod features;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod link_events;
pub mod monitor;
mod netfilter;
pub mod netns;
pub mod nftables;
pub mod packet;
pub mod rtnl;
mod ruleset_events;
pub mod sandbox;
pub mod selinux;
mod socket;
pub mod sysctl;
pub mod tap;
mod thread;
pub mod xtables;

pub use error::Error;
pub use ruleset_events::RulesetEvents;
pub use socket::requests_sent;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
