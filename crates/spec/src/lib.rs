//! The types of the Container Network Interface specification: configurations, results and errors
//! of every version from 0.1.0 to 1.1.0, their conversion and their validation.
//!
//! The crate does no I/O. What it reads it checks: the size and the depth of the input are limited
//! ([`decode::MAX_INPUT`]), names with rules are types of their own ([`ContainerId`],
//! [`IfName`], [`NetworkName`], [`PluginType`], [`MacAddr`]), and an error names the key, what was
//! expected there and what was found.
//!
//! ```
//! use linkspan_spec::{Success, Version};
//!
//! let result = linkspan_spec::decode::value(
//!     br#"{"cniVersion":"1.0.0","ips":[{"address":"10.22.0.2/16","gateway":"10.22.0.1"}]}"#,
//! )?;
//! let success = Success::from_json(&result)?;
//! let old = success.to_json(Version::V0_2_0)?;
//! assert_eq!(old["ip4"]["ip"], "10.22.0.2/16");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a later version of the specification may extend, structs and enums, is `non_exhaustive`: made by `new` or `default`, and by
//! `with_…` for the rest; its fields are public to be read and changed. Whoever matches on a [`Command`] is meant to handle each
//! of them, so that one is not: another operation comes with another major version of this crate.
//!
//! The specification: <https://github.com/containernetworking/cni/blob/spec-v1.1.0/SPEC.md>.
//!
//! # Features
//!
//! - `preserve_order`: objects of JSON keep the order of their keys (`serde_json/preserve_order`); otherwise they sort them, as Go
//!   does. Results and errors are written in the reference's order either way. Off by default.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod address;
mod attachment;
mod command;
mod config;
pub mod decode;
mod error;
mod in_version;
mod list;
mod names;
mod result;
mod serde;
mod shorten;
mod version;
mod version_info;

pub use attachment::Attachment;
pub use command::{Command, UnknownCommand};
pub use config::PluginConfig;
pub use decode::{DecodeError, MAX_INPUT, Map, Value, key};
pub use error::{Error, ErrorCode};
pub use in_version::InVersion;
pub use list::NetworkList;
pub use names::{ContainerId, IfName, MacAddr, NameError, NameKind, NetworkName, PluginType, Rule};
pub use result::{CannotExpress, Dns, Interface, IpConfig, Route, Success, compact, pretty};
pub use version::{UnknownVersion, Version};
pub use version_info::VersionInfo;

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
