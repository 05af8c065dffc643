//! The tables of proofs: made by `scripts/proof`, the same wherever they stand, with commands that there are.

use std::fs;
use std::path::Path;

use linkspan_testkit::Cmd;
use linkspan_testkit::document::{Document, top};

const PAGES: [&str; 2] = ["README.md", "docs/proof.md"];
const SCRIPT: &str = "scripts/proof";

fn region(page: &str) -> String {
    let document = Document::read(page);
    document.text[document.region("proofs")].to_owned()
}

/// The cells of the table's lines, without its head.
fn rows(table: &str) -> Vec<Vec<String>> {
    let lines = table.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.map(cells).collect()
}

#[test]
fn proofs_are_told_alike_wherever_they_are() {
    let [readme, page] = PAGES.map(region);
    assert_eq!(readme, page, "make them anew: scripts/proof --write");
    let listed = Cmd::new(top().join(SCRIPT)).arg("--list").run();
    let names: Vec<_> = rows(&readme)
        .into_iter()
        .map(|row| row[1].trim_matches('`').to_owned())
        .collect();
    assert_eq!(listed.lines().collect::<Vec<_>>(), names);
}

#[test]
fn proofs_have_commands_that_there_are() {
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    for row in rows(&region(PAGES[0])) {
        let target = row[3].trim_matches('`').strip_prefix("make ").unwrap();
        assert!(
            makefile.lines().any(|line| {
                let told = line
                    .strip_prefix(".PHONY: ")
                    .or(line.strip_prefix("PROOFS := "));
                told.is_some_and(|names| names.split_whitespace().any(|name| name == target))
            }),
            "the Makefile has no {target}"
        );
    }
}

/// A proof that has been run is told as it was kept, one that has not keeps what was told of it.
#[test]
fn proofs_are_told_as_they_were_kept() {
    let place = tempfile::tempdir().unwrap();
    let at = |path: &str| place.path().join(path);
    for folder in ["scripts", "docs", "target/proof"] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    fs::copy(top().join(SCRIPT), at(SCRIPT)).unwrap();
    for page in PAGES {
        fs::write(at(page), "before\n<!-- proofs -->\n<!-- end -->\nafter\n").unwrap();
    }
    let write = || {
        let script = Cmd::new(at(SCRIPT)).arg("--write");
        script.env("CARGO_TARGET_DIR", at("target")).run();
        let texts = PAGES.map(|page| fs::read_to_string(at(page)).unwrap());
        assert_eq!(texts[0], texts[1]);
        assert!(texts[0].starts_with("before\n") && texts[0].ends_with("\nafter\n"));
        rows(&texts[0])
            .into_iter()
            .map(|row| (row[1].clone(), row[5..7].join("; ")))
            .collect::<Vec<_>>()
    };
    let keep = |name: &str, passed: &str, seconds: u32| {
        let (day, machine) = match name {
            "e2e" => ("2026-01-01", "a big machine"),
            _ => ("2026-01-02", "a machine"),
        };
        let text = format!(
            r#"{{"proof": "{name}", "passed": {passed}, "counts": {{"kills": 1234, "lost": 0}},
                "seconds": {seconds}, "commit": "abc", "date": "{day}", "machine": "{machine}"}}"#
        );
        fs::write(at(&format!("target/proof/{name}.json")), text).unwrap();
    };
    let told = |rows: &[(String, String)], name: &str| {
        let row = rows.iter().find(|row| row.0 == format!("`{name}`"));
        row.unwrap().1.clone()
    };

    assert_eq!(told(&write(), "chaos"), "not run yet; ");
    keep("chaos", "true", 119);
    keep("e2e", "false", 300);
    let rows = write();
    assert_eq!(told(&rows, "chaos"), "1,234 kills, 0 lost; 119 s");
    assert_eq!(told(&rows, "e2e"), "**failed**; 1,234 kills, 0 lost; 5 min");
    remove(&at("target/proof/e2e.json"));
    assert_eq!(write(), rows, "what was not run again is told as before");
    // And so is where that was.
    let page = fs::read_to_string(at(PAGES[0])).unwrap();
    let of_both = "\nCounted of the commits of 2026-01-01 and 2026-01-02, on a big machine and on a machine.\n";
    assert!(page.contains(of_both), "{page}");
    keep("e2e", "true", 300);
    remove(&at("target/proof/chaos.json"));
    write();
    let page = fs::read_to_string(at(PAGES[0])).unwrap();
    assert!(page.contains(of_both), "{page}");
}

/// Without rights tests of real runtimes pass, and have run nothing; so does a name that no test has any more.
#[test]
fn what_counted_nothing_is_not_proven() {
    let place = tempfile::tempdir().unwrap();
    let script = Cmd::new(top().join(SCRIPT)).arg("e2e");
    let told = script
        .env("CARGO", "true")
        .env("CARGO_TARGET_DIR", place.path())
        .env("LINKSPAN_PLUGINS", "/nonexistent")
        .env("LINKSPAN", "/nonexistent")
        .output();
    assert!(!told.ok(), "{told}");
    let reason = "e2e has counted nothing, so nothing was proven\n";
    assert!(told.stdout.contains(reason), "{told}");
    let kept = fs::read_to_string(place.path().join("proof/e2e.json")).unwrap();
    assert!(kept.contains(r#""passed": false"#), "{kept}");
}

fn remove(file: &Path) {
    fs::remove_file(file).unwrap();
}
