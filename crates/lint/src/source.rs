//! A file's text, and places in it.

use std::fmt;
use std::ops::Range;

use linkspan_spec::MAX_INPUT;
use serde::Serialize;

/// A part of a text, in bytes from its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte behind the last.
    pub end: usize,
}

impl Span {
    /// From one byte up to another.
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The place before a byte.
    pub fn at(offset: usize) -> Self {
        Self::new(offset, offset)
    }

    /// As a range.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// Whether the two have a byte in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether all of the other is in it.
    pub fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

/// A line and a column, both from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A text with its name.
#[derive(Debug)]
pub struct Source {
    name: String,
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// Where the file's bytes are no UTF-8, if they are not: there the text has question marks.
    not_utf8: Option<Span>,
    /// Where it was longer than is read.
    is_cut: bool,
}

impl Source {
    /// A text of a file's bytes, of which no more than [`MAX_INPUT`] are taken.
    pub fn new(name: impl Into<String>, bytes: &[u8]) -> Self {
        let is_cut = bytes.len() > MAX_INPUT;
        let bytes = &bytes[..bytes.len().min(MAX_INPUT)];
        let (text, not_utf8) = decoded(bytes);
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        let lines = std::iter::once(0).chain(ends).collect();
        Self {
            name: name.into(),
            lines,
            text,
            not_utf8,
            is_cut,
        }
    }

    /// The file's name as it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first bytes that are no UTF-8.
    pub fn not_utf8(&self) -> Option<Span> {
        self.not_utf8
    }

    /// Whether the file is larger than is read.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The text of a part.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Where a byte is.
    pub fn place(&self, offset: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line.saturating_sub(1)];
        let before = self.text.get(start..offset.min(self.text.len()));
        Place {
            line,
            column: before.map_or(1, |before| before.chars().count() + 1),
        }
    }

    /// Where a line, counted from 1, begins; the text's end behind the last.
    pub fn line_start(&self, line: usize) -> usize {
        let start = line.checked_sub(1).and_then(|line| self.lines.get(line));
        start.copied().unwrap_or(self.text.len())
    }

    /// How many lines there are.
    pub fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// The byte at a line and a column of bytes, both from 1, as `serde_json` counts them; never inside of a character.
    pub(crate) fn offset(text: &str, line: usize, column: usize) -> usize {
        let mut starts = std::iter::once(0).chain(text.match_indices('\n').map(|(end, _)| end + 1));
        let start = starts.nth(line.saturating_sub(1)).unwrap_or(text.len());
        let offset = (start + column.saturating_sub(1)).min(text.len());
        floor(text, offset)
    }
}

/// The beginning of the character that a byte is in.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The bytes as text of the same length: each that is no part of a character is a question mark.
fn decoded(bytes: &[u8]) -> (String, Option<Span>) {
    let mut text = String::with_capacity(bytes.len());
    let mut first = None;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let invalid = chunk.invalid().len();
        if invalid > 0 {
            first.get_or_insert(Span::new(text.len(), text.len() + invalid));
        }
        text.extend(std::iter::repeat_n('?', invalid));
    }
    (text, first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_characters() {
        let source = Source::new("a", "{\n \"ä\": 1\n}\n".as_bytes());
        for (offset, place) in [(0, "1:1"), (2, "2:1"), (7, "2:5"), (11, "3:1"), (13, "4:1")] {
            assert_eq!(source.place(offset).to_string(), place, "{offset}");
        }
        assert_eq!(source.line_start(2), 2);
        assert_eq!(Source::offset(source.text(), 2, 2), 3);
        assert_eq!(Source::offset(source.text(), 2, 4), 4, "inside of ä");
    }

    #[test]
    fn what_is_no_utf8_keeps_its_place() {
        let source = Source::new("a", b"ab\xff\xfecd");
        assert_eq!(
            (source.text(), source.not_utf8()),
            ("ab??cd", Some(Span::new(2, 3)))
        );
    }
}
