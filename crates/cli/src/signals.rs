//! Being told to end: by Ctrl-C, SIGTERM, or another of the signals that would end the program, such as that of a terminal that
//! was closed.
//!
//! Plugins are in process groups of their own, so that a deadline can end them with all that they have
//! started; a signal to this program does not reach them. It is handed on by giving the operation up.

use std::fs;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use linkspan_runtime::Cancel;
use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

/// After so many signals the program ends at once: one gives up what runs, one more what undoes it.
const PATIENCE: usize = 2;

/// What ends a program by default, can be caught, and is no crash.
const ENDING: [i32; 9] = [
    SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGVTALRM, SIGXCPU,
];

/// The last signal; 0 when there was none.
static RECEIVED: AtomicI32 = AtomicI32::new(0);

/// What gives operations up when a signal comes. Nothing where signals cannot be watched for: then
/// they end the program, as they do by default.
pub(crate) fn cancel() -> Option<Cancel> {
    let cancel = Cancel::stepwise().ok()?;
    // Whoever started this program may want one of them ignored, as shells do in the background.
    let wanted = ENDING.into_iter().filter(|signal| !is_ignored(*signal));
    let mut signals = Signals::new(wanted).ok()?;
    let given_up = cancel.clone();
    let watch = move || {
        for (number, signal) in signals.forever().enumerate() {
            RECEIVED.store(signal, Ordering::Relaxed);
            if number >= PATIENCE {
                // It can only fail for a signal that there is not.
                let _ = emulate_default_handler(signal);
            }
            given_up.cancel();
        }
    };
    thread::Builder::new().spawn(watch).ok()?;
    Some(cancel)
}

/// The exit status of a program that was ended by a signal, as a shell tells it.
pub(crate) fn exit_status() -> Option<u8> {
    match RECEIVED.load(Ordering::Relaxed) {
        0 => None,
        signal => u8::try_from(128 + signal).ok(),
    }
}

fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}
