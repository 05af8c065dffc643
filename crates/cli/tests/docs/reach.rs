//! Who reaches whom: the table of docs/choose.md is what packets did, in the worlds of examples.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::time::Duration;

use linkspan_testkit::Netns;
use linkspan_testkit::document::Document;
use serde_json::Value;

use crate::host::{HOST, Host, ROUTER};

/// The page with the table.
pub(crate) const PAGE: &str = "docs/choose.md";

/// The networks of the table, the examples that they are, and somebody on their LAN, where it is not the usual one.
const NETWORKS: [(&str, &str, &str); 10] = [
    ("bridge, masqueraded", "bridge-masquerade", ROUTER),
    ("bridge on the LAN", "bridge-lan", ROUTER),
    ("ptp, masqueraded", "ptp-masquerade", ROUTER),
    ("ptp, routed", "ptp-routed", ROUTER),
    ("macvlan, mode bridge", "macvlan-lan", ROUTER),
    ("macvlan, mode private", "macvlan-private", ROUTER),
    ("ipvlan, mode l2", "ipvlan-lan", ROUTER),
    ("ipvlan, mode l3", "ipvlan-l3", ROUTER),
    ("vlan", "vlan-100", "10.100.0.1"),
    ("host-device", "host-device-name", "198.51.100.1"),
];

/// How long an answer is waited for, and how often: the first packets wait for the answers of ARP.
const PATIENCE: Duration = Duration::from_millis(150);
const TRIES: usize = 3;
const PORT: u16 = 7;

/// Answers in a namespace, as whoever is asked does.
pub(crate) fn serve(netns: &Netns) {
    netns.serve_udp(&format!("0.0.0.0:{PORT}"));
}

/// The row of an example that is in the table, once both containers are attached.
pub(crate) fn row(host: &Host<'_>, example: &str, network: &str) -> Option<String> {
    let (title, _, peer) = NETWORKS.iter().find(|(_, name, _)| *name == example)?;
    let peer: IpAddr = peer.parse().unwrap();
    let [c1, c2] = ["c1", "c2"].map(|name| {
        address(network, name).or_else(|| {
            // Where it cannot be attached there is one container alone.
            host.run(&format!("linkspan add {network} {name}"));
            address(network, name)
        })
    });
    let c1 = c1.unwrap();
    let namespace = |name: &str| host.sandbox.existing_netns(name);
    let (one, lan) = (namespace("c1"), namespace("lan"));
    for netns in [&one, &namespace("c2"), &lan] {
        serve(netns);
    }
    let outside = asked(&one, peer);
    let seen = match outside {
        None => "–",
        Some(source) if source == c1 => "the container's",
        Some(_) => "the host's",
    };
    let yes = |answer: Option<IpAddr>| if answer.is_some() { "yes" } else { "no" };
    let neighbour = c2.map_or("there is none", |c2| yes(asked(&one, c2)));
    Some(format!(
        "| {title} | {neighbour} | {} | {} | {} | {} | {seen} | {} |\n",
        yes(asked(&one, HOST.parse().unwrap())),
        yes(asked(host.sandbox.host(), c1)),
        yes(outside),
        yes(asked(&lan, c1)),
        mac(host, &lan, c1),
    ))
}

/// The rows of the page's table, each with its place.
pub(crate) fn places(page: &Document, rows: &[String]) -> Vec<(Range<usize>, String)> {
    let region = page.region("who reaches whom");
    let place = |row: &String| {
        let title = row.split('|').nth(1).unwrap();
        let shown = &page.text[region.clone()];
        let found = shown.find(&format!("|{title}|"));
        let start = region.start + found.unwrap_or(shown.len());
        let end = found.map_or(start, |_| {
            start + page.text[start..].find('\n').unwrap() + 1
        });
        (start..end, row.clone())
    };
    rows.iter().map(place).collect()
}

/// The address that a container was given, as the runtime keeps it; `None` where it is not attached.
fn address(network: &str, container: &str) -> Option<IpAddr> {
    let kept = fs::read_dir("/var/lib/cni/results")
        .into_iter()
        .flatten()
        .flatten();
    let results = kept.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    let json = results.filter_map(|text| serde_json::from_str::<Value>(&text).ok());
    let mut own = json.filter(|json| {
        json["networkName"] == network && json["netns"] == format!("/run/netns/{container}")
    });
    let found = own.next()?;
    let text = found["result"]["ips"][0]["address"].as_str()?.to_owned();
    text.split('/').next()?.parse().ok()
}

/// Asks a server from inside a namespace, with the address that it sees; `None` where it does not answer.
fn asked(from: &Netns, server: IpAddr) -> Option<IpAddr> {
    from.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
        socket.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut buffer = [0; 256];
        for _ in 0..TRIES {
            // What cannot be sent is tried again like what is not answered.
            let _ = socket.send_to(b"?", (server, PORT));
            if let Ok(length) = socket.recv(&mut buffer) {
                let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let seen: SocketAddr = answer.lines().next()?.parse().ok()?;
                return Some(seen.ip());
            }
        }
        None
    })
}

/// Whose MAC address the LAN sends the container's packets to.
fn mac(host: &Host<'_>, lan: &Netns, container: IpAddr) -> &'static str {
    let known = lan.run(&format!("ip neighbour show {container}"));
    let own = host.run("cat /sys/class/net/eth0/address").stdout;
    match known.contains("lladdr") {
        true if known.contains(own.trim()) => "the host's",
        true => "the container's",
        false => "the host's",
    }
}
