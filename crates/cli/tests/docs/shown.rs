//! What a page has of an output: without what differs from run to run.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};

/// What stands for what has been seen so far, so that the same is shown as the same.
#[derive(Default)]
pub(crate) struct Shown {
    macs: Names,
    local: Names,
    links: Names,
}

impl Shown {
    /// An output as it is shown.
    pub(crate) fn of(&mut self, output: &str) -> String {
        let mac = Regex::new(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b").unwrap();
        let text = mac.replace_all(output, |found: &Captures<'_>| match &found[0] {
            said @ ("00:00:00:00:00:00" | "ff:ff:ff:ff:ff:ff") => said.to_owned(),
            // Somebody has chosen it.
            said if said.starts_with("02:42:") => said.to_owned(),
            said => format!("02:00:00:00:00:{:02x}", self.macs.of(said)),
        });
        let local = Regex::new(r"\bfe80::[0-9a-f:]+").unwrap();
        let text = local.replace_all(&text, |found: &Captures<'_>| {
            format!("fe80::{:x}", self.local.of(&found[0]))
        });
        // The number of the other end, in the column that `ip -brief` has for the name.
        let end = Regex::new(r"(\w+)@if\d+( *)").unwrap();
        let text = end.replace_all(&text, |found: &Captures<'_>| match found[2].len() {
            0 | 1 => format!("{}@if9{}", &found[1], &found[2]),
            _ => format!("{:<17}", format!("{}@if9", &found[1])),
        });
        let number = Regex::new(r"(?m)^\d+: (\w+)").unwrap();
        let text = number.replace_all(&text, |found: &Captures<'_>| {
            format!("{}: {}", self.links.of(&found[1]), &found[1])
        });
        let since = Regex::new(r"\bsince \d+ seconds?").unwrap();
        let text = since.replace_all(&text, "since 0 seconds");
        let round = Regex::new(r"\btime \d+ms\b").unwrap();
        let text = round.replace_all(&text, "time 0ms");
        // What a server tells of whoever has connected.
        let port = Regex::new(r"(?m)^(?:\[::ffff:)?([\d.]+|\[[\da-f:]+\])\]?:\d{4,5}$").unwrap();
        let text = port.replace_all(&text, "$1:40000");
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
        lines.collect()
    }
}

/// Numbers for words, in the order in which they were seen.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    fn of(&mut self, word: &str) -> usize {
        let next = self.0.len() + 1;
        *self.0.entry(word.to_owned()).or_insert(next)
    }
}
