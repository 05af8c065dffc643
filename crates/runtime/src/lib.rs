//! What a container runtime embeds: it finds networks, attaches containers to them and detaches
//! them.
//!
//! - A network's configuration is read by [`load_network`] from a directory, by [`load_default`] where nobody names one, and by
//!   [`load_network_bytes`] from anywhere else.
//! - [`Runtime`] runs the operations of the specification on it for an [`Endpoint`]: ADD, CHECK and
//!   DEL; GC and STATUS for the network as a whole; VERSION for a plugin.
//! - What a runtime gives to plugins has types: [`PortMapping`], [`Bandwidth`], and the other capabilities of [`Endpoint`].
//! - How a plugin is found and run is a trait, [`Execute`]. [`Process`] starts its file; [`Fake`] is a function, for tests.
//!
//! This crate is all that a runtime needs: what it takes and returns of the specification is here as well, and the whole of it as
//! [`spec`]; addresses are those of [`ipnet`], JSON is that of [`serde_json`].
//!
//! ```
//! use linkspan_runtime::{Endpoint, PortMapping, Protocol, Runtime, load_network_bytes};
//!
//! let network = load_network_bytes(br#"{
//!     "cniVersion": "1.1.0",
//!     "name": "mynet",
//!     "plugins": [
//!         { "type": "bridge", "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } },
//!         { "type": "portmap", "capabilities": { "portMappings": true } }
//!     ]
//! }"#)?;
//! let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?)
//!     .with_netns("/run/netns/c1")
//!     .with_port_mappings([PortMapping::new(8080, 80, Protocol::Tcp)?]);
//! assert!(Runtime::unused_capabilities(&network, &endpoint)?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is on disk is as the reference's runtime (libcni) has it: the configurations, the order in
//! which they are tried, and the cached results, which both read. Where this crate does otherwise:
//!
//! - A cached result is written whole or not at all; one that cannot be read does not keep DEL from
//!   working.
//! - Every operation has a deadline, at which a plugin is ended with all that it has started.
//! - What plugins are about to run for is noted in `pending`, beside `results`, before the first of them runs: an ADD that was
//!   killed or failed, and a DEL that failed, is an attachment that is not [complete](CachedAttachment::is_complete), which GC and
//!   [`Runtime::detach_all`] detach.
//! - GC has its network for itself, and an operation its container, as the specification wants it of runtimes: by locks
//!   below `locks`, beside `results`. A plugin that embeds this crate takes part in the turn of who runs it.
//! - What was given up by a [`Cancel`] is detached at once, left to the caller, or to GC, as the caller says.
//! - A file of another network need not be in a version that this crate knows.
//! - The kept configuration holds the plugins that came from the network's folder.
//!
//! Plugins are told of the trace that an operation is part of ([`Runtime::with_trace`]). The spans of the operation itself and of
//! each plugin are for whoever collects them on the thread that calls ([`linkspan_spans::Collecting`]); plugins' own are then
//! inside these.
//!
//! Calls block. There is no state besides what is on disk: everything is `Send` and `Sync`.
//!
//! The specification: <https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md>,
//! section 3.
//!
//! # Features
//!
//! - `tokio`: operations as futures on tokio, whose drop gives the operation up; off by default.
//! - `preserve_order`: as in `linkspan-spec`; off by default.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod base64;
mod builder;
mod cache;
mod cancel;
pub mod capabilities;
mod chain;
mod deadline;
mod detach;
mod endpoint;
mod error;
mod event;
mod execute;
mod fake;
mod file;
mod find;
mod load;
mod lock;
mod network;
mod orphan;
mod pod;
mod process;
mod runner;
mod runtime;
mod step;
#[cfg(feature = "tokio")]
pub mod tokio;
mod trace;
mod turn;
mod watch;

pub use ipnet;
pub use linkspan_spec as spec;
pub use serde_json;

/// The types of the specification that this crate takes and returns. Its error is [`spec::Error`].
pub use linkspan_spec::{
    Attachment, CannotExpress, Command, ContainerId, DecodeError, Dns, ErrorCode, IfName,
    Interface, IpConfig, MacAddr, Map, NameError, NetworkList, NetworkName, PluginConfig,
    PluginType, Route, Success, UnknownVersion, Value, Version, VersionInfo,
};

pub use builder::Builder;
pub use cache::{CachedAttachment, CachedFile, DEFAULT_CACHE_DIR};
pub use cancel::Cancel;
pub use capabilities::{
    Bandwidth, InvalidLimit, InvalidPort, InvalidRange, IpRange, PortMapping, Protocol, RateLimit,
    ResolverConfig,
};
pub use deadline::Deadline;
pub use endpoint::{ArgPart, ArgProblem, Endpoint, InvalidArg};
pub use error::{Error, Undone, io_advice};
pub use event::{Event, Operation};
pub use execute::{Ended, Execute, Output, Request};
pub use fake::Fake;
pub use find::find_plugin;
pub use load::{
    DEFAULT_CONFIG_DIR, NetworkFile, load_all, load_default, load_first, load_network,
    load_network_bytes, load_network_file, load_network_folder,
};
pub use network::Collection;
pub use pod::{
    InvalidPod, Order, Pod, PodAttachment, PodError, PodFailure, PodNetwork, with_labels,
};
pub use process::Process;
pub use runtime::{DEFAULT_TIMEOUT, Outcome, Runtime};
pub use step::{Cause, Finished, PluginError, Step};
pub use trace::TraceContext;
pub use watch::{Networks, WatchedFile, Watcher};

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
