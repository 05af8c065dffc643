//! The value of a key, as its plugin reads it.

use linkspan_plugin::config::{Key, Shape};
use linkspan_spec::{Error, ErrorCode};
use serde_json::{Map, Value as Json};

use super::{INVALID_VALUE, WRONG_TYPE};
use crate::finding::{Finding, Fix};
use crate::json::{Member, Node, Value};
use crate::source::Span;

/// What is wrong with the value of a key in an object: each part that is, else the value as a whole.
pub(super) fn findings(
    key: &'static Key,
    object: &Map<String, Json>,
    member: &Member,
) -> Vec<Finding> {
    let node = &member.node;
    if node.has_unknown() {
        return Vec::new();
    }
    let Err(error) = (key.judge)(key, object) else {
        return Vec::new();
    };
    let mut inside = Vec::new();
    parts(&key.shape, node, &mut inside);
    if !inside.is_empty() {
        return inside;
    }
    let at = wrong_item(key, node).unwrap_or(node);
    let rule = match error.code {
        ErrorCode::DECODING_FAILURE => &WRONG_TYPE,
        _ => &INVALID_VALUE,
    };
    let finding = rule.at(at.span, error.msg.as_str());
    vec![match meant(key, node) {
        Some(fix) => finding.help(fix.words.clone()).fix(fix),
        None => finding.help(advice(&error)),
    }]
}

fn advice(error: &Error) -> String {
    error.details.clone()
}

/// Looks into the objects that a value consists of.
fn parts(shape: &Shape, node: &Node, findings: &mut Vec<Finding>) {
    match (shape, &node.value) {
        (Shape::Many(inner), Value::List(items)) => {
            for item in items {
                parts(inner, item, findings);
            }
        }
        (Shape::Parts(keys), Value::Object(_)) => {
            let map = node.to_map();
            for key in *keys {
                match node.member_at(key.name) {
                    Some(member) => findings.extend(self::findings(key, &map, member)),
                    None => findings.extend(missing(key, &map, node)),
                }
            }
        }
        _ => {}
    }
}

fn missing(key: &'static Key, map: &Map<String, Json>, node: &Node) -> Option<Finding> {
    let error = (key.judge)(key, map).err()?;
    let message = format!("{:?} is missing", key.name);
    let span = super::super::place::beginning(node);
    Some(
        super::MISSING_KEY
            .at(span, message)
            .label("in here")
            .help(advice(&error)),
    )
}

/// The item of a list for which the list is refused.
fn wrong_item<'a>(key: &'static Key, node: &'a Node) -> Option<&'a Node> {
    let is_refused = |item: &&Node| {
        let alone = Json::Array(vec![item.to_json()]);
        is_refused(key, alone)
    };
    match key.shape {
        Shape::Many(_) => node.items().iter().find(is_refused),
        _ => None,
    }
}

fn is_refused(key: &'static Key, value: Json) -> bool {
    (key.judge)(key, &alone(key.name, value)).is_err()
}

/// An object with one value at a path.
fn alone(path: &str, value: Json) -> Map<String, Json> {
    let (name, value) = match path.split_once('.') {
        Some((name, rest)) => (name, Json::Object(alone(rest, value))),
        None => (path, value),
    };
    Map::from_iter([(name.to_owned(), value)])
}

/// The value that was probably meant, where the key takes it: without quotes, with quotes, or in a list.
fn meant(key: &'static Key, node: &Node) -> Option<Fix> {
    let is_taken = |value: Json| !is_refused(key, value);
    let whole = node.to_json();
    if let Value::String(text) = &node.value
        && let Ok(bare @ (Json::Bool(_) | Json::Number(_))) =
            serde_json::from_str::<Json>(text.trim())
        && is_taken(bare.clone())
    {
        let words = format!("write {bare} without quotes");
        return Some(Fix::new(words, node.span, bare.to_string()));
    }
    if let Value::Number(_) | Value::Bool(_) = &node.value
        && is_taken(Json::String(whole.to_string()))
    {
        let quoted = format!("\"{whole}\"");
        return Some(Fix::new(format!("write {quoted}"), node.span, quoted));
    }
    // Several words may be meant as several items.
    let is_one = node.as_str().is_none_or(|text| !text.contains([' ', ',']));
    if matches!(key.shape, Shape::Many(_)) && is_one && is_taken(Json::Array(vec![whole])) {
        let (before, behind) = (Span::at(node.span.start), Span::at(node.span.end));
        return Some(Fix::new("put it into a list: [ … ]", before, "[").and(behind, "]"));
    }
    None
}
