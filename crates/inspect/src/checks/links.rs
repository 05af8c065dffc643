//! Links of the host that containers need and that are not as they should be.

use std::net::IpAddr;

use ipnet::IpNet;

use super::promise::{Promise, addresses_in_use, gateways, promises};
use super::{Check, named, quoted};
use crate::attachment::Attachment;
use crate::finding::Finding;
use crate::link::{Link, Links};
use crate::{Host, System};

pub(super) const BRIDGE: Check = Check {
    id: "bridge-down",
    title: "bridges with containers are there, and up",
    looks_at: "the links of the host, and the networks of running containers",
    find: bridge,
};

fn bridge(host: &Host, _: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (promise, link) in bridges_in_use(host) {
        let name = promise.bridge.as_deref().unwrap_or_default();
        match link {
            None => findings.push(
                BRIDGE
                    .error(name, format!("the bridge {name} is not there"))
                    .why(format!("Running containers of network {} are cut off from everything.", promise.name))
                    .advise(format!(
                        "Restart the containers of network {}: the first that is attached makes the bridge anew.",
                        promise.name
                    )),
            ),
            Some(link) if !link.up => findings.push(
                BRIDGE
                    .error(name, format!("the bridge {name} is down"))
                    .why(format!("Containers of network {} reach neither each other nor the host.", promise.name))
                    .run(format!("ip link set {} up", quoted(name))),
            ),
            Some(_) => {}
        }
    }
    findings
}

