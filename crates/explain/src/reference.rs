//! Keys and known messages as Markdown: the tables of the reference pages.

use std::fmt::Write;

use linkspan_plugin::config::Key;

use crate::error::all_known;
use crate::key::{Owner, every_key, inside, kind};

/// The table of an owner's keys, each with its type, default, meaning and the commands that read it.
pub fn table(owner: Owner) -> String {
    let mut text = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    for found in every_key(owner) {
        let key = found.key;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            found.path,
            cell(&kind_of(key)),
            cell(&default_of(key)),
            cell(&meaning(key)),
        );
    }
    text
}

/// The known messages, a table for each group: the words, the cause, what to do. In a cause {1} is what the first star stands for, and so
/// on; in the tables, where nothing is there for it yet, that is an ellipsis.
pub fn messages() -> String {
    let mut text = String::new();
    let mut before = "";
    for (group, pattern, cause, next) in all_known() {
        if group != before {
            let gap = if before.is_empty() { "" } else { "\n" };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{gap}## {}\n\n| message | cause | what to do |\n|---|---|---|",
                heading(group)
            );
            before = group;
        }
        let pattern = pattern.replace('*', "…").replace('`', "'");
        let _ = writeln!(
            text,
            "| `{}` | {} | {} |",
            cell(&pattern),
            cell(&unfilled(cause)),
            cell(&unfilled(next))
        );
    }
    text
}

fn heading(group: &str) -> &'static str {
    match group {
        "addresses" => "Addresses",
        "links" => "Interfaces, and the kernel below them",
        "chained" => "Ports, firewalls, limits, settings",
        "runtime" => "Runtimes, and how they run plugins",
        _ => "Plugins of others",
    }
}

/// With an ellipsis where a message says what is meant.
fn unfilled(template: &str) -> String {
    (1..=9).fold(template.to_owned(), |text, number| {
        text.replace(&format!("{{{number}}}"), "…")
    })
}

/// The type with unit and range.
pub fn kind_of(key: &Key) -> String {
    let mut words = match inside(&key.shape) {
        (0, []) => key.kind.to_owned(),
        _ => kind(&key.shape),
    };
    if let Some(unit) = key.unit {
        let _ = write!(words, ", in {unit}");
    }
    if let Some((least, most)) = key.range {
        let _ = write!(words, ", {least} to {most}");
    }
    words
}

/// The meaning in one line.
pub fn meaning(key: &Key) -> String {
    let lines: Vec<&str> = key.meaning.iter().map(|line| line.trim()).collect();
    lines.join(" ")
}

fn default_of(key: &Key) -> String {
    key.default
        .map(|json| format!("`{json}`"))
        .unwrap_or_default()
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::owners;

    #[test]
    fn a_table_has_a_line_for_each_key_and_four_cells_in_each() {
        for owner in owners() {
            let table = table(owner);
            assert_eq!(
                table.lines().count(),
                2 + every_key(owner).len(),
                "{}",
                owner.name
            );
            for line in table.lines() {
                let bars = line.matches('|').count() - line.matches("\\|").count();
                assert_eq!(bars, 5, "{line}");
            }
        }
    }

    #[test]
    fn a_line_says_all_that_is_declared() {
        let owners = owners();
        let bridge = owners.iter().find(|owner| owner.name == "bridge").unwrap();
        let table = table(*bridge);
        let line = "| `vlan` | a whole number, 0 to 4094 | `0` | The VLAN of the container's port (access, untagged); 0 is none. |";
        assert!(table.contains(line), "{table}");
        assert!(
            table.contains("| `vlanTrunk` | a list, each an object |"),
            "{table}"
        );
        assert!(
            table.contains("| `vlanTrunk[].minID` | a whole number |"),
            "{table}"
        );
    }
}
