//! The multi-call binary: every plugin under its own name.
#![forbid(unsafe_code)]

use std::process::ExitCode;

/// A plugin allocates little, and for a millisecond: an allocator that asks the kernel seldom.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    linkspan_plugin::main(linkspan_plugins::PLUGINS)
}
