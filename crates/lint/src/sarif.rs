//! Findings as SARIF, which GitHub, editors and other tools read.

use linkspan_spec::Value;
use serde_json::json;

use crate::{FileReport, Finding, RULES, Rule, Severity, Source, Span};

/// The format's schema, by which tools know it.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// A log of one run.
pub fn log(reports: &[FileReport]) -> Value {
    let results: Vec<Value> = reports
        .iter()
        .flat_map(|report| {
            let findings = report.findings.iter();
            findings.map(|finding| result(&report.source, finding))
        })
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "linkspan lint",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": RULES.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            } },
            // Ours are characters, as SARIF has them by default only where it says so.
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.id,
        "shortDescription": { "text": rule.about },
        "fullDescription": { "text": rule.why },
        "defaultConfiguration": { "level": level(rule.severity) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn result(source: &Source, finding: &Finding) -> Value {
    let index = RULES
        .iter()
        .position(|rule| std::ptr::eq(*rule, finding.rule));
    let mut text = finding.message.clone();
    if let Some(help) = finding.help.as_deref().filter(|help| !help.is_empty()) {
        text = format!("{text}; {help}");
    }
    let mut result = json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location(source, finding.span, &finding.label)],
    });
    let others: Vec<Value> = finding
        .others
        .iter()
        .map(|other| {
            location(
                other.source.as_deref().unwrap_or(source),
                other.span,
                &other.words,
            )
        })
        .collect();
    if !others.is_empty() {
        result["relatedLocations"] = others.into();
    }
    if let Some(fix) = &finding.fix {
        let replacements: Vec<Value> = fix
            .edits
            .iter()
            .map(|edit| {
                json!({
                    "deletedRegion": region(source, edit.span),
                    "insertedContent": { "text": edit.text },
                })
            })
            .collect();
        result["fixes"] = json!([{
            "description": { "text": fix.words },
            "artifactChanges": [{
                "artifactLocation": { "uri": uri(source.name()) },
                "replacements": replacements,
            }],
        }]);
    }
    result
}

fn location(source: &Source, span: Span, words: &str) -> Value {
    let mut location = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(source.name()) },
            "region": region(source, span),
        },
    });
    if !words.is_empty() {
        location["message"] = json!({ "text": words });
    }
    location
}

fn region(source: &Source, span: Span) -> Value {
    let (start, end) = (source.place(span.start), source.place(span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A file's name as a reference to it (RFC 3986): relative where the name is, so that it is found in a repository.
fn uri(name: &str) -> String {
    let path = name.strip_prefix("./").unwrap_or(name);
    let mut uri = match path.starts_with('/') {
        true => "file://".to_owned(),
        false => String::new(),
    };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte.into())
            }
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
