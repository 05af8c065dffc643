//! Messages that people meet, of Linkspan's plugins, the reference's and runtimes, and what is behind each.

mod addresses;
mod chained;
mod links;
mod others;
mod runtime;

use super::pattern::{captures, filled};
use super::{Known, Reported};

/// A message that is known.
pub(super) struct Entry {
    /// The words, `*` for what differs.
    pub(super) pattern: &'static str,
    /// What happened and why; `{1}` is what the first star stands for.
    pub(super) cause: &'static str,
    /// What to do.
    pub(super) next: &'static str,
    /// Where the specification speaks of it.
    pub(super) section: &'static str,
}

/// An entry without a section of the specification.
const fn entry(pattern: &'static str, cause: &'static str, next: &'static str) -> Entry {
    Entry {
        pattern,
        cause,
        next,
        section: "",
    }
}

impl Entry {
    const fn in_section(mut self, section: &'static str) -> Self {
        self.section = section;
        self
    }
}

/// The groups, by what the messages are about. Within a group, and from group to group, what says more stands first.
const GROUPS: [(&str, &[Entry]); 5] = [
    ("addresses", addresses::ENTRIES),
    ("links", links::ENTRIES),
    ("chained", chained::ENTRIES),
    ("runtime", runtime::ENTRIES),
    ("others", others::ENTRIES),
];

/// All entries with their groups.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static Entry)> {
    GROUPS
        .iter()
        .flat_map(|(group, entries)| entries.iter().map(|entry| (*group, entry)))
}

/// What is known of a report.
pub(super) fn look_up(reported: &Reported) -> Option<Known> {
    let texts = [reported.msg.as_str(), reported.details.as_str()];
    texts.iter().find_map(|text| {
        all().find_map(|(group, entry)| {
            let captured = captures(entry.pattern, text)?;
            Some(Known {
                about: group,
                cause: filled(entry.cause, &captured),
                next: filled(entry.next, &captured),
                section: entry.section,
            })
        })
    })
}
