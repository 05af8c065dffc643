//! Typed operations on Linux networking: namespaces, links, addresses, routes, traffic control, nftables,
//! connection tracking, tap devices, sysctls.
//!
//! The only crate that talks to the kernel, and the only one with `unsafe`. It knows nothing of CNI.
//! Every failure is an [`Error`] that says what was attempted, on what, and why in the kernel's own
//! words (its extended acknowledgement).

mod allocator;
mod checksum;
pub mod conntrack;
#[cfg(any(linkspan_musl, test))]
mod copy;
pub mod echo;
mod error;
mod exchange;
pub mod lock;
pub mod monitor;
#[cfg(linkspan_musl)]
mod musl;
mod netfilter;
pub mod netns;
pub mod nftables;
pub mod rtnl;
mod ruleset_events;
pub mod sandbox;
pub mod selinux;
mod socket;
pub mod start;
pub mod sysctl;
pub mod tap;
mod thread;
pub mod xtables;

pub use allocator::Allocator;
pub use error::Error;
pub use ruleset_events::RulesetEvents;
pub use socket::requests_sent;
