//! Spans, read: what [`export`](crate::export) writes. What others write of it is passed over where it is not understood.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_spans::{Exchanges, Fault, Kind, Span, SpanId, Trace, TraceId, Value as Attribute};
use linkspan_spec::Value;

use crate::export::{CODE, LEFT_OUT, PLUGIN, REQUESTS, REQUESTS_TOOK, Source};

/// What one process has left of a trace.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// Whose spans.
    pub source: Source,
    /// The spans.
    pub trace: Trace,
}

/// What an `ExportTraceServiceRequest` has of a trace.
pub fn spans_of(id: TraceId, request: &Value) -> Vec<Export> {
    let resources = list(&request["resourceSpans"]).iter();
    resources.filter_map(|one| export(id, one)).collect()
}

fn export(id: TraceId, one: &Value) -> Option<Export> {
    let is_of_it = |span: &&Value| span["traceId"].as_str().and_then(TraceId::parse) == Some(id);
    let scopes = list(&one["scopeSpans"]).iter();
    let found: Vec<&Value> = scopes
        .flat_map(|scope| list(&scope["spans"]))
        .filter(is_of_it)
        .collect();
    let first = found.first()?;
    let resource = attributes(&one["resource"]["attributes"]);
    let get = |name: &str| {
        resource
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value)
    };
    let count = |name: &str| get(name).and_then(as_number).unwrap_or_default();
    let plugin = get(PLUGIN).and_then(|value| match value {
        Attribute::Text(text) => Some(text.clone()),
        _ => None,
    });
    Some(Export {
        source: Source {
            plugin,
            process: u32::try_from(count("process.pid")).unwrap_or_default(),
        },
        trace: Trace {
            id,
            state: first["traceState"].as_str().unwrap_or_default().to_owned(),
            is_remote: true,
            spans: found.into_iter().filter_map(span).collect(),
            left_out: usize::try_from(count(LEFT_OUT)).unwrap_or_default(),
        },
    })
}

fn span(json: &Value) -> Option<Span> {
    let number = |key: &str| json[key].as_str()?.parse::<u64>().ok();
    let id = |key: &str| json[key].as_str().and_then(SpanId::parse);
    let began = number("startTimeUnixNano")?;
    let took = Duration::from_nanos(number("endTimeUnixNano")?.saturating_sub(began));
    let mut attributes = attributes(&json["attributes"]);
    let mut taken = |name: &str| {
        let at = attributes.iter().position(|(key, _)| key == name)?;
        let number = as_number(&attributes.remove(at).1)?;
        u64::try_from(number).ok()
    };
    let exchanges = Exchanges {
        count: taken(REQUESTS).unwrap_or_default(),
        took: Duration::from_nanos(taken(REQUESTS_TOOK).unwrap_or_default()),
    };
    let code = taken(CODE).and_then(|code| u32::try_from(code).ok());
    attributes.retain(|(key, _)| key != "error.type");
    let status = &json["status"];
    let fault = (status["code"] == 2).then(|| Fault {
        code,
        message: status["message"].as_str().unwrap_or_default().to_owned(),
    });
    Some(Span {
        id: id("spanId")?,
        parent: id("parentSpanId"),
        name: Cow::Owned(json["name"].as_str()?.to_owned()),
        kind: match json["kind"].as_u64() {
            Some(2) => Kind::Server,
            Some(3) => Kind::Client,
            _ => Kind::Internal,
        },
        began: time(began)?,
        took,
        attributes,
        exchanges,
        fault,
    })
}

fn time(nanoseconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_nanos(nanoseconds))
}

fn attributes(json: &Value) -> Vec<(Cow<'static, str>, Attribute)> {
    let read = |one: &Value| {
        Some((
            Cow::Owned(one["key"].as_str()?.to_owned()),
            value(&one["value"])?,
        ))
    };
    list(json).iter().filter_map(read).collect()
}

fn value(json: &Value) -> Option<Attribute> {
    if let Some(text) = json["stringValue"].as_str() {
        return Some(text.into());
    }
    if let Some(number) = json["intValue"].as_str() {
        return number.parse::<i64>().ok().map(Attribute::from);
    }
    let texts = list(json.get("arrayValue")?.get("values")?).iter();
    let texts: Vec<String> = texts
        .filter_map(|one| Some(one["stringValue"].as_str()?.to_owned()))
        .collect();
    Some(texts.into())
}

fn as_number(value: &Attribute) -> Option<i64> {
    match value {
        Attribute::Number(number) => Some(*number),
        _ => None,
    }
}

fn list(json: &Value) -> &[Value] {
    json.as_array().map_or(&[], Vec::as_slice)
}
