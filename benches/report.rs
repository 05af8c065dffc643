//! One line of the report, which is a table in Markdown.

use std::fmt;

use crate::stats::Samples;

pub(crate) const HEAD: &str = "\
| what | Linkspan, ms | reference, ms | times faster | processes | netlink sends |
|---|---:|---:|---:|---:|---:|";

/// What was measured of one command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) ours: String,
    pub(crate) theirs: String,
    pub(crate) ratio: String,
    pub(crate) processes: String,
    pub(crate) netlink: String,
}

impl Row {
    /// Times of both, each of ours paired with one of theirs.
    pub(crate) fn paired(what: impl Into<String>, ours: &Samples, theirs: &Samples) -> Self {
        Self {
            what: what.into(),
            ours: milliseconds(ours.median()),
            theirs: milliseconds(theirs.median()),
            ratio: format!("{:.1}", ours.times_faster_than(theirs)),
            ..Self::default()
        }
    }

    /// Counts of both, ours first.
    pub(crate) fn counted(mut self, ours: Counts, theirs: Counts) -> Self {
        self.processes = format!("{} / {}", ours.processes, theirs.processes);
        self.netlink = format!("{} / {}", ours.netlink, theirs.netlink);
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            ours,
            theirs,
            ratio,
            processes,
            netlink,
        } = self;
        write!(
            f,
            "| {what} | {ours} | {theirs} | {ratio} | {processes} | {netlink} |"
        )
    }
}

/// Two digits that count, at least.
fn milliseconds(number: f64) -> String {
    if number < 0.1 {
        format!("{number:.3}")
    } else {
        format!("{number:.2}")
    }
}

/// What one call did, whatever machine it ran on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Programs that were executed, the plugin itself among them.
    pub(crate) processes: usize,
    /// Datagrams that were sent to the kernel's netlink.
    pub(crate) netlink: usize,
}
