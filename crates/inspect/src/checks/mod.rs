//! What can be wrong, and how it is found.
//!
//! A [`Check`] is a function over data alone, that of [`Host`] and of [`System`]: whatever it needs of the machine is gathered
//! first. It speaks up where something certainly is wrong; what it cannot see it says nothing about.
//!
//! A new check takes a function and a constant in the file of its theme, and a line in [`CHECKS`].

mod attachments;
mod fate;
mod forwarding;
mod kernel;
mod links;
mod managers;
mod netfilter;
mod networks;
mod permissions;
mod plugins;
mod pools;
mod promise;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::attachment::Attachment;
use crate::finding::{Finding, Mend, Severity};
use crate::{Host, System};

/// Something that is looked after.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// A word that stays the same from version to version.
    pub id: &'static str,
    /// What should be so.
    pub title: &'static str,
    /// What it is told by.
    pub looks_at: &'static str,
    find: fn(&Host, &System) -> Vec<Finding>,
}

/// All checks, in the order in which they are told: what others follow from comes first.
pub const CHECKS: &[Check] = &[
    networks::BROKEN,
    networks::SHADOWED,
    networks::OVERLAP,
    plugins::MISSING,
    plugins::BROKEN,
    plugins::SCATTERED,
    plugins::DHCP_DAEMON,
    pools::FULL,
    pools::NEARLY_FULL,
    pools::LEAKED,
    pools::LEFTOVERS,
    pools::UNREADABLE,
    pools::UNRESERVED,
    pools::DUPLICATE,
    pools::OUTSIDE,
    attachments::STALE,
    attachments::BEGUN,
    attachments::CHANGED,
    kernel::IP_FORWARD,
    kernel::IPV6_DISABLED,
    links::BRIDGE,
    links::ADDRESS,
    links::UNPLUGGED,
    links::MASTER,
    links::MTU_ENDS,
    links::MTU_UPLINK,
    links::OVERLAP,
    forwarding::DROPPED,
    forwarding::BRIDGED,
    netfilter::MISSING,
    netfilter::UNREADABLE,
    netfilter::STALE,
    netfilter::BOTH,
    netfilter::UNUSABLE,
    kernel::CONNTRACK,
    kernel::NEIGHBOURS,
    kernel::RP_FILTER,
    kernel::LINK_KINDS,
    managers::NETWORK_MANAGER,
    managers::NETWORKD,
    managers::MAC_POLICY,
    managers::FLUSHED,
    permissions::WRITABLE,
    permissions::READ_ONLY,
    permissions::NO_SPACE,
];

/// What the checks have found.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The checks that were made.
    pub checked: Vec<&'static str>,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Makes all checks, or those with these IDs.
    pub fn of(host: &Host, system: &System, only: &[String]) -> Self {
        let is_wanted =
            |check: &&Check| only.is_empty() || only.iter().any(|wanted| wanted == check.id);
        let mut report = Self::default();
        for check in CHECKS.iter().filter(is_wanted) {
            report.checked.push(check.id);
            report.findings.extend((check.find)(host, system));
        }
        report
            .findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        report
    }

    /// The worst of what was found.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.first().map(|finding| finding.severity)
    }

    /// Those that found nothing.
    pub fn passed(&self) -> impl Iterator<Item = &'static Check> {
        let has_found = |check: &Check| self.findings.iter().any(|found| found.check == check.id);
        CHECKS
            .iter()
            .filter(move |check| self.checked.contains(&check.id) && !has_found(check))
    }
}

impl Check {
    fn error(&self, subject: impl Into<String>, what: impl Into<String>) -> Finding {
        self.finding(Severity::Error, subject, what)
    }

    fn warning(&self, subject: impl Into<String>, what: impl Into<String>) -> Finding {
        self.finding(Severity::Warning, subject, what)
    }

    fn note(&self, subject: impl Into<String>, what: impl Into<String>) -> Finding {
        self.finding(Severity::Note, subject, what)
    }

    fn finding(
        &self,
        severity: Severity,
        subject: impl Into<String>,
        what: impl Into<String>,
    ) -> Finding {
        Finding {
            check: self.id,
            severity,
            subject: subject.into(),
            what: what.into(),
            why: None,
            mend: Mend::Do(String::new()),
            repairs: Vec::new(),
        }
    }
}

/// A word as a shell takes it for one.
fn quoted(word: impl std::fmt::Display) -> String {
    let word = word.to_string();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-:+=@%".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The beginning of a container's ID, as people tell containers apart by it.
fn short(container: &str) -> String {
    const SHOWN: usize = 12;
    container.chars().take(SHOWN).collect()
}

/// What to call an attachment's container.
fn named(one: &Attachment) -> String {
    let name = one.name.as_ref().map(ToString::to_string);
    name.unwrap_or_else(|| short(&one.container))
}

/// Some of many words, and how many more there are.
fn listed(words: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = words.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let shown = shown.join(", ");
    match words.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
