//! What goes wrong on a node, and what is told of it: docs/operate/troubleshooting.md.

use linkspan_testkit::{Output, sandbox};
use regex_lite::{Captures, Regex};

use crate::node::Node;
use crate::transcript::replay;

/// Every command of the page does what the page shows, on a node with three networks and ten containers.
#[test]
fn what_is_broken_is_found_and_mended_as_the_page_shows() {
    sandbox(|host| {
        let node = Node::busy(host);
        assert_eq!(node.ok(&["status", "--brief"]), "");
        replay("operate/troubleshooting.md", shown);
        let told = node.ok(&["status", "--brief"]);
        assert_eq!(told, "", "all is as before");
    });
}

/// Both outputs without what differs from run to run: as if the containers had been attached a moment ago, at three o'clock.
fn shown(_command: &str, output: &Output) -> String {
    let text = format!("{}{}", output.stdout, output.stderr);
    let steady = [
        (r"\b\d+ d\b", "300 d"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "2026-12-01 03:00:00"),
        (r"\bnetns-\d+-\d+\b", "netns-4026532000-1"),
        (r"\b40265\d{5}\b", "4026532000"),
        (r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "02:00:00:00:00:01"),
    ];
    let text = steady.into_iter().fold(text, |text, (pattern, instead)| {
        Regex::new(pattern)
            .unwrap()
            .replace_all(&text, instead)
            .into_owned()
    });
    // In a table the column stays as wide as it is.
    let age = Regex::new(r"\b(\d+) (s|min)\b(  )?").unwrap();
    let text = age.replace_all(&text, |found: &Captures<'_>| match found.get(3) {
        Some(_) => format!("{:1$}  ", "0 s", found[1].len() + 1 + found[2].len()),
        None => "0 s".to_owned(),
    });
    text.into_owned()
}
