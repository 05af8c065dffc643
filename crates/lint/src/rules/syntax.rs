//! What keeps a file from being read at all.

use std::collections::BTreeMap;

use linkspan_inspect::finding::Severity;

use crate::document::Obstacle;
use crate::finding::{Finding, Fix};
use crate::json::{Member, Node, Value};
use crate::rule::{Context, Rule};
use crate::source::Span;

/// A file of a directory that cannot be opened.
pub(super) static UNREADABLE: Rule = Rule {
    id: "unreadable",
    severity: Severity::Error,
    about: "a file that cannot be read",
    why: "a runtime that meets it while it looks for a network fails, since it might have been the one",
    check: unreadable,
};

fn unreadable(context: &Context<'_>) -> Vec<Finding> {
    match &context.document.obstacle {
        Some(Obstacle::Unreadable(why)) => vec![
            UNREADABLE
                .at(Span::at(0), format!("the file cannot be read: {why}"))
                .help("make it readable, or move it away from the configurations"),
        ],
        _ => Vec::new(),
    }
}

/// A manifest that is no YAML.
pub(super) static YAML: Rule = Rule {
    id: "yaml",
    severity: Severity::Error,
    about: "a manifest that is not YAML",
    why: "what stands behind this place was not looked at, and Kubernetes takes none of the file",
    check: yaml,
};

fn yaml(context: &Context<'_>) -> Vec<Finding> {
    match &context.document.obstacle {
        Some(Obstacle::Yaml(at, why)) => {
            let text = &context.document.source.text()[at.start..];
            let length = text.chars().next().map_or(0, char::len_utf8);
            let span = Span::new(at.start, at.start + length);
            vec![YAML.at(span, format!("this is not YAML: {why}"))]
        }
        _ => Vec::new(),
    }
}

/// A text that is not JSON.
pub(super) static SYNTAX: Rule = Rule {
    id: "syntax",
    severity: Severity::Error,
    about: "a text that is not JSON",
    why: "runtimes and plugins read none of a file that is not JSON, and while they look for a network they go no further",
    check: syntax,
};

fn syntax(context: &Context<'_>) -> Vec<Finding> {
    let document = context.document;
    if let Some(at) = document.source.not_utf8() {
        let is_utf16 = document.source.text().starts_with("??") && at.start == 0;
        let help = match is_utf16 {
            true => "it seems to be UTF-16: save it as UTF-8 without a byte order mark",
            false => "save it as UTF-8",
        };
        return vec![SYNTAX.at(at, "these bytes are not UTF-8").help(help)];
    }
    if document.source.is_cut() {
        let words = "the file is larger than is read";
        return vec![
            SYNTAX
                .at(Span::at(0), words)
                .help("a configuration has some hundred bytes; see what else got into the file"),
        ];
    }
    let faults = document.faults.iter();
    faults
        .map(|fault| {
            let finding = SYNTAX
                .at(fault.span, fault.message.as_str())
                .label(fault.label.as_str())
                .help(fault.help.as_str())
                .fix(fault.fix.clone());
            match fault.other {
                Some((span, words)) => finding.also(span, words),
                None => finding,
            }
        })
        .collect()
}

/// A key that an object has twice.
pub(super) static DUPLICATE_KEY: Rule = Rule {
    id: "duplicate-key",
    severity: Severity::Warning,
    about: "a key that an object has twice",
    why: "plugins take the last one and say nothing; other programs take the first, or refuse the file",
    check: |context| {
        let mut findings = Vec::new();
        if let Some(root) = &context.document.root {
            duplicates(root, &mut findings);
        }
        findings
    },
};

fn duplicates(node: &Node, findings: &mut Vec<Finding>) {
    let mut seen: BTreeMap<&str, &Member> = BTreeMap::new();
    for (index, member) in node.members().iter().enumerate() {
        duplicates(&member.node, findings);
        let earlier = seen.insert(member.key.as_str(), member);
        let Some(earlier) = earlier.filter(|_| !member.is_aside()) else {
            continue;
        };
        let key = &member.key;
        let is_same = earlier.node.to_json() == member.node.to_json();
        let previous = &node.members()[index - 1];
        findings.push(
            DUPLICATE_KEY
                .at(member.key_span, format!("{key:?} is there twice"))
                .label(match is_same {
                    true => "with the same value",
                    false => "this one counts",
                })
                .also(earlier.key_span, "the first")
                .help("keep one of the two")
                .fix(is_same.then(|| {
                    let doubled = Span::new(previous.node.span.end, member.node.span.end);
                    Fix::new("remove the second", doubled, "")
                })),
        );
    }
    if let Value::List(items) = &node.value {
        items.iter().for_each(|item| duplicates(item, findings));
    }
}
