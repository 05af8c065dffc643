//! The client's side of DHCP (RFC 2131, 4.4) without I/O and without a clock: events and times in, messages and timers out.
//!
//! Whoever drives a [`Client`] hands it what happened and when ([`Client::handle`]), does what it answers in order
//! ([`Action`]), and calls again at the latest when [`Client::wake_at`] says so. Chance comes in by a function. So
//! whatever a network can do is played in virtual time, in order and as often as one likes.
//!
//! What the RFCs leave open, or what a container's address needs otherwise:
//! - The first four resends follow after two seconds each, as the reference's do, and then the RFC's back-off.
//! - Answers are awaited for a while after each send, not until the next one: an open socket keeps the namespace of a
//!   container that has ended.
//! - Once an address was held, the client asks for ever.
//! - An address is probed before its first use (RFC 2131, 4.4.1), briefly: RFC 5227's seven seconds are more than anybody
//!   waits for a container. Up to three times in a row one that is in use is declined and another asked for at once, then
//!   after RFC 2131's ten seconds each.
//! - On a REBOOT or REBIND, which every server hears, the refusal of a server that is not ours is believed only when ours
//!   does not answer.

mod action;
mod asking;
mod client;
mod holding;
mod lease;
mod pace;
mod request;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod time;

pub use action::{
    Action, Change, Destination, Event, Failure, Loss, Outgoing, Random, Refused, Settings, Start,
};
pub use client::Client;
pub use lease::{Lease, Parameters, Term, Unusable};
pub use time::Time;
