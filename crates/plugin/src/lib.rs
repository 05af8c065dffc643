//! The kit of CNI plugin authors.
//!
//! A plugin is a type that implements [`Plugin`]: what to do on ADD, CHECK, DEL, and where it has
//! anything to collect or report, on GC and STATUS. Everything else that the
//! [specification](https://www.cni.dev/docs/spec/#section-2-execution-protocol) asks of a plugin
//! happens around it: the environment and its rules, standard input, versions, the shape of the
//! result in each version, errors as JSON, the exit status, and a panic that is still an answer.
//!
//! - [`keys!`] declares a configuration: each key once, with its type, default, unit and meaning.
//! - [`Call`] is what a plugin is given; [`Call::ipam`] delegates to an IPAM plugin, without a
//!   process when that plugin is part of the same executable.
//! - [`Plugin::foresee`] tells what an ADD would do, for who asks before it is done.
//! - [`Undo`] makes an ADD a transaction: what was done is undone in reverse unless committed.
//! - [`main`] turns a table of plugins into a multi-call binary; [`embed`](crate::embed()) runs one of them within another program.
//! - [`testing`] calls a plugin in a test, without an environment.
//!
//! ```no_run
//! use linkspan_plugin::spec::{Error, Success};
//! use linkspan_plugin::{Call, Handler, Needs, Plugin, Role};
//!
//! linkspan_plugin::keys! {
//!     /// The configuration of `mtu`.
//!     pub struct Config {
//!         /// The MTU that the result reports.
//!         "mtu" => mtu: u32, default = 1500, unit = "bytes", range = 68..=65535, read by [Add];
//!     }
//! }
//!
//! struct Mtu;
//!
//! impl Plugin for Mtu {
//!     type Config = Config;
//!     const NAME: &'static str = "mtu";
//!     const ABOUT: &'static str = "reports an MTU";
//!     const ROLE: Role = Role::Chained { needs: Needs::Address };
//!
//!     fn add(&self, call: &Call<'_, Config>) -> Result<Success, Error> {
//!         let mut result = call.prev_result()?.unwrap_or_default();
//!         for interface in &mut result.interfaces {
//!             interface.mtu = Some(call.config.mtu);
//!         }
//!         Ok(result)
//!     }
//!
//!     fn check(&self, _: &Call<'_, Config>) -> Result<(), Error> {
//!         Ok(())
//!     }
//!
//!     fn del(&self, _: &Call<'_, Config>) -> Result<(), Error> {
//!         Ok(()) // it holds nothing
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     const TABLE: [&dyn Handler; 1] = [&Mtu];
//!     linkspan_plugin::main(&TABLE)
//! }
//! ```
//!
//! `linkspan new plugin NAME` writes a crate to begin with; the
//! [book](https://github.com/linkspan/linkspan/blob/main/docs/authors/README.md) makes two plugins step by step.
//!
//! # Features
//!
//! - `preserve_order`: as in `linkspan-spec`; off by default.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod args;
mod call;
mod called;
pub mod common;
pub mod config;
mod delegate;
mod embed;
mod executable;
mod foresight;
mod identity;
mod invocation;
mod keys;
mod plugin;
mod report;
mod role;
mod serve;
pub mod testing;
mod tracing;
mod undo;
mod variables;
mod warn;

pub use args::CniArgs;
pub use call::{Call, Gc};
pub use config::Configuration;
pub use delegate::{Delegation, Ipam, find_in_path};
pub use embed::{Answered, Delegate, Delegates, Embedded, embed};
pub use foresight::{Foreseen, Foresight, Standing};
pub use invocation::{Handler, Invocation, Refusal, Table, find};
pub use plugin::Plugin;
pub use report::{Delegated, Report};
pub use role::{Needs, Role};
pub use serve::{Answer, Host, IsOwn, main, run, serve};
pub use undo::Undo;
pub use warn::{Log, warn};

pub use ipnet;
pub use linkspan_spec as spec;
#[doc(hidden)]
pub use serde_json;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
