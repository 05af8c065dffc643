//! Whether a panic unwinds in a program that is built as the plugins are (`make test` builds and runs it): what an ADD
//! has made is taken back on the way. 0 when it does.

// Brings what musl lacks.
use linkspan_start as _;

use std::panic::{catch_unwind, panic_any};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

static TAKEN_BACK: AtomicBool = AtomicBool::new(false);

struct Made;

impl Drop for Made {
    fn drop(&mut self) {
        TAKEN_BACK.store(true, Ordering::Relaxed);
    }
}

fn main() -> ExitCode {
    let in_a_thread = std::thread::spawn(|| panic_any("there"));
    let here = catch_unwind(|| {
        let _made = Made;
        panic_any("here")
    });
    let caught = in_a_thread.join().is_err() && here.is_err();
    ExitCode::from(u8::from(!(caught && TAKEN_BACK.load(Ordering::Relaxed))))
}
