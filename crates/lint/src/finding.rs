//! What is wrong, where, why, and what mends it.

use std::sync::Arc;

use linkspan_inspect::finding::Severity;

use crate::Rule;
use crate::source::{Source, Span};

/// Something that is wrong at a place of a file.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that found it.
    pub rule: &'static Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What is said beside the place.
    pub label: String,
    /// What else has to do with it, in this file or in another.
    pub others: Vec<Label>,
    /// Why that matters; that of its rule, unless it has its own.
    pub why: String,
    /// What to write or to do instead.
    pub help: Option<String>,
    /// What mends it, where that is certain.
    pub fix: Option<Fix>,
}

/// Another place that has to do with a finding.
#[derive(Clone, Debug)]
pub struct Label {
    /// The file, where it is another one.
    pub source: Option<Arc<Source>>,
    /// Where in it.
    pub span: Span,
    /// What is said beside it.
    pub words: String,
}

/// Changes of a text that are certain to be meant, and that change nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What they do, such as `remove the comma`.
    pub words: String,
    /// The changes; all of them or none.
    pub edits: Vec<Edit>,
}

/// A part of a text, and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edit {
    /// The part; an empty one is where something is put in.
    pub span: Span,
    /// What takes its place.
    pub text: String,
}

impl Fix {
    /// One change.
    pub fn new(words: impl Into<String>, span: Span, text: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            edits: vec![Edit {
                span,
                text: text.into(),
            }],
        }
    }

    /// The same with another change.
    #[must_use]
    pub fn and(mut self, span: Span, text: impl Into<String>) -> Self {
        self.edits.push(Edit {
            span,
            text: text.into(),
        });
        self
    }
}

impl Finding {
    /// The same with another severity than its rule's.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The same with words beside its place.
    #[must_use]
    pub fn label(mut self, words: impl Into<String>) -> Self {
        self.label = words.into();
        self
    }

    /// The same with another place of the same file.
    #[must_use]
    pub fn also(mut self, span: Span, words: impl Into<String>) -> Self {
        self.others.push(Label {
            source: None,
            span,
            words: words.into(),
        });
        self
    }

    /// The same with a place in another file.
    #[must_use]
    pub fn also_in(mut self, source: &Arc<Source>, span: Span, words: impl Into<String>) -> Self {
        self.others.push(Label {
            source: Some(Arc::clone(source)),
            span,
            words: words.into(),
        });
        self
    }

    /// The same with a reason of its own.
    #[must_use]
    pub fn why(mut self, words: impl Into<String>) -> Self {
        self.why = words.into();
        self
    }

    /// The same with what to write or to do.
    #[must_use]
    pub fn help(mut self, words: impl Into<String>) -> Self {
        self.help = Some(words.into());
        self
    }

    /// The same with what mends it, where there is that.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<Option<Fix>>) -> Self {
        self.fix = fix.into();
        self
    }
}
