//! Words for whoever reads the log.

use std::io::{self, Write};

/// Says something on standard error, where it is nobody's protocol; a closed one is no reason to fail.
pub fn warn(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.write_all(format!("{text}\n").as_bytes()).is_err() {
        // There is nobody left to tell.
    }
}
