//! The crates that are published: what stands in their README and in the documentation of their features.

use std::fs;
use std::path::PathBuf;

use linkspan_testkit::Cmd;
use linkspan_testkit::document::top;

/// The folders of the crates that are published, each with its `Cargo.toml`.
fn published() -> Vec<(PathBuf, String)> {
    let folders = fs::read_dir(top().join("crates")).unwrap();
    let mut published: Vec<_> = folders
        .map(|folder| folder.unwrap().path())
        .map(|folder| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            (folder, manifest)
        })
        .filter(|(_, manifest)| manifest.contains("\npublish = true\n"))
        .collect();
    published.sort();
    published
}

/// The lines of a section of a manifest.
fn section<'m>(manifest: &'m str, name: &str) -> impl Iterator<Item = &'m str> {
    let begin = format!("[{name}]");
    let lines = manifest.lines().skip_while(move |line| *line != begin);
    lines.skip(1).take_while(|line| !line.starts_with('['))
}

#[test]
fn every_published_crate_tells_its_features_in_both_places() {
    let published = published();
    assert!(published.len() > 10, "{published:?}");
    for (folder, manifest) in published {
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        let docs = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        let features = section(&manifest, "features").filter_map(|line| line.split_once(" = "));
        for (feature, _) in features.filter(|(name, _)| *name != "default") {
            let (inside, outside) = (
                format!("\n//! - `{feature}`: "),
                format!("\n- `{feature}`: "),
            );
            assert!(docs.contains(&inside), "{feature} in lib.rs of {folder:?}");
            assert!(
                readme.contains(&outside),
                "{feature} in README.md of {folder:?}"
            );
        }
    }
}

/// Whoever has a package cannot build tests that need what is not published, or the scripts of the repository.
#[test]
fn no_package_has_tests_that_need_the_workspace() {
    for (folder, manifest) in published() {
        let tests = Cmd::new("grep")
            .args(["-rlE", r#"linkspan_testkit|join\("\.\./"#])
            .arg(folder.join("tests"))
            .output();
        let is_left_out = manifest.contains("\nexclude = [\"tests\"]\n");
        assert_eq!(!tests.stdout.is_empty(), is_left_out, "{tests}");
    }
}

/// A line of code for each of the libraries: one of the example of its README, which is compiled.
#[test]
fn the_lines_of_the_readme_stand_in_examples_that_are_compiled() {
    let text = fs::read_to_string(top().join("README.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| [`linkspan-"));
    let mut told = 0;
    for row in rows {
        // A bar within a cell has a backslash before it.
        let row = row.replace("\\|", "\u{0}");
        let (_, path) = row.split_once("](").unwrap();
        let (path, _) = path.split_once(')').unwrap();
        let code = row.rsplit('`').nth(1).unwrap().replace('\u{0}', "|");
        let example = fs::read_to_string(top().join(path)).unwrap();
        let is_there = example.lines().any(|line| line.trim() == code);
        assert!(is_there, "{code} in {path}");
        told += 1;
    }
    assert_eq!(told, 8, "the table was not understood");
}

/// A crate cannot be published when one that it needs is not.
#[test]
fn what_is_published_needs_nothing_that_is_not() {
    let published = published();
    let is_published = |name: &str| published.iter().any(|(folder, _)| folder.ends_with(name));
    for (folder, manifest) in &published {
        let needed = section(manifest, "dependencies")
            .filter_map(|line| line.strip_prefix("linkspan-"))
            .filter_map(|line| line.split(['.', ' ']).next());
        for name in needed {
            assert!(is_published(name), "{name}, which {folder:?} needs");
        }
    }
}

#[test]
fn every_published_crate_has_what_a_registry_shows() {
    for (folder, manifest) in published() {
        for key in [
            "description",
            "keywords",
            "categories",
            "documentation",
            "readme",
            "repository",
            "rust-version",
            "license",
        ] {
            let is_there = section(&manifest, "package").any(|line| line.starts_with(key));
            assert!(is_there, "{key} of {folder:?}");
        }
        let licence = fs::read_to_string(folder.join("LICENSE")).unwrap();
        assert_eq!(licence, fs::read_to_string(top().join("LICENSE")).unwrap());
        let lib = fs::read_to_string(folder.join("src/lib.rs")).unwrap();
        assert!(lib.contains("#![deny(missing_docs)]"), "{folder:?}");
        assert!(
            lib.contains("#[doc = include_str!(\"../README.md\")]"),
            "{folder:?}"
        );
    }
}
