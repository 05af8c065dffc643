//! What every configuration must be: an object, a list or a plugin as its file's name says, with a name, types and a version.

use linkspan_inspect::finding::Severity;
use linkspan_spec::decode::{DecodeError, Value as Json};
use linkspan_spec::{NetworkList, PluginConfig, PluginType};

use super::{keys, place};
use crate::document::{Document, Form, Obstacle};
use crate::finding::Finding;
use crate::json::Node;
use crate::rule::{Context, Rule};
use crate::source::Span;

/// JSON, but no object.
pub(super) static NOT_AN_OBJECT: Rule = Rule {
    id: "not-an-object",
    severity: Severity::Error,
    about: "a configuration that is JSON and no object",
    why: "a configuration is an object: { \"cniVersion\": …, \"name\": …, \"plugins\": […] }",
    check: |context| match &context.document.root {
        Some(root) if !root.is_object() => {
            let words = format!("a configuration is an object, and this is {}", root.kind());
            vec![NOT_AN_OBJECT.at(place::beginning(root), words)]
        }
        _ => Vec::new(),
    },
};

/// A configuration as YAML where Kubernetes and Multus want a text.
pub(super) static NOT_A_STRING: Rule = Rule {
    id: "config-not-a-string",
    severity: Severity::Error,
    about: "a NetworkAttachmentDefinition whose config is written as YAML",
    why: "spec.config is a text that holds JSON; Kubernetes refuses anything else",
    check: |context| match &context.document.obstacle {
        Some(Obstacle::NotString(span)) => {
            let first = Span::new(span.start, (span.start + 1).min(span.end));
            let finding = NOT_A_STRING.at(first, "spec.config is an object of YAML");
            vec![finding.help(
                "write `config: |` and the same as JSON below it, indented; or config: '{ … }'",
            )]
        }
        _ => Vec::new(),
    },
};

/// A list in the file of a single plugin.
pub(super) static LIST_IN_CONF: Rule = Rule {
    id: "list-in-conf",
    severity: Severity::Error,
    about: "a list of plugins in a file whose name says that it holds one plugin",
    why: "runtimes read .conf and .json files as one plugin, find no type in it, and refuse it",
    check: |context| {
        let document = context.document;
        let is_single = matches!(document.form, Form::Single | Form::Part);
        match (document.member("plugins"), document.member("type")) {
            (Some(plugins), None) if is_single => vec![
                LIST_IN_CONF
                    .at(
                        plugins.key_span,
                        "a list of plugins in a file of a single plugin",
                    )
                    .help(rename(document, "conflist")),
            ],
            _ => Vec::new(),
        }
    },
};

/// A single plugin in the file of a list.
pub(super) static PLUGIN_IN_CONFLIST: Rule = Rule {
    id: "plugin-in-conflist",
    severity: Severity::Error,
    about: "a single plugin in a file whose name says that it holds a list",
    why: "runtimes read .conflist files as lists, find no plugins in it, and refuse it",
    check: |context| {
        let document = context.document;
        match (document.member("type"), document.member("plugins")) {
            (Some(kind), None) if document.form == Form::List => vec![
                PLUGIN_IN_CONFLIST
                    .at(kind.key_span, "a single plugin in a file of a list")
                    .help(format!(
                        "{}, or put the plugin into a list: \"plugins\": [ {{ \"type\": … }} ]",
                        rename(document, "conf")
                    )),
            ],
            _ => Vec::new(),
        }
    },
};

fn rename(document: &Document, extension: &str) -> String {
    let path = document
        .path
        .as_deref()
        .filter(|_| document.within.is_none());
    let name = path.and_then(|path| {
        path.with_extension(extension)
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
    });
    match name {
        Some(name) => format!("rename the file to {name}"),
        None => format!("let the key's name end in .{extension}"),
    }
}

/// A key without which nothing works.
pub(super) static MISSING_KEY: Rule = Rule {
    id: "missing-key",
    severity: Severity::Error,
    about: "a key that a runtime or a plugin needs is not there",
    why: "without it the configuration is refused",
    check: |context| {
        let refusals = refusals(context);
        let missing = refusals.iter().filter_map(|refusal| match refusal {
            (span, DecodeError::Missing { path, expected }) => {
                let key = path.rsplit('.').next().unwrap_or(path);
                let finding = MISSING_KEY.at(*span, format!("{path:?} is missing"));
                Some(
                    finding
                        .label("in here")
                        .help(format!("add {key:?}: {expected}")),
                )
            }
            _ => None,
        });
        missing
            .chain(without_plugins(context.document))
            .chain(keys::missing(context))
            .collect()
    },
};

/// A list without plugins, which no folder of its network has either.
fn without_plugins(document: &Document) -> Option<Finding> {
    let root = document.root.as_ref().filter(|root| root.is_object())?;
    let has = |key: &str| document.member(key).is_some();
    let is_without = document.form == Form::List && document.is_list() && !has("plugins");
    (is_without && !document.is_continued && document.within.is_none()).then(|| {
        MISSING_KEY
            .at(place::beginning(root), "\"plugins\" is missing")
            .label("in here")
            .help("add \"plugins\": a list of the plugins' configurations; or put them as *.conf into a folder beside the file that is named as the network")
    })
}

