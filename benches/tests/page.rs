//! What `docs/benchmarks.md` shows is what the data beside it give. `LINKSPAN_WRITE=1` makes it anew.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;

use linkspan_benches::{page, plots};
use linkspan_testkit::document::{Document, same, top};

#[test]
fn tables_and_pictures_are_made_from_the_data() {
    let data = page::read(&top()).unwrap();
    for (name, drawn) in plots::ALL {
        same(&top().join(page::PICTURES).join(name), &drawn(&data));
    }
    let document = Document::read(page::PAGE);
    document.is_to_be(&page::redrawn(&document.text, &data).unwrap());
}

#[test]
fn every_picture_is_shown_and_drawn() {
    let text = Document::read(page::PAGE).text;
    let drawn: BTreeSet<&str> = plots::ALL.iter().map(|(name, _)| *name).collect();
    for name in &drawn {
        assert!(
            text.contains(&format!("(benchmarks/{name})")),
            "{name} is not shown"
        );
    }
    for entry in fs::read_dir(top().join(page::PICTURES)).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        assert!(
            name == "data.json" || drawn.contains(name.as_str()),
            "nobody draws {name}"
        );
    }
}

/// Each is in one table, and in no other.
#[test]
fn every_scenario_that_was_measured_is_shown() {
    let data = page::read(&top()).unwrap();
    for scenario in data.scenarios.keys() {
        let tables = page::TABLES
            .iter()
            .filter(|(_, scenarios)| scenarios.contains(&scenario.as_str()));
        assert_eq!(tables.count(), 1, "{scenario}");
    }
}
