//! Findings as a person reads them: the line with the place marked, why it matters, and what mends it.

use std::collections::BTreeSet;

use annotate_snippets::renderer::{AnsiColor, Effects, Style as Look};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use linkspan_lint::{FileReport, Finding, Severity, Source, Span};

use super::fix::Fixed;
use super::{count, findings};
use crate::style::{LOOKS, Style};
use crate::text::{one_word, wrap};

/// Lines that are shown before and behind a place.
const AROUND: usize = 1;

/// Bytes beyond which nothing is shown of the text around a place: more than a terminal has in a line.
const FAR: usize = 1000;

/// All of it, with a summary at the end.
pub(super) fn text(style: Style, reports: &[FileReport], fixed: &[Fixed]) -> String {
    let renderer = renderer(style);
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for (report, finding) in findings(reports) {
        let is_new = told.insert(finding.why.as_str());
        text.push_str(&drawn(&renderer, style, report, finding, is_new));
        text.push_str("\n\n");
    }
    for report in reports.iter().filter(|report| report.untold > 0) {
        let (name, untold) = (one_word(report.source.name()), report.untold);
        text.push_str(&format!("{name}: {untold} more are not told\n\n"));
    }
    for Fixed { path, count } in fixed {
        let path = path.to_string_lossy();
        let things = plural(*count, "finding", "findings");
        text.push_str(&format!(
            "{} {}: {things} mended\n",
            style.good("✓"),
            one_word(&path)
        ));
    }
    text + &summary(reports)
}

fn renderer(style: Style) -> Renderer {
    let columns = style.columns().unwrap_or(style.width());
    let plain = Renderer::plain().term_width(columns);
    if !style.is_coloured() {
        return plain;
    }
    let bold = Look::new().effects(Effects::BOLD);
    let dim = Look::new().effects(Effects::DIMMED);
    let red = AnsiColor::Red.on_default().effects(Effects::BOLD);
    let green = AnsiColor::Green.on_default();
    plain
        .error(red)
        .warning(bold)
        .note(dim)
        .info(dim)
        .help(green)
        .line_num(dim)
        .emphasis(bold)
        .context(dim)
        .addition(green)
        .removal(red)
}

/// One finding; why it matters only where that was not told before.
fn drawn(
    renderer: &Renderer,
    style: Style,
    report: &FileReport,
    finding: &Finding,
    with_why: bool,
) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let message = one_word(&finding.message).into_owned();
    let mut group = Group::with_title(level.primary_title(message).id(finding.rule.id));
    let source = &report.source;
    let here = Marked::new(source, finding.span, &finding.label, true);
    let others = finding.others.iter().map(|other| {
        let source = other.source.as_ref().unwrap_or(source);
        Marked::new(source, other.span, &other.words, false)
    });
    for marked in together(here, others) {
        group = with_lines(group, &marked);
    }
    let width = style.columns().unwrap_or(style.width()).min(100);
    for (name, words) in words(finding, with_why) {
        // `   = why: ` before the first line, as much before the others.
        let margin = digits(source) + name.len() + 5;
        let lines = wrap(&one_word(&words), width.saturating_sub(margin).max(20));
        let level = match name {
            "why" => Level::NOTE,
            _ => Level::HELP,
        };
        group = group.element(level.with_name(name).message(lines.join("\n")));
    }
    let drawn = renderer.render(&[group]);
    let lines = drawn.lines().filter(|line| !is_empty_origin(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether it is the line that the renderer puts before lines whose place stands above them already.
fn is_empty_origin(line: &str) -> bool {
    let looks = LOOKS.iter();
    let bare = looks.fold(line.to_owned(), |line, look| line.replace(look, ""));
    bare.trim() == ":::"
}

fn words(finding: &Finding, with_why: bool) -> Vec<(&'static str, String)> {
    let why = match with_why {
        true => finding.why.clone(),
        false => String::new(),
    };
    let help = finding.help.clone().unwrap_or_default();
    let help = match &finding.fix {
        Some(fix) if help.is_empty() || help == fix.words => {
            format!("{} (--fix does that)", fix.words)
        }
        Some(fix) => format!("{help} (--fix: {})", fix.words),
        None => help,
    };
    let mut words = vec![("why", why), ("help", help)];
    words.retain(|(_, words)| !words.is_empty());
    words
}

fn digits(source: &Source) -> usize {
    source.line_count().to_string().len()
}

/// A place with the words beside it.
struct Marked<'a> {
    source: &'a Source,
    span: Span,
    words: String,
    is_primary: bool,
}

impl<'a> Marked<'a> {
    fn new(source: &'a Source, span: Span, words: &str, is_primary: bool) -> Self {
        let start = span.start.min(source.text().len());
        Self {
            source,
            // What has several lines is pointed at where it begins.
            span: Span::new(start, line_end(source, start).min(span.end).max(start)),
            words: one_word(words).into_owned(),
            is_primary,
        }
    }

    fn line(&self) -> usize {
        self.source.place(self.span.start).line
    }

    /// What is shown of the text around it: a line before and behind, and never more than [`FAR`] bytes.
    fn around(&self) -> Span {
        let (text, line) = (self.source.text(), self.line());
        let far = Span::new(self.span.start.saturating_sub(FAR), self.span.end + FAR);
        let wanted = |line: usize| self.source.line_start(line);
        let before = [wanted(line.saturating_sub(AROUND).max(1)), wanted(line)];
        let behind = [wanted(line + AROUND + 1), wanted(line + 1)];
        let start = before.into_iter().find(|start| *start >= far.start);
        let end = behind.into_iter().find(|end| *end <= far.end);
        let edge = |offset: usize| {
            let mut edges = offset.min(text.len())..=text.len();
            edges.find(|offset| text.is_char_boundary(*offset))
        };
        Span::new(
            start.or_else(|| edge(far.start)).unwrap_or(0),
            end.or_else(|| edge(far.end)).unwrap_or(text.len()),
        )
    }
}

fn line_end(source: &Source, offset: usize) -> usize {
    let rest = source.text().get(offset..).unwrap_or_default();
    offset + rest.find('\n').unwrap_or(rest.len())
}

/// Places by what can be shown of a file at once: those of the finding's file that are near, and each of the others.
fn together<'a>(
    here: Marked<'a>,
    others: impl Iterator<Item = Marked<'a>>,
) -> Vec<Vec<Marked<'a>>> {
    let mut first = vec![here];
    let mut rest = Vec::new();
    for other in others {
        let here = &first[0];
        let is_near = other.span.start.abs_diff(here.span.start) <= FAR;
        match std::ptr::eq(here.source, other.source) && is_near {
            true => first.push(other),
            false => rest.push(vec![other]),
        }
    }
    [first].into_iter().chain(rest).collect()
}

