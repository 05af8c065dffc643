//! Links of the host that interfaces are made on or moved: masters, devices, their MTU.

use linkspan_inspect::finding::Severity;
use linkspan_inspect::link::{Link, Links};
use linkspan_plugin::Role;

use super::addresses::subnets;
use super::chain::role;
use crate::document::Plugin;
use crate::json::Node;
use crate::rule::{Context, Rule};

/// The host's links, where the document is about this host.
fn links<'a>(context: &Context<'a>) -> Option<&'a Links> {
    let links = context.facts?.links.as_ref()?;
    context.document.within.is_none().then_some(links)
}

/// The plugins of a document that are made on a master of the host, with the key.
fn on_master<'a>(context: &Context<'a>) -> impl Iterator<Item = (Plugin<'a>, &'a Node, &'a str)> {
    let plugins = context.plugins().into_iter();
    plugins.filter_map(|plugin| {
        let is_one = matches!(plugin.name(), "macvlan" | "ipvlan" | "vlan")
            && !plugin.is_on("linkInContainer");
        let node = plugin.get("master").filter(|_| is_one)?;
        let name = node.as_str().filter(|name| !name.is_empty())?;
        Some((plugin, node, name))
    })
}

/// A master that this host does not have.
pub(super) static MISSING: Rule = Rule {
    id: "master-missing",
    severity: Severity::Error,
    about: "a master that is not on this host",
    why: "the interface is made on its master; without it every ADD fails",
    check: |context| {
        let Some(links) = links(context) else {
            return Vec::new();
        };
        let missing = on_master(context).filter(|(_, _, name)| links.named(name).is_none());
        missing
            .map(|(_, node, name)| {
                MISSING
                    .at(node.span, format!("{name} is not on this host"))
                    .help(format!(
                        "{}; `--no-host` asks for no link of this host",
                        others(links)
                    ))
            })
            .collect()
    },
};

/// The links that could be meant.
fn others(links: &Links) -> String {
    let is_possible =
        |link: &&Link| link.name != "lo" && !matches!(link.kind.as_deref(), Some("veth" | "ifb"));
    let names: Vec<&str> = links
        .links
        .iter()
        .filter(is_possible)
        .map(|link| link.name.as_str())
        .take(8)
        .collect();
    match names.is_empty() {
        true => "this host has no link that could be a master".to_owned(),
        false => format!("links that are here: {}", names.join(", ")),
    }
}

/// A device that this host does not have.
pub(super) static DEVICE: Rule = Rule {
    id: "device-missing",
    severity: Severity::Note,
    about: "a device of host-device that is not on this host",
    why: "ADD fails unless it is there; one that has been given to a container is not",
    check: |context| {
        let Some(links) = links(context) else {
            return Vec::new();
        };
        let plugins = context
            .plugins()
            .into_iter()
            .filter(|plugin| plugin.is("host-device"));
        let devices = plugins.filter_map(|plugin| plugin.get("device"));
        let missing = devices.filter_map(|node| {
            let name = node
                .as_str()
                .filter(|name| !name.is_empty() && links.named(name).is_none())?;
            Some(
                DEVICE
                    .at(node.span, format!("{name} is not on this host now"))
                    .help(others(links)),
            )
        });
        missing.collect()
    },
};

/// An MTU that the master cannot carry.
pub(super) static ABOVE_MASTER: Rule = Rule {
    id: "mtu-above-master",
    severity: Severity::Error,
    about: "an MTU above that of the master on this host",
    why: "an interface carries no larger packets than the link that it is made on; ADD fails",
    check: |context| {
        let Some(links) = links(context) else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        for (plugin, master, name) in on_master(context) {
            let Some((mtu, link)) = plugin.get("mtu").zip(links.named(name)) else {
                continue;
            };
            if mtu
                .to_json()
                .as_u64()
                .is_some_and(|bytes| bytes > link.mtu.into())
            {
                findings.push(
                    ABOVE_MASTER
                        .at(mtu.span, format!("the master carries packets of {} bytes at most", link.mtu))
                        .also(master.span, "the master")
                        .help(format!("write {} or less, or \"auto\" to follow the master (Linkspan alone knows that)", link.mtu)),
                );
            }
        }
        findings
    },
};

/// The same as of IPv6 (RFC 8200, 5).
const LEAST_WITH_IPV6: u64 = 1280;

