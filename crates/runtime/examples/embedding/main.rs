//! A container runtime's side of CNI, part by part. Copy what you need; the book explains it (docs/runtime/README.md).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "that is what it tells its user"
)]

mod attach;
mod faults;
mod pod;
mod restart;
mod watch;

use std::error::Error as _;
use std::process::ExitCode;

use linkspan_runtime::Error;

/// Whatever ends the program: most often an [`Error`].
type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "usage:
    embedding attach NETWORK CONTAINER-ID NETNS
    embedding pod CONTAINER-ID NETNS
    embedding watch CHANGES
    embedding crash NETWORK CONTAINER-ID NETNS
    embedding restart
    embedding faults DIRECTORY";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["attach", network, id, netns] => attach::attach_and_detach(network, id, netns),
        ["pod", id, netns] => pod::attach_and_detach(id, netns),
        ["watch", changes] => watch::watch(changes),
        ["crash", network, id, netns] => restart::crash(network, id, netns),
        ["restart"] => restart::restart(),
        ["faults", directory] => faults::show(directory.as_ref()),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.downcast_ref::<Error>().map_or_else(
            || {
                eprintln!("{failure}");
                ExitCode::from(2)
            },
            tell,
        ),
    }
}

// ANCHOR: errors
fn tell(error: &Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(behind) = cause {
        eprintln!("  cause: {behind}");
        cause = behind.source();
    }
    if let Some(advice) = error.advice() {
        eprintln!("   next: {advice}");
    }
    // The specification's code; 11 asks to try again later.
    match error.code().0 {
        11 => ExitCode::from(75),
        _ => ExitCode::FAILURE,
    }
}
// ANCHOR_END: errors
