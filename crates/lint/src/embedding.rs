//! A text inside of another: where its bytes are there, and how something is written there.

use crate::finding::Edit;
use crate::source::Span;

/// How a text stands in a YAML file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Behind `|` or `>`.
    Block,
    /// As it is.
    Plain,
    /// Between single quotes, which are doubled inside.
    Single,
    /// Between double quotes, with escapes.
    Double,
}

/// A text inside of another.
#[derive(Clone, Debug)]
pub(crate) struct Embedding {
    /// The text.
    pub text: String,
    style: Style,
    /// Where each byte of it is, and where it ends.
    offsets: Vec<usize>,
}

impl Embedding {
    /// A text that stands in a part of another; `None` where it cannot be found there.
    pub(crate) fn of(outer: &str, span: Span, style: Style, text: &str) -> Option<Self> {
        let outer = outer.get(..span.end)?;
        let mut written = Written {
            outer,
            // Of a block, where it begins behind the header, such as `|-`.
            offset: behind_properties(outer, span.start, style)?,
            style,
        };
        if matches!(style, Style::Single | Style::Double) {
            written.offset += 1;
        }
        let mut offsets = Vec::with_capacity(text.len() + 1);
        let mut last = written.offset;
        for character in text.chars() {
            // Line ends and indentation are folded, in one way or another: only what is written counts.
            let at = match character.is_whitespace() {
                true => written.blank().unwrap_or(last),
                false => written.find(character)?,
            };
            offsets.extend(std::iter::repeat_n(at, character.len_utf8()));
            last = written.offset;
        }
        offsets.push(last);
        Some(Self {
            text: text.to_owned(),
            style,
            offsets,
        })
    }

    /// Where a part of the text is in the other.
    pub(crate) fn place(&self, span: Span) -> Span {
        let at = |offset: usize| {
            let end = self.offsets.last().copied().unwrap_or_default();
            self.offsets.get(offset).copied().unwrap_or(end)
        };
        let start = at(span.start);
        if span.start == span.end {
            // Behind what is before it, not before what may be on the next line.
            let behind = span.start.checked_sub(1).map(|last| self.end_of(last));
            return Span::at(behind.unwrap_or(start));
        }
        Span::new(start, self.end_of(span.end - 1).max(start))
    }

    /// Where the character that a byte belongs to ends.
    fn end_of(&self, byte: usize) -> usize {
        let text = self.text.as_str();
        let begin = crate::source::floor(text, byte);
        let character = text.get(begin..).and_then(|rest| rest.chars().next());
        let start = self.offsets.get(byte).copied().unwrap_or_default();
        let next = self
            .offsets
            .get(begin + character.map_or(1, char::len_utf8));
        let next = next.copied().unwrap_or(start);
        match character {
            // What follows may be on another line.
            Some(character) if self.style != Style::Double => match (self.style, character) {
                (Style::Single, '\'') => start + 2,
                _ => start + character.len_utf8(),
            },
            _ => next.max(start),
        }
    }

    /// A change of the text as one of the other; `None` where it would have to be written otherwise there. Its part is one of the other already.
    pub(crate) fn edit(&self, edit: &Edit) -> Option<Edit> {
        if edit.text.contains('\n') {
            return None;
        }
        let text = match self.style {
            Style::Block => edit.text.clone(),
            // A colon or a hash sign may end it.
            Style::Plain => return None,
            Style::Single => edit.text.replace('\'', "''"),
            Style::Double => edit.text.replace('\\', "\\\\").replace('"', "\\\""),
        };
        Some(Edit {
            span: edit.span,
            text,
        })
    }
}

/// Where a text begins behind its properties: an anchor (`&config`) and a tag (`!!str`).
fn behind_properties(outer: &str, start: usize, style: Style) -> Option<usize> {
    let mut rest = outer.get(start..)?;
    let is_property = |rest: &str| rest.starts_with(['&', '!']);
    if !is_property(rest) {
        return Some(start);
    }
    while is_property(rest) {
        let end = rest.find(char::is_whitespace)?;
        rest = rest[end..].trim_start();
    }
    if style == Style::Block {
        rest = &rest[rest.find('\n')?..];
    }
    Some(outer.len() - rest.len())
}

/// What is written in the other text.
struct Written<'a> {
    outer: &'a str,
    offset: usize,
    style: Style,
}

impl Written<'_> {
    /// The next character that is meant, and where what comes behind it begins.
    fn peek(&self) -> Option<(char, usize)> {
        let rest = self.outer.get(self.offset..)?;
        let first = rest.chars().next()?;
        let next = self.offset + first.len_utf8();
        match (self.style, first) {
            (Style::Single, '\'') => Some(('\'', next + 1)),
            (Style::Double, '\\') => {
                escaped(&rest[1..]).map(|(meant, length)| (meant, next + length))
            }
            _ => Some((first, next)),
        }
    }

    /// Where the next blank is, if that is what comes next.
    fn blank(&mut self) -> Option<usize> {
        let (meant, next) = self.peek()?;
        let at = self.offset;
        meant.is_whitespace().then(|| {
            self.offset = next;
            at
        })
    }

    /// Where a character is, behind nothing but blanks.
    fn find(&mut self, wanted: char) -> Option<usize> {
        loop {
            let (meant, next) = self.peek()?;
            let at = self.offset;
            self.offset = next;
            if meant == wanted {
                return Some(at);
            }
            if !meant.is_whitespace() {
                return None;
            }
        }
    }
}

/// What an escape of YAML means, and how many bytes it has behind the backslash. One at a line's end means nothing: a blank.
fn escaped(rest: &str) -> Option<(char, usize)> {
    let first = rest.chars().next()?;
    let hex = |digits: usize| {
        let code = u32::from_str_radix(rest.get(1..1 + digits)?, 16).ok()?;
        Some((char::from_u32(code)?, 1 + digits))
    };
    let meant = match first {
        'x' => return hex(2),
        'u' => return hex(4),
        'U' => return hex(8),
        'n' | 'r' | 't' | 'f' | 'v' | 'N' | '_' | 'L' | 'P' => ' ',
        '\n' | '\r' | '\t' => ' ',
        '0' => '\0',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'e' => '\u{1b}',
        other => other,
    };
    Some((meant, first.len_utf8()))
}
