//! Spans, written.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_spans::{Context, Fault, Span, SpanId, Trace, TraceId, Value as Attribute};
use serde::{Serialize, Serializer};

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

/// The spans that several processes have of a trace, as the JSON of one `ExportTraceServiceRequest`, in one line without an end. It is
/// written without a tree of JSON between, which takes a plugin longer than all the rest.
pub fn request<'a>(parts: impl IntoIterator<Item = (&'a Source, &'a Trace)>) -> Vec<u8> {
    let parts = parts
        .into_iter()
        .map(|(source, trace)| resource_spans(source, trace));
    let request = Request {
        resource_spans: parts.collect(),
    };
    // Numbers and texts can always be written to memory.
    serde_json::to_vec(&request).unwrap_or_default()
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    resource_spans: Vec<ResourceSpans<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceSpans<'a> {
    resource: Resource<'a>,
    scope_spans: [ScopeSpans<'a>; 1],
}

#[derive(Serialize)]
struct Resource<'a> {
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Serialize)]
struct ScopeSpans<'a> {
    scope: Scope,
    spans: Vec<SpanOut<'a>>,
}

#[derive(Serialize)]
struct Scope {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SpanOut<'a> {
    #[serde(serialize_with = "shown")]
    trace_id: TraceId,
    #[serde(serialize_with = "shown")]
    span_id: SpanId,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_span_id: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    trace_state: &'a str,
    flags: u32,
    name: &'a str,
    kind: u32,
    #[serde(serialize_with = "shown")]
    start_time_unix_nano: u128,
    #[serde(serialize_with = "shown")]
    end_time_unix_nano: u128,
    attributes: Vec<KeyValue<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<[Event<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    name: &'static str,
    #[serde(serialize_with = "shown")]
    time_unix_nano: u128,
    attributes: [KeyValue<'a>; 2],
}

#[derive(Serialize)]
struct Status<'a> {
    code: u32,
    message: &'a str,
}

#[derive(Serialize)]
struct KeyValue<'a> {
    key: &'a str,
    value: AnyValue<'a>,
}

#[derive(Serialize)]
enum AnyValue<'a> {
    #[serde(rename = "stringValue")]
    Text(Cow<'a, str>),
    /// Protocol Buffers have numbers of 64 bits as texts in JSON, whose own are not exact.
    #[serde(rename = "intValue", serialize_with = "shown")]
    Number(i64),
    #[serde(rename = "arrayValue")]
    List { values: Vec<Self> },
}

fn shown<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// What a status is where something failed (`STATUS_CODE_ERROR`).
const FAILED: u32 = 2;

fn resource_spans<'a>(source: &'a Source, trace: &'a Trace) -> ResourceSpans<'a> {
    let mut attributes = vec![
        text("service.name", SERVICE),
        text("service.version", env!("CARGO_PKG_VERSION")),
        number("process.pid", source.process.into()),
    ];
    attributes.extend(source.plugin.as_ref().map(|plugin| text(PLUGIN, plugin)));
    if trace.left_out > 0 {
        attributes.push(number(LEFT_OUT, trace.left_out as i64));
    }
    ResourceSpans {
        resource: Resource { attributes },
        scope_spans: [ScopeSpans {
            scope: Scope {
                name: SERVICE,
                version: env!("CARGO_PKG_VERSION"),
            },
            spans: trace.spans.iter().map(|one| span(trace, one)).collect(),
        }],
    }
}

fn span<'a>(trace: &'a Trace, span: &'a Span) -> SpanOut<'a> {
    let is_first = span
        .parent
        .is_none_or(|parent| trace.spans.iter().all(|other| other.id != parent));
    let remote = if trace.is_remote && is_first {
        IS_REMOTE
    } else {
        0
    };
    let end = nanoseconds(span.began + span.took);
    let fault = span.fault.as_ref();
    SpanOut {
        trace_id: trace.id,
        span_id: span.id,
        parent_span_id: span.parent.map(|parent| parent.to_string()),
        trace_state: &trace.state,
        flags: u32::from(Context::SAMPLED) | HAS_IS_REMOTE | remote,
        name: beginning(&span.name),
        kind: span.kind as u32,
        start_time_unix_nano: nanoseconds(span.began),
        end_time_unix_nano: end,
        attributes: attributes(span),
        events: fault.map(|fault| [exception(fault, end)]),
        status: fault.map(|fault| Status {
            code: FAILED,
            message: beginning(&fault.message),
        }),
    }
}

fn attributes(span: &Span) -> Vec<KeyValue<'_>> {
    let own = span.attributes.iter().map(|(key, value)| KeyValue {
        key,
        value: any(value),
    });
    let mut all: Vec<KeyValue<'_>> = own.collect();
    if span.exchanges.count > 0 {
        all.push(number(REQUESTS, span.exchanges.count as i64));
        all.push(number(REQUESTS_TOOK, span.exchanges.took.as_nanos() as i64));
    }
    if let Some(fault) = &span.fault {
        all.push(kind("error.type", fault));
        all.extend(fault.code.map(|code| number(CODE, code.into())));
    }
    all
}

/// As OpenTelemetry's conventions for exceptions have it.
fn exception(fault: &Fault, at: u128) -> Event<'_> {
    Event {
        name: "exception",
        time_unix_nano: at,
        attributes: [
            kind("exception.type", fault),
            text("exception.message", &fault.message),
        ],
    }
}

/// Of which kind an error is; there are few.
fn kind<'a>(key: &'static str, fault: &Fault) -> KeyValue<'a> {
    let code = fault.code.map(|code| format!("cni.{code}"));
    KeyValue {
        key,
        value: AnyValue::Text(code.map_or("error".into(), Cow::Owned)),
    }
}

fn any(value: &Attribute) -> AnyValue<'_> {
    match value {
        Attribute::Text(value) => AnyValue::Text(beginning(value).into()),
        Attribute::Number(value) => AnyValue::Number(*value),
        Attribute::Texts(values) => {
            let values = values
                .iter()
                .map(|value| AnyValue::Text(beginning(value).into()));
            AnyValue::List {
                values: values.collect(),
            }
        }
    }
}

fn text<'a>(key: &'static str, value: &'a str) -> KeyValue<'a> {
    KeyValue {
        key,
        value: AnyValue::Text(beginning(value).into()),
    }
}

fn number<'a>(key: &'static str, value: i64) -> KeyValue<'a> {
    KeyValue {
        key,
        value: AnyValue::Number(value),
    }
}

fn nanoseconds(time: SystemTime) -> u128 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_nanos()
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
