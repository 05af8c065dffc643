//! Attachments whose containers are gone, or that are not as they were made.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{Check, listed, named, quoted};
use crate::attachment::Attachment;
use crate::finding::Finding;
use crate::life::UNDER_WAY;
use crate::{Host, Seen, System, provenance};

pub(super) const STALE: Check = Check {
    id: "attachment-stale",
    title: "every kept attachment has its container",
    looks_at: "the results that runtimes keep, and where the network namespace of each is",
    find: stale,
};

fn stale(host: &Host, _: &System) -> Vec<Finding> {
    let mut by_network: BTreeMap<&str, Vec<&Attachment>> = BTreeMap::new();
    for one in host.stale().filter(|one| one.is_kept()) {
        by_network.entry(&one.network).or_default().push(one);
    }
    let finding = |(network, gone): (&str, Vec<&Attachment>)| {
        let names: Vec<String> = gone.iter().map(|one| named(one)).collect();
        let what = match gone.len() {
            1 => format!("1 attachment outlived its container: {}", listed(&names)),
            many => format!(
                "{many} attachments outlived their containers: {}",
                listed(&names)
            ),
        };
        let why = format!(
            "They hold their addresses and published ports. Known of the first: {}.",
            gone[0].life.why().unwrap_or_default()
        );
        STALE
            .warning(format!("network {network}"), what)
            .why(why)
            .run(detach(host, network, &gone))
    };
    by_network.into_iter().map(finding).collect()
}

pub(super) const BEGUN: Check = Check {
    id: "attachment-begun",
    title: "every attachment that was begun is complete, or detached",
    looks_at: "what runtimes have noted of ADD and DEL (`pending` beside the kept results) more than five minutes ago",
    find: begun,
};

/// Those whose container is gone are told as such.
fn begun(host: &Host, _: &System) -> Vec<Finding> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let is_left = |one: &&Attachment| {
        let age = one.since.map(|since| now.saturating_sub(since));
        one.incomplete && !one.life.is_gone() && age.is_some_and(|age| age >= UNDER_WAY.as_secs())
    };
    let mut by_network: BTreeMap<&str, Vec<&Attachment>> = BTreeMap::new();
    for one in host.attachments.iter().filter(is_left) {
        by_network.entry(&one.network).or_default().push(one);
    }
    let finding = |(network, left): (&str, Vec<&Attachment>)| {
        let names: Vec<String> = left.iter().map(|one| named(one)).collect();
        let place = left.first().and_then(|one| cache_dir(one));
        let place = place.map(|dir| format!(" --cache-dir {}", quoted(dir.display())));
        BEGUN
            .warning(
                format!("network {network}"),
                format!("only begun is the attachment of {}", listed(&names)),
            )
            .why("Its ADD failed or was killed, or it could not be detached. It may hold an address, and published ports.")
            .run(format!("linkspan gc {}{}", quoted(network), place.unwrap_or_default()))
    };
    by_network.into_iter().map(finding).collect()
}

/// The command that detaches them: that for the whole network, where it would take them for gone, too.
fn detach(host: &Host, network: &str, gone: &[&Attachment]) -> String {
    let is_collected = |one: &&Attachment| {
        cached(one).is_some_and(|file| provenance::reason_to_live(file).is_none())
    };
    let place = gone.first().and_then(|one| cache_dir(one));
    let place = place.map(|dir| format!(" --cache-dir {}", quoted(dir.display())));
    let place = place.unwrap_or_default();
    if host.network(network).is_some() && gone.iter().all(is_collected) {
        return format!("linkspan gc {}{place}", quoted(network));
    }
    let one = |one: &&Attachment| {
        let netns = one.netns.as_ref().map(|path| path.display().to_string());
        format!(
            "linkspan del {} {} --container-id {} --ifname {}{place}",
            quoted(network),
            quoted(netns.unwrap_or_default()),
            quoted(&one.container),
            quoted(one.ifname.as_deref().unwrap_or_default()),
        )
    };
    gone.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn cached(one: &Attachment) -> Option<&std::path::Path> {
    one.seen.iter().find_map(|seen| match seen {
        Seen::Cache(path) => Some(path.as_path()),
        _ => None,
    })
}

/// The cache that it is kept in, unless that is the usual one.
fn cache_dir(one: &Attachment) -> Option<&std::path::Path> {
    let dir = cached(one)?.parent()?.parent()?;
    (dir != std::path::Path::new(crate::CACHE_DIRS[0])).then_some(dir)
}

pub(super) const CHANGED: Check = Check {
    id: "attachment-changed",
    title: "running containers have the interfaces and addresses that they were given",
    looks_at: "kept results, and the interfaces in the containers' network namespaces",
    find: changed,
};

fn changed(host: &Host, _: &System) -> Vec<Finding> {
    let finding = |one: &Attachment| {
        let network = host.network(&one.network);
        // Leases change.
        if network.is_some_and(|network| network.ipam.iter().any(|ipam| ipam == "dhcp")) {
            return None;
        }
        let (ifname, container) = (one.ifname.as_deref()?, named(one));
        let mut namespaces = host.namespaces.iter();
        let inside = namespaces.find(|namespace| Some(namespace.inode) == one.namespace)?;
        let links = inside.links.as_ref()?;
        let what = match links.named(ifname) {
            None => format!("container {container} has no interface {ifname} any more"),
            Some(link) => {
                let lost = lost(one, link)?;
                format!("{ifname} of container {container} has lost the address {lost}")
            }
        };
        Some(
            CHANGED
                .error(format!("container {container}"), what)
                .why(format!(
                    "It is attached to network {} and cannot be reached as such.",
                    one.network
                ))
                .advise("Restart the container."),
        )
    };
    let alive = host
        .attachments
        .iter()
        .filter(|one| one.life.is_alive() && one.is_kept());
    alive.filter_map(finding).collect()
}

/// An address that an interface was given and has no more. Some sandboxes take all from it, which then says nothing.
fn lost(one: &Attachment, link: &crate::link::Link) -> Option<std::net::IpAddr> {
    let assigned = one.assigned.iter().map(ipnet::IpNet::addr);
    let has_others = |address: &std::net::IpAddr| {
        let mut alike = link.addresses.iter().map(ipnet::IpNet::addr);
        alike.any(|other| other.is_ipv4() == address.is_ipv4() && !is_link_local(other))
    };
    let mut lost = assigned.filter(|address| !link.has(*address) && has_others(address));
    lost.next()
}

fn is_link_local(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(address) => address.is_link_local(),
        std::net::IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}
