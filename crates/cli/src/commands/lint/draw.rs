//! Findings as a person reads them: the line with the place marked, why it matters, and what mends it.

use std::collections::BTreeSet;

use annotate_snippets::renderer::{AnsiColor, Effects, Style as Look};
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Renderer, Snippet};
use linkspan_lint::{FileReport, Finding, Severity, Source, Span};

use super::fix::Fixed;
use super::{count, findings};
use crate::style::Style;
use crate::text::{one_word, wrap};

/// Lines that are shown before and behind a place.
const AROUND: usize = 1;

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
    let mut here = vec![annotation(source, finding.span, &finding.label, true)];
    let own = finding.others.iter().filter(|other| other.source.is_none());
    here.extend(own.map(|other| annotation(source, other.span, &other.words, false)));
    group = group.element(snippet(source, here));
    for other in &finding.others {
        if let Some(source) = &other.source {
            let there = annotation(source, other.span, &other.words, false);
            group = group.element(snippet(source, vec![there]));
        }
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
    renderer.render(&[group])
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
struct Marked {
    span: Span,
    words: String,
    is_primary: bool,
}

fn annotation(source: &Source, span: Span, words: &str, is_primary: bool) -> Marked {
    let length = source.text().len();
    let start = span.start.min(length);
    Marked {
        // What has several lines is pointed at where it begins.
        span: Span::new(start, line_end(source, start).min(span.end).max(start)),
        words: one_word(words).into_owned(),
        is_primary,
    }
}

fn line_end(source: &Source, offset: usize) -> usize {
    let rest = source.text().get(offset..).unwrap_or_default();
    offset + rest.find('\n').unwrap_or(rest.len())
}

/// The lines of places.
fn snippet<'a>(source: &'a Source, marked: Vec<Marked>) -> Snippet<'a, Annotation<'a>> {
    let lines = || marked.iter().map(|one| source.place(one.span.start).line);
    let first = lines().min().unwrap_or(1).saturating_sub(AROUND).max(1);
    let last = lines().max().unwrap_or(1) + AROUND;
    let start = source.line_start(first);
    let end = source.line_start(last + 1);
    let text = source.slice(Span::new(start, end));
    let snippet = Snippet::source(text.strip_suffix('\n').unwrap_or(text))
        .line_start(first)
        .path(one_word(source.name()).into_owned());
    let annotations = marked.into_iter().map(|one| {
        let kind = match one.is_primary {
            true => AnnotationKind::Primary,
            false => AnnotationKind::Context,
        };
        let annotation = kind.span(one.span.start - start..one.span.end - start);
        match one.words.is_empty() {
            true => annotation,
            false => annotation.label(one.words),
        }
    });
    snippet.annotations(annotations)
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
