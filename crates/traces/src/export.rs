//! Spans, written.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_spans::{Context, Fault, Span, Trace, Value as Attribute};
use linkspan_spec::{Map, Value};
use serde_json::json;

/// Whose spans they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The plugin; none for who runs plugins.
    pub plugin: Option<String>,
    /// The process.
    pub process: u32,
}

/// `service.name` of all that is ours.
pub(crate) const SERVICE: &str = "linkspan";

/// The attributes that a span's own fields are written as.
pub(crate) const REQUESTS: &str = "linkspan.netlink.requests";
pub(crate) const REQUESTS_TOOK: &str = "linkspan.netlink.duration";
pub(crate) const CODE: &str = "cni.error.code";
/// The attribute of a resource that names the plugin.
pub(crate) const PLUGIN: &str = "cni.plugin.type";
/// The attribute of a resource that tells how many spans are missing.
pub(crate) const LEFT_OUT: &str = "linkspan.spans.left_out";

/// Of a text no more is written than so many bytes.
const MAX_TEXT: usize = 1 << 10;

/// That a parent's place is known, and that it is another process's (`SpanFlags` of OTLP).
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// The spans that several processes have of a trace, as one `ExportTraceServiceRequest`.
pub fn request<'a>(parts: impl IntoIterator<Item = (&'a Source, &'a Trace)>) -> Value {
    let parts = parts
        .into_iter()
        .map(|(source, trace)| resource_spans(source, trace));
    json!({ "resourceSpans": parts.collect::<Vec<_>>() })
}

fn resource_spans(source: &Source, trace: &Trace) -> Value {
    let mut attributes = vec![
        text("service.name", SERVICE),
        text("service.version", env!("CARGO_PKG_VERSION")),
        number("process.pid", source.process.into()),
    ];
    attributes.extend(source.plugin.as_ref().map(|plugin| text(PLUGIN, plugin)));
    if trace.left_out > 0 {
        attributes.push(number(LEFT_OUT, trace.left_out as i64));
    }
    let spans: Vec<Value> = trace.spans.iter().map(|one| span(trace, one)).collect();
    json!({
        "resource": { "attributes": attributes },
        "scopeSpans": [{ "scope": { "name": SERVICE, "version": env!("CARGO_PKG_VERSION") }, "spans": spans }],
    })
}

fn span(trace: &Trace, span: &Span) -> Value {
    let is_first = span
        .parent
        .is_none_or(|parent| trace.spans.iter().all(|other| other.id != parent));
    let remote = if trace.is_remote && is_first {
        IS_REMOTE
    } else {
        0
    };
    let flags = u32::from(Context::SAMPLED) | HAS_IS_REMOTE | remote;
    let end = span.began + span.took;
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("traceId", trace.id.to_string().into());
    put("spanId", span.id.to_string().into());
    if let Some(parent) = span.parent {
        put("parentSpanId", parent.to_string().into());
    }
    if !trace.state.is_empty() {
        put("traceState", trace.state.as_str().into());
    }
    put("flags", flags.into());
    put("name", beginning(&span.name).into());
    put("kind", (span.kind as u32).into());
    put("startTimeUnixNano", nanoseconds(span.began).into());
    put("endTimeUnixNano", nanoseconds(end).into());
    put("attributes", attributes(span).into());
    if let Some(fault) = &span.fault {
        put("events", json!([exception(fault, end)]));
        put(
            "status",
            json!({ "code": 2, "message": beginning(&fault.message) }),
        );
    }
    Value::Object(map)
}

fn attributes(span: &Span) -> Vec<Value> {
    let own = span
        .attributes
        .iter()
        .map(|(name, value)| attribute(name, value));
    let mut all: Vec<Value> = own.collect();
    if span.exchanges.count > 0 {
        all.push(number(REQUESTS, span.exchanges.count as i64));
        all.push(number(REQUESTS_TOOK, span.exchanges.took.as_nanos() as i64));
    }
    if let Some(fault) = &span.fault {
        all.push(text("error.type", &kind(fault)));
        all.extend(fault.code.map(|code| number(CODE, code.into())));
    }
    all
}

/// As OpenTelemetry's conventions for exceptions have it.
fn exception(fault: &Fault, at: SystemTime) -> Value {
    json!({
        "name": "exception",
        "timeUnixNano": nanoseconds(at),
        "attributes": [text("exception.type", &kind(fault)), text("exception.message", &fault.message)],
    })
}

/// Of which kind an error is; there are few.
fn kind(fault: &Fault) -> String {
    fault
        .code
        .map_or("error".to_owned(), |code| format!("cni.{code}"))
}

fn attribute(name: &str, value: &Attribute) -> Value {
    match value {
        Attribute::Text(value) => text(name, value),
        Attribute::Number(value) => number(name, *value),
        Attribute::Texts(values) => {
            let values = values
                .iter()
                .map(|value| json!({ "stringValue": beginning(value) }));
            json!({ "key": name, "value": { "arrayValue": { "values": values.collect::<Vec<_>>() } } })
        }
    }
}

fn text(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": beginning(value) } })
}

/// Protocol Buffers have numbers of 64 bits as texts in JSON, whose own are not exact.
fn number(name: &str, value: i64) -> Value {
    json!({ "key": name, "value": { "intValue": value.to_string() } })
}

fn nanoseconds(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_nanos().to_string()
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