/// The text with a sign of the same length for what would be spelt out behind the renderer's back, which counts columns.
fn harmless(text: &str) -> String {
    let sign = |c: char| match c {
        '\u{80}'..='\u{9f}' => '·',
        '\u{200e}' | '\u{200f}' => '\u{fffd}',
        _ => c,
    };
    text.chars().map(sign).collect()
}

/// Puts in the lines of places in one file, below the file's name with line and column.
fn with_lines<'a>(group: Group<'a>, marked: &[Marked<'a>]) -> Group<'a> {
    let source = marked[0].source;
    let around = marked.iter().map(Marked::around);
    let shown =
        around.reduce(|one, other| Span::new(one.start.min(other.start), one.end.max(other.end)));
    let shown = shown.unwrap_or_default();
    let text = harmless(source.slice(shown));
    let annotations = marked.iter().map(|one| {
        let kind = match one.is_primary {
            true => AnnotationKind::Primary,
            false => AnnotationKind::Context,
        };
        let annotation = kind.span(one.span.start - shown.start..one.span.end - shown.start);
        match one.words.is_empty() {
            true => annotation,
            false => annotation.label(one.words.clone()),
        }
    });
    let first = source.place(shown.start);
    let name = one_word(source.name()).into_owned();
    let text = text.strip_suffix('\n').unwrap_or(&text).to_owned();
    let snippet = Snippet::source(text)
        .line_start(first.line)
        .annotations(annotations);
    if first.column == 1 {
        return group.element(snippet.path(name));
    }
    // The renderer counts columns from where the text begins, which is in the middle of a line here.
    let place = source.place(marked[0].span.start);
    let origin = Origin::path(name)
        .line(place.line)
        .char_column(place.column);
    group.element(origin).element(snippet)
}

/// `3 errors, 1 warning in 2 of 5 files; 2 can be mended by --fix`
fn summary(reports: &[FileReport]) -> String {
    let files = reports.len();
    let [errors, warnings, notes] = count(reports);
    let counts = [
        (errors, "error", "errors"),
        (warnings, "warning", "warnings"),
        (notes, "note", "notes"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| plural(count, one, many))
        .collect();
    if counts.is_empty() {
        return format!("Nothing is wrong in {}.\n", plural(files, "file", "files"));
    }
    let with = reports
        .iter()
        .filter(|report| !report.findings.is_empty())
        .count();
    let fixable = findings(reports)
        .filter(|(_, finding)| finding.fix.is_some())
        .count();
    let mended = match fixable {
        0 => String::new(),
        count => format!("; {count} can be mended by --fix"),
    };
    let of = match files {
        1 => "1 file".to_owned(),
        files => format!("{with} of {files} files"),
    };
    format!("{} in {of}{mended}\n", counts.join(", "))
}

fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
