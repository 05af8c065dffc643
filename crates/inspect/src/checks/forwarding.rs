//! Rules and policies that keep containers from what is beyond the host.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_netfilter::{Filter, Keeper};

use super::fate::{Fate, Packet, fate};
use super::promise::{Promise, gateways, promises};
use super::{Check, quoted};
use crate::attachment::Attachment;
use crate::finding::Finding;
use crate::{Host, System};

pub(super) const DROPPED: Check = Check {
    id: "forward-drop",
    title: "no rule drops what containers send beyond the host",
    looks_at: "the chains at the hook forward of nf_tables, iptables and iptables-legacy: a packet of each network that leads outside is \
               followed through their rules",
    find: dropped,
};

fn dropped(host: &Host, system: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for promise in promises(host).filter(|promise| promise.leads_outside) {
        for packet in packets(host, &promise) {
            for filter in &system.firewall.filters {
                let why = match fate(filter, &packet) {
                    Fate::DroppedByPolicy => "its policy is to drop, and no rule accepts them",
                    Fate::DroppedByRule => "a rule does that",
                    Fate::Passes | Fate::Unknown => continue,
                };
                let what = format!(
                    "the chain {filter} drops what containers of network {} send: {why}",
                    promise.name
                );
                let finding = DROPPED.error(format!("network {}", promise.name), what);
                findings.push(mended(finding, host, &promise, filter, &packet));
            }
        }
    }
    findings
}

pub(super) const BRIDGED: Check = Check {
    id: "bridged-drop",
    title: "no rule drops what containers on one bridge send each other",
    looks_at: "net.bridge.bridge-nf-call-iptables, and the same chains: a packet between two containers is followed through them",
    find: bridged,
};

// plugins#430
fn bridged(host: &Host, system: &System) -> Vec<Finding> {
    let is_called = |family: &str| {
        system
            .parameters
            .get(&format!("net/bridge/bridge-nf-call-{family}"))
            == Some("1")
    };
    let mut findings: Vec<Finding> = Vec::new();
    for promise in promises(host) {
        let Some(bridge) = &promise.bridge else {
            continue;
        };
        let neighbours = host.attachments_of(promise.name);
        let mut alive = neighbours.filter(|one| one.life.is_alive());
        let of_ipv4 = alive.find_map(|one| of_attachment(one, false, bridge));
        let Some(packet) = of_ipv4.filter(|_| is_called("iptables")) else {
            continue;
        };
        let drops = |filter: &&Filter| {
            let fate = fate(filter, &packet);
            fate == Fate::DroppedByPolicy || fate == Fate::DroppedByRule
        };
        for filter in system.firewall.filters.iter().filter(drops) {
            let command = match filter.keeper {
                Keeper::Legacy => "iptables-legacy",
                Keeper::Iptables => "iptables",
                Keeper::Nftables(_) => "",
            };
            let name = quoted(bridge);
            let what =
                format!("the chain {filter} drops what containers on {bridge} send each other");
            let finding = BRIDGED
                .error(format!("network {}", promise.name), what)
                .why(
                    "br_netfilter has frames that cross a bridge pass the rules of routed packets.",
                );
            findings.push(match (command, filter.keeper) {
                ("", Keeper::Nftables(family)) => finding.run(format!(
                    "nft insert rule {family} {} {} iifname {name} oifname {name} accept",
                    filter.table, filter.chain
                )),
                _ => finding.run(format!(
                    "{command} -I FORWARD -i {name} -o {name} -j ACCEPT"
                )),
            });
        }
    }
    findings
}

/// A packet for each family: of a container that runs, or of one that will.
fn packets(host: &Host, promise: &Promise<'_>) -> Vec<Packet> {
    let mut packets = Vec::new();
    for is_ipv6 in [false, true] {
        let Some(output) = uplink(host, is_ipv6) else {
            continue;
        };
        let attachments = host.attachments_of(promise.name);
        let mut alive = attachments.filter(|one| one.life.is_alive());
        let packet = alive.find_map(|one| of_attachment(one, is_ipv6, &output));
        packets.extend(packet.or_else(|| to_come(host, promise, is_ipv6, &output)));
    }
    packets
}

fn of_attachment(one: &Attachment, is_ipv6: bool, output: &str) -> Option<Packet> {
    let mut addresses = one.addresses.iter().map(IpNet::addr);
    Some(Packet {
        input: one.bridge.clone().or_else(|| one.host_link.clone())?,
        output: output.to_owned(),
        source: addresses.find(|address| address.is_ipv6() == is_ipv6)?,
    })
}

/// One of the network's first container, unless `firewall` will admit that.
fn to_come(host: &Host, promise: &Promise<'_>, is_ipv6: bool, output: &str) -> Option<Packet> {
    if promise.has("firewall") {
        return None;
    }
    let gateways = gateways(host, promise.name);
    let gateway = gateways
        .iter()
        .find(|net| net.addr().is_ipv6() == is_ipv6)?;
    let source = gateway.hosts().find(|address| *address != gateway.addr())?;
    Some(Packet {
        input: promise.bridge.clone()?,
        output: output.to_owned(),
        source,
    })
}

/// The link of the host's default route.
fn uplink(host: &Host, is_ipv6: bool) -> Option<String> {
    let links = host.links()?;
    let mut routes = links.routes.iter();
    let default = routes.find(|route| {
        route.destination.prefix_len() == 0 && route.destination.addr().is_ipv6() == is_ipv6
    })?;
    Some(links.at(default.link?)?.name.clone())
}

fn mended(
    finding: Finding,
    host: &Host,
    promise: &Promise<'_>,
    filter: &Filter,
    packet: &Packet,
) -> Finding {
    let firewall = match promise.has("firewall") {
        true => "",
        false => {
            " The plugin firewall, at the end of the network's chain, has each container admitted."
        }
    };
    let gateways = gateways(host, promise.name).into_iter();
    let subnet = gateways
        .map(|net| net.trunc())
        .find(|net| net.contains(&packet.source));
    let subnet = subnet.unwrap_or(IpNet::from(packet.source));
    let command = admission(filter, subnet, promise.bridge.as_deref(), packet.source);
    finding
        .why(format!(
            "A packet of {} by {} to {} does not get through.{firewall}",
            packet.source, packet.input, packet.output
        ))
        .run(command)
}

/// What lets through what containers send, and the answers.
fn admission(filter: &Filter, subnet: IpNet, bridge: Option<&str>, source: IpAddr) -> String {
    let ip = if source.is_ipv6() { "ip6" } else { "ip" };
    if let Keeper::Nftables(family) = filter.keeper {
        let (table, chain) = (quoted(&filter.table), quoted(&filter.chain));
        let insert = format!("nft insert rule {family} {table} {chain}");
        return format!(
            "{insert} {ip} saddr {subnet} accept && {insert} {ip} daddr {subnet} ct state established,related accept"
        );
    }
    let command = match (filter.keeper, source.is_ipv6()) {
        (Keeper::Legacy, _) => format!("{ip}tables-legacy"),
        _ => format!("{ip}tables"),
    };
    let [from, to] = ["-i", "-o"].map(|option| {
        let bridge = bridge.map(|bridge| format!("{option} {} ", quoted(bridge)));
        bridge.unwrap_or_default()
    });
    format!(
        "{command} -I FORWARD {from}-s {subnet} -j ACCEPT && {command} -I FORWARD {to}-d {subnet} -m conntrack --ctstate \
         RELATED,ESTABLISHED -j ACCEPT"
    )
}
