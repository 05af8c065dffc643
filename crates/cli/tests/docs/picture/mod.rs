//! The pictures of the book are made from descriptions: `docs/pictures/NAME.txt` is what `docs/pictures/NAME.svg` shows.
//!
//! A description has a line for each thing. Positions are a column and a row, both counted from 0; a row may lie between others.
//!
//! ```text
//! title WORDS                                 what the picture shows, for those who do not see it
//! frame ID: WORDS                             what has boxes in it, such as the host
//! box ID COLUMN ROW KIND [@FRAME]: WORDS | …  lines of text; KIND is outside, link, bridge, routing, card or note
//! wire A B: WORDS                             a cable, or what is one
//! route A B: WORDS                            the host routes
//! flow A B: WORDS                             packets go there
//! barred A B: WORDS                           packets do not
//! ```

mod layout;
mod parse;
mod svg;

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_testkit::document::{same, top};

const PICTURES: &str = "docs/pictures";

/// The pictures, as paths from the top of the repository.
pub(crate) fn all() -> Vec<PathBuf> {
    let entries = fs::read_dir(top().join(PICTURES)).unwrap().flatten();
    let names = entries.map(|entry| Path::new(PICTURES).join(entry.file_name()));
    let mut pictures: Vec<PathBuf> = names
        .filter(|path| path.extension().unwrap() == "svg")
        .collect();
    pictures.sort();
    pictures
}

/// Every picture is what its description says.
#[test]
fn pictures_are_made_from_their_descriptions() {
    let mut made = Vec::new();
    for entry in fs::read_dir(top().join(PICTURES)).unwrap().flatten() {
        let path = entry.path();
        if path.extension().unwrap() != "txt" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let picture =
            parse::picture(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let target = path.with_extension("svg");
        same(&target, &svg::drawn(&layout::of(&picture)));
        made.push(target);
    }
    for picture in all() {
        assert!(
            made.contains(&top().join(&picture)),
            "{} has no description",
            picture.display()
        );
    }
}