/// The bridges that running containers should be on, each with the first network that has it.
fn bridges_in_use(host: &Host) -> Vec<(Promise<'_>, Option<&Link>)> {
    let Some(links) = host.links() else {
        return Vec::new();
    };
    let mut found: Vec<(Promise<'_>, Option<&Link>)> = Vec::new();
    for promise in promises(host) {
        let mut attachments = host.attachments_of(promise.name);
        if !attachments.any(|one| one.life.is_alive()) {
            continue;
        }
        let is_known = |(known, _): &(Promise<'_>, _)| known.bridge == promise.bridge;
        if let Some(name) = promise
            .bridge
            .as_deref()
            .filter(|_| !found.iter().any(is_known))
        {
            let link = links.named(name);
            found.push((promise, link));
        }
    }
    found
}

pub(super) const ADDRESS: Check = Check {
    id: "bridge-address",
    title: "bridges have the addresses of their gateways, and no others of IPv4",
    looks_at: "the addresses of bridges that are gateways of running containers, and the gateways of the configurations",
    find: address,
};

fn address(host: &Host, _: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (first, link) in bridges_in_use(host) {
        let name = first.bridge.as_deref().unwrap_or_default();
        let (Some(link), true) = (link, first.routes) else {
            continue;
        };
        let on_it =
            || promises(host).filter(|one| one.routes && one.bridge.as_deref() == Some(name));
        let wanted: Vec<IpNet> = on_it().flat_map(|one| gateways(host, one.name)).collect();
        let used: Vec<IpAddr> = on_it()
            .flat_map(|one| addresses_in_use(host, one.name))
            .collect();
        let is_used = |net: &&IpNet| used.iter().any(|address| net.contains(address));
        for gateway in wanted
            .iter()
            .filter(is_used)
            .filter(|net| !link.has(net.addr()))
        {
            let device = quoted(name);
            findings.push(
                ADDRESS
                    .error(name, format!("the bridge {name} has no address {gateway}"))
                    .why("It is the gateway of running containers, which reach nothing beyond their subnet.")
                    .run(format!("ip addr add {gateway} dev {device}")),
            );
        }
        let is_foreign = |net: &&IpNet| {
            net.addr().is_ipv4() && !wanted.iter().any(|one| one.addr() == net.addr())
        };
        for other in link
            .addresses
            .iter()
            .filter(is_foreign)
            .filter(|_| !wanted.is_empty())
        {
            let expected: Vec<String> = wanted.iter().map(ToString::to_string).collect();
            findings.push(
                ADDRESS
                    .error(name, format!("the bridge {name} has the address {other}, which is none of {}", expected.join(", ")))
                    .why("The next container is refused: its network wants another address on that bridge.")
                    .run(format!("ip addr del {other} dev {}", quoted(name))),
            );
        }
    }
    findings
}

pub(super) const MASTER: Check = Check {
    id: "master-down",
    title: "the links that containers' links are made on are there, and carry",
    looks_at: "\"master\" of macvlan, ipvlan and vlan, and the links of the host",
    find: master,
};

fn master(host: &Host, _: &System) -> Vec<Finding> {
    const KINDS: [&str; 3] = ["macvlan", "ipvlan", "vlan"];
    let Some(links) = host.links() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for promise in promises(host) {
        let is_kind = promise
            .network
            .plugins
            .first()
            .is_some_and(|one| KINDS.contains(&one.as_str()));
        let Some(name) = promise.master.filter(|_| is_kind) else {
            continue;
        };
        let subject = format!("network {}", promise.name);
        match links.named(&name) {
            None => findings.push(
                MASTER
                    .error(subject, format!("the link {name}, which network {} is made on, is not there", promise.name))
                    .why("No container can be attached to the network.")
                    .advise(format!(
                        "Correct \"master\" in {}, or bring the link back: `ip link` lists those that are there.",
                        promise.network.file.display()
                    )),
            ),
            Some(link) if !link.up => findings.push(
                MASTER
                    .error(subject, format!("the link {name}, which network {} is made on, is down", promise.name))
                    .why("Containers of the network reach nobody by it.")
                    .run(format!("ip link set {} up", quoted(&name))),
            ),
            Some(link) if !link.running => findings.push(
                MASTER
                    .warning(subject, format!("the link {name}, which network {} is made on, has no carrier", promise.name))
                    .why("Containers of the network reach nobody beyond this host.")
                    .advise("Look at the cable, the switch, or the other end."),
            ),
            Some(_) => {}
        }
    }
    findings
}

pub(super) const UNPLUGGED: Check = Check {
    id: "link-unplugged",
    title: "the links of running containers are up, and part of their bridge",
    looks_at: "the host's ends of running containers' links",
    find: unplugged,
};

fn unplugged(host: &Host, _: &System) -> Vec<Finding> {
    let Some(links) = host.links() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for promise in promises(host) {
        // Where the bridge is gone that is told once.
        let bridge = promise
            .bridge
            .as_deref()
            .filter(|name| links.named(name).is_some());
        for (one, link) in pairs(host, links, promise.name) {
            let (name, container) = (quoted(&link.name), named(one));
            let of = |what: &str| format!("the link {} of container {container} {what}", link.name);
            let found = |what: &str| {
                UNPLUGGED
                    .error(&link.name, of(what))
                    .why("The container reaches nobody.")
            };
            if !link.up {
                findings.push(found("is down").run(format!("ip link set {name} up")));
            }
            if let (Some(bridge), None) = (bridge, link.master) {
                let command = format!("ip link set {name} master {}", quoted(bridge));
                findings.push(found(&format!("is not part of the bridge {bridge}")).run(command));
            }
        }
    }
    findings
}

/// The running containers of a network whose interface is one end of a pair, with the other end.
fn pairs<'h>(
    host: &'h Host,
    links: &'h Links,
    network: &'h str,
) -> impl Iterator<Item = (&'h Attachment, &'h Link)> {
    let alive = host
        .attachments_of(network)
        .filter(|one| one.life.is_alive());
    alive
        .filter(|one| one.kind.as_deref() == Some("veth"))
        .filter_map(|one| Some((one, links.named(one.host_link.as_deref()?)?)))
}

pub(super) const MTU_ENDS: Check = Check {
    id: "mtu-differs",
    title: "both ends of a container's link take packets of the same size",
    looks_at: "the MTU of running containers' interfaces, of their other ends, and of their bridges",
    find: mtu_ends,
};

fn mtu_ends(host: &Host, _: &System) -> Vec<Finding> {
    let finding = |(one, link): (&Attachment, &Link)| {
        let inside = one.mtu.filter(|mtu| *mtu != link.mtu)?;
        let what = format!(
            "{} of container {} has an MTU of {inside}, its other end {} one of {}",
            one.ifname.as_deref().unwrap_or("the interface"),
            named(one),
            link.name,
            link.mtu
        );
        Some(
            MTU_ENDS
                .warning(&link.name, what)
                .why("Packets that are too large for the other end are dropped without a word: small ones pass, downloads hang.")
                .run(format!("ip link set {} mtu {inside}", quoted(&link.name))),
        )
    };
    let links = host.links().into_iter();
    let all =
        links.flat_map(|links| promises(host).flat_map(move |one| pairs(host, links, one.name)));
    all.filter_map(finding).collect()
}

pub(super) const MTU_UPLINK: Check = Check {
    id: "mtu-above-uplink",
    title: "containers send no larger packets than the host's way out takes",
    looks_at: "the MTU of running containers' interfaces, and that of the link of the host's default route",
    find: mtu_uplink,
};

fn mtu_uplink(host: &Host, _: &System) -> Vec<Finding> {
    let Some(uplink) = host.links().and_then(default_link) else {
        return Vec::new();
    };
    let finding = |promise: Promise<'_>| {
        let mut attachments = host
            .attachments_of(promise.name)
            .filter(|one| one.life.is_alive());
        // What a configuration asks for somebody has meant.
        let above = attachments.find(|one| one.mtu.is_some_and(|mtu| mtu > uplink.mtu))?;
        let is_meant = promise.mtu == above.mtu;
        let what = format!(
            "containers of network {} have an MTU of {}, and {} one of {}",
            promise.name,
            above.mtu.unwrap_or_default(),
            uplink.name,
            uplink.mtu
        );
        let subject = format!("network {}", promise.name);
        let finding = match is_meant {
            true => MTU_UPLINK.note(subject, what),
            false => MTU_UPLINK.warning(subject, what),
        };
        Some(
            finding
                .why("Servers beyond are told that larger packets arrive than do: small ones pass, downloads hang.")
                .advise(format!(
                    "Add \"mtu\": {} to the network's plugin in {}, and restart the containers.",
                    uplink.mtu,
                    promise.network.file.display()
                )),
        )
    };
    promises(host)
        .filter(|one| one.leads_outside)
        .filter_map(finding)
        .collect()
}

