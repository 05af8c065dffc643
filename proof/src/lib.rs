//! What the proofs share: how much of one is asked for, what is tested, and what was counted.
//!
//! A proof is a test target like any other, in a folder of its own beside this one: `make test` runs its *smoke* part, a minute of
//! it, and `make e2e`, `make chaos`, `make histories` the *whole*. A loop asks [`scale`] how often:
//!
//! ```no_run
//! use linkspan_proof::{Tally, scale};
//!
//! // #[test]
//! fn every_answer_that_is_lost() {
//!     let mut lost = 0;
//!     for _ in 0..scale(10, 10_000) {
//!         lost += 1; // …
//!     }
//!     Tally::of("chaos").add("answers lost", lost).write();
//! }
//! ```
//!
//! `scripts/proof` runs them on the release, and sums up what they counted; `docs/proof.md` says what each of them shows.
#![forbid(unsafe_code)]

use std::env;
use std::path::PathBuf;

use linkspan_testkit::Plugins;
pub use linkspan_testkit::{Tally, whole};

/// The first for a smoke test, the second for the [`whole`] proof.
#[must_use]
pub fn scale<T>(smoke: T, all: T) -> T {
    if whole() { all } else { smoke }
}

/// The plugins that are tested: those of `LINKSPAN_PLUGINS`, the release or a broken build, or else what Cargo has built.
///
/// # Panics
/// When there are none.
#[track_caller]
#[must_use]
pub fn plugins() -> Plugins {
    Plugins::linked(built("LINKSPAN_PLUGINS", "linkspan-plugins"))
}

/// The command line that is tested: that of `LINKSPAN`, or else what Cargo has built.
///
/// # Panics
/// When there is none.
#[track_caller]
#[must_use]
pub fn linkspan() -> PathBuf {
    built("LINKSPAN", "linkspan")
}

/// What a variable names, or else the program of that name beside the tests' folder, where Cargo puts it.
#[track_caller]
fn built(variable: &str, name: &str) -> PathBuf {
    let file = env::var_os(variable).map_or_else(
        || {
            let test = env::current_exe().unwrap_or_default();
            let profile = test.parent().and_then(|deps| deps.parent());
            profile.map(|dir| dir.join(name)).unwrap_or_default()
        },
        PathBuf::from,
    );
    assert!(
        file.exists(),
        "{} is not there: `cargo build -p linkspan-plugins -p linkspan`, or name a build with {variable}",
        file.display()
    );
    file
}
