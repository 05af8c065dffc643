//! Where a text is not JSON, and what was probably meant.

use jsonc_parser::errors::{ParseError, ParseErrorKind};
use linkspan_spec::decode::DecodeError;

use super::{STRICT, span, template, words};
use crate::finding::Fix;
use crate::source::{Source, Span, floor};

/// Where a text is not JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What is said beside the place.
    pub label: String,
    /// Another place that has to do with it.
    pub other: Option<(Span, &'static str)>,
    /// What to write instead.
    pub help: String,
    /// What mends it, where that is certain.
    pub fix: Option<Fix>,
    /// What it is taken for, in text of the same length, to go on behind it.
    pub(super) reading: Option<(Span, char)>,
}

impl Fault {
    pub(crate) fn new(message: impl Into<String>, span: Span, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span,
            label: String::new(),
            other: None,
            help: help.into(),
            fix: None,
            reading: None,
        }
    }

    fn label(mut self, words: impl Into<String>) -> Self {
        self.label = words.into();
        self
    }

    fn other(mut self, span: Span, words: &'static str) -> Self {
        self.other = Some((span, words));
        self
    }

    fn fix(mut self, fix: Fix) -> Self {
        self.fix = Some(fix);
        self
    }

    /// It is read as if these characters were all this one.
    fn read_as(mut self, span: Span, character: char) -> Self {
        self.reading = Some((span, character));
        self
    }
}

/// What is wrong with a text that was refused.
pub(super) fn find(text: &str, refusal: &DecodeError) -> Fault {
    if let Some(fault) = of_whole(text, refusal) {
        return fault;
    }
    let refused = refused_at(text, refusal);
    let by_serde = tab(text, refusal, refused)
        .or_else(|| unfinished_string(text, refusal, refused))
        .or_else(|| number(text, refusal, refused));
    if let Some(fault) = by_serde {
        return fault;
    }
    match jsonc_parser::parse_to_ast(text, &Default::default(), &STRICT) {
        Err(error) => of_kind(text, &error, refusal),
        Ok(_) => plain(text, refusal, refused),
    }
}

/// What is wrong with the text as a whole.
fn of_whole(text: &str, refusal: &DecodeError) -> Option<Fault> {
    if text.starts_with('\u{feff}') {
        let mark = Span::new(0, '\u{feff}'.len_utf8());
        let fault = Fault::new(
            "the file begins with a byte order mark",
            mark,
            "save it as UTF-8 without a byte order mark",
        );
        return Some(
            fault
                .fix(Fix::new("remove the byte order mark", mark, ""))
                .read_as(mark, ' '),
        );
    }
    match refusal {
        DecodeError::Empty => Some(Fault::new(
            "there is nothing here",
            Span::at(0),
            "write a configuration, or remove the file: runtimes read it and fail",
        )),
        DecodeError::TooLarge { limit, .. } => Some(Fault::new(
            format!("it is larger than the {limit} bytes that are read"),
            Span::at(0),
            "a configuration has some hundred bytes; see what else got into the file",
        )),
        _ => None,
    }
}

/// Where `serde_json`, by which plugins read, gave up.
fn refused_at(text: &str, refusal: &DecodeError) -> usize {
    let DecodeError::Syntax { reason } = refusal else {
        return 0;
    };
    let place = reason.rsplit_once(" at line ").and_then(|(_, place)| {
        let (line, column) = place.split_once(" column ")?;
        Some((line.parse().ok()?, column.parse().ok()?))
    });
    place.map_or(0, |(line, column)| Source::offset(text, line, column))
}

/// A string that does not end on its line, which others read on to the next quote.
fn unfinished_string(text: &str, refusal: &DecodeError, refused: usize) -> Option<Fault> {
    let words = words(refusal);
    let line = text[..refused].rfind('\n').map_or(0, |end| end + 1);
    // The line's end is counted as a column of the next line.
    let line = match text[..line].ends_with('\n') && refused == line {
        true => text[..line - 1].rfind('\n').map_or(0, |end| end + 1),
        false => line,
    };
    let is_cut =
        words.starts_with("control character") || words.starts_with("EOF while parsing a string");
    if !is_cut {
        return None;
    }
    let rest = &text[line..];
    let rest = &rest[..rest.find('\n').unwrap_or(rest.len())];
    if rest.contains(|c: char| c.is_control() && c != '\r' && c != '\t') {
        return None;
    }
    let quotes = rest.match_indices('"');
    let start = quotes
        .filter(|(at, _)| !rest[..*at].ends_with('\\'))
        .map(|(at, _)| line + at)
        .next_back()?;
    let end = line + rest.trim_end().len();
    let fault = Fault::new(
        "a string has no closing quote",
        Span::new(start, end.max(start + 1)),
        "close it with \" on the same line; a quote inside of it is written \\\"",
    );
    Some(fault.label("it begins here"))
}

