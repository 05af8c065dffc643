//! What blocks of code hold is what they say.

use linkspan_testkit::document::Document;
use serde_json::Value;

/// What is called JSON is JSON.
#[test]
fn json_parses() {
    let mut wrong = Vec::new();
    for document in Document::all() {
        let blocks = document.blocks.iter();
        for block in blocks.filter(|block| block.language() == "json") {
            if let Err(error) = serde_json::from_str::<Value>(&block.text) {
                wrong.push(format!("{}: {error}", document.place(block.range.start)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
