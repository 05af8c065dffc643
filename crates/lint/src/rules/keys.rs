//! Keys and their values, by what plugins declare of them: nothing here knows any key.

mod unknown;
mod value;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ptr;

use linkspan_inspect::finding::Severity;
use linkspan_plugin::Handler;
use linkspan_plugin::common::{IpamKeys, NetworkKeys, PluginKeys};
use linkspan_plugin::config::{Configuration, Key, Shape};
use linkspan_spec::DecodeError;
use serde_json::Map;

use super::addresses::MOST;
use super::form::{self, MISSING_KEY};
use super::refused;
use crate::document::{Document, Plugin};
use crate::finding::{Finding, Fix};
use crate::json::{Member, Node, Value};
use crate::rule::{Context, Rule};
use crate::source::Span;

/// A value of another type than its key's.
pub(super) static WRONG_TYPE: Rule = Rule {
    id: "wrong-type",
    severity: Severity::Error,
    about: "a value of another type than its key has",
    why: "the plugin cannot read its configuration, and every ADD fails",
    check: |context| {
        let mut findings = of(context, &WRONG_TYPE);
        for refusal in form::refusals(context) {
            findings.extend(mismatch(context, refusal, &findings));
        }
        findings
    },
};

/// A value that cannot be.
pub(super) static INVALID_VALUE: Rule = Rule {
    id: "invalid-value",
    severity: Severity::Error,
    about: "a value of the right type that cannot be, such as a number outside of its key's range",
    why: "the plugin refuses its configuration, and every ADD fails",
    check: |context| of(context, &INVALID_VALUE),
};

/// A key that its plugin does not read.
pub(super) static UNKNOWN_KEY: Rule = Rule {
    id: "unknown-key",
    severity: Severity::Warning,
    about: "a key that its plugin does not read",
    why: "plugins pass over keys that they do not know and say nothing, so what was meant does not happen",
    check: |context| of(context, &UNKNOWN_KEY),
};

/// A key in another case of letters.
pub(super) static KEY_CASE: Rule = Rule {
    id: "key-case",
    severity: Severity::Note,
    about: "a key in another case of letters than it is documented in",
    why: "plugins find it all the same, but other programs that read the file, such as jq, do not",
    check: |context| of(context, &KEY_CASE),
};

/// What runtimes refuse, whosever plugin it is.
fn mismatch(
    context: &Context<'_>,
    (span, error): &(Span, DecodeError),
    known: &[Finding],
) -> Option<Finding> {
    let is_known = known.iter().any(|finding| finding.span.contains(*span));
    if !matches!(error, DecodeError::Mismatch { .. }) || is_known {
        return None;
    }
    let finding = WRONG_TYPE.at(*span, error.to_string());
    Some(match context.document.source.slice(*span) {
        text @ ("\"true\"" | "\"false\"") => {
            let bare = text.trim_matches('"');
            let words = format!("write {bare} without quotes");
            let fix = Fix::new(words.clone(), *span, bare);
            finding.help(words).fix(fix)
        }
        _ => finding,
    })
}

/// Keys that plugins need and that are not there.
pub(super) fn missing(context: &Context<'_>) -> Vec<Finding> {
    of(context, &MISSING_KEY)
}

/// What a rule tells of a document, of what its declared keys say.
pub(super) fn of(context: &Context<'_>, rule: &'static Rule) -> Vec<Finding> {
    let document = context.document;
    let judged = document.judged.get_or_init(|| judged(document)).iter();
    judged
        .filter(|finding| ptr::eq(finding.rule, rule))
        .cloned()
        .collect()
}

/// All that declared keys say of a document, and what its plugins refuse though each key is right.
fn judged(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(root) = document.root.as_ref().filter(|_| document.is_list()) {
        findings.extend(of_network(root));
    }
    let mut known = BTreeMap::new();
    for plugin in document.plugins() {
        let of_keys = of_plugin(&plugin, &mut known);
        let is_wrong = |finding: &Finding| {
            let rules = [&WRONG_TYPE, &INVALID_VALUE, &MISSING_KEY];
            rules.iter().any(|rule| ptr::eq(*rule, finding.rule))
        };
        // A key that is wrong by itself is told as such. What a template leaves open may be what is missing.
        if !of_keys.iter().any(is_wrong) && !plugin.node.has_unknown() {
            findings.extend(refused::findings(&plugin));
        }
        findings.extend(of_keys);
    }
    findings
}

