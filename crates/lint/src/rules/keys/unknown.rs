//! Keys that nobody declared, and which ones were probably meant.

use linkspan_inspect::finding::Severity;
use linkspan_plugin::Handler;
use linkspan_plugin::config::{Key, Shape, distance};
use linkspan_plugins::PLUGINS;

use super::{Scope, Strictness, UNKNOWN_KEY};
use crate::finding::Finding;
use crate::json::{Member, Node};

/// From how many keys on they are not listed.
const FEW: usize = 8;

/// What is told of a key that nobody declared.
pub(super) fn finding(
    scope: &Scope<'_>,
    object: &Node,
    member: &Member,
    prefix: &str,
) -> Option<Finding> {
    let key = member.key.as_str();
    if member.is_aside() {
        return None;
    }
    let here = names(scope, prefix);
    let near = nearest(key, &here, object).or_else(|| by_meaning(key, &here, object));
    if near.is_none() && scope.strictness == Strictness::Typos {
        return None;
    }
    let object = format!("{}{}", scope.within, prefix.trim_end_matches('.'));
    let inside = match object.as_str() {
        "" => String::new(),
        object => format!(" in {object}"),
    };
    let reader = scope.reader_of(prefix);
    let message = format!("{reader} reads no {key:?}{inside}");
    let finding = UNKNOWN_KEY.at(member.key_span, message);
    let finding = match near {
        Some(_) => finding.label("a typing error?"),
        None => finding.label("passed over"),
    };
    let readers = readers(key);
    // Of what nobody reads it is not known that anybody was meant to: installers leave keys of their own.
    let is_known = near.is_some() || !readers.is_empty() || elsewhere(scope, key).is_some();
    let severity = match is_known {
        true => Severity::Warning,
        false => Severity::Note,
    };
    let help = help(scope, key, &here, near, &readers);
    Some(finding.severity(severity).help(help))
}

/// Who reads a key of this name, and where.
fn readers(key: &str) -> Vec<String> {
    let of_plugin = |plugin: &&'static dyn Handler| {
        let name = plugin.name();
        let has = |path: &str| {
            let mut keys = plugin.keys().iter();
            keys.any(|one| one.name.eq_ignore_ascii_case(path))
        };
        match has(key) {
            true => Some(name.to_owned()),
            false => has(&format!("ipam.{key}")).then(|| format!("{name} (in ipam)")),
        }
    };
    PLUGINS.iter().filter_map(of_plugin).collect()
}

/// The names of the keys that are read in an object.
fn names<'a>(scope: &Scope<'a>, prefix: &str) -> Vec<&'a str> {
    let inside = scope
        .keys
        .iter()
        .filter_map(|one| one.path.strip_prefix(prefix));
    let mut names: Vec<&str> = inside
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    names
}

/// The key that was probably meant: one that differs in a letter or two, and is not there already.
fn nearest<'a>(key: &str, names: &[&'a str], object: &Node) -> Option<&'a str> {
    let most = match key.chars().count() {
        0..=3 => 1,
        4..=9 => 2,
        _ => 3,
    };
    let letters = names.iter().map(|name| (distance(key, name), *name));
    let mut near: Vec<_> = letters.filter(|(letters, _)| *letters <= most).collect();
    near.sort_unstable();
    let is_free = |name: &&str| object.member(name).is_none();
    near.into_iter().map(|(_, name)| name).find(is_free)
}

/// What people call keys, and what they are called.
const MEANINGS: [(&str, &str); 12] = [
    ("destination", "dst"),
    ("device", "master"),
    ("gateway", "gw"),
    ("interface", "master"),
    ("masquerade", "ipMasq"),
    ("nat", "ipMasq"),
    ("parent", "master"),
    ("servers", "nameservers"),
    ("tag", "vlan"),
    ("to", "dst"),
    ("via", "gw"),
    ("vlanId", "vlan"),
];

/// The key that is meant by another word.
fn by_meaning<'a>(key: &str, names: &[&'a str], object: &Node) -> Option<&'a str> {
    let meant = MEANINGS
        .iter()
        .filter(|(word, _)| word.eq_ignore_ascii_case(key));
    let mut meant = meant.filter_map(|(_, meant)| names.iter().find(|name| *name == meant));
    meant.find(|name| object.member(name).is_none()).copied()
}

fn help(
    scope: &Scope<'_>,
    key: &str,
    here: &[&str],
    near: Option<&str>,
    readers: &[String],
) -> String {
    if let Some(near) = near {
        return format!("did you mean {near:?}?");
    }
    if let Some(elsewhere) = elsewhere(scope, key) {
        return elsewhere;
    }
    match (readers, here.len() <= FEW) {
        ([], true) => format!("what is read here: {}", here.join(", ")),
        ([], false) => format!(
            "remove it, or see what {} reads: `linkspan explain key {0}`",
            scope.reader
        ),
        (readers, _) => format!(
            "remove it, or move it: it is read by {}",
            readers.join(", ")
        ),
    }
}

/// Where else a key of this name is read.
fn elsewhere(scope: &Scope<'_>, key: &str) -> Option<String> {
    let is_same = |name: &str| name.eq_ignore_ascii_case(key);
    let by_path = scope
        .keys
        .iter()
        .find(|one| one.path.rsplit('.').next().is_some_and(is_same));
    if let Some(one) = by_path {
        return Some(match one.path.rsplit_once('.') {
            Some((object, name)) => {
                format!("it belongs into {object}: \"{object}\": {{ {name:?}: … }}")
            }
            None => format!(
                "{:?} belongs beside \"type\", not into an object of its own",
                one.path
            ),
        });
    }
    let holder = scope
        .keys
        .iter()
        .find(|one| has_part(&one.key.shape, &is_same));
    holder.map(|one| format!("it belongs into {}", one.path))
}

fn has_part(shape: &Shape, is_wanted: &impl Fn(&str) -> bool) -> bool {
    match shape {
        Shape::One(_) => false,
        Shape::Many(inner) => has_part(inner, is_wanted),
        Shape::Parts(keys) => {
            let has = |key: &Key| is_wanted(key.name) || has_part(&key.shape, is_wanted);
            keys.iter().any(has)
        }
    }
}
