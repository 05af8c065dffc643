//! `docs/libcni.md`: every name of ours on it is a link in `crates/cli/src/libcni.rs`, which rustdoc follows.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use linkspan_testkit::document::Document;

/// Stands before the links.
const HEAD: &str = "\
//! The names of ours that `docs/libcni.md` puts beside those of libcni and go-cni, as links: rustdoc refuses one that leads nowhere.
//! A function cannot be named otherwise without a word on its parameters' types.
//!
//! Made of the tables: `LINKSPAN_WRITE=1 cargo test -p linkspan --test docs libcni`.
//!
";

/// Stands behind them: what the names are looked up in.
const TAIL: &str = "
#[expect(unused_imports, reason = \"the links above are looked up here\")]
use {
    linkspan_kernel as kernel, linkspan_plugin as plugin,
    linkspan_runtime::{self, *},
};
";

#[test]
fn libcni_names_what_there_is() {
    let _alone = crate::alone();
    let document = Document::read("docs/libcni.md");
    let names = names(&document.text);
    assert!(
        names.len() > 100,
        "the tables were not understood: {names:?}"
    );
    let links = names.iter().map(|name| format!("//! - [`{name}`]\n"));
    let made = format!("{HEAD}{}{TAIL}", links.collect::<String>());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/libcni.rs");
    if std::env::var_os("LINKSPAN_WRITE").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        made,
        "make it anew: LINKSPAN_WRITE=1 cargo test -p linkspan --test docs libcni"
    );
}

/// What stands as code in the second column of the tables with three.
fn names(text: &str) -> BTreeSet<&str> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let cells = rows.filter_map(|row| match row.split('|').collect::<Vec<_>>()[..] {
        ["", _, ours, _, ""] => Some(ours),
        _ => None,
    });
    cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}
