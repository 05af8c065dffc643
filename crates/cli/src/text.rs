//! Text that fits into a line.

use std::borrow::Cow;
use std::time::Duration;

use linkspan_spec::Value;

use crate::style::{LOOKS, Style};

/// Times as people compare them: two digits that count.
pub(crate) fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    let decimals = match milliseconds {
        ..1.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{milliseconds:.decimals$} ms")
}

/// JSON in one line with spaces, as people write it.
pub(crate) fn one_line(value: &Value) -> String {
    let listed = |open: char, items: Vec<String>, close: char| match items.is_empty() {
        true => format!("{open}{close}"),
        false => format!("{open} {} {close}", items.join(", ")),
    };
    match value {
        Value::Object(map) => {
            let entries = map.iter();
            let entries = entries
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), one_line(value)));
            listed('{', entries.collect(), '}')
        }
        Value::Array(values) => listed('[', values.iter().map(one_line).collect(), ']'),
        other => other.to_string(),
    }
}

/// Breaks lines between words.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    wrap_lines(text, width, |_| None)
}

/// Breaks lines of JSON after commas, those that are the least deep, and indents by the depth.
pub(crate) fn wrap_json(text: &str, width: usize) -> Vec<String> {
    wrap_lines(text, width, outermost_comma)
}

/// Where a line that begins with these words is best broken: how much deeper what follows is, and how many
/// words stay.
type Break = fn(&[&str]) -> Option<(i32, usize)>;

fn wrap_lines(text: &str, width: usize, best: Break) -> Vec<String> {
    let lines = text.lines();
    lines
        .flat_map(|line| wrap_line(line, width, best))
        .collect()
}

fn wrap_line(line: &str, width: usize, best: Break) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let mut lines = Vec::new();
    let (mut depth, mut margin) = (0, indent);
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        words.push(word);
        let last = words.len() - 1;
        if last > 0 && margin + words.join(" ").chars().count() > width {
            let (deeper, kept) = best(&words[..last]).unwrap_or((0, last));
            let rest = words.split_off(kept);
            lines.push(format!("{:margin$}{}", "", words.join(" ")));
            depth += deeper;
            margin = indent + 2 * usize::try_from(depth).unwrap_or(0);
            words = rest;
        }
    }
    lines.push(format!("{:margin$}{}", "", words.join(" ")));
    lines
}

/// Of the commas that are the least deep in brackets, the last: how deep it is, and how many words there
/// are with it.
fn outermost_comma(words: &[&str]) -> Option<(i32, usize)> {
    let mut depth = 0;
    let mut found = None;
    for (number, word) in (1..).zip(words) {
        depth += word.matches(['{', '[']).count() as i32;
        depth -= word.matches(['}', ']']).count() as i32;
        let is_outer = found.is_none_or(|(least, _)| depth <= least);
        if word.ends_with(',') && is_outer {
            found = Some((depth, number));
        }
    }
    found
}

/// The text with its control characters spelt out, but for line ends, tabs and the looks of [`Style`].
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let look = LOOKS.iter().find(|look| rest.starts_with(**look));
        let taken = look.map_or(next.len_utf8(), |look| look.len());
        match look {
            None if is_hidden(next) => shown.extend(next.escape_unicode()),
            _ => shown.push_str(&rest[..taken]),
        }
        rest = &rest[taken..];
    }
    shown.into()
}

/// What a terminal obeys, and what turns the direction of the text.
fn is_hidden(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

/// How many columns a text takes, whatever its looks.
pub(crate) fn width(text: &str) -> usize {
    let looks = LOOKS
        .iter()
        .map(|look| look.len() * text.matches(look).count());
    text.chars().count().saturating_sub(looks.sum())
}

/// The text, or its beginning when it has more characters.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// A text that is one part of a line, whoever wrote it: what a terminal obeys, line ends and tabs spelt out as well.
pub(crate) fn one_word(text: &str) -> Cow<'_, str> {
    let is_spelt = |c: char| is_hidden(c) || c.is_control();
    match text.contains(is_spelt) {
        false => text.into(),
        true => {
            let mut shown = String::with_capacity(text.len());
            for c in text.chars() {
                match is_spelt(c) {
                    true => shown.extend(c.escape_unicode()),
                    false => shown.push(c),
                }
            }
            shown.into()
        }
    }
}

