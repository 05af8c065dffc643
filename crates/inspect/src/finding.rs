//! What is wrong, and what mends it.

use std::fmt;

use serde::Serialize;

use crate::repair::Repair;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It is as it should be, and worth knowing.
    Note,
    /// It works now, and will not for long, or not for everybody.
    Warning,
    /// Containers cannot be attached, or do not reach what they should.
    Error,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Which check found it: a word that stays the same from version to version, such as `pool-full`.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it is about: `network mynet`, `/etc/cni/net.d/10-a.conf`, `net.ipv4.ip_forward`.
    pub subject: String,
    /// What is wrong, in one sentence.
    pub what: String,
    /// What that means for containers, and how it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// What mends it.
    pub mend: Mend,
    /// What `linkspan doctor --fix` does about it: nothing where a person has to decide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repairs: Vec<Repair>,
}

impl Finding {
    /// The same with what it means for containers, and how it is known.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// The same with the command that mends it.
    #[must_use]
    pub fn run(mut self, command: impl Into<String>) -> Self {
        self.mend = Mend::Run(command.into());
        self
    }

    /// The same with what a person has to decide or do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.mend = Mend::Do(advice.into());
        self
    }

    /// The same, which needs nobody's decision to be put right so.
    #[must_use]
    pub fn repaired_by(mut self, repairs: impl IntoIterator<Item = Repair>) -> Self {
        self.repairs.extend(repairs);
        self
    }
}

/// What mends a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mend {
    /// A command, which does that and nothing else.
    Run(String),
    /// What a person has to decide or do, in a sentence.
    Do(String),
}

impl fmt::Display for Mend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(words) | Self::Do(words) => f.write_str(words),
        }
    }
}
