//! A trace, drawn: what took how long, and when.

use std::time::Duration;

use linkspan_traces::{Node, What};

use super::signs::Signs;
use super::totals;
use crate::style::Style;
use crate::text::{cut, one_word, width};

/// Columns where there is no terminal that has any.
const COLUMNS: usize = 80;

/// Fewer columns have no room for bars, and more are not looked at.
const FEWEST: usize = 64;
const MOST: usize = 200;

/// Columns of times and of counts, with the space before each, and the one before bars.
const TIME: usize = 9;
const COUNT: usize = 8;
const GAP: usize = 1;

/// Columns that bars have at least, as a part of all.
const BARS: usize = 4;

/// What is shorter is not seen at two decimals.
const MOMENT: Duration = Duration::from_micros(5);

/// A line of it.
struct Line<'a> {
    depth: usize,
    node: &'a Node,
}

/// The trace, with totals for each plugin.
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
    let labels = lines.iter().map(|line| width(&line.label(signs)));
    let beside = TIME + COUNT + GAP;
    let words = labels.max().unwrap_or(0);
    let words = words.clamp(20, columns - beside - columns / BARS);
    let scale = Scale {
        columns: columns - beside - words,
        all: nodes.iter().map(Node::end).max().unwrap_or_default(),
    };
    let mut text = style.bold(&head(words, &scale)) + "\n";
    for line in &lines {
        text.push_str(line.drawn(style, signs, words, &scale).trim_end());
        text.push('\n');
    }
    text + &totals::table(style, nodes)
}

/// What takes no time, and for what nobody was asked, is not worth a line.
fn is_nothing(node: &Node) -> bool {
    node.took < MOMENT
        && node.exchanges.count == 0
        && node.fault.is_none()
        && node.children.is_empty()
}

/// The headings, and from when to when the bars go.
fn head(words: usize, scale: &Scale) -> String {
    let end = format!("{} ms", milliseconds(scale.all));
    let room = scale.columns - 1;
    format!(
        "{:words$}{:>TIME$}{:>COUNT$}{:GAP$}0{end:>room$}",
        "", "ms", "netlink", ""
    )
}

impl Line<'_> {
    fn label(&self, signs: Signs) -> String {
        let words = match &self.node.what {
            What::Operation(words) | What::Other(words) | What::Plugin(words) => words.clone(),
            What::Steps(steps) => steps.join("; "),
            What::Start => "start of the process".to_owned(),
            What::End => "end of the process".to_owned(),
            What::Rest => "the rest".to_owned(),
        };
        let failed = self.node.fault.as_ref().map_or("", |_| signs.failed);
        format!("{:1$}{failed}{2}", "", 2 * self.depth, one_word(&words))
    }

    fn drawn(&self, style: Style, signs: Signs, words: usize, scale: &Scale) -> String {
        let node = self.node;
        let label = signs.shown(&cut(&self.label(signs), words));
        let label = format!("{label:words$}");
        let count = match node.exchanges.count {
            0 => String::new(),
            count => count.to_string(),
        };
        let numbers = format!("{:>TIME$}{count:>COUNT$}", milliseconds(node.took));
        let bar = scale.bar(signs, node);
        if bar.is_empty() {
            return format!("{}{numbers}", style.dim(&label));
        }
        let (label, bar) = match (&node.what, &node.fault) {
            (_, Some(_)) => (style.bad(&label), style.bad(&bar)),
            (What::Operation(_) | What::Plugin(_), None) => (style.bold(&label), style.good(&bar)),
            (What::Start | What::End | What::Rest, None) => (style.dim(&label), style.dim(&bar)),
            (What::Steps(_) | What::Other(_), None) => (label, style.good(&bar)),
        };
        format!("{label}{numbers}{:GAP$}{bar}", "")
    }
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// What a column stands for.
struct Scale {
    columns: usize,
    all: Duration,
}

impl Scale {
    /// When something was. Whatever took its time shows.
    fn bar(&self, signs: Signs, node: &Node) -> String {
        if node.what == What::Rest || self.all.is_zero() {
            return String::new();
        }
        let last = self.columns * 8 - 1;
        let from = self.eighths(node.began).min(last);
        let to = self.eighths(node.end()).clamp(from + 1, last + 1);
        let mut bar = " ".repeat(from / 8);
        for column in from / 8..to.div_ceil(8) {
            let is_late = from.saturating_sub(column * 8) >= 4;
            bar.push(match is_late {
                true => signs.late,
                false => signs.eighths[(to - column * 8).min(8) - 1],
            });
        }
        bar
    }

    fn eighths(&self, time: Duration) -> usize {
        let part = time.as_secs_f64() / self.all.as_secs_f64();
        (part * self.columns as f64 * 8.0) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::trace::signs::{ASCII, BLOCKS};

    fn node(what: What, began: u64, took: u64, children: Vec<Node>) -> Node {
        Node {
            what,
            began: Duration::from_micros(began),
            took: Duration::from_micros(took),
            exchanges: Default::default(),
            fault: None,
            children,
        }
    }

    #[test]
    fn a_bar_lies_where_it_was() {
        let scale = Scale {
            columns: 4,
            all: Duration::from_micros(32),
        };
        for (from, took, bar, ascii) in [
            (0, 32, "████", "####"),
            (0, 0, "▏", "#"),
            (0, 12, "█▌", "##"),
            (8, 16, " ██", " ##"),
            (4, 8, "▐▌", "##"),
            (3, 2, "▋", "#"),
            (31, 1, "   ▐", "   #"),
            (32, 0, "   ▐", "   #"),
            (40, 9, "   ▐", "   #"),
        ] {
            let node = node(What::Start, from, took, Vec::new());
            assert_eq!(scale.bar(BLOCKS, &node), bar, "{from} {took}");
            assert_eq!(scale.bar(ASCII, &node), ascii, "{from} {took}");
        }
    }

    #[test]
    fn a_line_has_no_more_columns_than_there_are() {
        let long = vec!["set net/ipv6/conf/eth0/accept_dad to 0".to_owned(); 3];
        let steps = node(What::Steps(long), 100, 500, Vec::new());
        let moment = node(What::Other("nothing".into()), 600, 1, Vec::new());
        let plugin = node(What::Plugin("bridge".into()), 0, 900, vec![steps, moment]);
        let all = node(What::Operation("ADD mynet".into()), 0, 1000, vec![plugin]);
        for signs in [ASCII, BLOCKS] {
            let text = draw(Style::PLAIN, signs, std::slice::from_ref(&all));
            assert!(text.lines().all(|line| width(line) <= COLUMNS), "{text}");
            assert!(
                text.contains("  bridge") && !text.contains("nothing"),
                "{text}"
            );
        }
        let text = draw(Style::PLAIN, ASCII, &[all]);
        assert!(text.is_ascii(), "{text}");
    }
}
