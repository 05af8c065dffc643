//! What `scripts/release` builds with, by what the machine has.
#![forbid(unsafe_code)]
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// A toolchain for `host` that has the standard library for the targets below `libraries`; its Cargo prints how it is called.
fn tools(dir: &Path, host: &str, installed: &[&str]) {
    let libraries = dir.join("libraries");
    for target in installed {
        fs::create_dir_all(libraries.join(target)).unwrap();
    }
    let rustc = format!(
        "case $1 in -vV) echo 'host: {host}' ;; *) echo {}/$4 ;; esac",
        libraries.display()
    );
    tool(dir, "rustc", &rustc);
    tool(dir, "cargo", "echo $CARGO_ENCODED_RUSTFLAGS $*");
    for name in ["sed", "dirname"] {
        symlink(Path::new("/usr/bin").join(name), dir.join(name)).unwrap();
    }
}

fn tool(dir: &Path, name: &str, line: &str) {
    fs::write(dir.join(name), format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// What it hands to Cargo, and what it says at its end.
fn release(tools: &Path, argument: &str) -> (String, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/release");
    let mut command = Command::new("/bin/sh");
    command.arg(script).arg(argument).env_clear();
    let output = command.env("PATH", tools).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (printed, said) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{said}");
    (printed.trim_end().to_owned(), said)
}

#[test]
fn the_best_that_there_is() {
    const GNU: &str = "x86_64-unknown-linux-gnu";
    const MUSL: &str = "x86_64-unknown-linux-musl";
    const ARM: &str = "aarch64-unknown-linux-gnu";
    const ARM_MUSL: &str = "aarch64-unknown-linux-musl";
    type Case<'a> = (&'a str, &'a [&'a str], bool, &'a str, bool, &'a str);
    // The host, the targets that are installed, whether there is `musl-gcc`; the target, whether it is linked by `musl-gcc`,
    // and a word of what is said.
    let cases: [Case<'_>; 7] = [
        (GNU, &[GNU, MUSL], true, MUSL, false, "the musl target"),
        (GNU, &[GNU, MUSL], false, MUSL, false, "the musl target"),
        (GNU, &[GNU], true, GNU, true, "musl-gcc"),
        (GNU, &[GNU], false, GNU, false, "glibc"),
        (
            ARM,
            &[ARM, ARM_MUSL],
            true,
            ARM_MUSL,
            false,
            "the musl target",
        ),
        (ARM, &[ARM], true, ARM, false, "glibc"),
        (MUSL, &[MUSL], false, MUSL, false, "the musl target"),
    ];
    for (host, installed, has_gcc, target, is_by_gcc, word) in cases {
        let case = format!("{host}, {installed:?}, {has_gcc}");
        let dir = tempfile::tempdir().unwrap();
        tools(dir.path(), host, installed);
        if has_gcc {
            tool(dir.path(), "musl-gcc", "exit 1");
        }
        let (called, said) = release(dir.path(), "--example=unwinding");
        let arguments = format!("--target {target} --release --example=unwinding");
        assert!(called.ends_with(&arguments), "{case}: {called}");
        assert_eq!(
            called.contains("linkspan_musl"),
            is_by_gcc,
            "{case}: {called}"
        );
        let place = format!("In target/{target}/release, built with {word}");
        assert!(
            said.starts_with(&place) && said.lines().count() == 1,
            "{case}: {said}"
        );
        assert_eq!(release(dir.path(), "--print-target").0, target, "{case}");
    }
}