/// The keys of a list. Runtimes and orchestrators have others in it, so that only what looks like one of these is told.
fn of_network(root: &Node) -> Vec<Finding> {
    let keys: Vec<Declared> = NetworkKeys::KEYS.iter().map(Declared::of).collect();
    let mut findings = Vec::new();
    let scope = Scope {
        keys: &keys,
        reader: "a runtime",
        ipam: None,
        within: "",
        strictness: Strictness::Typos,
    };
    scope.names(root, "", &mut findings);
    findings
}

/// What is known of the plugins that were met so far.
type Known = BTreeMap<(&'static str, Option<&'static str>), Vec<Declared>>;

/// The keys of a plugin, where it is one of ours; what others read is theirs.
fn of_plugin(plugin: &Plugin<'_>, known: &mut Known) -> Vec<Finding> {
    let Some(handler) = plugin.handler else {
        return Vec::new();
    };
    let ipam = plugin.ipam.and_then(|ipam| ipam.handler);
    let chain = (handler.name(), ipam.map(|ipam| ipam.name()));
    let keys = known
        .entry(chain)
        .or_insert_with(|| declared(handler, ipam, plugin.index.is_none()));
    let mut findings = Vec::new();
    let scope = Scope {
        keys,
        reader: handler.name(),
        ipam: ipam.map(|ipam| ipam.name()),
        within: "",
        strictness: match plugin.ipam.is_none_or(|known| known.handler.is_some()) {
            true => Strictness::All,
            false => Strictness::OwnAlone,
        },
    };
    scope.names(plugin.node, "", &mut findings);
    scope.values(plugin.node, &mut findings);
    scope.missing(plugin, &mut findings);
    findings
}

/// The keys that are read in a plugin's object, each once: as the plugin itself declares it, since it knows best.
fn declared(handler: &dyn Handler, ipam: Option<&dyn Handler>, is_single: bool) -> Vec<Declared> {
    let of_network = match is_single {
        true => NetworkKeys::KEYS,
        false => &[],
    };
    let of_ipam = ipam.map_or(&[][..], |ipam| ipam.keys());
    let lists = [handler.keys(), of_ipam, PluginKeys::KEYS, of_network];
    let mut keys: Vec<Declared> = lists.into_iter().flatten().map(Declared::of).collect();
    let within_ipam = |key| Declared::below("ipam", key);
    keys.extend(IpamKeys::KEYS.iter().map(within_ipam));
    let mut paths = BTreeSet::new();
    keys.retain(|key| paths.insert(key.path.clone()));
    keys
}

/// A declared key, and where it is in the object that is looked at.
struct Declared {
    path: Cow<'static, str>,
    key: &'static Key,
    /// Whether its name is the path.
    is_at_path: bool,
    /// Whether it must be there.
    is_required: bool,
}

impl Declared {
    fn of(key: &'static Key) -> Self {
        Self {
            path: key.name.into(),
            key,
            is_at_path: true,
            is_required: (key.judge)(key, &Map::new()).is_err(),
        }
    }

    fn below(object: &str, key: &'static Key) -> Self {
        Self {
            path: format!("{object}.{}", key.name).into(),
            key,
            is_at_path: false,
            is_required: false,
        }
    }
}

/// Which keys that nobody declared are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    /// Those that look like a declared one.
    Typos,
    /// All.
    All,
    /// All but those in `ipam`, which somebody else reads.
    OwnAlone,
}

/// What is known of the keys of an object.
#[derive(Clone, Copy)]
struct Scope<'a> {
    keys: &'a [Declared],
    /// Who reads them.
    reader: &'a str,
    /// Who reads those in `ipam`, where we know it.
    ipam: Option<&'a str>,
    /// The list that the object is in, if it is in one.
    within: &'a str,
    strictness: Strictness,
}

/// Objects whose keys belong to others: arguments, what the runtime writes.
const OTHERS: [&str; 4] = ["args", "runtimeConfig", "capabilities", "prevResult"];

