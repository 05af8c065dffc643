//! Kernel parameters that keep packets from their way.

use std::net::IpAddr;

use super::Check;
use super::promise::{Promise, addresses_in_use, gateways, promises};
use crate::finding::Finding;
use crate::repair::Repair;
use crate::system::dotted;
use crate::{Host, System};

pub(super) const IP_FORWARD: Check = Check {
    id: "ip-forward-off",
    title: "the host forwards what containers send",
    looks_at: "the forwarding parameters of the host and of the links to containers of networks that the host routes for",
    find: ip_forward,
};

fn ip_forward(host: &Host, system: &System) -> Vec<Finding> {
    let mut paths: Vec<(String, String)> = Vec::new();
    for promise in promises(host).filter(|promise| promise.leads_outside) {
        for path in off(host, system, &promise) {
            if !paths.iter().any(|(known, _)| *known == path) {
                paths.push((path, promise.name.to_owned()));
            }
        }
    }
    let finding = |(path, network): (String, String)| {
        let shown = dotted(&path);
        IP_FORWARD
            .error(&shown, format!("{shown} is 0"))
            .why(format!(
                "Containers of network {network} reach nothing beyond this host: the plugins switch it on at ADD, and something \
                 has switched it off since."
            ))
            .run(format!("sysctl -w {shown}=1"))
            .repaired_by([Repair::Parameter {
                path,
                value: "1".to_owned(),
            }])
    };
    paths.into_iter().map(finding).collect()
}

/// The parameters that are off and should not be, the host's before its links'. Only containers that are there show that
/// something has switched them off.
fn off(host: &Host, system: &System, promise: &Promise<'_>) -> Vec<String> {
    let mut paths = Vec::new();
    let is_off = |path: &str| system.parameters.get(path) == Some("0");
    let in_use: Vec<IpAddr> = addresses_in_use(host, promise.name).collect();
    if in_use.iter().any(IpAddr::is_ipv4) {
        let of_link = promise.bridge.as_ref();
        let of_link = of_link.map(|link| format!("net/ipv4/conf/{link}/forwarding"));
        let all = "net/ipv4/ip_forward".to_owned();
        // The one for all sets those of all links.
        paths.extend(
            [Some(all), of_link]
                .into_iter()
                .flatten()
                .find(|path| is_off(path)),
        );
    }
    let all = "net/ipv6/conf/all/forwarding";
    if in_use.iter().any(IpAddr::is_ipv6) && is_off(all) {
        paths.push(all.to_owned());
    }
    paths
}

pub(super) const IPV6_DISABLED: Check = Check {
    id: "ipv6-disabled",
    title: "networks with IPv6 addresses have IPv6",
    looks_at: "net.ipv6.conf.all.disable_ipv6 and that of bridges, where a network gives addresses of IPv6",
    find: ipv6_disabled,
};

fn ipv6_disabled(host: &Host, system: &System) -> Vec<Finding> {
    let mut findings = Vec::new();
    for promise in promises(host) {
        let name = promise.name;
        let gives_ipv6 = gateways(host, name).iter().any(|net| net.addr().is_ipv6());
        if !gives_ipv6 || !promise.routes {
            continue;
        }
        let of_bridge = promise.bridge.as_ref();
        let of_bridge = of_bridge.map(|link| format!("net/ipv6/conf/{link}/disable_ipv6"));
        let paths = [Some("net/ipv6/conf/all/disable_ipv6".to_owned()), of_bridge];
        let mut paths = paths.into_iter().flatten();
        let Some(path) = paths.find(|path| system.parameters.get(path) == Some("1")) else {
            continue;
        };
        let shown = dotted(&path);
        findings.push(
            IPV6_DISABLED
                .error(&shown, format!("{shown} is 1, and network {name} gives addresses of IPv6"))
                .why("The gateway gets no address of IPv6, so that ADD fails or containers reach nothing.")
                .run(format!("sysctl -w {shown}=0")),
        );
    }
    findings
}

pub(super) const CONNTRACK: Check = Check {
    id: "conntrack-full",
    title: "there is room for connections",
    looks_at: "net.netfilter.nf_conntrack_count and nf_conntrack_max: eight of ten in use",
    find: conntrack,
};

/// From how many of a hundred the table of connections is nearly full, and from how many it drops those that come at once.
const NEARLY_FULL: u64 = 80;
const FULL: u64 = 95;

