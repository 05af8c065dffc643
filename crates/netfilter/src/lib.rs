//! What several plugins share that need netfilter: constant rules, growing sets.
//!
//! All state is in the tables `inet linkspan` and `bridge linkspan`, with a number of rules that does
//! not depend on the number of attachments. What an attachment adds is elements of sets; the comment of
//! each says whose it is ([`Owner`]). Adding, removing and forwarding a packet cost the same with one
//! attachment and with thousands, and collection can tell what is whose.
//!
//! A plugin describes what it wants ([`Attachment`]) and has it installed, checked or removed; what it
//! wants turns into elements, and into the chains, sets and rules that they need, by pure functions
//! (one module for each kind of thing below `part`). `ruleset` brings them into the kernel without a
//! lock, while any number of plugins do the same. [`Record`]s outlive the plugin, so that DEL needs
//! nothing but the container's ID and the interface's name.
//!
//! What a kind of thing is besides sets and rules, its module says too: what only one attachment can have
//! (a port of the host) and so is reserved first, and what is done after the transaction (a kernel parameter
//! set, remembered connections forgotten).
//!
//! Invariants:
//! - A record is written before the first change and removed after the last.
//! - An element is removed only if its comment names the attachment that is being removed.
//! - Nothing is asked of the kernel for an attachment that wants nothing and has no record.
//! - The tables stay when the last element goes: making them anew would cost the next ADD more than all
//!   the rest of it, since the kernel is still busy with their removal then. GC removes those that are
//!   empty, so that a host without containers keeps neither a hook in its packets' path nor connection
//!   tracking because of us.
//!
//! # Features
//!
//! - `firewalld`: the backend firewalld, over D-Bus; brings `zbus`. On by default.
//! - `fuzzing`: what reads records and the output of other programs, for a fuzzer; no part of what is promised.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod attachment;
mod backend;
mod collect;
mod earlier;
mod fault;
mod firewalld;
mod foresee;
mod forward;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod group;
mod head;
mod inet;
mod iptables;
mod look;
mod migrate;
mod owner;
mod part;
mod reconcile;
mod record;
mod records;
mod reference;
mod register;
mod ruleset;
mod status;

pub use attachment::{Attachment, Moved};
pub use backend::{Backend, UnknownBackend};
pub use collect::collect;
pub use firewalld::{is_running as firewalld_is_running, require_free_ports};
pub use foresee::{Foreseen, may_be_asked};
pub use forward::obstacles as forwarding_obstacles;
pub use look::{
    Filter, Keeper, Recorded, Trace, filters, forget, iptables_in_use, missing, recorded, traces,
};
pub use migrate::{HandedOver, Migration, hand_over, migrate, plan_migration};
pub use owner::{NotAnOwner, Owner};
pub use part::{
    Admission, Conditions, Confinement, Kind, Masquerade, NotUnderstood, Part, Port, PortIsolation,
    PortRange, PublishedPorts, Record, SourceNat, SpoofGuard, Transport,
};
pub use reconcile::{Reconciled, reconcile, unreadable_records};
pub use status::status;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