fn default_link(links: &Links) -> Option<&Link> {
    let default = links
        .routes
        .iter()
        .find(|route| route.destination.prefix_len() == 0)?;
    links.at(default.link?)
}

pub(super) const OVERLAP: Check = Check {
    id: "route-overlap",
    title: "no route of the host leads containers' addresses elsewhere",
    looks_at: "the host's routes within the subnets of networks that it routes for",
    find: overlap,
};

fn overlap(host: &Host, _: &System) -> Vec<Finding> {
    let Some(links) = host.links() else {
        return Vec::new();
    };
    let is_pair = |one: &&Attachment| one.kind.as_deref() == Some("veth");
    let of_containers = host.attachments.iter().filter(is_pair);
    let of_containers: Vec<&str> = of_containers
        .filter_map(|one| one.host_link.as_deref())
        .collect();
    let mut findings = Vec::new();
    for promise in promises(host).filter(|one| one.routes) {
        let subnets: Vec<IpNet> = gateways(host, promise.name)
            .iter()
            .map(IpNet::trunc)
            .collect();
        for route in &links.routes {
            let link = route.link.and_then(|index| links.at(index));
            let Some(link) = link else { continue };
            let is_own = promise.bridge.as_deref() == Some(link.name.as_str())
                || of_containers.contains(&link.name.as_str());
            let is_within = |subnet: &&IpNet| subnet.contains(&route.destination);
            let Some(subnet) = subnets.iter().find(is_within).filter(|_| !is_own) else {
                continue;
            };
            findings.push(
                OVERLAP
                    .error(
                        format!("network {}", promise.name),
                        format!("the host's route to {} by {} lies in the subnet {subnet} of network {}", route.destination, link.name, promise.name),
                    )
                    .why("What is sent to these addresses goes there, and not to containers; or what is there cannot be reached.")
                    .advise(format!("Give the network a subnet of its own in {}, or remove the route.", promise.network.file.display())),
            );
        }
    }
    findings
}
