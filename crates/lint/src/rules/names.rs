//! Names: of networks in a directory, of files, and of plugins.

use std::path::Path;

use linkspan_inspect::finding::Severity;
use linkspan_plugin::config::distance;
use linkspan_plugins::PLUGINS;

use crate::document::{Document, Form};
use crate::finding::{Finding, Fix};
use crate::host::Facts;
use crate::rule::{Context, Rule};
use crate::source::Span;

/// A network whose name an earlier file of the directory has.
pub(super) static SHADOWED: Rule = Rule {
    id: "shadowed-network",
    severity: Severity::Warning,
    about: "a network of a name that an earlier file of the directory has",
    why: "runtimes read lists first and then single plugins, each sorted by the file's name, and take the first of a name: this one is never used",
    check: |context| {
        let document = context.document;
        let (Some((name, span)), true) = (document.name(), is_read(document)) else {
            return Vec::new();
        };
        let before = context
            .documents
            .iter()
            .take_while(|other| !std::ptr::eq(*other, document));
        let mut before =
            before.filter(|other| is_read(other) && other.directory() == document.directory());
        let first = before.find_map(|other| {
            other
                .name()
                .filter(|(other, _)| *other == name)
                .map(|(_, span)| (other, span))
        });
        let finding = first.map(|(other, place)| {
            let file = other
                .path
                .as_deref()
                .and_then(Path::file_name)
                .unwrap_or_default()
                .to_string_lossy();
            SHADOWED
                .at(span, format!("the network {name} is that of {file}"))
                .label("never used")
                .also_in(&other.source, place, "this one is")
                .help("rename one of the two networks, or remove a file")
        });
        finding.into_iter().collect()
    },
};

/// Whether a document is a file of a directory of configurations.
fn is_read(document: &Document) -> bool {
    matches!(document.form, Form::List | Form::Single)
        && document.path.is_some()
        && document.within.is_none()
}

/// A file that no runtime reads.
pub(super) static IGNORED: Rule = Rule {
    id: "ignored-file",
    severity: Severity::Warning,
    about: "a configuration in a file whose name no runtime looks for",
    why: "runtimes read .conflist, .conf and .json files of the directory, and no others",
    check: |context| {
        let document = context.document;
        let name = document
            .path
            .as_deref()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy());
        let Some(name) = name.filter(|_| document.form == Form::Ignored) else {
            return Vec::new();
        };
        let extension = match document.member("plugins") {
            Some(_) => "conflist",
            None => "conf",
        };
        let stem = name.split('.').next().unwrap_or(&name);
        vec![
            IGNORED
                .at(
                    document.beginning(),
                    format!("{name} is read by no runtime"),
                )
                .help(format!(
                    "rename it to {stem}.{extension}; to keep it aside, let its name end in .bak"
                )),
        ]
    },
};

/// A plugin that is in no directory of CNI_PATH.
pub(super) static MISSING: Rule = Rule {
    id: "plugin-missing",
    severity: Severity::Error,
    about: "a plugin that is in none of the directories of plugins on this host",
    why: "the runtime runs the file of this name; without it neither ADD nor DEL works",
    check: |context| {
        let Some((facts, found)) = context
            .facts
            .and_then(|facts| Some((facts, facts.plugins.as_ref()?)))
        else {
            return Vec::new();
        };
        if context.document.within.is_some() {
            return Vec::new();
        }
        let missing = types(context).filter(|(name, _)| {
            !found.contains(*name) && name.parse::<linkspan_spec::PluginType>().is_ok()
        });
        missing
            .map(|(name, span)| missing_plugin(facts, name, span))
            .collect()
    },
};

fn missing_plugin(facts: &Facts, name: &str, span: Span) -> Finding {
    let dirs: Vec<String> = facts
        .plugin_dirs
        .iter()
        .map(|dir| dir.display().to_string())
        .collect();
    let finding = MISSING.at(span, format!("{name} is not in {}", dirs.join(", ")));
    let found = facts.plugins.iter().flatten();
    let near = found.map(|other| (distance(other, name), other)).min();
    let near = near.filter(|(letters, other)| is_near(*letters, other));
    match near {
        Some((_, other)) => {
            let quoted = format!("{other:?}");
            finding
                .label("a typing error?")
                .help(format!("did you mean {quoted}?"))
                .fix(Fix::new(format!("write {quoted}"), span, quoted.as_str()))
        }
        None if PLUGINS.iter().any(|plugin| plugin.name() == name) => {
            finding.help("`linkspan install` puts it there")
        }
        None => finding.help("install it there; `--no-host` asks for no plugins of this host"),
    }
}

/// Whether a name that differs in so many letters is probably meant.
fn is_near(letters: usize, name: &str) -> bool {
    match name.chars().count() {
        0..=3 => false,
        4..=5 => letters <= 1,
        _ => letters <= 2,
    }
}

/// All types of a document: of plugins, and of the IPAM plugins of ours. Who runs the IPAM plugins of others is theirs to say.
fn types<'a>(context: &Context<'a>) -> impl Iterator<Item = (&'a str, Span)> {
    let plugins = context.plugins().into_iter();
    plugins.flat_map(|plugin| {
        let ipam = plugin.ipam.filter(|_| plugin.handler.is_some());
        plugin
            .kind
            .into_iter()
            .chain(ipam.and_then(|ipam| ipam.kind))
    })
}

/// Plugins of others whose names look like misspelt ones of ours.
const OTHERS: [&str; 2] = ["vxlan", "bridge2"];

/// A type that is one of ours but for a letter.
pub(super) static MISSPELT: Rule = Rule {
    id: "misspelt-plugin",
    severity: Severity::Warning,
    about: "a plugin whose name differs in a letter or two from that of a reference plugin",
    why: "the runtime runs the file of this name, and finds none",
    check: |context| {
        let found = context.facts.and_then(|facts| facts.plugins.as_ref());
        // Where it is known which plugins there are, that is told.
        if found.is_some() && context.document.within.is_none() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (name, span) in types(context) {
            let known = PLUGINS.iter().map(|plugin| plugin.name());
            let near = known.map(|known| (distance(known, name), known)).min();
            let Some((_, near)) =
                near.filter(|(letters, near)| *letters > 0 && is_near(*letters, near))
            else {
                continue;
            };
            if !OTHERS.contains(&name) {
                findings.push(
                    MISSPELT
                        .at(span, format!("{name:?} looks like a misspelt {near:?}"))
                        .help(format!("did you mean {near:?}?")),
                );
            }
        }
        findings
    },
};
