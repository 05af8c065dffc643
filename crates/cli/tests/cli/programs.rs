//! The programs that tests run.

use std::env;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::Cmd;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");
const PLUGINS: &str = "linkspan-plugins";

/// What is in the environment inside of a sandbox.
const SANDBOX: &str = "LINKSPAN_SANDBOX";

/// Cargo builds the programs of a test's own package only; that of the plugins is built here, outside of
/// the sandbox. It is quick when they are there already, and up to who runs the test without Cargo.
pub(crate) fn build_plugins() {
    build(PLUGINS, &[]);
    let plugins = Path::new(LINKSPAN).with_file_name(PLUGINS);
    assert!(
        env::var_os(SANDBOX).is_some() || plugins.is_file(),
        "build {} first",
        plugins.display()
    );
}

/// The same for a package, or what else the words name of it.
pub(crate) fn build(package: &str, words: &[&str]) {
    if env::var_os(SANDBOX).is_some() {
        return;
    }
    if let Some(cargo) = env::var_os("CARGO") {
        Cmd::new(cargo)
            .args(["build", "--locked", "--offline", "--quiet", "-p", package])
            .args(words)
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .deadline(Duration::from_secs(600))
            .run();
    }
}
