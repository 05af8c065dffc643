//! What ADD would do, as people read it.

use std::fmt::Write;
use std::iter;
use std::path::{Path, PathBuf};

use linkspan_explain::network::{Capability, Explained, Explanation, Outcome, Whose};
use linkspan_plugin::{Foreseen, Standing};
use linkspan_spec::Version;

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
        why: None,
    };
    page.heading(head);
    page.programs(head, explanation);
    let begins = explanation.plugins.first();
    page.is_left = begins.is_some_and(|plugin| plugin.failure.is_none());
    for plugin in &explanation.plugins {
        page.plugin(plugin);
    }
    page.end(explanation);
    page.text
}

struct Page {
    style: Style,
    text: String,
    /// Of the last step.
    number: usize,
    /// Whether a plugin before the one that fails has succeeded: each undoes its own part alone.
    is_left: bool,
    /// Why that was taken, which is not said twice.
    why: Option<String>,
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

    /// What people should know of the plugins' files.
    fn programs(&mut self, head: &Head<'_>, explanation: &Explanation) {
        let dirs: Vec<String> = head
            .plugin_dirs
            .iter()
            .map(|dir| dir.display().to_string())
            .collect();
        let missing = named(explanation, |whose| {
            matches!(whose, Whose::NotInstalled | Whose::Others(None))
        });
        if !missing.is_empty() {
            let words = format!(
                "Not installed in {}: {}. Until then ADD fails.",
                dirs.join(", "),
                missing.join(", ")
            );
            self.lines("", 0, &words);
        }
        let replaced = named(explanation, |whose| matches!(whose, Whose::Replaced(_)));
        if !replaced.is_empty() {
            let words = format!(
                "Not Linkspan's in {}: {}. What these do is not known here; below is what Linkspan's do.",
                dirs.join(", "),
                replaced.join(", ")
            );
            self.lines("", 0, &words);
        }
    }

    fn plugin(&mut self, plugin: &Explained) {
        let program = &plugin.program;
        self.line("");
        let about = match (&program.about, &program.whose) {
            (Some(about), _) => (*about).to_owned(),
            (None, Whose::Others(Some(file))) => {
                format!("{}, not one of Linkspan's", file.display())
            }
            (None, _) => "not one of Linkspan's".to_owned(),
        };
        let name = &program.name;
        let lines = wrap(&format!("{name}: {about}"), self.style.width());
        for (index, line) in lines.iter().enumerate() {
            let line = match index {
                0 => line.replacen(name.as_str(), &self.style.bold(name), 1),
                _ => line.clone(),
            };
            self.line(&line);
        }
        for step in &plugin.steps {
            self.step(step, &program.name);
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
        let is_said = self.why == step.why;
        self.why.clone_from(&step.why);
        if let Some(why) = step.why.as_ref().filter(|_| !is_said) {
            words.push_str(if why.starts_with('(') { " " } else { ", " });
            words.push_str(why);
        }
        let number = format!("{:3}.", self.number);
        self.lines(&number, MARGIN, &words);
        let note = step.note.as_deref().unwrap_or_default();
        let (mark, note) = match step.standing {
            Standing::Fails => ("-", format!("{} {note}", self.style.bad("ADD fails here:"))),
            Standing::There => ("=", note.to_owned()),
            Standing::Made => ("-", note.to_owned()),
            Standing::Unknown => ("?", note.to_owned()),
        };
        if !note.is_empty() {
            self.lines(&format!("{:MARGIN$}  {mark} ", ""), MARGIN + 4, &note);
        }
    }

    fn end(&mut self, explanation: &Explanation) {
        self.line("");
        if let Some(result) = &explanation.result {
            self.lines("Then:", 7, &then(result));
        }
        let removal = &explanation.removal;
        // What ADD undoes itself is not DEL's.
        if explanation.failure().is_none() && !removal.goes.is_empty() {
            let mut words = format!("takes away {}", listed(&removal.goes));
            if !removal.stays.is_empty() {
                words.push_str(&format!(
                    "; leaves {}, which others may use",
                    listed(&removal.stays)
                ));
            }
            self.lines("DEL:", 7, &words);
        }
        self.inputs(explanation);
    }

    /// What a runtime may hand in for a container.
    fn inputs(&mut self, explanation: &Explanation) {
        let mut undeclared = Vec::new();
        for plugin in &explanation.plugins {
            for capability in &plugin.capabilities {
                let Capability {
                    name,
                    meaning,
                    is_declared,
                } = capability;
                let words = format!("{name} of {}", plugin.program.name);
                match (is_declared, meaning) {
                    (true, Some(meaning)) => {
                        self.lines("Input:", 7, &format!("{words}: {meaning}"))
                    }
                    (true, None) => self.lines("Input:", 7, &words),
                    (false, _) => undeclared.push(words),
                }
            }
        }
        if !undeclared.is_empty() {
            let words = format!(
                "not declared in \"capabilities\", and so not handed in: {}",
                undeclared.join(", ")
            );
            self.lines("Input:", 7, &words);
        }
        let programs = explanation
            .plugins
            .iter()
            .flat_map(|plugin| iter::once(&plugin.program).chain(&plugin.ipam));
        let args: Vec<String> = programs
            .flat_map(|program| {
                program
                    .args
                    .iter()
                    .map(|name| format!("{name} by {}", program.name))
            })
            .collect();
        if !args.is_empty() {
            self.lines(
                "Input:",
                7,
                &format!("of CNI_ARGS (--args) are read {}", listed(&args)),
            );
        }
    }
}

/// The names of the plugins whose file is of this kind, each once.
fn named(explanation: &Explanation, is_meant: fn(&Whose) -> bool) -> Vec<&str> {
    let plugins = explanation.plugins.iter();
    let programs = plugins.flat_map(|plugin| iter::once(&plugin.program).chain(&plugin.ipam));
    let mut names: Vec<&str> = Vec::new();
    for program in programs.filter(|program| is_meant(&program.whose)) {
        if !names.contains(&program.name.as_str()) {
            names.push(&program.name);
        }
    }
    names
}

fn then(result: &Outcome) -> String {
    let ifname = &result.interface;
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

fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
