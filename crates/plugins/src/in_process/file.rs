//! Whether a file is Linkspan's multi-call binary, of this version.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use linkspan_plugin::Handler;

use crate::PRODUCT_TO_ITS_END;

/// Words of every binary that the kit makes of several plugins.
const WORDS: &str = "CNI plugins in one file.";

/// Larger than any build of it, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// Files that were looked at: to read one takes longer than what its plugin does.
#[derive(Debug, Default)]
pub(super) struct Files {
    known: Mutex<HashMap<(Look, &'static str), bool>>,
}

/// A file, and what changes with its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Look {
    dev: u64,
    ino: u64,
    size: u64,
    /// Seconds and nanoseconds of the last change, which nobody can set.
    changed: (i64, i64),
}

impl Files {
    /// Whether the file is the binary, and has this very plugin: others may have built a binary of their own with the kit.
    pub(super) fn are_this_build(&self, plugin: &'static dyn Handler, file: &Path) -> bool {
        let Ok(found) = fs::metadata(file) else {
            return false;
        };
        // What somebody has switched off (`chmod -x`) does not run as a process, either.
        let is_program = found.is_file() && found.mode() & 0o111 != 0;
        if !is_program || found.len() > MAX_SIZE {
            return false;
        }
        let look = Look {
            dev: found.dev(),
            ino: found.ino(),
            size: found.len(),
            changed: (found.ctime(), found.ctime_nsec()),
        };
        let key = (look, plugin.name());
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(&key) {
            return *known;
        }
        let words = [WORDS, PRODUCT_TO_ITS_END, plugin.about()];
        let is_this =
            fs::read(file).is_ok_and(|bytes| words.iter().all(|text| holds(&bytes, text)));
        known().insert(key, is_this);
        is_this
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    let mut windows = bytes.windows(text.len());
    // Most windows differ in their first byte.
    windows.any(|window| window[0] == text[0] && window == text)
}