impl Scope<'_> {
    /// Looks at the names of keys, and at what is in lists of objects.
    fn names(&self, object: &Node, prefix: &str, findings: &mut Vec<Finding>) {
        for member in object.members() {
            let path = format!("{prefix}{}", member.key);
            let (path, is_known) = self.resolve(&path);
            if !is_known || member.key.contains('.') {
                // To find what was meant each is compared with all others.
                if findings.len() < MOST {
                    findings.extend(unknown::finding(self, object, member, prefix));
                }
                continue;
            }
            let name = path.rsplit('.').next().unwrap_or(&path);
            let top = path.split('.').next().unwrap_or(&path);
            if name != member.key && !(OTHERS.contains(&top) && path != top) {
                findings.push(respelled(object, member, name));
            }
            if OTHERS.contains(&top) {
                continue;
            }
            let is_someones = top == "ipam" && self.strictness == Strictness::OwnAlone;
            if !is_someones && self.has_below(&path) {
                self.names(&member.node, &format!("{path}."), findings);
            }
            if let Some(declared) = self.keys.iter().find(|one| one.path == path) {
                let place = (self.reader_of(&path), path.as_str());
                parts(&declared.key.shape, place, &member.node, findings);
            }
        }
    }

    /// Who reads a path.
    fn reader_of(&self, path: &str) -> &str {
        let is_ipams = path.starts_with("ipam.");
        self.ipam.filter(|_| is_ipams).unwrap_or(self.reader)
    }

    /// The path as it is declared, and whether it is.
    fn resolve(&self, path: &str) -> (String, bool) {
        let is_exact = |one: &&Declared| one.path == path || below(&one.path, path);
        if self.keys.iter().any(|one| is_exact(&one)) {
            return (path.to_owned(), true);
        }
        let similar = self.keys.iter().find_map(|one| {
            let same = one.path.get(..path.len())?;
            let is_whole = one.path.len() == path.len() || one.path[path.len()..].starts_with('.');
            (is_whole && same.eq_ignore_ascii_case(path)).then(|| same.to_owned())
        });
        match similar {
            Some(similar) => (similar, true),
            None => (path.to_owned(), false),
        }
    }

    /// Whether keys are declared inside of the object at a path.
    fn has_below(&self, path: &str) -> bool {
        self.keys.iter().any(|one| below(&one.path, path))
    }

    /// Looks at the values of the keys that are there.
    fn values(&self, object: &Node, findings: &mut Vec<Finding>) {
        let map = object.to_map();
        for declared in self.keys.iter().filter(|declared| declared.is_at_path) {
            let Some(member) = object.member_at(&declared.path) else {
                continue;
            };
            findings.extend(value::findings(declared.key, &map, member));
        }
    }

    fn missing(&self, plugin: &Plugin<'_>, findings: &mut Vec<Finding>) {
        let map = plugin.node.to_map();
        let required = self.keys.iter().filter(|declared| declared.is_required);
        for Declared { key, path, .. } in required {
            // A runtime gives a plugin of a list the network's name; what lacks a type is told by the runtime's rules.
            if ["name", "type", "plugins"].contains(&&**path) || plugin.node.at(path).is_some() {
                continue;
            }
            let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
            if plugin.node.at(parent).is_none() {
                continue;
            }
            if let Err(error) = (key.judge)(key, &map) {
                let span = match plugin.node.at(parent) {
                    Some(node) if !parent.is_empty() => super::place::beginning(node),
                    _ => plugin.span(),
                };
                let message = format!("{}: {}", self.reader_of(path), error.msg);
                findings.push(MISSING_KEY.at(span, message).help(error.details));
            }
        }
    }
}

fn below(path: &str, object: &str) -> bool {
    path.strip_prefix(object)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// Looks at the names of keys in the objects that a value consists of.
fn parts(shape: &Shape, place: (&str, &str), node: &Node, findings: &mut Vec<Finding>) {
    match (shape, &node.value) {
        (Shape::Many(inner), Value::List(items)) => {
            for item in items {
                parts(inner, place, item, findings);
            }
        }
        (Shape::Parts(keys), Value::Object(_)) => {
            let keys: Vec<Declared> = keys.iter().map(Declared::of).collect();
            let scope = Scope {
                keys: &keys,
                reader: place.0,
                ipam: None,
                within: place.1,
                strictness: Strictness::All,
            };
            scope.names(node, "", findings);
        }
        _ => {}
    }
}

fn respelled(object: &Node, member: &Member, name: &str) -> Finding {
    let is_there = object.members().iter().any(|other| other.key == name);
    let quoted = format!("{name:?}");
    let fix = Fix::new(format!("write {quoted}"), member.key_span, quoted.as_str());
    KEY_CASE
        .at(
            member.key_span,
            format!("{:?} is documented as {quoted}", member.key),
        )
        .help(format!("write {quoted}"))
        .fix((!is_there).then_some(fix))
}
