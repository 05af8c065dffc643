//! The multi-call binary: every plugin under its own name.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    linkspan_plugin::main(linkspan_plugins::PLUGINS)
}
