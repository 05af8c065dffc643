//! Why there is no configuration.

use std::fmt;

/// Why what was wished cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of which kind it is.
    pub why: Why,
    /// What cannot be, and why.
    pub words: String,
    /// What can be instead.
    pub next: String,
}

/// The kinds of refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// What was wished contradicts itself.
    Contradiction,
    /// It is another's on this host, or the host lacks what it needs.
    Host,
}

impl Refusal {
    pub(crate) fn contradiction(words: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Why::Contradiction, words, next)
    }

    pub(crate) fn host(words: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(Why::Host, words, next)
    }

    fn new(why: Why, words: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            why,
            words: words.into(),
            next: next.into(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Refusal {}
