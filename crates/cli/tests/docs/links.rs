//! What is linked to is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use linkspan_testkit::document::{Document, top};

/// Every link of a document to a file leads to one, and where it names a heading the document has it.
#[test]
fn links_lead_somewhere() {
    let documents = Document::all();
    let anchors: BTreeMap<&Path, &Vec<String>> = documents
        .iter()
        .map(|document| (document.path.as_path(), &document.anchors))
        .collect();
    let mut wrong = Vec::new();
    for document in &documents {
        for (position, link) in &document.links {
            let is_elsewhere = link.contains("://") || link.starts_with("mailto:");
            if !is_elsewhere && let Err(why) = leads(&document.path, link, &anchors) {
                wrong.push(format!("{}: {link}: {why}", document.place(*position)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn leads(from: &Path, link: &str, anchors: &BTreeMap<&Path, &Vec<String>>) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => from.to_owned(),
        _ => plain(&from.with_file_name(file)).ok_or("leads out of the repository")?,
    };
    if !top().join(&target).exists() {
        return Err(format!("there is no {}", target.display()));
    }
    match anchors.get(target.as_path()) {
        _ if anchor.is_empty() => Ok(()),
        Some(names) if names.iter().any(|name| name == anchor) => Ok(()),
        Some(names) => Err(format!("it has {}", names.join(", "))),
        None => Err("it is no document with headings".to_owned()),
    }
}

/// A path without `..`; `None` where it leads out.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if !plain.pop() => return None,
            Component::ParentDir | Component::CurDir => {}
            part => plain.push(part),
        }
    }
    Some(plain)
}

/// Every page of the book stands in its summary once, and every picture on a page.
#[test]
fn the_book_is_whole() {
    let documents = Document::all();
    let (summary, pages): (Vec<&Document>, Vec<&Document>) = documents
        .iter()
        .filter(|document| document.path.starts_with("docs"))
        .partition(|document| document.path.ends_with("SUMMARY.md"));
    let listed: Vec<PathBuf> = summary[0]
        .links
        .iter()
        .map(|(_, link)| Path::new("docs").join(link))
        .collect();
    let once: BTreeSet<&PathBuf> = listed.iter().collect();
    assert_eq!(
        once.len(),
        listed.len(),
        "a page stands twice in docs/SUMMARY.md"
    );
    for page in &pages {
        assert!(
            once.contains(&page.path),
            "{} is not in docs/SUMMARY.md",
            page.path.display()
        );
    }
    let shown: BTreeSet<PathBuf> = pages
        .iter()
        .flat_map(|page| {
            page.links
                .iter()
                .filter_map(|(_, link)| plain(&page.path.with_file_name(link)))
        })
        .collect();
    for picture in crate::picture::all() {
        assert!(
            shown.contains(&picture),
            "no page shows {}",
            picture.display()
        );
    }
}
