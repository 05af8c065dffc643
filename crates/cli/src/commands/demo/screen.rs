//! What a person sees of the demo, as it happens. Programs get a report at the end.

use std::time::Duration;

use linkspan_spec::Value;

use super::tree::Node;
use crate::failure::Failure;
use crate::ui::Ui;

/// Columns before what belongs to a step.
const INDENT: usize = 4;
/// Columns of the time of a step.
const TIME: usize = 9;

#[derive(Clone, Copy)]
pub(super) struct Screen {
    ui: Ui,
    width: usize,
}

impl Screen {
    pub(super) fn new(ui: Ui) -> Self {
        Self {
            ui,
            width: ui.width(),
        }
    }

    fn print(self, text: &str) -> Result<(), Failure> {
        match self.ui.json {
            true => Ok(()),
            false => self.ui.print(text),
        }
    }

    /// Words over the whole width.
    pub(super) fn words(self, text: &str) -> Result<(), Failure> {
        self.print(&wrap(text, self.width).join("\n"))?;
        self.print("\n")
    }

    /// The beginning of a part.
    pub(super) fn heading(self, text: &str) -> Result<(), Failure> {
        self.print(&format!("\n{}\n", self.ui.style().bold(text)))
    }

    /// Something that was done, or was found to be as it should, and how long it took.
    pub(super) fn step(self, text: &str, elapsed: Option<Duration>) -> Result<(), Failure> {
        let style = self.ui.style();
        let tick = style.good("✓");
        let room = self.width.saturating_sub(INDENT);
        let Some(elapsed) = elapsed else {
            return self.print(&format!("  {tick} {}\n", cut(text, room)));
        };
        let time = format!("{:>TIME$}", milliseconds(elapsed));
        let room = room.saturating_sub(TIME);
        let text = cut(text, room);
        self.print(&format!("  {tick} {text:room$}{}\n", style.dim(&time)))
    }

    /// A text that belongs to the step before.
    pub(super) fn quote(self, text: &str) -> Result<(), Failure> {
        for line in wrap(text, self.width.saturating_sub(INDENT)) {
            self.print(&format!("    {line}\n"))?;
        }
        Ok(())
    }

    pub(super) fn tree(self, tree: &Node) -> Result<(), Failure> {
        let style = self.ui.style();
        for line in tree.lines() {
            let space = if line.node.more.is_empty() { "" } else { "  " };
            let taken = line.branches.chars().count() + line.node.name.chars().count() + 2;
            let room = self.width.saturating_sub(INDENT + taken);
            self.print(&format!(
                "    {}{}{space}{}\n",
                style.dim(&line.branches),
                style.bold(&line.node.name),
                cut(&line.node.more, room)
            ))?;
        }
        Ok(())
    }
}

/// Times as people compare them: two digits that count.
pub(super) fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1000.0;
    let decimals = match milliseconds {
        ..1.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{milliseconds:.decimals$} ms")
}

/// JSON in one line with spaces, as people write it.
pub(super) fn one_line(value: &Value) -> String {
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

/// Breaks lines between words; JSON is broken after a comma, and indented by its depth.
fn wrap(text: &str, width: usize) -> Vec<String> {
    text.lines()
        .flat_map(|line| wrap_line(line, width))
        .collect()
}

fn wrap_line(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let is_json = line.contains('{');
    let mut lines = Vec::new();
    let (mut depth, mut margin) = (0, indent);
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        words.push(word);
        let last = words.len() - 1;
        if last > 0 && margin + words.join(" ").chars().count() > width {
            let comma = outermost_comma(&words[..last]).filter(|_| is_json);
            let (deeper, kept) = comma.unwrap_or((0, last));
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

/// The text, or its beginning when it has more characters.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
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
        assert_eq!(wrap(json, 20), lines);
        let lines = [
            r#"{ "a": 1,"#,
            r#"  "b": [ 2,"#,
            "    3 ],",
            r#"  "c": {} }"#,
        ];
        assert_eq!(wrap(json, 14), lines);
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
