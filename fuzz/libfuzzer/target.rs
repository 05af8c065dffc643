//! The target that is called as the executable is.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(target) = linkspan_fuzz::target(env!("CARGO_BIN_NAME")) {
        (target.run)(bytes);
    }
});
