//! The programs that tests run.

use std::env;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::Cmd;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");
const PLUGINS: &str = "linkspan-plugins";

/// Cargo builds the programs of a test's own package only; that of the plugins is built here, outside of
/// the sandbox. It is quick when they are there already, and up to who runs the test without Cargo.
pub(crate) fn build_plugins() {
    if env::var_os("LINKSPAN_SANDBOX").is_some() {
        return;
    }
    if let Some(cargo) = env::var_os("CARGO") {
        Cmd::new(cargo)
            .args(["build", "--locked", "--offline", "--quiet", "-p", PLUGINS])
            .args((!cfg!(debug_assertions)).then_some("--release"))
            .deadline(Duration::from_secs(600))
            .run();
    }
    let plugins = Path::new(LINKSPAN).with_file_name(PLUGINS);
    assert!(plugins.is_file(), "build {} first", plugins.display());
}