/// A name that no network or plugin may have.
pub(super) static ILLEGAL_NAME: Rule = Rule {
    id: "illegal-name",
    severity: Severity::Error,
    about: "a name of a network or a plugin that breaks the specification's rules",
    why: "names become parts of paths and of other names, so runtimes refuse what could lead elsewhere",
    check: |context| {
        let refusals = refusals(context);
        let names = refusals.iter().filter_map(|refusal| match refusal {
            (span, DecodeError::Name { error, .. }) => {
                Some(ILLEGAL_NAME.at(*span, error.to_string()))
            }
            _ => None,
        });
        let ipam = context.plugins().into_iter().filter_map(|plugin| {
            // What plugins of others make of their `ipam` is theirs.
            let (name, span) = plugin.handler.and(plugin.ipam)?.kind?;
            let error = name.parse::<PluginType>().err()?;
            let is_open = plugin.get("ipam.type").is_none_or(Node::has_unknown);
            (!is_open).then(|| ILLEGAL_NAME.at(span, error.to_string()))
        });
        names.chain(ipam).collect()
    },
};

/// A version that is none.
pub(super) static UNKNOWN_VERSION: Rule = Rule {
    id: "unknown-version",
    severity: Severity::Error,
    about: "a version of the specification that there is not",
    why: "runtime and plugins speak one version, and refuse one that they do not know",
    check: |context| {
        let refusals = refusals(context);
        let versions = refusals.iter().filter_map(|refusal| match refusal {
            (span, DecodeError::Version { error, .. }) => {
                Some(UNKNOWN_VERSION.at(*span, error.to_string()).help(
                    "1.0.0 is what most plugins of today speak; 1.1.0 has GC and STATUS as well",
                ))
            }
            _ => None,
        });
        versions.collect()
    },
};

/// As many refusals as are told of one document.
const MAX_REFUSALS: usize = 20;

/// What a runtime refuses in a document, each with its place: what it has refused is put right, and it is asked again.
pub(super) fn refusals<'a>(context: &Context<'a>) -> &'a [(Span, DecodeError)] {
    let document = context.document;
    document.refusals.get_or_init(|| asked(document))
}

fn asked(document: &Document) -> Vec<(Span, DecodeError)> {
    let Some(root) = document.root.as_ref().filter(|root| root.is_object()) else {
        return Vec::new();
    };
    let mut json = root.to_json();
    if document.is_named_outside && root.get("name").is_none() {
        json["name"] = "network".into();
    }
    let mut refusals = Vec::new();
    while let Some(error) = refusal(document, &json) {
        let Some(path) = place::path(&error).map(str::to_owned) else {
            break;
        };
        let is_missing = matches!(error, DecodeError::Missing { .. });
        let is_right = !put_right(&mut json, &path, is_missing) || refusals.len() >= MAX_REFUSALS;
        // What a template leaves open is not missing.
        if !is_missing || !is_open(root, &path) {
            refusals.push((place::of_path(root, &path), error));
        }
        if is_right {
            break;
        }
    }
    refusals
}

fn is_open(root: &Node, path: &str) -> bool {
    root.at(path).is_some_and(Node::has_unknown)
}

fn refusal(document: &Document, json: &Json) -> Option<DecodeError> {
    let has = |key: &str| document.member(key).is_some();
    let is_list = document.is_list() || document.form == Form::List;
    match is_list {
        // Told by the rules about that.
        true if document.form == Form::List && has("type") && !has("plugins") => None,
        true if matches!(document.form, Form::Single | Form::Part) && !has("type") => None,
        true => NetworkList::parse(json.to_string().as_bytes()).err(),
        false => {
            let config = match PluginConfig::from_value(json.clone()) {
                Ok(config) => config,
                Err(error) => return Some(error),
            };
            let single = config.plugin_type().map(drop);
            match document.form {
                Form::Part => single.err(),
                _ => NetworkList::from_single(config).err(),
            }
        }
    }
}

/// Puts something in the place of what was refused that is not refused; `false` where that does not work.
fn put_right(json: &mut Json, path: &str, is_missing: bool) -> bool {
    let pointer = path.replace('[', ".").replace(']', "");
    let mut names: Vec<&str> = pointer.split('.').filter(|name| !name.is_empty()).collect();
    let Some(last) = names.pop() else {
        return false;
    };
    let mut parent = json;
    for name in names {
        let inner = match parent {
            Json::Array(items) => name
                .parse()
                .ok()
                .and_then(|index: usize| items.get_mut(index)),
            Json::Object(map) => {
                let key = spelling(map, name);
                map.get_mut(&key)
            }
            _ => None,
        };
        match inner {
            Some(inner) => parent = inner,
            None => return false,
        }
    }
    let filling = match last {
        "name" | "type" => "network".into(),
        "plugins" => serde_json::json!([{ "type": "plugin" }]),
        _ if is_missing => return false,
        _ => Json::Null,
    };
    match parent {
        Json::Array(items) => match last
            .parse()
            .ok()
            .and_then(|index: usize| items.get_mut(index))
        {
            // An item of a list that is no plugin.
            Some(item) => *item = serde_json::json!({ "type": "plugin" }),
            None => return false,
        },
        Json::Object(map) => {
            let key = spelling(map, last);
            map.insert(key, filling);
        }
        _ => return false,
    }
    true
}

/// A key as it is written in an object.
fn spelling(map: &serde_json::Map<String, Json>, name: &str) -> String {
    let exact = map.contains_key(name);
    let similar = map.keys().rev().find(|key| key.eq_ignore_ascii_case(name));
    match (exact, similar) {
        (false, Some(similar)) => similar.clone(),
        _ => name.to_owned(),
    }
}
