//! The network state of one namespace.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Snapshot;
use crate::netns::Netns;

/// Keys whose values change by themselves or depend on what happened before.
const VOLATILE: [&str; 22] = [
    "ifindex",
    "link_index",
    "link_netnsid",
    "operstate",
    "stats",
    "stats64",
    "valid_life_time",
    "preferred_life_time",
    "hello_timer",
    "tcn_timer",
    "topology_change_timer",
    "gc_timer",
    "hold_timer",
    "message_age_timer",
    "forward_delay_timer",
    "root_id",
    "bridge_id",
    "designated_root",
    "designated_bridge",
    "handle",
    "expires",
    "tentative",
];

/// Flags that follow the operational state.
const VOLATILE_FLAGS: [&str; 4] = ["LOWER_UP", "NO-CARRIER", "M-DOWN", "DORMANT"];

/// One question to `ip` or `bridge`: the word in our facts, the command, and how an object of the answer is called.
type Question = (&'static str, &'static str, fn(&Value) -> String);

const QUESTIONS: [Question; 8] = [
    ("link", "ip -details -json link show", by_ifname),
    ("address", "ip -json address show", by_ifname),
    ("route", "ip -details -json route show table all", route),
    ("route", "ip -6 -details -json route show table all", route),
    ("rule", "ip -json rule show; ip -6 -json rule show", rule),
    (
        "neighbour",
        "ip -json neighbour show nud permanent",
        neighbour,
    ),
    ("port", "bridge -details -json link show", by_ifname),
    ("vlan", "bridge -json vlan show", by_ifname),
];

/// Stands between two answers.
const MARK: &str = "@@next@@";

pub(super) fn look(netns: &Netns, snapshot: &mut Snapshot) {
    let script: Vec<&str> = QUESTIONS.iter().map(|(_, command, _)| *command).collect();
    let answers = netns.run(&script.join(&format!("; echo '{MARK}'; ")));
    for ((kind, command, name), answer) in QUESTIONS.iter().zip(answers.split(MARK)) {
        for object in objects(command, answer)
            .into_iter()
            .filter(|object| !is_kernels_own(object))
        {
            add(
                &format!("{} {kind} {}", netns.name(), name(&object)),
                object,
                snapshot,
            );
        }
    }
    look_at_nftables(netns, snapshot);
    look_at_legacy_iptables(netns, snapshot);
    look_at_traffic_control(netns, snapshot);
    netns.enter(|| look_at_sysctls(netns.name(), snapshot));
}

/// The objects in the answer, which may be several arrays, or nothing at all.
fn objects(command: &str, answer: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(answer)
        .into_iter::<Value>()
        .flat_map(|array| match array {
            Ok(Value::Array(objects)) => objects,
            Ok(other) => vec![other],
            Err(error) => panic!("`{command}` printed no JSON: {error}\n{answer}"),
        })
        // `ip` leaves an empty object where it filters one out.
        .filter(|object| object.as_object().is_some_and(|map| !map.is_empty()))
        .collect()
}

/// Whether it is a route that the kernel makes and removes as addresses and carriers of IPv6 come and go.
fn is_kernels_own(route: &Value) -> bool {
    let dst = route["dst"].as_str().unwrap_or_default();
    dst.starts_with("fe80:")
        || dst.starts_with("ff00:")
        || (dst.contains(':') && route["table"] == "local")
}

/// Whether it is an address that the kernel makes some time after an interface has got its carrier.
fn is_link_local(address: &Value) -> bool {
    address["local"]
        .as_str()
        .is_some_and(|address| address.starts_with("fe80:"))
}

