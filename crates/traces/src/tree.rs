//! The spans of several processes, put together: what lies in what.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use linkspan_spans::{Exchanges, Fault, Kind, Span, SpanId, Trace, Value};

use crate::Export;
use crate::export::PLUGIN;

/// The attribute of steps of a plan, in words.
const STEPS: &str = "linkspan.steps";

/// The attribute of what was undone.
const UNDONE: &str = "linkspan.undone";

/// Something that took its time, with what it consists of.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub what: What,
    /// When it began, from the beginning of all.
    pub began: Duration,
    /// How long it took.
    pub took: Duration,
    /// What the kernel was asked for, with what was asked inside.
    pub exchanges: Exchanges,
    /// Why it failed.
    pub fault: Option<Fault>,
    /// What it consists of, in the order in which that began.
    pub children: Vec<Node>,
}

/// What took its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A command for a whole chain, by its words.
    Operation(String),
    /// A plugin, by its name: one of the chain, or one that another has asked for addresses.
    Plugin(String),
    /// Steps of a plan that were taken at once, in words.
    Steps(Vec<String>),
    /// Something else, by its words.
    Other(String),
    /// Until a plugin's process has begun.
    Start,
    /// Until a plugin's process is gone, after it had answered.
    End,
    /// What took its time between the others; it did so here and there.
    Rest,
}

/// What is shorter is not worth a line: no more than it takes to look at a clock.
const MOMENT: Duration = Duration::from_micros(20);

/// Puts the spans of whoever runs plugins and those that plugins have left together. What lies in nothing stands at the top.
pub fn tree(own: &Trace, others: &[Export]) -> Vec<Node> {
    let of_others = others.iter().flat_map(|export| &export.trace.spans);
    let mut spans: Vec<&Span> = own.spans.iter().chain(of_others).collect();
    spans.sort_by_key(|span| (span.began, std::cmp::Reverse(span.took)));
    let Some(zero) = spans.first().map(|span| span.began) else {
        return Vec::new();
    };
    let known: Vec<SpanId> = spans.iter().map(|span| span.id).collect();
    let mut children: BTreeMap<Option<SpanId>, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let parent = span
            .parent
            .filter(|parent| *parent != span.id && known.contains(parent));
        children.entry(parent).or_default().push(span);
    }
    let mut forest = Forest { children, zero };
    forest.below(None)
}

struct Forest<'a> {
    children: BTreeMap<Option<SpanId>, Vec<&'a Span>>,
    zero: SystemTime,
}

impl Forest<'_> {
    /// Each span once, whatever is said of what it lies in.
    fn below(&mut self, parent: Option<SpanId>) -> Vec<Node> {
        let spans = self.children.remove(&parent).unwrap_or_default();
        spans.into_iter().map(|span| self.node(span)).collect()
    }

    fn node(&mut self, span: &Span) -> Node {
        let mut node = Node {
            what: what(span),
            began: span.began.duration_since(self.zero).unwrap_or_default(),
            took: span.took,
            exchanges: span.exchanges,
            fault: span.fault.clone(),
            children: Vec::new(),
        };
        let mut children = self.children.remove(&Some(span.id)).unwrap_or_default();
        // The plugin whose process was waited for, where it has told of itself.
        let answer = children.iter().position(|child| child.kind == Kind::Server);
        let answer = answer.map(|position| children.remove(position));
        node.children = children.into_iter().map(|child| self.node(child)).collect();
        if let Some(answer) = answer {
            let answer = self.node(answer);
            node.take_in(answer);
        } else {
            node.add_rest();
        }
        node.children.sort_by_key(|child| child.began);
        for child in &node.children {
            node.exchanges.count += child.exchanges.count;
            node.exchanges.took += child.exchanges.took;
        }
        node
    }
}

impl Node {
    fn bare(what: What, began: Duration, took: Duration) -> Self {
        Self {
            what,
            began,
            took,
            exchanges: Exchanges::default(),
            fault: None,
            children: Vec::new(),
        }
    }

