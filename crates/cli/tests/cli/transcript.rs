//! Documents that show what happens: every command in their console blocks is run, and what it printed compared with what is shown.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_testkit::{Cmd, Output};

use crate::node::LINKSPAN;

/// Runs the lines that begin with `# ` in blocks that begin with "```console", and compares. With `LINKSPAN_WRITE` in the
/// environment the document is made from what the commands print.
///
/// `shown` is what the document has of an output.
pub(crate) fn replay(document: &str, shown: impl Fn(&str, &Output) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(document);
    let text = fs::read_to_string(&path).unwrap();
    let program = program();
    let mut made = String::new();
    let mut lines = text.lines().peekable();
    let mut is_shown = false;
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        if line.starts_with("```") {
            is_shown = line == "```console";
        }
        let Some(command) = line.strip_prefix("# ").filter(|_| is_shown) else {
            continue;
        };
        let variable = std::env::var("PATH").unwrap();
        let output = Cmd::new("sh")
            .args(["-c", command])
            .env("PATH", format!("{}:{variable}", program.display()))
            .output();
        made += &shown(command, &output);
        while lines
            .next_if(|next| !next.starts_with("# ") && !next.starts_with("```"))
            .is_some()
        {}
    }
    same(&path, &made);
}

/// Compares what a document shows with what is printed; with `LINKSPAN_WRITE` in the environment it is written.
#[track_caller]
pub(crate) fn same(path: &Path, printed: &str) {
    if std::env::var_os("LINKSPAN_WRITE").is_some() {
        return fs::write(path, printed).unwrap();
    }
    let shown = fs::read_to_string(path).unwrap_or_default();
    let mut pairs = shown.lines().zip(printed.lines());
    let first = pairs.find(|(shown, printed)| shown != printed);
    assert!(
        shown == printed,
        "{} shows something else than is printed; LINKSPAN_WRITE=1 makes it anew. The first line: {first:#?}",
        path.display()
    );
}

/// A directory with the program and the plugins, in the sandbox.
fn program() -> PathBuf {
    let directory = PathBuf::from("/run/linkspan");
    fs::create_dir(&directory).unwrap();
    for name in ["linkspan", "linkspan-plugins"] {
        fs::copy(
            Path::new(LINKSPAN).with_file_name(name),
            directory.join(name),
        )
        .unwrap();
    }
    directory
}