fn conntrack(_: &Host, system: &System) -> Vec<Finding> {
    let number = |name: &str| {
        system
            .parameters
            .number(&format!("net/netfilter/nf_conntrack_{name}"))
    };
    let (Some(count), Some(max)) = (number("count"), number("max").filter(|max| *max > 0)) else {
        return Vec::new();
    };
    let percent = count.saturating_mul(100) / max;
    let what = format!("{count} of {max} connections are remembered, {percent} %");
    let finding = match percent {
        FULL.. => CONNTRACK.error("connection tracking", what),
        NEARLY_FULL.. => CONNTRACK.warning("connection tracking", what),
        _ => return Vec::new(),
    };
    vec![
        finding
            .why("When the table is full, new connections of containers and of the host are dropped (\"table full\" in dmesg).")
            .run(format!("sysctl -w net.netfilter.nf_conntrack_max={}", max.saturating_mul(2))),
    ]
}

pub(super) const NEIGHBOURS: Check = Check {
    id: "neighbour-table-small",
    title: "the host can remember the hardware addresses of all containers",
    looks_at: "net.ipv4.neigh.default.gc_thresh3, and how many containers run",
    find: neighbours,
};

fn neighbours(host: &Host, system: &System) -> Vec<Finding> {
    const PATH: &str = "net/ipv4/neigh/default/gc_thresh3";
    let Some(max) = system.parameters.number(PATH).filter(|max| *max > 0) else {
        return Vec::new();
    };
    let alive = host.attachments.iter().filter(|one| one.life.is_alive());
    let count = alive.filter(|one| one.bridge.is_some()).count() as u64;
    if count.saturating_mul(100) < max.saturating_mul(NEARLY_FULL) {
        return Vec::new();
    }
    let shown = dotted(PATH);
    vec![
        NEIGHBOURS
            .warning(&shown, format!("{shown} is {max}, and {count} containers are on bridges of this host"))
            .why("When the table overflows, packets to containers are dropped (\"neighbour table overflow\" in dmesg).")
            .run(format!("sysctl -w {shown}={}", count.max(max).saturating_mul(4))),
    ]
}

pub(super) const RP_FILTER: Check = Check {
    id: "rp-filter-strict",
    title: "answers of containers on several networks pass the check of their source",
    looks_at: "rp_filter of the links to containers that have interfaces on several networks that the host routes for",
    find: rp_filter,
};

fn rp_filter(host: &Host, system: &System) -> Vec<Finding> {
    let routed: Vec<Promise<'_>> = promises(host).filter(|one| one.routes).collect();
    let is_routed = |network: &str| routed.iter().find(|one| one.name == network);
    let filter = |link: &str| {
        let of = |name: &str| {
            system
                .parameters
                .number(&format!("net/ipv4/conf/{name}/rp_filter"))
        };
        of(link).max(of("all"))
    };
    let mut links: Vec<(String, String)> = Vec::new();
    for one in host.attachments.iter().filter(|one| one.life.is_alive()) {
        let Some(promise) = is_routed(&one.network).filter(|promise| !promise.has("sbr")) else {
            continue;
        };
        let mut others = host.attachments.iter().filter(|other| {
            other.container == one.container
                && other.network != one.network
                && other.life.is_alive()
        });
        let has_other = others.any(|other| is_routed(&other.network).is_some());
        let link = one.bridge.as_ref().or(one.host_link.as_ref());
        if let (true, Some(link)) = (has_other, link)
            && filter(link) == Some(1)
            && !links.iter().any(|(known, _)| known == link)
        {
            links.push((link.clone(), promise.name.to_owned()));
        }
    }
    let finding = |(link, network): (String, String)| {
        RP_FILTER
            .note(&link, format!("rp_filter of {link} is strict, and containers of network {network} are on other networks, too"))
            .why("A container answers by its default route, and the host drops what comes from the address of another link.")
            .advise(format!(
                "Add the plugin sbr to the chain of network {network}, or accept it: `sysctl -w net.ipv4.conf.all.rp_filter=2`."
            ))
    };
    links.into_iter().map(finding).collect()
}

pub(super) const LINK_KINDS: Check = Check {
    id: "kernel-link-kind-missing",
    title: "the kernel can make the links that networks need",
    looks_at: "the plugins of the networks in force; links of each kind that is not there yet are made in a namespace of their own",
    find: link_kinds,
};

fn link_kinds(_: &Host, system: &System) -> Vec<Finding> {
    let finding = |kind: &String| {
        LINK_KINDS
            .error(format!("link kind {kind}"), format!("this kernel cannot make links of the kind {kind}"))
            .why("Networks that need such attach no container.")
            .advise(format!(
                "`modprobe {kind}` loads it where the kernel has it as a module that it may not load by itself; else another kernel is needed."
            ))
    };
    system.missing_link_kinds.iter().map(finding).collect()
}
