//! Templates of configurations: text with placeholders, which an installer fills in.

use super::{Node, Value};
use crate::source::Span;

/// What begins and ends a placeholder, and what may stand between.
type Kind = (&'static str, &'static str, fn(char) -> bool);

const KINDS: [Kind; 4] = [
    ("__", "__", is_name),
    ("${", "}", |c| c != '\n' && c != '"'),
    ("$(", ")", |c| c != '\n' && c != '"'),
    ("{{", "}}", |c| c != '\n'),
];

fn is_name(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'
}

/// The placeholders of a text.
pub(super) fn placeholders(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(next) = text[offset..].find(['_', '$', '{']) {
        let start = offset + next;
        match placeholder(&text[start..]) {
            Some(length) => {
                found.push(Span::new(start, start + length));
                offset = start + length;
            }
            None => offset = start + 1,
        }
    }
    found
}

/// The length of the placeholder that a text begins with.
fn placeholder(text: &str) -> Option<usize> {
    let of_kind = |(begin, end, is_inside): &Kind| {
        let rest = text.strip_prefix(begin)?;
        // The last `__` of `__CNI_MTU__`, and not the first underscores of its name.
        let limit = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
        let inside = &rest[..limit];
        let length = match *begin {
            "__" => inside.rfind(end)?,
            _ => inside.find(end)?,
        };
        (length > 0).then(|| begin.len() + length + end.len())
    };
    KINDS.iter().find_map(of_kind)
}

/// The text with something in the place of each placeholder, of the same length.
pub(super) fn filled(text: &str) -> (String, Vec<Span>) {
    let unknown = placeholders(text);
    let mut filled = String::with_capacity(text.len());
    let mut in_string = false;
    let mut offset = 0;
    for span in &unknown {
        let before = &text[offset..span.start];
        in_string = ends_in_string(before, in_string);
        filled.push_str(before);
        let length = span.end - span.start;
        match in_string {
            true => filled.extend(std::iter::repeat_n('x', length)),
            false => filled.push_str(&format!("{:length$}", "null")),
        }
        offset = span.end;
    }
    filled.push_str(&text[offset..]);
    (filled, unknown)
}

fn ends_in_string(text: &str, mut in_string: bool) -> bool {
    let mut is_escaped = false;
    for c in text.chars() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            _ => {}
        }
    }
    in_string
}

/// Forgets the values that placeholders stand for.
pub(super) fn forget(node: &mut Node, unknown: &[Span]) {
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| forget(item, unknown)),
        Value::Object(members) => {
            let is_unknown = |span: Span| unknown.iter().any(|one| one.overlaps(span));
            members.retain(|member| !is_unknown(member.key_span));
            for member in members {
                forget(&mut member.node, unknown);
            }
        }
        _ if unknown.iter().any(|one| one.overlaps(node.span)) => node.value = Value::Unknown,
        _ => {}
    }
}
