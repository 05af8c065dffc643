//! What came of all checks.

use std::time::Duration;

use crate::check::{Check, Outcome};
use crate::kind::Kind;
use crate::section::Section;

/// What came of one check.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The check.
    pub check: &'static Check,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

/// What came of all checks of a plugin.
#[derive(Clone, Debug)]
pub struct Report {
    /// The plugin's type.
    pub plugin: String,
    /// Its kind.
    pub kind: Kind,
    /// The versions that it claims.
    pub versions: Vec<String>,
    /// What came of each check.
    pub judged: Vec<Judged>,
    /// Exceptions that this plugin does not need: it passes these checks, or they say nothing of it.
    pub needless: Vec<String>,
}

/// How many checks ended in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The plugin does so.
    pub passed: usize,
    /// It does otherwise.
    pub failed: usize,
    /// It does otherwise, as it should not.
    pub warned: usize,
    /// It does otherwise, which is let pass.
    pub excepted: usize,
    /// Nothing is said of it.
    pub skipped: usize,
    /// The check could not be made.
    pub unable: usize,
}

impl Report {
    /// How many checks ended in which way.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for judged in &self.judged {
            *match judged.outcome {
                Outcome::Passed => &mut counts.passed,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::Warned(_) => &mut counts.warned,
                Outcome::Excepted(..) => &mut counts.excepted,
                Outcome::Skipped(_) => &mut counts.skipped,
                Outcome::Unable(_) => &mut counts.unable,
            } += 1;
        }
        counts
    }

    /// Whether the plugin conforms: it does all that is required of it, and each check could be made.
    pub fn conforms(&self) -> bool {
        let counts = self.counts();
        counts.failed == 0 && counts.unable == 0 && counts.passed > 0
    }

    /// What came of the checks of each section, in the order of the specification.
    pub fn by_section(&self) -> Vec<(Section, Vec<&Judged>)> {
        let mut judged: Vec<_> = self.judged.iter().collect();
        judged.sort_by_key(|judged| judged.check.section);
        let chunks = judged.chunk_by(|one, other| one.check.section == other.check.section);
        chunks
            .map(|chunk| (chunk[0].check.section, chunk.to_vec()))
            .collect()
    }
}
