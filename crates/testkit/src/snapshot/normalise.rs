//! Names given by chance, replaced by what they are, so that two runs can be compared.

use serde_json::Value;

use super::Snapshot;

impl Snapshot {
    /// The same facts, with what chance has named called by its role: a MAC address by the interface that has it, a
    /// link-local address likewise, and a host's veth by the interface at its other end.
    ///
    /// `host link veth4f2a address = 0e:12:…` becomes `host link <peer of c1/eth0> address = <mac of peer of c1/eth0>`.
    #[must_use]
    pub fn normalised(&self) -> Self {
        Self {
            facts: self
                .facts
                .iter()
                .map(|(what, value)| (self.rename(what), self.rename(value)))
                .collect(),
            names: Vec::new(),
        }
    }

    /// A text, for example a plugin's answer, with what chance has named called as in [`normalised`](Self::normalised).
    #[must_use]
    pub fn rename(&self, text: &str) -> String {
        self.names
            .iter()
            .fold(text.to_owned(), |text, (chance, role)| {
                text.replace(chance, role)
            })
    }

    /// Leaves names alone that occur in a text, whatever their case: what a configuration asks for is not up to chance.
    #[must_use]
    pub fn keeping(mut self, text: &str) -> Self {
        let text = text.to_lowercase();
        self.names
            .retain(|(chance, _)| !text.contains(&chance.to_lowercase()));
        self
    }
}

struct Link {
    netns: String,
    ifname: String,
    mac: String,
    index: u64,
    /// The other end's index, of a veth that leads into another namespace.
    peer: Option<u64>,
    /// The other end's name, of a veth that stays in its namespace.
    neighbour: Option<String>,
    /// Addresses that the kernel made from the MAC address.
    link_local: Vec<String>,
}

/// Chance names of these links, each with its namespace, and what to call them; longer names first, so that none is replaced within another.
pub(super) fn names(links: &[(&str, Value)]) -> Vec<(String, String)> {
    let links: Vec<Link> = links
        .iter()
        .filter(|(_, object)| object["ifname"].is_string())
        .map(|(netns, object)| link(netns, object))
        .collect();
    let mut names = Vec::new();
    for link in &links {
        let role = role(link, &links);
        if let Some(role) = &role {
            names.push((link.ifname.clone(), format!("<{role}>")));
        }
        let role = role.unwrap_or_else(|| format!("{}/{}", link.netns, link.ifname));
        if !link.mac.is_empty() && link.mac != "00:00:00:00:00:00" {
            names.push((link.mac.clone(), format!("<mac of {role}>")));
        }
        for address in &link.link_local {
            names.push((address.clone(), format!("<link-local of {role}>")));
        }
    }
    names.sort_by(|(a, _), (b, _)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    names.dedup();
    names
}

/// What an interface with a chance name is: the host's end of a veth that leads into a container, or to an interface of the
/// host that was given a name.
fn role(link: &Link, links: &[Link]) -> Option<String> {
    if !link.ifname.starts_with("veth") {
        return None;
    }
    let is_other_end = |other: &&Link| {
        if other.netns == link.netns {
            let is_named = !other.ifname.starts_with("veth");
            is_named && link.neighbour.as_ref() == Some(&other.ifname)
        } else {
            other.peer == Some(link.index) && link.peer == Some(other.index)
        }
    };
    links
        .iter()
        .find(is_other_end)
        .map(|other| format!("peer of {}/{}", other.netns, other.ifname))
}

fn link(netns: &str, object: &Value) -> Link {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_veth = object["linkinfo"]["info_kind"] == "veth";
    let addresses = object["addr_info"].as_array().into_iter().flatten();
    Link {
        netns: netns.to_owned(),
        ifname: text(&object["ifname"]),
        mac: text(&object["address"]),
        index: object["ifindex"].as_u64().unwrap_or_default(),
        peer: object["link_index"].as_u64().filter(|_| is_veth),
        neighbour: object["link"]
            .as_str()
            .filter(|_| is_veth)
            .map(str::to_owned),
        link_local: addresses
            .filter(|address| address["family"] == "inet6" && address["scope"] == "link")
            .map(|address| text(&address["local"]))
            .collect(),
    }
}