/// A tab in a string, which no editor shows.
fn tab(text: &str, refusal: &DecodeError, refused: usize) -> Option<Fault> {
    let at = one_character(text, refused);
    // At the beginning of a line it is the end of the line before that was refused.
    let is_tab = text[at.range()] == *"\t" && !text[..at.start].ends_with('\n');
    let is_tab = is_tab && words(refusal).starts_with("control character");
    is_tab.then(|| {
        Fault::new("a tab in a string", at, "write \\t in its place")
            .fix(Fix::new("write \\t", at, "\\t"))
            .read_as(at, ' ')
    })
}

/// A number that JSON writes otherwise, or that is larger than any.
fn number(text: &str, refusal: &DecodeError, refused: usize) -> Option<Fault> {
    let words = words(refusal);
    let is_number = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let start = text[..refused].trim_end_matches(is_number).len();
    let length = text[start..].find(|c| !is_number(c));
    let whole = Span::new(start, length.map_or(text.len(), |length| start + length));
    let written = &text[whole.range()];
    let fault = match words.as_str() {
        _ if !written.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) => {
            return None;
        }
        "number out of range" => Fault::new(
            format!("{written} is larger than any number that can be read"),
            whole,
            "write a smaller one",
        ),
        "invalid number" | "expected value" => Fault::new(
            format!("{written} is not a number of JSON"),
            whole,
            "numbers are written in decimal, without leading zeros and without +",
        ),
        _ => return None,
    };
    let digits = written.trim_start_matches(['+', '0']);
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    Some(match is_plain {
        true => {
            let words = format!("write {digits}");
            fault.fix(Fix::new(words, whole, digits))
        }
        false => fault,
    })
}

/// A fault that `serde_json` alone knows.
fn plain(text: &str, refusal: &DecodeError, refused: usize) -> Fault {
    let words = words(refusal);
    let span = one_character(text, refused);
    if words.contains("recursion limit") {
        return Fault::new(
            "it is nested deeper than plugins read",
            span,
            "there may be 127 objects and lists inside of each other",
        );
    }
    let help = match words.contains("escape") || words.contains("surrogate") {
        true => {
            "behind a backslash stands one of \" \\ / b f n r t, or u and four digits; a backslash itself is written \\\\"
        }
        false => "see https://www.json.org for what may stand here",
    };
    Fault::new(format!("this is not JSON: {words}"), span, help)
}

fn one_character(text: &str, offset: usize) -> Span {
    let start = floor(text, offset);
    let length = text[start..].chars().next().map_or(0, char::len_utf8);
    Span::new(start, start + length)
}

fn of_kind(text: &str, error: &ParseError, refusal: &DecodeError) -> Fault {
    let at = span(error.range());
    match error.kind() {
        ParseErrorKind::TrailingCommasNotAllowed => {
            Fault::new("a comma behind the last entry", at, "remove the comma")
                .label("nothing follows it")
                .fix(Fix::new("remove the comma", at, ""))
                .read_as(at, ' ')
        }
        ParseErrorKind::ExpectedComma => missing_comma(text, at),
        ParseErrorKind::CommentsNotAllowed => Fault::new(
            "JSON has no comments",
            at,
            "remove it; a key that begins with _ can hold words for people",
        )
        .read_as(at, ' '),
        ParseErrorKind::SingleQuotedStringsNotAllowed => single_quotes(text, at),
        ParseErrorKind::ExpectedStringObjectProperty => Fault::new(
            "a key without quotes",
            at,
            "keys are strings: write it between double quotes",
        )
        .fix(Fix::new("quote the key", Span::at(at.start), "\"").and(Span::at(at.end), "\"")),
        ParseErrorKind::ExpectedColonAfterObjectKey => missing_colon(text, at),
        ParseErrorKind::MultipleRootJsonValues => behind_the_end(text, at),
        ParseErrorKind::UnterminatedObject => unclosed(text, at, "{", "}"),
        ParseErrorKind::UnterminatedArray => unclosed(text, at, "[", "]"),
        ParseErrorKind::UnexpectedComma | ParseErrorKind::UnexpectedTokenInObject
            if text[at.range()].starts_with(',') =>
        {
            Fault::new("a comma with nothing before it", at, "remove the comma")
                .fix(Fix::new("remove the comma", at, ""))
                .read_as(at, ' ')
        }
        ParseErrorKind::UnexpectedCloseBrace => mismatched(text, at, "[", "]"),
        ParseErrorKind::UnexpectedTokenInObject if text[at.range()].starts_with(']') => {
            mismatched(text, at, "{", "}")
        }
        ParseErrorKind::UnexpectedWord | ParseErrorKind::UnexpectedToken => word(text, at),
        _ => plain(text, refusal, at.start),
    }
}

