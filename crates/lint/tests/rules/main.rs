//! What is found in configurations with mistakes, and that nothing is found in those without.

#![expect(
    clippy::expect_used,
    reason = "a helper of tests fails the test that uses it"
)]

mod bad;
mod world;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bad::{BAD, Mends};
use linkspan_lint::{Document, Finding, RULES, Severity, fix, input, lint};
use linkspan_testkit::document;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(name)
}

fn documents(path: &Path) -> Vec<Document> {
    let is_of_directory = path.to_string_lossy().contains("/directories/");
    let read = match path.parent().filter(|_| is_of_directory) {
        Some(directory) => input::directory(directory),
        None => input::file(path),
    };
    read.expect("a configuration")
}

/// What is told of a file.
fn told(path: &Path, documents: &[Document]) -> Vec<Finding> {
    let facts = path
        .to_string_lossy()
        .contains("/bad/host/")
        .then(world::facts);
    let reports = lint(documents, facts.as_ref());
    let name = path.to_string_lossy();
    let of_file = reports
        .into_iter()
        .filter(|report| report.source.name() == name);
    of_file.flat_map(|report| report.findings).collect()
}

/// A finding as a person would read it.
fn shown(path: &Path, text: &str, finding: &Finding) -> String {
    let source = linkspan_lint::Source::new("", text.as_bytes());
    let place = source.place(finding.span.start);
    let help = finding.help.clone().unwrap_or_default();
    format!(
        "{}:{place}: {:?} [{}] {} ({}); {help}{}",
        path.file_name().unwrap_or_default().to_string_lossy(),
        finding.severity,
        finding.rule.id,
        finding.message,
        finding.label,
        if finding.fix.is_some() { " (fix)" } else { "" },
    )
}

#[test]
fn every_mistake_is_told_at_its_place_and_nothing_else() {
    let mut wrong = Vec::new();
    for (file, rule, place, words, mends) in BAD {
        let path = folder("bad").join(file);
        let text = fs::read_to_string(&path).expect("text");
        let found = told(&path, &documents(&path));
        let all: Vec<String> = found
            .iter()
            .map(|finding| shown(&path, &text, finding))
            .collect();
        let is_it = |shown: &&String| {
            shown.contains(&format!(":{place}: "))
                && shown.contains(&format!("[{rule}]"))
                && shown.contains(words)
        };
        let ours = all.iter().find(is_it);
        let others = found
            .iter()
            .filter(|finding| finding.rule.id != *rule && finding.severity > Severity::Note)
            .count();
        let is_mended = ours.map(|shown| shown.ends_with(" (fix)"));
        if others > 0 || is_mended != Some(*mends == Mends::Yes) {
            wrong.push(format!("{file}: expected {rule} at {place} with {words:?}, mended: {mends:?}; told:\n    {}", all.join("\n    ")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        BAD.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_is_mended_is_without_that_mistake_and_without_a_new_one() {
    for (file, rule, ..) in BAD.iter().filter(|(.., mends)| *mends == Mends::Yes) {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = folder("bad").join(file);
        let before = fs::read_to_string(&path).expect("text");
        let found = told(&path, &documents(&path));
        let (after, made) = fix::fixed(&before, &found);
        assert!(made > 0, "{file}");
        // Of the same name, since that says what the file holds; facts of the host are about its links, not its place.
        let mended = scratch.path().join(file);
        fs::create_dir_all(mended.parent().expect("a directory")).expect("made");
        fs::write(&mended, &after).expect("written");
        let left = told(&mended, &documents(&mended));
        let shown: Vec<String> = left
            .iter()
            .filter(|finding| finding.rule.id == *rule || finding.severity > Severity::Note)
            .map(|finding| shown(&mended, &after, finding))
            .collect();
        assert!(shown.is_empty(), "{file}: {shown:?} in\n{after}");
    }
}

#[test]
fn each_file_with_a_mistake_is_in_the_table() {
    let known: BTreeSet<PathBuf> = BAD
        .iter()
        .map(|(file, ..)| folder("bad").join(file))
        .collect();
    let mut files = Vec::new();
    visit(&folder("bad"), &mut files);
    for file in files.iter().filter(|file| !known.contains(*file)) {
        let is_beside = known.iter().any(|other| other.parent() == file.parent());
        let is_of_directory = file.to_string_lossy().contains("/directories/");
        assert!(
            is_beside && is_of_directory,
            "{} is not in the table",
            file.display()
        );
    }
    let rules: BTreeSet<&str> = BAD.iter().map(|(_, rule, ..)| *rule).collect();
    let without: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.id)
        .filter(|id| !rules.contains(id))
        .collect();
    // What cannot be in a file of this repository: one that nobody can read.
    assert_eq!(without, ["unreadable", "yaml"]);
}

fn visit(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        match entry.path().is_dir() {
            true => visit(&entry.path(), files),
            false => files.push(entry.path()),
        }
    }
}

/// Good configurations of which something is worth knowing all the same.
const NOTES: &[(&str, &str)] = &[
    // Keys that nobody has read for years, or that an example makes up.
    ("kubenet-host-port.conf", "unknown-key"),
    ("linkerd-chained.conflist", "unknown-key"),
    ("minikube-bridge.conflist", "unknown-key"),
    ("specification.conflist", "unknown-key"),
    // As the page of the bandwidth plugin has it.
    ("bandwidth.conflist", "masquerade-without-route"),
];

#[test]
fn nothing_is_told_of_good_configurations() {
    let mut files = Vec::new();
    visit(&folder("good"), &mut files);
    files.sort();
    assert!(files.len() >= 60, "{}", files.len());
    let mut wrong = Vec::new();
    for path in &files {
        let text = fs::read_to_string(path).expect("text");
        let documents = documents(path);
        assert!(!documents.is_empty(), "{} holds nothing", path.display());
        for finding in told(path, &documents) {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if !NOTES.contains(&(&file, finding.rule.id)) || finding.severity > Severity::Note {
                wrong.push(shown(path, &text, &finding));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_of_the_rules_lists_them_all() {
    let page = document::Document::read("docs/operate/lint-rules.md");
    let mut table =
        "\n| rule | | what it finds | why that matters |\n|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let severity = format!("{:?}", rule.severity).to_lowercase();
        let cells = [rule.about, rule.why].map(|text| text.replace('|', "\\|"));
        table += &format!(
            "| `{}` | {severity} | {} | {} |\n",
            rule.id, cells[0], cells[1]
        );
    }
    let range = page.region("rules");
    let (before, behind) = (&page.text[..range.start], &page.text[range.end..]);
    page.is_to_be(&format!("{before}{table}\n{behind}"));
}

#[test]
fn each_rule_has_an_id_of_its_own() {
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len());
    let is_plain = |id: &str| {
        id.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    assert!(ids.iter().all(|id| is_plain(id)), "{ids:?}");
}
