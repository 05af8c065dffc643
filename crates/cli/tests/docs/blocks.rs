//! What blocks of code hold is what they say.

use std::fs;

use linkspan_testkit::Cmd;
use linkspan_testkit::document::{Block, Document};
use serde_json::{Deserializer, Value};

/// What is called JSON is JSON.
#[test]
fn json_parses() {
    let mut wrong = Vec::new();
    for document in Document::all() {
        let blocks = document.blocks.iter();
        for block in blocks.filter(|block| block.language() == "json") {
            // Objects one after another are JSON Lines.
            let mut values = Deserializer::from_str(&block.text).into_iter::<Value>();
            if let Some(Err(error)) = values.find(Result::is_err) {
                wrong.push(format!("{}: {error}", document.place(block.range.start)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Configurations that are shown are without fault, on pages that show neither faults nor shapes.
#[test]
fn lint_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = String::new();
    let mut count = 0;
    for document in Document::all() {
        let shows_faults =
            document.path.starts_with("docs/operate") || document.path.ends_with("json.md");
        for block in document.blocks.iter().filter(|_| !shows_faults) {
            let Some(extension) = extension(block) else {
                continue;
            };
            let name = document.place(block.range.start).replace('/', "-");
            let file = folder.path().join(format!("{name}.{extension}"));
            fs::write(&file, &block.text).unwrap();
            let lint =
                Cmd::new(env!("CARGO_BIN_EXE_linkspan")).args(["lint", "--no-host", "--strict"]);
            let output = lint.arg(&file).output();
            count += 1;
            if !output.ok() {
                wrong += &output.to_string();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count > 30, "{count} are too few to be all");
}

/// That of a file with the configuration that a block is; `None` where it is none.
fn extension(block: &Block) -> Option<&'static str> {
    let json: Value = serde_json::from_str(&block.text)
        .ok()
        .filter(|_| block.language() == "json")?;
    json["name"].as_str()?;
    match json["plugins"].is_array() {
        true => Some("conflist"),
        false => json["type"].as_str().map(|_| "conf"),
    }
}
