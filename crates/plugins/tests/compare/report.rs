//! What differs between two runs, and whether it may.

use std::fmt::Write;

use serde_json::Value;

use crate::case::{Case, FIRST_WITH_CHECK};
use crate::expected::{Difference, EVERYWHERE, Era, is_left_behind, is_of_a_del_that_succeeds};
use crate::record::Record;
use crate::run::{AGAIN, Cast};

/// The codes that the specification gives a meaning to, below those of the plugins. The reference uses 999 and 100 for
/// everything else.
const CODES_WITH_MEANING: std::ops::Range<u64> = 1..100;

/// Gathers the differences between two runs in all versions of a case.
pub(crate) struct Report<'a> {
    case: &'a Case,
    /// One's side is compared with itself: then nothing may differ.
    same: bool,
    era: Era,
    allowed: Vec<(Difference, bool)>,
    text: String,
}

impl<'a> Report<'a> {
    /// A report on a case, of which `left` says how it should be.
    pub(crate) fn new(case: &'a Case, left: &Cast<'_>, right: &Cast<'_>) -> Self {
        let era = Era::of(&linkspan_testkit::Plugins::reference());
        let concerned = |d: &&Difference| d.era == Era::Any || d.era == era;
        Self {
            case,
            same: left.is_same_as(right),
            era,
            allowed: case
                .differences
                .iter()
                .filter(concerned)
                .map(|difference| (*difference, false))
                .collect(),
            text: String::new(),
        }
    }

    /// Compares two runs in one version.
    pub(crate) fn compare(&mut self, version: &str, left: &[Record], right: &[Record]) {
        self.note_steps(version, left, right);
        if self.case.failure.is_some() {
            self.note_failure(version, left, right);
        } else if self.allowed.is_empty() {
            self.note_unexpected_failures(version, left);
        }
        let mut an_add_failed = false;
        for (left, right) in left.iter().zip(right) {
            an_add_failed |= is_first_add(right) && right.error.is_some();
            let mut lines = difference_of_codes(left, right);
            lines.extend(
                left.facts
                    .difference(&right.facts)
                    .map(|fact| format!("- {fact}")),
            );
            lines.extend(
                right
                    .facts
                    .difference(&left.facts)
                    .map(|fact| format!("+ {fact}")),
            );
            lines.retain(|line| !self.is_allowed(line));
            if an_add_failed {
                lines.retain(|line| !is_left_behind(line));
            }
            if is_del_in_spite_of_all(left, right) && self.case.failure.is_some() {
                lines.retain(|line| !is_of_a_del_that_succeeds(line));
            }
            if !lines.is_empty() {
                self.note(version, left, right, &lines.join("\n"));
            }
        }
    }

    /// What differed that may not, and what did not that should; nothing at all when all is well.
    pub(crate) fn finish(self) -> String {
        let mut text = self.text;
        for (difference, occurred) in &self.allowed {
            if !occurred && difference.always && !self.same {
                let Difference { fact, reason, .. } = difference;
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "a listed difference did not occur: {fact:?} ({reason})"
                );
            }
        }
        if text.is_empty() {
            return text;
        }
        let chain = Value::Array(self.case.chain.clone());
        let Case { args, steps, .. } = self.case;
        format!("{chain:#}\nCNI_ARGS={args:?} {steps:?}\n{text}")
    }

    fn is_allowed(&mut self, line: &str) -> bool {
        let mut allowed = EVERYWHERE
            .iter()
            .any(|d| (d.era == Era::Any || d.era == self.era) && d.matches(line));
        for (difference, occurred) in &mut self.allowed {
            if difference.matches(line) {
                *occurred = true;
                allowed = true;
            }
        }
        allowed
    }

    fn note_steps(&mut self, version: &str, left: &[Record], right: &[Record]) {
        let titles = |records: &[Record]| -> Vec<String> {
            records.iter().map(|record| record.title.clone()).collect()
        };
        if titles(left) != titles(right) {
            let _ = writeln!(
                self.text,
                "in {version} the calls differ, since an ADD failed:\n- {:?}\n+ {:?}",
                titles(left),
                titles(right)
            );
        }
    }

    /// A case that should succeed does, or it would compare nothing.
    fn note_unexpected_failures(&mut self, version: &str, left: &[Record]) {
        for record in left {
            let check = record.title.starts_with("CHECK") && version < FIRST_WITH_CHECK;
            if record.error.is_some() && !check {
                let _ = writeln!(
                    self.text,
                    "{} in {version} should succeed\n{}",
                    record.title, record.transcript
                );
            }
        }
    }

    fn note_failure(&mut self, version: &str, left: &[Record], right: &[Record]) {
        let Some((code, words)) = self.case.failure else {
            return;
        };
        let failed = |records: &[Record]| records.iter().find_map(|record| record.error.clone());
        if failed(left).is_none() && self.allowed.is_empty() {
            let _ = writeln!(self.text, "nothing failed in {version} where it should");
        }
        let as_told = |(c, msg): &(u64, String)| {
            *c == code && msg.to_lowercase().contains(&words.to_lowercase())
        };
        let error = failed(right);
        if !self.same && !error.as_ref().is_some_and(as_told) {
            let _ = writeln!(
                self.text,
                "in {version} the error should have code {code} and tell of {words:?}, and is {error:?}"
            );
        }
    }

    fn note(&mut self, version: &str, left: &Record, right: &Record, lines: &str) {
        let _ = writeln!(
            self.text,
            "=== {} in {version}\n--- should be\n{}--- and is\n{}--- differs\n{lines}",
            left.title, left.transcript, right.transcript
        );
    }
}

/// Whether it is an ADD of an attachment that is not there: it may do no harm to one that is.
fn is_first_add(record: &Record) -> bool {
    record.title.starts_with("ADD") && !record.title.contains(AGAIN)
}

/// Whether it is a DEL that the reference refuses, and ours does not.
fn is_del_in_spite_of_all(left: &Record, right: &Record) -> bool {
    left.title.starts_with("DEL") && left.error.is_some() && right.error.is_none()
}

/// Where the reference gives a code of the specification, it is ours too.
fn difference_of_codes(left: &Record, right: &Record) -> Vec<String> {
    match (&left.error, &right.error) {
        (Some((left, _)), Some((right, _)))
            if left != right && CODES_WITH_MEANING.contains(left) =>
        {
            vec![
                format!("- error code = {left}"),
                format!("+ error code = {right}"),
            ]
        }
        _ => Vec::new(),
    }
}
