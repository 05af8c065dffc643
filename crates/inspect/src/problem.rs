//! What could not be read, or not be understood.

use std::error::Error as _;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// Something that could not be read or understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What was attempted, and on what.
    pub what: String,
    /// Why it failed, each reason behind the one before.
    pub why: Vec<String>,
    /// What to do, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// The file or directory that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Problem {
    /// That `what` failed because of `error`.
    pub fn new(what: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut why = vec![error.to_string()];
        let mut source = error.source();
        while let Some(behind) = source {
            why.push(behind.to_string());
            source = behind.source();
        }
        Self {
            what: what.into(),
            why,
            next: None,
            path: None,
        }
    }

    /// The same about a file.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

impl From<&linkspan_runtime::Error> for Problem {
    fn from(error: &linkspan_runtime::Error) -> Self {
        let why = error.source().map(|source| Self::new("", source).why);
        Self {
            what: error.to_string(),
            why: why.unwrap_or_default(),
            next: error.advice(),
            path: None,
        }
    }
}