fn missing_comma(text: &str, at: Span) -> Fault {
    let fault = Fault::new(
        "a comma is missing before the next entry",
        one_character(
            text,
            text[..at.start]
                .char_indices()
                .last()
                .map_or(0, |(last, _)| last),
        ),
        "put a comma here",
    )
    .label("behind this")
    .fix(Fix::new("put in the comma", Span::at(at.start), ","));
    match text[at.start..].starts_with(|c: char| c.is_ascii_whitespace()) {
        true => fault.read_as(Span::new(at.start, at.start + 1), ','),
        false => fault,
    }
}

fn single_quotes(text: &str, at: Span) -> Fault {
    let rest = &text[at.start + 1..];
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    let help = "strings stand between double quotes";
    let message = "a string between single quotes";
    match line.find('\'') {
        Some(end) if !line[..end].contains(['"', '\\']) => {
            let whole = Span::new(at.start, at.start + end + 2);
            let quoted = format!("\"{}\"", &line[..end]);
            Fault::new(message, whole, help).fix(Fix::new("use double quotes", whole, quoted))
        }
        _ => Fault::new(message, at, help),
    }
}

fn missing_colon(text: &str, at: Span) -> Fault {
    let fault = Fault::new(
        "a colon is missing behind the key",
        one_character(text, at.start),
        "between key and value stands a colon",
    );
    match text[at.range()].starts_with('=') {
        true => {
            let sign = Span::new(at.start, at.start + 1);
            fault
                .fix(Fix::new("put a colon in its place", sign, ":"))
                .read_as(sign, ':')
        }
        false => fault,
    }
}

fn behind_the_end(text: &str, at: Span) -> Fault {
    let rest = Span::new(at.start, text.trim_end().len().max(at.end));
    let is_brackets = text[rest.range()]
        .chars()
        .all(|c| c.is_whitespace() || "}]".contains(c));
    let help = match is_brackets {
        true => {
            "there are more closing brackets than opening ones: remove this, or find where one before it closes too early"
        }
        false => "a file holds one configuration: put a second one into a file of its own",
    };
    Fault::new(
        "there is text behind the end",
        one_character(text, at.start),
        help,
    )
    .label("the value before it is complete")
    .read_as(rest, ' ')
}

fn unclosed(text: &str, at: Span, open: &str, close: &str) -> Fault {
    let end = text.trim_end().len();
    Fault::new(
        format!("the text ends before this {open} is closed"),
        Span::new(at.start, at.start + 1),
        format!("put the missing {close} where it belongs"),
    )
    .label("never closed")
    .other(Span::at(end), "the end of the text")
}

fn mismatched(text: &str, at: Span, open: &str, close: &str) -> Fault {
    Fault::new(
        format!("{} where {close} is expected", &text[at.range()]),
        at,
        format!("what was opened by {open} is closed by {close}"),
    )
}

/// A word that is no value.
fn word(text: &str, at: Span) -> Fault {
    let whole = word_at(text, at.start);
    let written = &text[whole.range()];
    let first = Span::new(whole.start, whole.start + 1);
    match written.chars().next() {
        Some('=') => return missing_colon(text, first),
        Some(';') => {
            return Fault::new(
                "a semicolon where a comma is expected",
                first,
                "put a comma here",
            )
            .fix(Fix::new("put a comma in its place", first, ","));
        }
        _ => {}
    }
    if template::placeholders(written)
        .first()
        .is_some_and(|span| span.start == 0)
    {
        return Fault::new(
            format!("{written} is a placeholder that nobody has filled in"),
            whole,
            "write the value; a runtime reads the file as it is",
        );
    }
    let meant = match written {
        "True" | "TRUE" => Some("true"),
        "False" | "FALSE" => Some("false"),
        "None" | "nil" | "undefined" | "Null" | "NULL" => Some("null"),
        _ => None,
    };
    let fault = Fault::new(
        format!("{written} is no value of JSON"),
        whole,
        meant.map_or_else(
            || "write a string between double quotes, a number, true or false".to_owned(),
            |meant| format!("write {meant}"),
        ),
    );
    match meant {
        Some(meant) => fault.fix(Fix::new(format!("write {meant}"), whole, meant)),
        None => fault,
    }
}

/// The word that begins at a byte, at least one character of it.
fn word_at(text: &str, start: usize) -> Span {
    let start = floor(text, start);
    let rest = &text[start..];
    let end = rest.find(|c: char| c.is_whitespace() || ",]}:\"".contains(c));
    match end.unwrap_or(rest.len()) {
        0 => one_character(text, start),
        length => Span::new(start, start + length),
    }
}
