//! `linkspan new plugin`: what it writes builds, and its tests pass.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::Cmd;
use linkspan_testkit::document::top;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// Cargo, for a crate that is no part of this workspace but uses what is built of it.
fn cargo(directory: &Path, words: &[&str]) -> Cmd {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let debug = env::var("CARGO_PROFILE_DEV_DEBUG");
    let built = Path::new(LINKSPAN).parent().and_then(Path::parent).unwrap();
    Cmd::new(cargo)
        .args(words)
        .args(["--offline", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", built)
        .env(
            "CARGO_PROFILE_DEV_DEBUG",
            debug.unwrap_or("line-tables-only".to_owned()),
        )
        .deadline(Duration::from_secs(600))
}

#[test]
fn what_is_written_builds_and_its_tests_pass() {
    for kind in ["chained", "ipam"] {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("crate");
        let name = format!("my-{kind}");
        let new = || {
            Cmd::new(LINKSPAN)
                .args(["new", "plugin", &name, "--kind", kind, "--dir"])
                .arg(&directory)
                .arg("--path")
                .arg(top())
        };
        let output = new().output();
        assert!(output.ok(), "{output}");
        assert!(output.stdout.contains("cargo test"), "{output}");
        // The versions that are here, since nothing is fetched.
        fs::copy(top().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
        let output = cargo(&directory, &["test"]).output();
        assert!(output.ok(), "{output}");
        assert!(output.stdout.contains("test result: ok"), "{output}");
        let output = cargo(&directory, &["run", "--quiet"])
            .env("CNI_COMMAND", "")
            .output();
        let about = format!("CNI {name} plugin v0.1.0: ");
        assert!(output.ok() && output.stderr.contains(&about), "{output}");
        // What is there stays as it is.
        let output = new().output();
        assert!(!output.ok(), "{output}");
        assert!(output.stderr.contains("is there already"), "{output}");
    }
}
