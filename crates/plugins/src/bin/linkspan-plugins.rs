//! The multi-call binary: every plugin under its own name.
#![forbid(unsafe_code)]
#![no_main]

use std::ffi::OsString;

/// A plugin allocates little, and for a millisecond: an allocator that asks the kernel seldom.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

linkspan_kernel::program!(run);

fn run(arguments: &[OsString]) -> u8 {
    linkspan_plugin::run(linkspan_plugins::PLUGINS, arguments)
}
