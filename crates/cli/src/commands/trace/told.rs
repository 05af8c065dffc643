//! A trace for programs.

use std::time::Duration;

use linkspan_spec::Value;
use linkspan_traces::{Node, What};

use crate::ui::object;

/// A span with those in it.
pub(super) fn node(node: &Node) -> Value {
    let (kind, words) = match &node.what {
        What::Operation(words) => ("operation", vec![words.clone()]),
        What::Plugin(name) => ("plugin", vec![name.clone()]),
        What::Steps(steps) => ("steps", steps.clone()),
        What::Other(words) => ("other", vec![words.clone()]),
        What::Start => ("start", Vec::new()),
        What::End => ("end", Vec::new()),
        What::Rest => ("rest", Vec::new()),
    };
    let error = node.fault.as_ref().map_or(Value::Null, |fault| {
        let code = fault.code.map_or(Value::Null, Value::from);
        object([("code", code), ("msg", fault.message.as_str().into())])
    });
    let began = match node.what {
        // Here and there.
        What::Rest => Value::Null,
        _ => seconds(node.began),
    };
    object([
        ("kind", kind.into()),
        ("words", words.into()),
        ("began", began),
        ("seconds", seconds(node.took)),
        ("netlinkRequests", node.exchanges.count.into()),
        ("netlinkSeconds", seconds(node.exchanges.took)),
        ("error", error),
        ("spans", node.children.iter().map(self::node).collect()),
    ])
}

fn seconds(time: Duration) -> Value {
    time.as_secs_f64().into()
}
