//! All plugins are in one file, and a runtime looks for each by its name. Where links between the two do not survive, since whoever
//! installs plugins copies one name after the other, the file has the name of one of them, [`HOLDER`], and at every other name stands
//! a stub, this crate's program: some kilobytes that execute the holder beside them. It is the holder that answers, so a folder in
//! which stubs and holder are of two releases works as the holder's release.
//!
//! By an ELF note in them, which stripping leaves alone, both kinds of files are known ([`Mark`]): a stub executes nothing but a
//! holder of Linkspan's, and a plugin that looks for another finds out that a stub leads to its own executable, and needs no process.
//!
//! ```
//! use linkspan_stub::{Kind, Mark};
//!
//! linkspan_stub::mark!(Plugins);
//!
//! let mark = Mark::read(MARK.as_bytes()).expect("it is a mark");
//! assert_eq!((mark.kind, mark.version()), (Kind::Plugins, env!("CARGO_PKG_VERSION")));
//! ```
//!
//! # Features
//!
//! - `std`: what asks the file system, [`Mark::of`] and [`holder`]; on by default.
#![deny(missing_docs)]
#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]

#[cfg(feature = "std")]
mod file;
mod mark;
#[expect(
    unsafe_code,
    reason = "what the kernel has laid down is behind a pointer"
)]
mod started;

#[cfg(feature = "std")]
pub use file::holder;
pub use mark::{BEGINNING, Kind, Mark, Note};
pub use started::started;

/// The plugin whose file holds all of them: the one that nearly everybody takes who takes but a few.
pub const HOLDER: &str = "loopback";

/// The examples of the README are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
