//! The multi-call binary: every plugin under its own name.
#![forbid(unsafe_code)]
#![no_main]

linkspan_kernel::program!(run);

fn run() -> u8 {
    linkspan_plugin::run(linkspan_plugins::PLUGINS)
}
