//! What is asked of a plugin, and what came of it.

use std::fmt;

use linkspan_spec::Version;

use crate::bench::Bench;
use crate::kind::Kind;
use crate::section::Section;

/// One thing that the specification says of plugins, and how to see whether a plugin does so.
pub struct Check {
    /// A word that stays the same from version to version, such as `del-twice`; exceptions name it.
    pub id: &'static str,
    /// Where the specification says it.
    pub section: Section,
    /// How much it says so.
    pub level: Level,
    /// The first version of the specification that says it.
    pub since: Version,
    /// Of which plugins.
    pub of: &'static [Kind],
    /// What is asked, in one line.
    pub asks: &'static str,
    /// What the section says, in our words.
    pub says: &'static str,
    /// Does it, in a place of its own.
    pub run: fn(&Bench<'_>) -> Verdict,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// How much the specification asks for something, in the words of RFC 2119.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// It is required: a plugin that does otherwise does not conform.
    Must,
    /// There may be reasons to do otherwise: it is told as a warning.
    Should,
}

impl Level {
    /// The word of RFC 2119.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a check found: nothing wrong, or why it came to an end before.
pub type Verdict = Result<(), Stop>;

/// Why a check ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The plugin does otherwise.
    #[error("{}", .0.wrong)]
    Fault(Box<Fault>),
    /// The check says nothing of this plugin.
    #[error("{0}")]
    Skip(String),
    /// It could not be made, whatever the plugin does.
    #[error("{0}")]
    Unable(String),
}

impl Stop {
    /// The check says nothing of this plugin, for a reason.
    pub fn skip(why: impl Into<String>) -> Self {
        Self::Skip(why.into())
    }

    /// The same where what is wrong is no more than unwise.
    #[must_use]
    pub fn mildly(self) -> Self {
        match self {
            Self::Fault(mut fault) => {
                fault.mild = true;
                Self::Fault(fault)
            }
            other => other,
        }
    }
}

impl From<linkspan_kernel::Error> for Stop {
    fn from(error: linkspan_kernel::Error) -> Self {
        Self::Unable(error.to_string())
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Unable(error.to_string())
    }
}

/// What a plugin does otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What the plugin was asked for.
    pub asked: String,
    /// What it answered.
    pub came: String,
    /// What is wrong with that.
    pub wrong: String,
    /// Whether it counts as a warning, though the check as a whole is a requirement: of an error's code, where that there is an error
    /// is what is required.
    pub mild: bool,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The plugin does so.
    Passed,
    /// It does otherwise, and must not.
    Failed(Fault),
    /// It does otherwise, and should not.
    Warned(Fault),
    /// It does otherwise, which is known, and for this reason let pass.
    Excepted(Fault, String),
    /// The check says nothing of this plugin.
    Skipped(String),
    /// The check could not be made.
    Unable(String),
}

impl Outcome {
    /// That of a check of this level.
    pub(crate) fn of(verdict: Verdict, level: Level) -> Self {
        match verdict {
            Ok(()) => Self::Passed,
            Err(Stop::Skip(why)) => Self::Skipped(why),
            Err(Stop::Unable(why)) => Self::Unable(why),
            Err(Stop::Fault(fault)) if fault.mild || level == Level::Should => Self::Warned(*fault),
            Err(Stop::Fault(fault)) => Self::Failed(*fault),
        }
    }

    /// A word for programs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed(_) => "failed",
            Self::Warned(_) => "warned",
            Self::Excepted(..) => "excepted",
            Self::Skipped(_) => "skipped",
            Self::Unable(_) => "unable",
        }
    }

    /// What the plugin does otherwise.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Failed(fault) | Self::Warned(fault) | Self::Excepted(fault, _) => Some(fault),
            _ => None,
        }
    }

    /// Why nothing is said of the plugin.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Skipped(why) | Self::Unable(why) | Self::Excepted(_, why) => Some(why),
            _ => None,
        }
    }
}
