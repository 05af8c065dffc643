//! What SECURITY.md promises names the tests that keep it; a test that was renamed or removed is missed here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_security_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let named: BTreeSet<&str> = text
        .split('`')
        .filter(|word| is_name_of_a_test(word))
        .collect();
    assert!(named.len() > 20, "SECURITY.md names tests: {named:?}");

    let mut sources = Vec::new();
    gather(&root.join("crates"), &mut sources);
    let sources: String = sources
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .collect();
    let missing: Vec<_> = named
        .iter()
        .filter(|name| !sources.contains(&format!("fn {name}() {{")))
        .collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

fn is_name_of_a_test(word: &str) -> bool {
    word.contains('_')
        && word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn gather(folder: &Path, sources: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push(path);
        }
    }
}
