//! The multi-call binary: every plugin under its own name.
#![forbid(unsafe_code)]
#![no_main]

use std::ffi::OsString;

#[global_allocator]
static ALLOCATOR: linkspan_start::Allocator = linkspan_start::Allocator;

linkspan_start::program!(run);
linkspan_stub::mark!(Plugins);

fn run(arguments: &[OsString]) -> u8 {
    let host = linkspan_plugin::Host {
        product: linkspan_plugins::PRODUCT,
        version: linkspan_plugins::VERSION,
        is_own: linkspan_plugins::is_host,
        observe: linkspan_plugins::record,
    };
    linkspan_plugin::run(linkspan_plugins::PLUGINS, arguments, &host)
}
