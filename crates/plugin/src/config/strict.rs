//! Keys that nobody declared.

use linkspan_spec::{Command, Error, ErrorCode, key};
use serde_json::{Map, Value};

use super::{Key, Shape, Strict, distance, excerpt};
use crate::common::{IpamKeys, PluginKeys};
use crate::{Configuration, Invocation, warn};

/// Keys that the configuration of any plugin may have and that are for others to declare what is below.
const OF_OTHERS: [&str; 3] = ["args", "capabilities", "runtimeConfig"];

/// Where the keys of an IPAM plugin stand.
const IPAM: &str = "ipam";

/// Does what the configuration of a plugin wants done about keys that it does not know.
pub(crate) fn look<C: Configuration>(invocation: &Invocation<'_>) -> Result<(), Error> {
    let config = invocation.config.as_map();
    match (C::STRICT, invocation.command) {
        (Strict::Deny, Command::Add | Command::Check | Command::Status) => refuse(C::KEYS, config),
        (Strict::Warn, Command::Add) if !invocation.is_imagined => {
            unknown(C::KEYS, config)
                .iter()
                .for_each(|words| warn(words));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses a configuration with keys that are not declared.
pub(super) fn refuse(keys: &[Key], config: &Map<String, Value>) -> Result<(), Error> {
    let unknown = unknown(keys, config);
    if unknown.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = keys.iter().map(|key| key.name).collect();
    let details = format!(
        "correct or remove it; this plugin reads {}",
        known.join(", ")
    );
    Err(Error::new(ErrorCode::UNSUPPORTED_FIELD, unknown.join("; ")).with_details(details))
}

/// A key as it is looked for in an object: the rest of its name, empty where the object is its value.
type Rest<'k> = (&'k str, &'k Key);

/// The keys that are not declared, in words, in the order of the configuration.
fn unknown(keys: &[Key], config: &Map<String, Value>) -> Vec<String> {
    let declared: Vec<Rest<'_>> = keys.iter().map(|key| (key.name, key)).collect();
    let mut found = Vec::new();
    if let (true, Some(ipam)) = (is_ipam(keys), key(config, IPAM)) {
        let inside: Vec<_> = declared.iter().filter_map(|key| key.inside(IPAM)).collect();
        deeper(ipam, &inside, IPAM, &mut found);
    } else if !is_ipam(keys) {
        within(config, &declared, "", &mut found);
    }
    found
}

/// Whether they are those of an IPAM plugin, below `ipam`: what is beside it belongs to the plugin that asks it.
fn is_ipam(keys: &[Key]) -> bool {
    let is_of_others = |key: &Key| OF_OTHERS.contains(&first(key.name));
    let mut own = keys.iter().filter(|key| !is_of_others(key)).peekable();
    own.peek().is_some() && own.all(|key| first(key.name) == IPAM)
}

/// Those in the object at `path`.
fn within(object: &Map<String, Value>, declared: &[Rest<'_>], path: &str, found: &mut Vec<String>) {
    let usual = match path {
        "" => names(<PluginKeys as Configuration>::KEYS),
        IPAM => names(<IpamKeys as Configuration>::KEYS),
        _ => Vec::new(),
    };
    for (written, value) in object {
        let known = usual.iter().find(|one| one.eq_ignore_ascii_case(written));
        // In whatever case it is written, what is below it is that of the key that it means.
        let name = known.map_or(written.as_str(), |known| *known);
        let place = match path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        let below: Vec<Rest<'_>> = declared.iter().filter_map(|key| key.inside(name)).collect();
        if below.is_empty() && known.is_none() {
            let known = declared
                .iter()
                .map(|(rest, _)| first(rest))
                .chain(usual.iter().copied());
            found.push(words(&place, name, value, known));
        } else if !(path.is_empty() && OF_OTHERS.contains(&name)) {
            deeper(value, &below, &place, found);
        }
    }
}

/// Those in the value of a key that is declared, as far as its parts are.
fn deeper(value: &Value, below: &[Rest<'_>], path: &str, found: &mut Vec<String>) {
    match (value, below) {
        (_, [("", key)]) => parts(value, &key.shape, path, found),
        (Value::Object(object), [_, ..]) => within(object, below, path, found),
        _ => {}
    }
}

fn parts(value: &Value, shape: &Shape, path: &str, found: &mut Vec<String>) {
    match (value, shape) {
        (Value::Object(object), Shape::Parts(keys)) => {
            let declared: Vec<Rest<'_>> = keys.iter().map(|key| (key.name, key)).collect();
            within(object, &declared, path, found);
        }
        (Value::Array(items), Shape::Many(shape)) => {
            for (index, item) in items.iter().enumerate() {
                parts(item, shape, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// What of a key is looked for in the value of `name`.
trait Inside {
    fn inside(&self, name: &str) -> Option<Self>
    where
        Self: Sized;
}

impl Inside for Rest<'_> {
    fn inside(&self, name: &str) -> Option<Self> {
        let (rest, key) = self;
        let begins = first(rest).eq_ignore_ascii_case(name);
        let below = rest.split_once('.').map_or("", |(_, below)| below);
        begins.then_some((below, *key))
    }
}

fn first(name: &str) -> &str {
    name.split_once('.').map_or(name, |(first, _)| first)
}

fn names(keys: &'static [Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// The specification asks for the key and its value.
fn words<'k>(
    place: &str,
    name: &str,
    value: &Value,
    known: impl Iterator<Item = &'k str>,
) -> String {
    const NEAR: usize = 2;
    let nearest = known
        .map(|known| (distance(name, known), known))
        // A name of which nothing is left is none that was meant.
        .filter(|(distance, known)| *distance <= NEAR && *distance < known.len())
        .min();
    let question = nearest
        .map(|(_, known)| format!("; did you mean {known:?}?"))
        .unwrap_or_default();
    format!("unknown key {place:?} ({}){question}", excerpt(value))
}

#[cfg(test)]
mod tests;
