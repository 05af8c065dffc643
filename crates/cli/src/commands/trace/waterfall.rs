//! A trace, drawn: what took how long, and when.

use std::env;
use std::time::Duration;

use linkspan_traces::{Node, What};

use crate::style::Style;
use crate::text::{cut, one_word, width};

/// What bars are drawn with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// The end of a bar, by eighths of a column; the last is a whole one.
    eighths: [char; 8],
    /// A bar that begins in the second half of a column.
    late: char,
    more: &'static str,
    failed: &'static str,
}

const BLOCKS: Signs = Signs {
    eighths: ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'],
    late: '▐',
    more: "…",
    failed: "✗ ",
};

const ASCII: Signs = Signs {
    eighths: ['#'; 8],
    late: '#',
    more: "...",
    failed: "x ",
};

/// Those that the locale has.
pub(super) fn signs() -> Signs {
    let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    let locale = locale.unwrap_or_default().to_ascii_uppercase();
    match locale.contains("UTF-8") || locale.contains("UTF8") {
        true => BLOCKS,
        false => ASCII,
    }
}

/// Columns where there is no terminal that has any.
const COLUMNS: usize = 80;

/// Fewer columns have no room for bars, and more are not looked at.
const FEWEST: usize = 60;
const MOST: usize = 200;

/// Columns of times and of counts.
const TIME: usize = 8;
const COUNT: usize = 7;

/// What is shorter is not seen at two decimals.
const MOMENT: Duration = Duration::from_micros(5);

/// A line of it.
struct Line<'a> {
    depth: usize,
    node: &'a Node,
}

/// The trace, with totals.
pub(super) fn draw(style: Style, signs: Signs, nodes: &[Node]) -> String {
    let columns = style.columns().unwrap_or(COLUMNS).clamp(FEWEST, MOST);
    let mut lines = Vec::new();
    for node in nodes {
        node.walk(0, &mut |depth, node| {
            if !is_nothing(node) {
                lines.push(Line { depth, node });
            }
        });
    }
    let widest = lines
        .iter()
        .map(|line| line.label(signs).chars().count())
        .max();
    // Words have as much room as they need, and no more than half of it.
    let words = widest.unwrap_or(0).clamp(20, columns / 2);
    let bars = columns - words - TIME - COUNT - 3;
    let all = nodes.iter().map(Node::end).max().unwrap_or_default();
    let head = format!("{:words$} {:>TIME$} {:>COUNT$}", "", "ms", "netlink");
    let mut text = style.bold(head.trim_end()) + "\n";
    for line in &lines {
        let bar = bar(signs, bars, line.node, all);
        text.push_str(line.drawn(style, signs, words, &bar).trim_end());
        text.push('\n');
    }
    text
}

/// What takes no time, and what nobody was asked for, is not worth a line.
fn is_nothing(node: &Node) -> bool {
    node.took < MOMENT
        && node.exchanges.count == 0
        && node.fault.is_none()
        && node.children.is_empty()
}

impl Line<'_> {
    fn label(&self, signs: Signs) -> String {
        let words = match &self.node.what {
            What::Operation(words) | What::Other(words) => one_word(words).into_owned(),
            What::Plugin(name) => one_word(name).into_owned(),
            What::Steps(steps) => one_word(&steps.join("; ")).into_owned(),
            What::Start => "start of the process".to_owned(),
            What::End => "end of the process".to_owned(),
            What::Rest => "the rest".to_owned(),
        };
        let failed = self.node.fault.as_ref().map_or("", |_| signs.failed);
        format!("{:1$}{failed}{words}", "", 2 * self.depth)
    }

    fn drawn(&self, style: Style, signs: Signs, words: usize, bar: &str) -> String {
        let label = shortened(&self.label(signs), words, signs);
        let label = format!("{label}{:1$}", "", words - width(&label));
        let node = self.node;
        let count = match node.exchanges.count {
            0 => String::new(),
            count => count.to_string(),
        };
        let numbers = format!("{:>TIME$} {count:>COUNT$}", milliseconds(node.took));
        match (&node.what, &node.fault) {
            (_, Some(_)) => format!("{} {numbers} {}", style.bad(&label), style.bad(bar)),
            (What::Operation(_) | What::Plugin(_), None) => {
                format!("{} {numbers} {}", style.bold(&label), style.good(bar))
            }
            (What::Start | What::End | What::Rest, None) => {
                format!("{} {numbers} {}", style.dim(&label), style.dim(bar))
            }
            _ => format!("{label} {numbers} {}", style.good(bar)),
        }
    }
}

fn shortened(text: &str, columns: usize, signs: Signs) -> String {
    cut(text, columns).replace('…', signs.more)
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// When something was, of all.
fn bar(signs: Signs, columns: usize, node: &Node, all: Duration) -> String {
    if node.what == What::Rest || all.is_zero() {
        return String::new();
    }
    let eighths =
        |time: Duration| (time.as_secs_f64() / all.as_secs_f64() * columns as f64 * 8.0) as usize;
    let (from, to) = (
        eighths(node.began),
        eighths(node.end()).max(eighths(node.began) + 1),
    );
    let mut bar = " ".repeat(from / 8);
    for column in from / 8..to.div_ceil(8).min(columns) {
        let begins = from.saturating_sub(column * 8);
        let ends = (to - column * 8).min(8);
        bar.push(match begins >= 4 {
            true => signs.late,
            false => signs.eighths[ends - 1],
        });
    }
    bar
}
