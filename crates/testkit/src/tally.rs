//! How much of a proof is asked for, and what its tests count for those who read of it.

use std::collections::BTreeMap;
use std::env;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

/// Whether all of a proof is asked for, and not what `make test` runs of it: `LINKSPAN_PROOF=whole`, which `scripts/proof` says.
#[must_use]
pub fn whole() -> bool {
    env::var_os("LINKSPAN_PROOF").is_some_and(|scale| scale == "whole")
}

/// How much a proof has tried, for the table in the README: `scripts/proof` adds up what all tests of a proof have counted.
///
/// A test runs anew in its sandbox, in another process, so counts go by files, in the folder that `LINKSPAN_PROOF_OUT` names. Without
/// that variable nothing is written, nor in a virtual machine, to which the folder is read-only.
///
/// ```no_run
/// use linkspan_testkit::Tally;
///
/// Tally::of("chaos").add("system calls failed", 17).add("of them answered by an error", 16).write();
/// ```
#[derive(Debug)]
pub struct Tally {
    proof: &'static str,
    counts: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Nothing yet, of the proof with a name that `scripts/proof` knows.
    #[must_use]
    pub fn of(proof: &'static str) -> Self {
        Self {
            proof,
            counts: BTreeMap::new(),
        }
    }

    /// Counts so many more of something, named in words that follow a number: "system calls failed".
    ///
    /// # Panics
    /// When the number is negative.
    #[track_caller]
    pub fn add(&mut self, what: &'static str, many: impl TryInto<u64>) -> &mut Self {
        let Ok(many) = many.try_into() else {
            panic!("a count of {what} is less than nothing")
        };
        *self.counts.entry(what).or_default() += many;
        self
    }

    /// Tells it, where anybody asked.
    ///
    /// # Panics
    /// When the folder cannot be written.
    #[track_caller]
    pub fn write(&self) {
        let Some(folder) = env::var_os("LINKSPAN_PROOF_OUT") else {
            return;
        };
        if let Err(error) = self.write_below(Path::new(&folder)) {
            panic!(
                "cannot write a count of {} below {}: {error}",
                self.proof,
                folder.display()
            );
        }
    }

    /// Into a file that is nobody else's. A process's number does not make it one: in namespaces there are many of a number.
    fn write_below(&self, folder: &Path) -> std::io::Result<()> {
        let text = json!({ "proof": self.proof, "counts": self.counts }).to_string();
        for number in 0_u32.. {
            let path: PathBuf = folder.join(format!("{}-{number}.json", self.proof));
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(mut file) => return file.write_all(text.as_bytes()),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_write_is_a_file_of_its_own_with_the_sum_of_what_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let mut tally = Tally::of("chaos");
        tally
            .add("kills", 2_usize)
            .add("kills", 3_u32)
            .add("lost", 0);
        for name in ["chaos-0.json", "chaos-1.json"] {
            tally.write_below(folder.path()).unwrap();
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&text).unwrap(),
                json!({ "proof": "chaos", "counts": { "kills": 5, "lost": 0 } })
            );
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert!(Tally::of("chaos").write_below(&missing).is_err());
    }
}
