//! Keys, found by name in what the plugins declare.

use linkspan_plugin::Configuration;
use linkspan_plugin::common::{IpamKeys, NetworkKeys, PluginKeys};
use linkspan_plugin::config::{Key, Shape, distance};
use linkspan_plugins::PLUGINS;

/// Whose keys are declared together.
#[derive(Clone, Copy, Debug)]
pub struct Owner {
    /// The plugin's type; `network`, `plugin` and `ipam` for the keys that belong to no one plugin.
    pub name: &'static str,
    /// What it is, in one line.
    pub about: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// All whose keys are declared: the plugins, and the three places where the specification has keys.
pub fn owners() -> Vec<Owner> {
    let plugins = PLUGINS.iter().map(|plugin| Owner {
        name: plugin.name(),
        about: plugin.about(),
        keys: plugin.keys(),
    });
    let common = [
        (
            "network",
            "a network: the top of a .conflist file",
            NetworkKeys::KEYS,
        ),
        (
            "plugin",
            "any plugin: an entry of plugins, or a .conf file",
            PluginKeys::KEYS,
        ),
        ("ipam", "ipam of any plugin", IpamKeys::KEYS),
    ];
    let common = common.map(|(name, about, keys)| Owner { name, about, keys });
    plugins.chain(common).collect()
}

/// A key, and where it is declared.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose it is.
    pub owner: Owner,
    /// Its path from the top of the owner's configuration, `[]` behind what is a list: `vlanTrunk[].id`.
    pub path: String,
    /// What is declared.
    pub key: &'static Key,
}

/// What a question leads to.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An owner's name: all its keys.
    Owner(Owner),
    /// A key; several where owners have one of that name.
    Keys(Vec<Found>),
    /// Nothing of that name; these are similar, the most similar first.
    Nothing {
        /// What may be meant, as it would be asked for.
        similar: Vec<String>,
    },
}

/// Looks up an owner (`bridge`), a key of one (`bridge.vlanTrunk`, `host-local.ipam.ranges.subnet`), or a key wherever it
/// is (`mtu`). Case does not matter, nor do `[]` and positions of lists.
pub fn look_up(question: &str) -> Answer {
    let owners = owners();
    let wanted = plain(question);
    if let Some(owner) = owners
        .iter()
        .find(|owner| owner.name.eq_ignore_ascii_case(&wanted))
    {
        return Answer::Owner(*owner);
    }
    let all = || owners.iter().flat_map(|owner| every_key(*owner));
    let of_owner = all().filter(|found| names(found).contains(&wanted));
    let found: Vec<_> = of_owner.collect();
    if !found.is_empty() {
        return Answer::Keys(found);
    }
    let by_path: Vec<_> = all()
        .filter(|found| {
            let path = plain(&found.path);
            path == wanted || path.ends_with(&format!(".{wanted}"))
        })
        .collect();
    if !by_path.is_empty() {
        return Answer::Keys(by_path);
    }
    Answer::Nothing {
        similar: similar(&wanted, &owners),
    }
}

/// All keys of an owner, each followed by those inside it.
pub fn every_key(owner: Owner) -> Vec<Found> {
    let mut found = Vec::new();
    gather(owner, "", owner.keys, &mut found);
    found
}

fn gather(owner: Owner, above: &str, keys: &'static [Key], found: &mut Vec<Found>) {
    for key in keys {
        let path = format!("{above}{}", key.name);
        let (lists, parts) = inside(&key.shape);
        let below = format!("{path}{}.", "[]".repeat(lists));
        found.push(Found { owner, path, key });
        gather(owner, &below, parts, found);
    }
}

/// How many lists a value is in each other, and the keys of what they hold.
pub fn inside(shape: &Shape) -> (usize, &'static [Key]) {
    match shape {
        Shape::One(_) => (0, &[]),
        Shape::Many(items) => {
            let (lists, parts) = inside(items);
            (lists + 1, parts)
        }
        Shape::Parts(parts) => (0, parts),
    }
}

/// The type of a value in words, with what lists hold.
pub fn kind(shape: &Shape) -> String {
    match shape {
        Shape::One(words) => (*words).to_owned(),
        Shape::Parts(_) => "an object".to_owned(),
        Shape::Many(items) => format!("a list, each {}", kind(items)),
    }
}

