//! What ADD would do, as people read it.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use linkspan_explain::network::{Capability, Explained, Explanation, Outcome, Whose};
use linkspan_plugin::{Foreseen, Standing};
use linkspan_spec::{Value, Version};
use serde_json::json;

use crate::style::Style;
use crate::text::wrap;

/// What stands above the steps.
pub(super) struct Head<'a> {
    pub(super) network: &'a str,
    pub(super) version: Version,
    pub(super) file: Option<&'a Path>,
    pub(super) ifname: &'a str,
    pub(super) plugin_dirs: &'a [PathBuf],
}

/// Columns before the words of a step.
const MARGIN: usize = 5;

/// The whole of it.
pub(super) fn text(style: Style, head: &Head<'_>, explanation: &Explanation) -> String {
    let mut page = Page {
        style,
        text: String::new(),
        number: 0,
        is_left: false,
    };
    page.heading(head);
    let begins = explanation.plugins.first();
    page.is_left = begins.is_some_and(|plugin| plugin.failure.is_none());
    for plugin in &explanation.plugins {
        page.plugin(head, plugin);
    }
    page.end(explanation, head.ifname);
    page.text
}

/// Whose a plugin is, for programs.
pub(super) fn program(whose: &Whose) -> Value {
    let (owner, file) = match whose {
        Whose::Linkspan(file) => ("linkspan", Some(file)),
        Whose::NotInstalled => ("notInstalled", None),
        Whose::Replaced(file) => ("another", Some(file)),
        Whose::Others(file) => ("unknown", file.as_ref()),
    };
    json!({ "owner": owner, "file": file.map(|file| file.display().to_string()) })
}

struct Page {
    style: Style,
    text: String,
    /// Of the last step.
    number: usize,
    /// Whether a plugin before the one that fails has succeeded: each undoes its own part alone.
    is_left: bool,
}

impl Page {
    /// Lines of at most so many columns, all behind a margin but the first, which begins with `first`.
    fn lines(&mut self, first: &str, margin: usize, words: &str) {
        let width = self.style.width().saturating_sub(margin);
        for (index, line) in wrap(words, width).iter().enumerate() {
            let before = match index {
                0 => format!("{first:margin$}"),
                _ => " ".repeat(margin),
            };
            self.line(&format!("{before}{line}"));
        }
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn heading(&mut self, head: &Head<'_>) {
        let Head {
            network, ifname, ..
        } = head;
        let words = format!(
            "What ADD does on this host for {ifname} of a container of the network {network}"
        );
        let words = wrap(&words, self.style.width());
        for line in words {
            let line = self.style.bold(&line);
            self.line(&line);
        }
        let version = format!("CNI {}", head.version);
        let from = match head.file {
            Some(file) => format!("{version}, from {}", file.display()),
            None => version,
        };
        self.lines("", 0, &from);
    }

    fn plugin(&mut self, head: &Head<'_>, plugin: &Explained) {
        self.line("");
        let name = self.style.bold(&plugin.name);
        let about = plugin.about.unwrap_or("not one of Linkspan's");
        self.line(&format!("{name}: {about}"));
        if let Some(words) = whose(plugin, head.plugin_dirs) {
            self.lines("", MARGIN, &words);
        }
        for step in &plugin.steps {
            self.step(step, &plugin.name);
        }
        match (&plugin.failure, plugin.is_reached) {
            (Some(error), _) => {
                let last = plugin.steps.last();
                let is_told = last.is_some_and(|step| step.standing == Standing::Fails);
                if !is_told {
                    let words = format!("{} {}", self.style.bad("ADD fails here:"), error.msg);
                    self.lines("", MARGIN, &words);
                }
            }
            (None, false) if self.is_left => {
                let words = "is not reached; what plugins before the one that fails have made stays until DEL";
                self.lines("", MARGIN, words);
            }
            (None, false) => self.lines("", MARGIN, "is not reached"),
            (None, true) if plugin.steps.is_empty() => {
                self.lines("", MARGIN, "does nothing here");
            }
            (None, true) => {}
        }
    }

    fn step(&mut self, step: &Foreseen, plugin: &str) {
        self.number += 1;
        let mut words = step.words.clone();
        if step.plugin != plugin {
            words.insert_str(0, &format!("{}: ", step.plugin));
        }
        if let Some(why) = &step.why {
            words.push_str(if why.starts_with('(') { " " } else { ", " });
            words.push_str(why);
        }
        let number = format!("{:3}.", self.number);
        self.lines(&number, MARGIN, &words);
        let note = step.note.as_deref();
        let note = match step.standing {
            Standing::Fails => Some(format!(
                "{} {}",
                self.style.bad("ADD fails here:"),
                note.unwrap_or_default()
            )),
            Standing::There => Some(format!(
                "{} {}",
                self.style.good("="),
                note.unwrap_or_default()
            )),
            Standing::Made => note.map(|note| format!("- {note}")),
            Standing::Unknown => note.map(|note| format!("? {note}")),
        };
        if let Some(note) = note {
            self.lines("", MARGIN + 2, &note);
        }
    }

    fn end(&mut self, explanation: &Explanation, ifname: &str) {
        self.line("");
        if let Some(result) = &explanation.result {
            self.lines("Then:", 7, &then(result, ifname));
        }
        let removal = &explanation.removal;
        if !removal.goes.is_empty() {
            let mut words = format!("takes away {}", listed(&removal.goes));
            if !removal.stays.is_empty() {
                words.push_str(&format!(
                    "; leaves {}, which others may use",
                    listed(&removal.stays)
                ));
            }
            self.lines("DEL:", 7, &words);
        }
        for plugin in &explanation.plugins {
            for capability in &plugin.capabilities {
                self.lines("Input:", 7, &handed_in(&plugin.name, capability));
            }
        }
    }
}

/// What people should know of the plugin's file.
fn whose(plugin: &Explained, dirs: &[PathBuf]) -> Option<String> {
    let dirs: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    let dirs = dirs.join(", ");
    match &plugin.whose {
        Whose::Linkspan(_) => None,
        Whose::NotInstalled => Some(format!(
            "is not installed in {dirs}, so ADD fails for now; this is what Linkspan's does"
        )),
        Whose::Replaced(file) => Some(format!(
            "{} is not Linkspan's; what it does is not known here, this is what Linkspan's does",
            file.display()
        )),
        Whose::Others(Some(file)) => Some(format!("{}, not one of Linkspan's", file.display())),
        Whose::Others(None) => Some(format!("is not installed in {dirs}, so ADD fails for now")),
    }
}

fn then(result: &Outcome, ifname: &str) -> String {
    let mut words = match result.addresses.as_slice() {
        [] => format!("{ifname} has no address"),
        addresses => format!("{ifname} has {}", listed(addresses)),
    };
    if !result.routes.is_empty() {
        words.push_str(&format!("; routes: {}", result.routes.join(", ")));
    }
    if !result.nameservers.is_empty() {
        words.push_str(&format!(
            "; name servers: {}",
            result.nameservers.join(", ")
        ));
    }
    words
}

fn handed_in(plugin: &str, capability: &Capability) -> String {
    let Capability {
        name,
        meaning,
        is_declared,
    } = capability;
    let meaning = meaning.as_ref().map(|meaning| format!(": {meaning}"));
    let meaning = meaning.unwrap_or_default();
    match is_declared {
        true => format!("{plugin} takes {name} of a runtime{meaning}"),
        false => format!(
            "{plugin} would take {name}, which the configuration does not declare (\"capabilities\": {{\"{name}\": true}}){meaning}"
        ),
    }
}

fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
