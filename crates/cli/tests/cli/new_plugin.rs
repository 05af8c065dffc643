//! `linkspan new plugin`: what it writes builds, and its tests pass.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::document::top;
use linkspan_testkit::{Cmd, Output};

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

/// Writes a crate to this directory.
fn new_plugin(name: &str, kind: &str, directory: &Path) -> Output {
    let output = Cmd::new(LINKSPAN)
        .args(["new", "plugin", name, "--kind", kind, "--dir"])
        .arg(directory)
        .arg("--path")
        .arg(top())
        .output();
    // The versions that are here, since nothing is fetched.
    if output.ok() {
        fs::copy(top().join("Cargo.lock"), directory.join("Cargo.lock")).unwrap();
    }
    output
}

#[test]
fn what_is_written_builds_and_its_tests_pass() {
    for kind in ["chained", "ipam"] {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("crate");
        let name = format!("my-{kind}");
        let output = new_plugin(&name, kind, &directory);
        assert!(output.ok(), "{output}");
        assert!(output.stdout.contains("cargo test"), "{output}");
        let output = cargo(&directory, &["test"]).output();
        assert!(output.ok(), "{output}");
        assert!(output.stdout.contains("test result: ok"), "{output}");
        let output = cargo(&directory, &["run", "--quiet"])
            .env("CNI_COMMAND", "")
            .output();
        let about = format!("CNI {name} plugin v0.1.0\n");
        assert!(output.ok() && output.stderr.contains(&about), "{output}");
        // What is no UTF-8 is there all the same.
        let output = cargo(&directory, &["run", "--quiet"])
            .env("CNI_COMMAND", OsStr::from_bytes(b"AD\xff"))
            .output();
        let words = "unknown CNI_COMMAND: AD\u{fffd}";
        assert!(output.stdout.contains(words), "{output}");
        // What is there stays as it is.
        let output = new_plugin(&name, kind, &directory);
        assert!(!output.ok(), "{output}");
        assert!(output.stderr.contains("is there already"), "{output}");
    }
}

/// Each would otherwise be `no rules expected this token`, somewhere inside of a macro.
#[test]
fn mistakes_in_the_keys_are_told_in_words() {
    let cases = [
        (
            "struct C { \"a\" => a: u8, read by [Add]; }",
            "the key \"a\" has no `/// …` before it: what does it mean?",
        ),
        (
            "struct C { /// A.\n \"a\" => a: u8; }",
            "the key \"a\" does not end in `, read by [Add, Check];`: which commands read it?",
        ),
        (
            "struct C { /// A.\n \"a\" => a: u8, default = 1; }",
            "the key \"a\" does not end in `, read by [Add, Check];`: which commands read it?",
        ),
        (
            "struct C { /// A.\n \"a\" => a: u8, read by []; }",
            "nothing else, at least one command, and `;` at the end",
        ),
        (
            "struct C { /// A.\n \"a\" => a: u8, read by [Add] }",
            "nothing else, at least one command, and `;` at the end",
        ),
        (
            "struct C { /// A.\n \"ok\" => ok: u8, read by [Add]; /// B.\n \"b\" => b: u8, unit = \"s\", default = 1, read by [Add]; }",
            "the key \"b\" is declared as `\"key\" => field: Type, default = …,",
        ),
        (
            "struct C { /// A.\n \"a\": u8, read by [Add]; }",
            "outside = \"…\", read by [Add, Check];`: what may be left out stands in this order, and nothing else",
        ),
        (
            "struct C { a: u8 }",
            "a key is declared as `/// Its meaning. \"key\" => field: Type, read by [Add, Check];`",
        ),
        (
            "struct C, strict = no { /// A.\n \"a\" => a: u8, read by [Add]; }",
            "`strict = no` is neither `warn` nor `deny`",
        ),
        ("enum C { A }", "keys! declares one struct: "),
    ];
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("crate");
    let output = new_plugin("my-mistakes", "chained", &directory);
    assert!(output.ok(), "{output}");
    // Each in a line range of its own, so that a message is known to be about it.
    let mut program = String::from("fn main() {}\n");
    let lines: Vec<usize> = cases
        .iter()
        .enumerate()
        .map(|(number, (input, _))| {
            program += &format!("mod m{number} {{\nlinkspan_plugin::keys! {{ {input} }}\n}}\n");
            program.lines().count()
        })
        .collect();
    fs::write(directory.join("src/main.rs"), program).unwrap();
    let output = cargo(&directory, &["build", "--message-format", "short"]).output();
    assert!(!output.ok(), "{output}");
    let told: Vec<(usize, &str)> = output.stderr.lines().filter_map(place).collect();
    let mut first = 0;
    for ((input, words), last) in cases.iter().zip(lines) {
        let here = told
            .iter()
            .filter(|(line, _)| (first..=last).contains(line));
        let here: Vec<&str> = here.map(|(_, message)| *message).collect();
        assert!(
            here.iter().any(|message| message.contains(words)),
            "{input}: {here:?}"
        );
        first = last + 1;
    }
}

/// The line that a message of the compiler is about, and the message.
fn place(message: &str) -> Option<(usize, &str)> {
    let (line, rest) = message.split_once("src/main.rs:")?.1.split_once(':')?;
    Some((line.parse().ok()?, rest.split_once("error: ")?.1))
}

fn new(directory: &Path, words: &[&str]) -> Cmd {
    Cmd::new(LINKSPAN)
        .args(["new", "plugin"])
        .args(words)
        .current_dir(directory)
}

#[test]
fn a_name_that_no_crate_of_a_plugin_can_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let long = "a".repeat(65);
    for name in [
        "2fast",
        "../x",
        "pl\u{fc}gin",
        "",
        "a b",
        "deps",
        "build",
        "linkspan-plugin",
        "linkspan_kernel",
        &long,
    ] {
        let output = new(folder.path(), &[name]).output();
        assert_eq!(output.status.code(), Some(2), "{name}: {output}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_is_told_to_be_done_next_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let output = new(folder.path(), &["a", "--dir", "with space"]).output();
    assert!(output.stdout.contains("  cd 'with space'\n"), "{output}");
    assert!(!output.stdout.contains("[workspace]"), "{output}");
    // Cargo: "current package believes it's in a workspace when it's not".
    fs::write(
        folder.path().join("Cargo.toml"),
        "[workspace]\nmembers = []\n",
    )
    .unwrap();
    let output = new(folder.path(), &["b"]).output();
    let told = format!(
        "  # {}/Cargo.toml must have it among its members",
        folder.path().display()
    );
    assert!(output.stdout.contains(&told), "{output}");
}