/// What a key can be asked for by, with its owner.
fn names(found: &Found) -> [String; 2] {
    let path = plain(&found.path);
    let owner = found.owner.name;
    // Of an IPAM plugin one may leave out that its keys lie in ipam.
    let short = path.strip_prefix("ipam.").unwrap_or(&path);
    [format!("{owner}.{path}"), format!("{owner}.{short}")]
}

/// Without case, `[]` and positions of lists.
fn plain(path: &str) -> String {
    let mut text = String::new();
    let mut in_brackets = false;
    for letter in path.trim().chars() {
        match letter {
            '[' => in_brackets = true,
            ']' => in_brackets = false,
            _ if in_brackets => {}
            _ => text.extend(letter.to_lowercase()),
        }
    }
    text
}

/// How many are offered.
const OFFERED: usize = 5;

fn similar(wanted: &str, owners: &[Owner]) -> Vec<String> {
    let (asked_of, key) = wanted.rsplit_once('.').unwrap_or(("", wanted));
    let mut near: Vec<(usize, String)> = Vec::new();
    for owner in owners {
        let of_this = asked_of.is_empty() || asked_of.split('.').next() == Some(owner.name);
        for found in every_key(*owner) {
            let last = found.key.name.rsplit('.').next().unwrap_or(found.key.name);
            let far = distance(last, key);
            if of_this && far <= 1 + key.len() / 4 {
                near.push((far, format!("{}.{}", owner.name, found.path)));
            }
        }
        let far = distance(owner.name, wanted);
        if far <= 2 {
            near.push((far, owner.name.to_owned()));
        }
    }
    near.sort();
    near.into_iter()
        .map(|(_, name)| name)
        .take(OFFERED)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(question: &str) -> Vec<String> {
        match look_up(question) {
            Answer::Keys(found) => found
                .iter()
                .map(|found| format!("{}: {}", found.owner.name, found.path))
                .collect(),
            other => panic!("{question}: {other:?}"),
        }
    }

    #[test]
    fn keys_are_found_by_what_people_write() {
        for (question, expected) in [
            ("bridge.vlanTrunk", vec!["bridge: vlanTrunk"]),
            (
                "bridge.vlantrunk[0].minID",
                vec!["bridge: vlanTrunk[].minID"],
            ),
            (
                "host-local.ranges.subnet",
                vec!["host-local: ipam.ranges[][].subnet"],
            ),
            (
                "host-local.ipam.ranges[][].subnet",
                vec!["host-local: ipam.ranges[][].subnet"],
            ),
            ("isGateway", vec!["bridge: isGateway"]),
            ("network.cniVersion", vec!["network: cniVersion"]),
        ] {
            assert_eq!(paths(question), expected, "{question}");
        }
        let everywhere = paths("mtu");
        for plugin in ["bridge", "ptp", "macvlan", "tuning"] {
            assert!(
                everywhere.contains(&format!("{plugin}: mtu")),
                "{everywhere:?}"
            );
        }
    }

    #[test]
    fn an_owner_is_one_and_a_mistake_leads_to_what_is_meant() {
        assert!(matches!(look_up("portmap"), Answer::Owner(owner) if owner.name == "portmap"));
        for (question, expected) in [
            ("bridge.vlanTrunc", "bridge.vlanTrunk"),
            ("ipMask", "bridge.ipMasq"),
            ("brigde", "bridge"),
        ] {
            match look_up(question) {
                Answer::Nothing { similar } => {
                    assert!(
                        similar.iter().any(|name| name == expected),
                        "{question}: {similar:?}"
                    );
                }
                other => panic!("{question}: {other:?}"),
            }
        }
        for question in ["", ".", "..", "[", "zzzzzzzz", "bridge."] {
            assert!(
                matches!(look_up(question), Answer::Nothing { .. }),
                "{question}"
            );
        }
    }

    #[test]
    fn every_key_of_every_plugin_is_found_by_its_own_name() {
        for owner in owners() {
            for found in every_key(owner) {
                let question = format!("{}.{}", owner.name, found.path);
                let answer = paths(&question);
                assert!(
                    answer.contains(&format!("{}: {}", owner.name, found.path)),
                    "{question}: {answer:?}"
                );
            }
        }
    }
}
