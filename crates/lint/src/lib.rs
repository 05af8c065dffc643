//! What is wrong with network configurations, each finding with its place and what mends it.
//!
//! [`input`] reads files into [`Document`]s: a network's list, a single plugin, or what a Kubernetes manifest holds of them,
//! as [`json`] with the place of every key and value. A [`Rule`] is a function from such a document, what else was given and
//! what the host has ([`host`]) to [`Finding`]s; [`RULES`] are all of them. What the keys of our plugins are is not said
//! here: that comes from their declarations. [`fix`] changes files where what was meant is certain.
//!
//! Nothing is drawn here, and rules read no files and ask nobody.
#![forbid(unsafe_code)]

pub mod document;
mod embedding;
pub mod finding;
pub mod fix;
pub mod host;
pub mod input;
pub mod json;
mod rule;
pub mod rules;
pub mod sarif;
pub mod source;
mod yaml;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use document::{Document, Form, Plugin};
pub use finding::{Edit, Finding, Fix, Label};
pub use linkspan_inspect::finding::Severity;
pub use rule::{Context, Rule};
pub use rules::RULES;
pub use source::{Place, Source, Span};

use host::Facts;

/// As many findings as are told of one file.
pub const MAX_FINDINGS: usize = 200;

/// As many findings of one rule in one document are weighed against the others.
const MAX_OF_RULE: usize = 5 * MAX_FINDINGS;

/// What was found in one file.
#[derive(Debug)]
pub struct FileReport {
    /// The file.
    pub source: Arc<Source>,
    /// What was found, from the file's beginning to its end; at one place the worst first. Of very many the worst.
    pub findings: Vec<Finding>,
    /// How many findings there are beyond [`MAX_FINDINGS`], which are not told; of one rule no more than a thousand are counted.
    pub untold: usize,
}

/// Looks at documents with all rules. Every file that they come from has a report, in the order of the documents.
pub fn lint(documents: &[Document], facts: Option<&Facts>) -> Vec<FileReport> {
    let mut reports: Vec<FileReport> = Vec::new();
    let mut places: BTreeMap<*const Source, usize> = BTreeMap::new();
    for document in documents {
        let place = *places
            .entry(Arc::as_ptr(&document.source))
            .or_insert_with(|| {
                reports.push(FileReport {
                    source: Arc::clone(&document.source),
                    findings: Vec::new(),
                    untold: 0,
                });
                reports.len() - 1
            });
        let context = Context {
            document,
            documents,
            // A manifest is about other hosts.
            facts: facts.filter(|_| document.within.is_none()),
        };
        let of_rule = |rule: &&Rule| (rule.check)(&context).into_iter().take(MAX_OF_RULE);
        let findings = RULES.iter().flat_map(of_rule);
        let findings = rules::told_best(document, findings.collect()).into_iter();
        let findings = findings.map(|finding| Finding {
            fix: finding.fix.and_then(|fix| document.written(fix)),
            ..finding
        });
        reports[place].findings.extend(findings);
    }
    for report in &mut reports {
        let findings = &mut report.findings;
        report.untold = findings.len().saturating_sub(MAX_FINDINGS);
        if report.untold > 0 {
            // No error is left untold because of many notes.
            findings.sort_by_key(|finding| Reverse(finding.severity));
            findings.truncate(MAX_FINDINGS);
        }
        findings.sort_by_key(|finding| (finding.span, Reverse(finding.severity)));
    }
    reports
}
