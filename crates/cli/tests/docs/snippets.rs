//! Rust that is shown is part of an example that compiles.
//!
//! "```rust,from=FILE,region=NAME" shows the lines of a file between `// ANCHOR: NAME` and `// ANCHOR_END: NAME`.

use std::fs;

use linkspan_testkit::document::{Block, Document, top};

/// Every block of Rust is what its file has.
#[test]
fn rust_is_that_of_examples() {
    let _alone = crate::alone();
    for document in Document::all() {
        let blocks = document.blocks.iter();
        let rust = blocks.filter(|block| block.language() == "rust");
        let places = rust.map(|block| {
            let place = document.place(block.range.start);
            let text = region(block).unwrap_or_else(|why| panic!("{place}: {why}"));
            (block.range.clone(), text)
        });
        document.is_to_be(&document.with(places.collect()));
    }
}

/// The lines that a block is to have, as far to the left as they go.
fn region(block: &Block) -> Result<String, String> {
    let file = block
        .value("from")
        .ok_or("it does not say from which file it is")?;
    let name = block
        .value("region")
        .ok_or("it does not say which region it is")?;
    let text = fs::read_to_string(top().join(file)).map_err(|error| format!("{file}: {error}"))?;
    let is_mark = |line: &&str, word: &str| line.trim() == format!("// {word}: {name}");
    let inside = text
        .lines()
        .skip_while(|line| !is_mark(line, "ANCHOR"))
        .skip(1);
    let lines: Vec<&str> = inside
        .take_while(|line| !is_mark(line, "ANCHOR_END"))
        .collect();
    let indent = |line: &&str| line.len() - line.trim_start().len();
    let filled = lines.iter().filter(|line| !line.is_empty());
    let indent = filled
        .map(indent)
        .min()
        .ok_or(format!("{file} has no region {name}"))?;
    let shown = lines
        .iter()
        .map(|line| line.get(indent..).unwrap_or_default());
    Ok(shown.map(|line| format!("{line}\n")).collect())
}