    /// When it ended.
    pub fn end(&self) -> Duration {
        self.began + self.took
    }

    /// Takes in what the process has told that it has waited for: before that it was started, after that it ended.
    fn take_in(&mut self, process: Self) {
        let began = process.began.max(self.began);
        let end = process.end().min(self.end());
        self.children
            .push(Self::bare(What::Start, self.began, began - self.began));
        self.children
            .push(Self::bare(What::End, end, self.end().saturating_sub(end)));
        self.fault = process.fault.or(self.fault.take());
        // Its requests are those of its parts, and what it asked for itself between them.
        let inside = process
            .children
            .iter()
            .map(|child| child.exchanges.count)
            .sum::<u64>();
        let inside_took = process
            .children
            .iter()
            .map(|child| child.exchanges.took)
            .sum();
        self.exchanges.count += process.exchanges.count.saturating_sub(inside);
        self.exchanges.took += process.exchanges.took.saturating_sub(inside_took);
        match process.children.is_empty() {
            true => {
                let mut all = Self::bare(What::Rest, end, process.took);
                all.exchanges = std::mem::take(&mut self.exchanges);
                self.children.push(all);
            }
            false => self.children.extend(process.children),
        }
    }

    /// Adds what took its time between its parts, if it has any.
    fn add_rest(&mut self) {
        let Some(first) = self.children.first() else {
            return;
        };
        let (mut covered, mut until) = (Duration::ZERO, first.began);
        for child in &self.children {
            let from = child.began.max(until);
            covered += child.end().saturating_sub(from);
            until = until.max(child.end());
        }
        let rest = self.took.saturating_sub(covered);
        if rest >= MOMENT {
            let mut rest = Self::bare(What::Rest, self.end(), rest);
            // What it asked for itself was asked for between its parts.
            rest.exchanges = std::mem::take(&mut self.exchanges);
            self.children.push(rest);
        }
    }

    /// All of it, each with its depth.
    pub fn walk<'a>(&'a self, depth: usize, see: &mut impl FnMut(usize, &'a Self)) {
        see(depth, self);
        for child in &self.children {
            child.walk(depth + 1, see);
        }
    }
}

