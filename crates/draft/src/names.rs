//! Names that are nobody's: of the network, and of its bridge.

use std::collections::BTreeMap;

use linkspan_spec::IfName;

use crate::Choice;
use crate::facts::Facts;
use crate::refusal::Refusal;
use crate::wish::{Kind, Wish};

/// The network's name.
pub(crate) fn network(
    wish: &Wish,
    facts: &Facts,
    choices: &mut Vec<Choice>,
) -> Result<String, Refusal> {
    let Some(name) = &wish.name else {
        let name = numbered(wish.kind.plugin(), 1, &facts.names);
        choices.push(Choice::new(
            "name",
            &name,
            "no name was given, and no network here has this one",
        ));
        return Ok(name);
    };
    let name = name.as_str();
    match facts.names.get(name) {
        None => Ok(name.to_owned()),
        Some(why) => Err(Refusal::host(
            format!("there is a network {name} already: {why}"),
            format!("The name {} is free.", next_free(name, &facts.names)),
        )),
    }
}

/// The bridge of a network that has one.
pub(crate) fn bridge(
    wish: &Wish,
    network: &str,
    facts: &Facts,
    choices: &mut Vec<Choice>,
) -> Result<Option<String>, Refusal> {
    match &wish.kind {
        Kind::Bridge(Some(name)) if wish.dhcp => shared_bridge(name.as_str(), facts).map(Some),
        Kind::Bridge(None) if wish.dhcp => Err(Refusal::contradiction(
            "no DHCP server is behind a new bridge",
            "Name the bridge that a network card of this host is a port of (--bridge NAME --dhcp), or use --macvlan.",
        )),
        Kind::Bridge(Some(name)) => match facts.links.get(name.as_str()) {
            None => Ok(Some(name.to_string())),
            Some(why) => Err(Refusal::host(
                format!("the bridge {name} cannot be a new one: {why}"),
                format!(
                    "The name {} is free.",
                    next_free(name.as_str(), &facts.links)
                ),
            )),
        },
        Kind::Bridge(None) => {
            let name = free_bridge(network, facts);
            choices.push(Choice::new(
                "bridge",
                &name,
                "no link of this host and no network has that name",
            ));
            Ok(Some(name))
        }
        _ => Ok(None),
    }
}

/// A bridge that is there, for addresses of a DHCP server behind it.
fn shared_bridge(name: &str, facts: &Facts) -> Result<String, Refusal> {
    let link = facts.host.as_ref().map(|links| links.named(name));
    match link {
        Some(None) => Err(Refusal::host(
            format!("there is no bridge {name}, and no DHCP server is behind a new one"),
            "Name the bridge that a network card of this host is a port of, or use --macvlan.",
        )),
        Some(Some(link)) if link.kind.as_deref() != Some("bridge") => Err(Refusal::host(
            format!("the link {name} is no bridge"),
            format!("Use --macvlan {name}, which needs none."),
        )),
        _ => Ok(name.to_owned()),
    }
}

/// The name of a bridge that says whose it is, where that fits.
fn free_bridge(network: &str, facts: &Facts) -> String {
    let named = format!("cni-{network}");
    match named.parse::<IfName>() {
        Ok(_) if !facts.links.contains_key(&named) => named,
        _ => numbered("cni", 0, &facts.links),
    }
}

/// The next name like one that is taken which is free: with a higher number behind it.
pub(crate) fn next_free(name: &str, taken: &BTreeMap<String, String>) -> String {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse::<u32>();
    numbered(
        stem,
        number.map_or(2, |number| number.saturating_add(1)),
        taken,
    )
}

/// The first name with a number behind it that is free.
fn numbered(stem: &str, first: u32, taken: &BTreeMap<String, String>) -> String {
    let mut names = (first..=u32::MAX).map(|number| format!("{stem}{number}"));
    let free = names.find(|name| !taken.contains_key(name));
    free.unwrap_or_else(|| format!("{stem}-new"))
}

/// Refuses a link to be on that is not there.
pub(crate) fn require_master(wish: &Wish, facts: &Facts) -> Result<(), Refusal> {
    let (Some(master), Some(links)) = (wish.kind.master(), &facts.host) else {
        return Ok(());
    };
    if links.named(master).is_some() {
        return Ok(());
    }
    let others = links.links.iter().filter(|link| link.name != "lo");
    let others: Vec<&str> = others.map(|link| link.name.as_str()).collect();
    Err(Refusal::host(
        format!("this host has no link {master}"),
        match others.is_empty() {
            true => "It has none but lo.".to_owned(),
            false => format!("It has {}.", others.join(", ")),
        },
    ))
}
