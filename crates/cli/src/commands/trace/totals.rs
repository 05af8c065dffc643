//! Where the time of each plugin went.

use std::time::Duration;

use linkspan_traces::{Node, What};

use super::waterfall::milliseconds;
use crate::style::Style;
use crate::text::{one_word, width};

const HEADING: [&str; 6] = ["PLUGIN", "MS", "PROCESS", "STEPS", "REST", "NETLINK"];

/// A line for each plugin of the chains, and one for all: how much of its time went to the start and the end of its process, to steps, and
/// to the rest. A plugin that tells nothing of itself has a total alone.
pub(super) fn table(style: Style, nodes: &[Node]) -> String {
    let operations = nodes.iter().flat_map(|node| &node.children);
    let plugins = operations.filter(|node| matches!(node.what, What::Plugin(_)));
    let mut rows: Vec<[String; 6]> = plugins.map(plugin).collect();
    if rows.is_empty() {
        return String::new();
    }
    let took = nodes.iter().map(|node| node.took).sum();
    let count: u64 = nodes.iter().map(|node| node.exchanges.count).sum();
    let nothing = String::new;
    let all = [
        "all".to_owned(),
        milliseconds(took),
        nothing(),
        nothing(),
        nothing(),
        count.to_string(),
    ];
    rows.push(all);
    rows.insert(0, HEADING.map(str::to_owned));
    let widest = |column: usize| rows.iter().map(move |row| width(&row[column])).max();
    let widths: Vec<usize> = (0..HEADING.len()).filter_map(widest).collect();
    let mut text = "\n".to_owned();
    for (number, row) in rows.iter().enumerate() {
        let mut line = format!("{:1$}", row[0], widths[0]);
        for (cell, width) in row.iter().zip(&widths).skip(1) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        let line = line.trim_end();
        text.push_str(&if number == 0 {
            style.bold(line)
        } else {
            line.to_owned()
        });
        text.push('\n');
    }
    text
}

fn plugin(node: &Node) -> [String; 6] {
    let What::Plugin(name) = &node.what else {
        return Default::default();
    };
    let sum = |of: &[What]| -> Duration {
        let parts = node.children.iter().filter(|part| of.contains(&part.what));
        parts.map(|part| part.took).sum()
    };
    let (process, rest) = (sum(&[What::Start, What::End]), sum(&[What::Rest]));
    let steps = node.took.saturating_sub(process + rest);
    let tells = !node.children.is_empty();
    let told = |text: String| if tells { text } else { "-".to_owned() };
    [
        one_word(name).into_owned(),
        milliseconds(node.took),
        told(milliseconds(process)),
        told(milliseconds(steps)),
        told(milliseconds(rest)),
        told(node.exchanges.count.to_string()),
    ]
}