fn what(span: &Span) -> What {
    let text = |name| match span.attribute(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    };
    if let Some(Value::Texts(steps)) = span.attribute(STEPS) {
        return What::Steps(steps.clone());
    }
    if let Some(plugin) = text(PLUGIN) {
        return What::Plugin(plugin);
    }
    let name = match text(UNDONE) {
        Some(undone) => format!("{}: {undone}", span.name),
        None => span.name.clone().into_owned(),
    };
    match span.parent.is_none() {
        true => What::Operation(name),
        false => What::Other(name),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use linkspan_spans::TraceId;

    use super::*;
    use crate::Source;

    const TRACE: TraceId = TraceId([7; 16]);

    fn id(number: u8) -> SpanId {
        SpanId([number; 8])
    }

    /// From and to in hundreds of microseconds.
    fn span(number: u8, parent: Option<u8>, kind: Kind, name: &str, times: [u64; 2]) -> Span {
        let [from, to] = times.map(|time| Duration::from_micros(100 * time));
        Span {
            id: id(number),
            parent: parent.map(id),
            name: name.to_owned().into(),
            kind,
            began: UNIX_EPOCH + Duration::from_secs(1_796_090_009) + from,
            took: to - from,
            attributes: Vec::new(),
            exchanges: Exchanges::default(),
            fault: None,
        }
    }

    fn with(mut span: Span, name: &'static str, value: impl Into<Value>) -> Span {
        span.attributes.push((name.into(), value.into()));
        span
    }

    fn asking(mut span: Span, count: u64) -> Span {
        span.exchanges.count = count;
        span
    }

    fn trace(spans: Vec<Span>) -> Trace {
        Trace {
            id: TRACE,
            state: String::new(),
            is_remote: false,
            spans,
            left_out: 0,
        }
    }

    fn of_plugin(spans: Vec<Span>) -> Export {
        Export {
            source: Source::default(),
            trace: trace(spans),
        }
    }

    fn drawn(nodes: &[Node]) -> Vec<String> {
        let mut lines = Vec::new();
        for node in nodes {
            node.walk(0, &mut |depth, node| {
                let words = match &node.what {
                    What::Steps(steps) => steps.join("; "),
                    What::Operation(words) | What::Plugin(words) | What::Other(words) => {
                        words.clone()
                    }
                    other => format!("{other:?}"),
                };
                let took = node.took.as_micros() / 100;
                lines.push(format!(
                    "{:1$}{words} {took} {2}",
                    "",
                    2 * depth,
                    node.exchanges.count
                ));
            });
        }
        lines
    }

    #[test]
    fn the_spans_of_processes_lie_in_each_other() {
        let run = |number, name: &'static str, times| {
            with(
                span(number, Some(1), Kind::Client, "ADD", times),
                PLUGIN,
                name,
            )
        };
        let own = trace(vec![
            span(1, None, Kind::Internal, "ADD mynet", [0, 100]),
            run(2, "bridge", [10, 60]),
            run(3, "other", [60, 80]),
        ]);
        let steps = vec!["one".to_owned(), "two".to_owned()];
        let bridge = of_plugin(vec![
            asking(span(4, Some(2), Kind::Server, "ADD bridge", [14, 55]), 1),
            with(
                span(5, Some(4), Kind::Internal, "ADD host-local", [15, 20]),
                PLUGIN,
                "host-local",
            ),
            asking(
                with(
                    span(6, Some(4), Kind::Internal, "Address", [20, 50]),
                    STEPS,
                    steps,
                ),
                3,
            ),
            asking(span(7, Some(6), Kind::Internal, "inside", [30, 50]), 4),
        ]);
        let lines = drawn(&tree(&own, &[bridge]));
        let expected = [
            "ADD mynet 100 8",
            "  bridge 50 8",
            "    Start 4 0",
            "    host-local 5 0",
            "    one; two 30 7",
            "      inside 20 4",
            "      Rest 10 3",
            "    End 5 0",
            "    Rest 6 1",
            "  other 20 0",
            "  Rest 30 0",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_lies_beside_each_other_is_covered_once_and_a_plugin_without_steps_has_a_rest() {
        let own = trace(vec![with(
            span(1, None, Kind::Client, "DEL", [0, 50]),
            PLUGIN,
            "a",
        )]);
        let plugin = of_plugin(vec![
            span(2, Some(1), Kind::Server, "DEL a", [10, 40]),
            span(3, Some(2), Kind::Internal, "links", [10, 30]),
            span(4, Some(2), Kind::Internal, "addresses", [20, 25]),
        ]);
        let lines = drawn(&tree(&own, &[plugin]));
        assert_eq!(lines.last().unwrap(), "  Rest 10 0", "{lines:#?}");
        let bare = of_plugin(vec![asking(
            span(2, Some(1), Kind::Server, "DEL a", [10, 40]),
            5,
        )]);
        let lines = drawn(&tree(&own, &[bare]));
        assert_eq!(
            lines,
            ["a 50 5", "  Start 10 0", "  End 10 0", "  Rest 30 5"]
        );
    }

    /// What is no tree is drawn as far as it is one.
    #[test]
    fn a_span_that_lies_in_itself_or_in_nothing_ends() {
        let own = trace(vec![
            span(1, Some(1), Kind::Internal, "itself", [0, 1]),
            span(2, Some(9), Kind::Internal, "of nobody", [1, 2]),
            span(3, Some(4), Kind::Internal, "circle", [2, 3]),
            span(4, Some(3), Kind::Internal, "circle", [2, 3]),
        ]);
        assert_eq!(drawn(&tree(&own, &[])), ["itself 1 0", "of nobody 1 0"]);
        assert_eq!(tree(&trace(Vec::new()), &[]), []);
    }
}