/// An MTU with which there is no IPv6.
pub(super) static BELOW_IPV6: Rule = Rule {
    id: "mtu-below-ipv6",
    severity: Severity::Error,
    about: "an MTU below 1280 in a network with IPv6 addresses",
    why: "IPv6 needs links that carry 1280 bytes (RFC 8200); the kernel takes it off smaller ones, and ADD fails",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins() {
            let is_interface = matches!(role(&plugin), Some(Role::Interface { .. }));
            let subnets = subnets(&plugin);
            let ipv6 = subnets
                .iter()
                .find(|subnet| subnet.network.value.addr().is_ipv6());
            let mtu = plugin.get("mtu").filter(|_| is_interface);
            let Some((mtu, ipv6)) = mtu.zip(ipv6) else {
                continue;
            };
            let bytes = mtu.to_json().as_u64().unwrap_or(0);
            if (1..LEAST_WITH_IPV6).contains(&bytes) {
                findings.push(
                    BELOW_IPV6
                        .at(mtu.span, format!("an MTU of {bytes} is too small for IPv6"))
                        .also(ipv6.network.span, "of IPv6")
                        .help("write 1280 or more, or remove the IPv6 subnet"),
                );
            }
        }
        findings
    },
};

/// A vlan without its number.
pub(super) static NO_VLAN_ID: Rule = Rule {
    id: "vlan-without-id",
    severity: Severity::Warning,
    about: "vlan without vlanId, or with 0",
    why: "0 is no VLAN: frames are tagged with a priority alone, and switches take them as untagged",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context.plugins().iter().filter(|plugin| plugin.is("vlan")) {
            let id = plugin.get("vlanId");
            if id.is_some_and(|id| id.to_json() != 0) {
                continue;
            }
            let place = id.map_or(plugin.span(), |id| id.span);
            findings.push(
                NO_VLAN_ID
                    .at(place, "which VLAN is not said")
                    .help("add \"vlanId\": the number of the VLAN, 1 to 4094"),
            );
        }
        findings
    },
};

/// DHCP where no server can be asked.
pub(super) static NO_DHCP: Rule = Rule {
    id: "dhcp-unreachable",
    severity: Severity::Error,
    about: "dhcp behind dummy, or behind ipvlan in mode l3 or l3s",
    why: "a DHCP server is found by broadcast, which such an interface neither sends nor gets",
    check: |context| {
        let mut findings = Vec::new();
        for plugin in context
            .plugins()
            .iter()
            .filter(|plugin| plugin.ipam_name() == "dhcp")
        {
            let what = match (plugin.name(), plugin.text("mode")) {
                ("dummy", _) => "dummy sends nothing",
                ("ipvlan", Some("l3" | "l3s")) => "ipvlan passes no broadcasts in this mode",
                _ => continue,
            };
            let place = plugin
                .ipam
                .and_then(|ipam| ipam.kind)
                .map_or(plugin.span(), |(_, span)| span);
            findings.push(
                NO_DHCP
                    .at(place, format!("no DHCP server can be asked: {what}"))
                    .also(
                        plugin.get("mode").map_or(plugin.span(), |mode| mode.span),
                        "this one",
                    )
                    .help(
                        "take host-local or static for the addresses, or macvlan for the interface",
                    ),
            );
        }
        findings
    },
};

/// DHCP for interfaces that a server cannot tell apart by their MAC addresses.
pub(super) static DHCP_ON_IPVLAN: Rule = Rule {
    id: "dhcp-on-ipvlan",
    severity: Severity::Note,
    about: "dhcp behind ipvlan",
    why: "all interfaces of ipvlan have their master's MAC address; a server that goes by MAC addresses gives all containers the same address",
    check: |context| {
        let plugins = context.plugins().into_iter();
        let is_meant = |plugin: &Plugin<'_>| {
            plugin.is("ipvlan")
                && plugin.ipam_name() == "dhcp"
                && !matches!(plugin.text("mode"), Some("l3" | "l3s"))
        };
        let found = plugins
            .filter(is_meant)
            .filter_map(|plugin| plugin.ipam?.kind);
        found
            .map(|(_, span)| {
                DHCP_ON_IPVLAN
                    .at(span, "the DHCP server must tell containers apart by their client identifier")
                    .help("see that the server does, or take macvlan, whose interfaces have MAC addresses of their own")
            })
            .collect()
    },
};