/// Characters of a container's ID that a person reads, as the runtimes' own commands show it.
const SHORT_ID: usize = 12;

/// A container's ID: on a terminal the beginning of one that is a long number, elsewhere all of it.
pub(crate) fn short_id(style: Style, id: &str) -> String {
    match style.is_terminal() {
        true => first_digits(id).to_owned(),
        false => id.to_owned(),
    }
}

/// The beginning of an ID that is a long number, and all of others.
pub(crate) fn first_digits(id: &str) -> &str {
    let is_number = id.len() > 2 * SHORT_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_number { &id[..SHORT_ID] } else { id }
}

/// The first of some words, and how many more there are.
pub(crate) fn few(words: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = words.iter().take(SHOWN).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join("; ");
    match words.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        let text = "one two, three\n  four five";
        assert_eq!(wrap(text, 80), ["one two, three", "  four five"]);
        assert_eq!(wrap(text, 9), ["one two,", "three", "  four", "  five"]);
        assert_eq!(wrap("unbreakable word", 3), ["unbreakable", "word"]);
        assert_eq!(wrap("", 3), [""; 0]);
    }

    #[test]
    fn json_is_broken_where_it_is_least_deep() {
        let json = r#"{ "a": 1, "b": [ 2, 3 ], "c": {} }"#;
        let lines = [r#"{ "a": 1,"#, r#"  "b": [ 2, 3 ],"#, r#"  "c": {} }"#];
        assert_eq!(wrap_json(json, 20), lines);
        let lines = [
            r#"{ "a": 1,"#,
            r#"  "b": [ 2,"#,
            "    3 ],",
            r#"  "c": {} }"#,
        ];
        assert_eq!(wrap_json(json, 14), lines);
    }

    #[test]
    fn a_terminal_is_told_nothing_that_it_obeys() {
        for (text, shown) in [
            ("plain\n\tä", "plain\n\tä"),
            ("\x1b[1;31merror\x1b[0m", "\x1b[1;31merror\x1b[0m"),
            ("\x1b]0;owned\x07", "\\u{1b}]0;owned\\u{7}"),
            ("\x1b[2J\x1b[5mx\r", "\\u{1b}[2J\\u{1b}[5mx\\u{d}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("evil\u{202e}cod", "evil\\u{202e}cod"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn looks_take_no_columns() {
        for (text, columns) in [
            ("", 0),
            ("✓ a", 3),
            ("\x1b[1;31m✗\x1b[0m a", 3),
            ("\x1b[1mä\x1b[0m", 1),
        ] {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[test]
    fn a_part_of_a_line_has_no_line_ends() {
        assert_eq!(one_word("a b/ä"), "a b/ä");
        assert_eq!(
            one_word("a\n\x1b[1mb\u{202e}"),
            "a\\u{a}\\u{1b}[1mb\\u{202e}"
        );
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(cut("├── ab", 6), "├── ab");
        assert_eq!(cut("├── abc", 6), "├── a…");
    }

    #[test]
    fn json_in_one_line() {
        let value = linkspan_spec::decode::value(br#"{"a":[1,{"b":"\""}],"c":{},"d":[]}"#).unwrap();
        let text = r#"{ "a": [ 1, { "b": "\"" } ], "c": {}, "d": [] }"#;
        assert_eq!(one_line(&value), text);
    }

    #[test]
    fn times_have_two_digits_that_count() {
        for (microseconds, text) in [(42, "0.04 ms"), (3_140, "3.1 ms"), (123_456, "123 ms")] {
            assert_eq!(milliseconds(Duration::from_micros(microseconds)), text);
        }
    }
}
