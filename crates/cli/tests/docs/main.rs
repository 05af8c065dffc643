//! The book, and what else is written about Linkspan: it leads somewhere, and what it shows is so.
//!
//! `LINKSPAN_WRITE=1 cargo test -p linkspan --test docs` makes anew what can be made: pictures, and what commands print.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

#[path = "../cli/programs.rs"]
mod programs;

mod authors;
mod blocks;
mod conformance;
mod examples;
mod host;
mod libcni;
mod links;
mod picture;
mod proof;
mod published;
mod reach;
mod reference;
mod shown;
mod snippets;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Builds the programs that examples run.
fn build_programs() {
    programs::build_plugins();
    programs::build("first-plugin", &[]);
    programs::build("first-ipam", &[]);
    programs::build("linkspan-runtime", &["--example", "embedding"]);
}

/// Keeps other tests from writing a page that this one has read.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
