//! What is looked for.

use std::fmt;

use linkspan_inspect::finding::Severity;

use crate::document::{Document, Plugin};
use crate::finding::Finding;
use crate::host::Facts;
use crate::source::Span;

/// One kind of mistake.
pub struct Rule {
    /// A word that stays the same from version to version, such as `unknown-key`.
    pub id: &'static str,
    /// How bad it is as a rule.
    pub severity: Severity,
    /// What it is, in one line without a full stop.
    pub about: &'static str,
    /// Why it matters, in a sentence or two.
    pub why: &'static str,
    /// Looks for it in one document.
    pub check: fn(&Context<'_>) -> Vec<Finding>,
}

impl Rule {
    /// A finding of this rule.
    pub fn at(&'static self, span: Span, message: impl Into<String>) -> Finding {
        Finding {
            rule: self,
            severity: self.severity,
            message: message.into(),
            span,
            label: String::new(),
            others: Vec::new(),
            why: self.why.to_owned(),
            help: None,
            fix: None,
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// What a rule looks at. It reads no file and asks nobody: what it may know of the host is in [`Facts`].
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The document that is looked at.
    pub document: &'a Document,
    /// All documents that were given, this one among them, in the order in which a runtime reads them.
    pub documents: &'a [Document],
    /// What the host has; `None` where it must not matter (`--no-host`), or is not the host that is meant.
    pub facts: Option<&'a Facts>,
}

impl<'a> Context<'a> {
    /// The plugins of the document, in the order of ADD.
    pub fn plugins(&self) -> Vec<Plugin<'a>> {
        self.document.plugins()
    }

    /// The other documents that were given.
    pub fn others(&self) -> impl Iterator<Item = &'a Document> {
        let this = self.document;
        let others = self.documents.iter();
        others.filter(move |other| !std::ptr::eq(*other, this))
    }

    /// Every other network: those that were given, then those on the host's disk.
    pub fn other_networks(&self) -> impl Iterator<Item = &'a Document> {
        let on_disk = self.facts.into_iter().flat_map(|facts| &facts.networks);
        self.others().chain(on_disk)
    }
}
