//! Documents that show what happens: every command in their console blocks is run, and what it printed compared with what is shown.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_testkit::document::{Document, replayed};
use linkspan_testkit::{Cmd, Output};

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// Runs the lines that begin with `# ` in blocks that begin with "```console", and compares. With `LINKSPAN_WRITE` in the
/// environment the document is made from what the commands print.
///
/// `shown` is what the document has of an output.
pub(crate) fn replay(document: &str, shown: impl Fn(&str, &Output) -> String) {
    let document = Document::read(Path::new("docs").join(document));
    let shell = Shell::new();
    let blocks = document.blocks.iter();
    let shows = blocks.filter(|block| block.info == "console");
    let made = shows.map(|block| {
        let made = replayed(&block.text, |command| shown(command, &shell.run(command)));
        (block.range.clone(), made)
    });
    document.is_to_be(&document.with(made.collect()));
}

/// Runs lines of shell in the sandbox, where the program and the plugins are found along `PATH`.
pub(crate) struct Shell {
    path: String,
}

impl Shell {
    /// With the program and the plugins in a directory of the sandbox.
    pub(crate) fn new() -> Self {
        let directory = PathBuf::from("/run/linkspan");
        fs::create_dir(&directory).unwrap();
        for name in ["linkspan", "linkspan-plugins"] {
            fs::copy(
                Path::new(LINKSPAN).with_file_name(name),
                directory.join(name),
            )
            .unwrap();
        }
        let variable = std::env::var("PATH").unwrap();
        Self {
            path: format!("{}:{variable}", directory.display()),
        }
    }

    pub(crate) fn run(&self, line: &str) -> Output {
        Cmd::new("sh")
            .args(["-c", line])
            .env("PATH", &self.path)
            .output()
    }
}
