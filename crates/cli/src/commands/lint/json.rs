//! Findings as JSON.

use std::sync::Arc;

use linkspan_lint::{FileReport, Finding, Fix, Label, RULES, Source, Span};
use linkspan_spec::Value;

use super::fix::Fixed;
use super::{count, word};
use crate::ui::object;

/// All of it.
pub(super) fn json(reports: &[FileReport], fixed: &[Fixed]) -> Value {
    let [errors, warnings, notes] = count(reports);
    let fixed = fixed.iter().map(|fixed| {
        object([
            ("file", fixed.path.to_string_lossy().into()),
            ("count", fixed.count.into()),
        ])
    });
    object([
        (
            "files",
            reports.iter().map(|report| report.source.name()).collect(),
        ),
        ("findings", findings(reports)),
        ("errors", errors.into()),
        ("warnings", warnings.into()),
        ("notes", notes.into()),
        (
            "untold",
            reports
                .iter()
                .map(|report| report.untold)
                .sum::<usize>()
                .into(),
        ),
        ("fixed", fixed.collect()),
    ])
}

/// The findings of all files, in their order.
pub(super) fn findings(reports: &[FileReport]) -> Value {
    let findings = reports.iter().flat_map(|report| {
        let findings = report.findings.iter();
        findings.map(|finding| self::finding(&report.source, finding))
    });
    findings.collect()
}

fn finding(source: &Arc<Source>, finding: &Finding) -> Value {
    let Finding {
        rule,
        severity,
        message,
        span,
        label,
        others,
        why,
        help,
        fix,
    } = finding;
    object([
        ("rule", rule.id.into()),
        ("severity", word(*severity).into()),
        ("message", message.as_str().into()),
        ("place", place(source, *span, label)),
        (
            "others",
            others
                .iter()
                .map(|other| self::other(source, other))
                .collect(),
        ),
        ("why", why.as_str().into()),
        ("help", help.clone().into()),
        (
            "fix",
            fix.as_ref()
                .map_or(Value::Null, |fix| self::fix(source, fix)),
        ),
    ])
}

fn other(source: &Arc<Source>, label: &Label) -> Value {
    place(
        label.source.as_ref().unwrap_or(source),
        label.span,
        &label.words,
    )
}

fn place(source: &Source, span: Span, words: &str) -> Value {
    let (start, end) = (source.place(span.start), source.place(span.end));
    object([
        ("file", source.name().into()),
        ("line", start.line.into()),
        ("column", start.column.into()),
        ("endLine", end.line.into()),
        ("endColumn", end.column.into()),
        ("words", words.into()),
    ])
}

fn fix(source: &Source, fix: &Fix) -> Value {
    let edits = fix.edits.iter();
    let edits = edits.map(|edit| {
        object([
            ("place", place(source, edit.span, "")),
            ("text", edit.text.as_str().into()),
        ])
    });
    object([
        ("words", fix.words.as_str().into()),
        ("edits", edits.collect()),
    ])
}

/// The rules.
pub(super) fn rules() -> Value {
    let rules = RULES.iter().map(|rule| {
        object([
            ("id", rule.id.into()),
            ("severity", word(rule.severity).into()),
            ("about", rule.about.into()),
            ("why", rule.why.into()),
        ])
    });
    object([("rules", rules.collect())])
}
