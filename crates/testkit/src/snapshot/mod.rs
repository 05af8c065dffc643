//! The state of the kernel and of files, to be compared: before and after, or ours with the reference's.

mod files;
mod kernel;
mod normalise;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::netns::Netns;

pub use files::tells_of_calls;

/// Everything in some namespaces and directories that a plugin may change, one fact to a line.
///
/// From each namespace: links, addresses, routes of all tables, rules, permanent neighbours, bridge ports and VLANs, the
/// nftables ruleset and the rules of the legacy iptables, traffic control, and the sysctls of `net/ipv4/conf` and
/// `net/ipv6/conf` with `ip_forward`. From each directory: every file with its mode and contents.
///
/// Left out is what changes by itself: counters, timers, lifetimes, handles; and what the kernel does some time after its
/// cause: the operational state, the detection of duplicate addresses, link-local addresses and IPv6's routes to
/// them and to the host itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// From what the fact is about (`host link cni0 mtu`) to its value.
    facts: BTreeMap<String, String>,
    /// What is named by chance or by order of creation, and what it is called in a normalised snapshot.
    names: Vec<(String, String)>,
}

impl Snapshot {
    /// Looks at namespaces and directories. A directory that does not exist counts as an empty one.
    ///
    /// # Panics
    /// When a program that shows the state fails.
    #[track_caller]
    #[must_use]
    pub fn of(namespaces: &[&Netns], directories: &[&str]) -> Self {
        Self::look(namespaces, directories, true)
    }

    /// The same but for nftables and iptables, for those who do not compare them.
    ///
    /// # Panics
    /// As [`of`](Self::of) does.
    #[track_caller]
    #[must_use]
    pub fn without_firewall(namespaces: &[&Netns], directories: &[&str]) -> Self {
        Self::look(namespaces, directories, false)
    }

    #[track_caller]
    fn look(namespaces: &[&Netns], directories: &[&str], firewall: bool) -> Self {
        let mut snapshot = Self::default();
        let mut links = Vec::new();
        for netns in namespaces {
            let there = kernel::look(netns, firewall, &mut snapshot);
            links.extend(there.into_iter().map(|link| (netns.name(), link)));
        }
        for directory in directories {
            files::look(Path::new(directory), &mut snapshot);
        }
        snapshot.names = normalise::names(&links);
        snapshot
    }

    /// The facts, each a line `what = value`.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.facts.iter().map(|(what, value)| line(what, value))
    }

    /// The value of one fact, for example of `host link cni0 mtu`.
    #[must_use]
    pub fn fact(&self, what: &str) -> Option<&str> {
        self.facts.get(what).map(String::as_str)
    }

    /// Leaves out the facts whose line contains one of these words.
    #[must_use]
    pub fn without(mut self, words: &[&str]) -> Self {
        self.facts.retain(|what, value| {
            let line = line(what, value);
            !words.iter().any(|word| line.contains(word))
        });
        self
    }

    /// The lines in which this snapshot (`-`) and a later one (`+`) differ; empty when they do not.
    #[must_use]
    pub fn diff(&self, later: &Self) -> String {
        let mut text = String::new();
        let mut whats: Vec<&String> = self.facts.keys().chain(later.facts.keys()).collect();
        whats.sort();
        whats.dedup();
        for what in whats {
            let (before, after) = (self.facts.get(what), later.facts.get(what));
            if before == after {
                continue;
            }
            for (sign, value) in [('-', before), ('+', after)] {
                if let Some(value) = value {
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{sign} {}", line(what, value));
                }
            }
        }
        text
    }

    /// Asserts that nothing differs.
    ///
    /// # Panics
    /// When something does, with the difference.
    #[track_caller]
    pub fn assert_same(&self, later: &Self, context: &str) {
        let diff = self.diff(later);
        assert!(diff.is_empty(), "{context}: the state differs\n{diff}");
    }

    fn add(&mut self, what: impl Into<String>, value: impl Into<String>) {
        self.facts.insert(what.into(), value.into());
    }

    /// Adds each leaf of a JSON value as a fact of its own, and an empty object or array as one fact.
    fn add_json(&mut self, what: &str, value: &Value) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    self.add_json(&format!("{what} {key}"), value);
                }
            }
            Value::String(text) => self.add(what, text),
            other => self.add(what, other.to_string()),
        }
    }
}

fn line(what: &str, value: &str) -> String {
    if value.is_empty() {
        what.to_owned()
    } else {
        format!("{what} = {value}")
    }
}