/// Adds an object; of an interface's addresses and VLANs each as a fact of its own.
fn add(what: &str, mut object: Value, snapshot: &mut Snapshot) {
    strip(&mut object);
    if let (Some(map), true) = (object.as_object_mut(), what.contains(" port ")) {
        // bridge(8) prints the index of the port's link here, or the name of another interface with that index.
        map.remove("link");
    }
    let lists: &[&str] = &["addr_info", "vlans"];
    for list in lists {
        let Some(Value::Array(items)) = object.as_object_mut().and_then(|map| map.remove(*list))
        else {
            continue;
        };
        for item in items.into_iter().filter(|item| !is_link_local(item)) {
            let name = match (&item["local"], &item["vlan"]) {
                (Value::String(address), _) => format!("{address}/{}", item["prefixlen"]),
                (_, vlan) => vlan.to_string(),
            };
            snapshot.add_json(&format!("{what} {name}"), &item);
        }
    }
    // Of an interface in the list of addresses, all but the addresses stands in the list of links.
    if !what
        .split(' ')
        .nth(1)
        .is_some_and(|kind| kind == "address" || kind == "vlan")
    {
        snapshot.add_json(what, &object);
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            if let Some(Value::Array(flags)) = map.get_mut("flags") {
                flags.retain(|flag| {
                    !flag
                        .as_str()
                        .is_some_and(|flag| VOLATILE_FLAGS.contains(&flag))
                });
            }
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn by_ifname(object: &Value) -> String {
    text(&object["ifname"])
}

/// A route by what tells it from all others.
fn route(object: &Value) -> String {
    let part = |key: &str| match &object[key] {
        Value::Null => String::new(),
        value => format!(" {key} {}", text(value)),
    };
    let parts: String = ["type", "table", "metric", "dev", "gateway"]
        .into_iter()
        .map(part)
        .collect();
    format!("{}{parts}", text(&object["dst"]))
}

fn rule(object: &Value) -> String {
    format!("{object}")
}

fn neighbour(object: &Value) -> String {
    format!("{} {}", text(&object["dev"]), text(&object["dst"]))
}

/// Rules by their place in their chain, elements of sets each by itself, everything else by name.
fn look_at_nftables(netns: &Netns, snapshot: &mut Snapshot) {
    let ruleset = netns.json("nft --json list ruleset");
    let mut places = std::collections::BTreeMap::new();
    for object in ruleset["nftables"].as_array().into_iter().flatten() {
        let Some((kind, body)) = object.as_object().and_then(|map| map.iter().next()) else {
            continue;
        };
        if kind == "metainfo" {
            continue;
        }
        let mut body = body.clone();
        strip_nftables(&mut body);
        let part = |key: &str| {
            body[key]
                .as_str()
                .map_or_else(String::new, |name| format!(" {name}"))
        };
        let mut what: String = ["family", "table", "chain", "name"]
            .into_iter()
            .map(part)
            .collect();
        if kind == "rule" {
            let place = places.entry(what.clone()).or_insert(0);
            *place += 1;
            what = format!("{what} #{place}");
        }
        let what = format!("{} nft {kind}{what}", netns.name());
        if let Some(Value::Array(elements)) =
            body.as_object_mut().and_then(|map| map.remove("elem"))
        {
            for element in elements {
                snapshot.add(format!("{what} element {element}"), "");
            }
        }
        snapshot.add(what, body.to_string());
    }
}

/// Takes handles away and sets counters to zero; the time that an element has left goes, too.
fn strip_nftables(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.remove("handle");
            map.remove("expires");
            if let Some(Value::Object(counter)) = map.get_mut("counter") {
                counter.values_mut().for_each(|count| *count = 0.into());
            }
            map.values_mut().for_each(strip_nftables);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nftables),
        _ => {}
    }
}

/// The rules of the legacy iptables, when a table of it exists; asking for them would make the tables.
fn look_at_legacy_iptables(netns: &Netns, snapshot: &mut Snapshot) {
    for (names, program) in [
        ("ip_tables_names", "iptables-legacy-save"),
        ("ip6_tables_names", "ip6tables-legacy-save"),
    ] {
        let line = format!("if grep -q . /proc/net/{names} 2>/dev/null; then {program}; fi");
        let saved = netns.run(&line);
        let rules = saved
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(without_counters);
        for (place, rule) in rules.enumerate() {
            snapshot.add(format!("{} {program} {place:04}", netns.name()), rule);
        }
    }
}

/// A chain's line ends with its counters: `:INPUT ACCEPT [12:3456]`.
fn without_counters(line: &str) -> &str {
    line.rsplit_once(" [").map_or(line, |(line, _)| line)
}

fn look_at_traffic_control(netns: &Netns, snapshot: &mut Snapshot) {
    let script = "tc qdisc show; for link in $(ls /sys/class/net); do for at in root ingress egress; do \
                  tc filter show dev $link $at 2>/dev/null | sed \"s/^/$link $at /\"; done; done";
    for (place, line) in netns.run(script).lines().enumerate() {
        // An interface without a queue of its own says nothing by that.
        if !line.contains("noqueue") {
            snapshot.add(format!("{} tc {place:04}", netns.name()), line.trim_end());
        }
    }
}

fn look_at_sysctls(netns: &str, snapshot: &mut Snapshot) {
    let net = Path::new("/proc/sys/net");
    sysctl(netns, net, &net.join("ipv4/ip_forward"), snapshot);
    for family in ["ipv4/conf", "ipv6/conf"] {
        for interface in fs::read_dir(net.join(family))
            .into_iter()
            .flatten()
            .flatten()
        {
            for file in fs::read_dir(interface.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                sysctl(netns, net, &file.path(), snapshot);
            }
        }
    }
}

fn sysctl(netns: &str, net: &Path, file: &Path, snapshot: &mut Snapshot) {
    // Some can only be written, and stable_secret cannot be read before it is set.
    if let Ok(value) = fs::read_to_string(file) {
        let name = file.strip_prefix(net).unwrap_or(file);
        snapshot.add(format!("{netns} sysctl {}", name.display()), value.trim());
    }
}
