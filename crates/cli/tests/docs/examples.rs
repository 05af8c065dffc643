//! The examples of the book are attached, and what is shown of them compared.
//!
//! A block that begins with "```json,example=NAME" is a configuration. On a host of its own it is written to the directory of
//! configurations, and the commands of the blocks "```console" that follow it are run, up to the next example.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::document::{Block, Document, replayed};
use linkspan_testkit::{Feature, Sandbox, Setup, needs};
use serde_json::{Value, json};

use crate::host::{Host, lay_programs};
use crate::reach;
use crate::shown::Shown;

/// Which examples need what of the kernel, by the beginnings of their names.
const NEEDS: [(&str, Feature); 5] = [
    ("bridge-vlan", Feature::BridgeVlanFiltering),
    ("dummy", Feature::Dummy),
    ("ipvlan", Feature::Ipvlan),
    ("vlan", Feature::Vlan),
    ("vrf", Feature::Vrf),
];

/// Every example does what its page shows, under this machine's kernel.
#[test]
fn do_what_is_shown() {
    crate::build_programs();
    are_shown(Setup::default(), |name| feature(name).is_none());
}

/// Those that need more of the kernel, in one virtual machine where this one has not all of it.
#[test]
fn do_what_is_shown_in_a_machine() {
    crate::build_programs();
    let features = NEEDS.map(|(_, feature)| feature);
    are_shown(needs(&features), |name| feature(name).is_some());
}

fn feature(name: &str) -> Option<Feature> {
    let found = NEEDS
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning));
    found.map(|(_, feature)| *feature)
}

/// Runs the examples whose names are chosen, and compares.
fn are_shown(setup: Setup, is_chosen: fn(&str) -> bool) {
    let documents = Document::all();
    let examples = documents.iter().flat_map(examples);
    let chosen: Vec<Example<'_>> = examples.filter(|example| is_chosen(example.name)).collect();
    let told = setup.deadline(Duration::from_secs(120)).tell(|host| {
        lay_programs();
        reach::serve(host.host());
        let made: Vec<Value> = chosen.iter().map(|example| example.run(host)).collect();
        json!(made).to_string()
    });
    let Some(told) = told else { return };
    let made: Vec<Made> = serde_json::from_str::<Vec<Value>>(&told)
        .unwrap()
        .iter()
        .map(Made::read)
        .collect();
    let paths: BTreeSet<&Path> = chosen.iter().map(|example| example.page).collect();
    let _alone = crate::alone();
    for path in paths {
        let page = Document::read(path);
        let of = |example: &Example<'_>| made.iter().find(|made| made.name == example.name);
        let shown = self::examples(&page)
            .into_iter()
            .filter_map(|example| Some((of(&example)?, example)));
        let places = shown.flat_map(|(made, example)| {
            let ranges = example.shows.into_iter().map(|block| block.range.clone());
            ranges.zip(made.shows.iter().cloned()).collect::<Vec<_>>()
        });
        page.is_to_be(&page.with(places.collect()));
    }
    let page = Document::read(reach::PAGE);
    let rows: Vec<String> = made.into_iter().filter_map(|made| made.reach).collect();
    page.is_to_be(&page.with(reach::places(&page, &rows)));
}

/// Names are names of one, and no command is shown that is not run: those of docs/operate and docs/migrate.md are run by the tests
/// of these pages.
#[test]
fn are_told_apart_and_run() {
    let mut names = BTreeSet::new();
    for document in Document::all() {
        for example in examples(&document) {
            assert!(
                names.insert(example.name.to_owned()),
                "two examples are called {}",
                example.name
            );
        }
        let first = document
            .blocks
            .iter()
            .position(|block| block.value("example").is_some());
        let shows = document
            .blocks
            .iter()
            .position(|block| block.info == "console");
        let is_run_elsewhere =
            document.path.starts_with("docs/operate") || document.path.ends_with("migrate.md");
        if let Some(shows) = shows.filter(|_| !is_run_elsewhere) {
            let place = document.place(document.blocks[shows].range.start);
            assert!(
                first.is_some_and(|first| first < shows),
                "{place}: nobody runs this"
            );
        }
    }
}

/// What an example came to.
struct Made {
    name: String,
    /// Its blocks.
    shows: Vec<String>,
    /// Its row in the table of who reaches whom.
    reach: Option<String>,
}

impl Made {
    fn read(json: &Value) -> Self {
        let shows = json["shows"].as_array().unwrap().iter();
        Self {
            name: json["name"].as_str().unwrap().to_owned(),
            shows: shows
                .map(|text| text.as_str().unwrap().to_owned())
                .collect(),
            reach: json["reach"].as_str().map(str::to_owned),
        }
    }
}

/// A configuration, and what follows from it.
struct Example<'d> {
    page: &'d Path,
    name: &'d str,
    config: &'d str,
    shows: Vec<&'d Block>,
}

/// The examples of a document.
fn examples(document: &Document) -> Vec<Example<'_>> {
    let mut examples: Vec<Example<'_>> = Vec::new();
    for block in &document.blocks {
        if let Some(name) = block.value("example") {
            examples.push(Example {
                page: &document.path,
                name,
                config: &block.text,
                shows: Vec::new(),
            });
        } else if let Some(example) = examples.last_mut().filter(|_| block.info == "console") {
            example.shows.push(block);
        }
    }
    examples
}

impl Example<'_> {
    /// What it comes to, for [`Made::read`].
    fn run(&self, sandbox: &Sandbox) -> Value {
        let host = Host::with_network(sandbox, self.name, self.config);
        let mut text = self.shows.iter().map(|block| &block.text);
        if text.any(|text| text.contains("/dev/tcp/")) {
            sandbox.existing_netns("c1").serve_tcp("[::]:80");
        }
        let mut shown = Shown::default();
        let mut run = |command: &str| {
            let output = host.run(command);
            shown.of(&format!("{}{}", output.stdout, output.stderr))
        };
        let shows = self
            .shows
            .iter()
            .map(|block| replayed(&block.text, &mut run));
        let shows: Vec<String> = shows.collect();
        let config: Value = serde_json::from_str(self.config).unwrap();
        let network = config["name"].as_str().unwrap();
        json!({ "name": self.name, "shows": shows, "reach": reach::row(&host, self.name, network) })
    }
}
