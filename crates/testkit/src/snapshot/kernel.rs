//! The network state of one namespace.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Snapshot;
use crate::command::Cmd;
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
const VOLATILE_FLAGS: [&str; 5] = ["LOWER_UP", "linkdown", "NO-CARRIER", "M-DOWN", "DORMANT"];

/// One question to `ip`: the word in our facts, the line of the batch, and how an object of the answer is called.
type Question = (&'static str, &'static str, fn(&Value) -> String);

/// What is asked of all families at once, or of IPv4 alone where `ip` makes that of no family.
const QUESTIONS: [Question; 4] = [
    ("address", "address show", by_ifname),
    ("route", "route show table all", route),
    ("rule", "rule show", rule),
    ("neighbour", "neighbour show nud permanent", neighbour),
];

/// What is asked of IPv6 once more.
const QUESTIONS_OF_IPV6: [Question; 2] = [
    ("route", "route show table all", route),
    ("rule", "rule show", rule),
];

/// Looks at everything with few programs, for a snapshot is taken after each step of a test. Gives the links with their
/// addresses, as `ip` tells of them.
pub(super) fn look(netns: &Netns, firewall: bool, snapshot: &mut Snapshot) -> Vec<Value> {
    netns.enter(|| {
        let name = netns.name();
        let links = ask(name, &[], &QUESTIONS, snapshot);
        ask(name, &["-6"], &QUESTIONS_OF_IPV6, snapshot);
        if links
            .iter()
            .any(|link| link["linkinfo"]["info_kind"] == "bridge")
        {
            look_at_bridges(name, snapshot);
        }
        if firewall {
            look_at_nftables(name, snapshot);
            look_at_legacy_iptables(name, snapshot);
        }
        look_at_traffic_control(name, &links, snapshot);
        look_at_sysctls(name, snapshot);
        links
    })
}

/// Adds the answers of one run of `ip`, and gives those to the first question.
fn ask(
    netns: &str,
    options: &[&str],
    questions: &[Question],
    snapshot: &mut Snapshot,
) -> Vec<Value> {
    let batch: String = questions
        .iter()
        .flat_map(|(_, line, _)| [*line, "\n"])
        .collect();
    let printed = Cmd::new("ip")
        .args(options)
        .args(["-details", "-json", "-batch", "-"])
        .stdin(batch)
        .run();
    // A line is answered by an array, in a line of its own.
    let answers: Vec<Vec<Value>> = arrays("ip", &printed).collect();
    assert_eq!(
        answers.len(),
        questions.len(),
        "answers of ip -batch\n{printed}"
    );
    for ((kind, _, name), objects) in questions.iter().zip(&answers) {
        for object in objects.iter().filter(|object| !is_kernels_own(object)) {
            add(
                &format!("{netns} {kind} {}", name(object)),
                object,
                snapshot,
            );
        }
    }
    answers.into_iter().next().unwrap_or_default()
}

/// Ports, and the VLANs of all links that have any.
fn look_at_bridges(netns: &str, snapshot: &mut Snapshot) {
    let ports = Cmd::new("bridge")
        .args(["-details", "-json", "link", "show"])
        .run();
    let vlans = Cmd::new("bridge").args(["-json", "vlan", "show"]).run();
    for (kind, printed) in [("port", ports), ("vlan", vlans)] {
        for object in arrays("bridge", &printed).flatten() {
            add(
                &format!("{netns} {kind} {}", by_ifname(&object)),
                &object,
                snapshot,
            );
        }
    }
}

/// The objects of each array in what a program has printed.
fn arrays<'a>(program: &'a str, printed: &'a str) -> impl Iterator<Item = Vec<Value>> + 'a {
    serde_json::Deserializer::from_str(printed)
        .into_iter::<Value>()
        .map(move |array| match array {
            Ok(Value::Array(mut objects)) => {
                // `ip` leaves an empty object where it filters one out.
                objects.retain(|object| object.as_object().is_some_and(|map| !map.is_empty()));
                objects
            }
            Ok(other) => vec![other],
            Err(error) => panic!("{program} printed no JSON: {error}\n{printed}"),
        })
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
fn add(what: &str, object: &Value, snapshot: &mut Snapshot) {
    let mut object = object.clone();
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
    match what.split(' ').nth(1) {
        // All but the addresses is about the link itself.
        Some("address") => snapshot.add_json(&what.replacen(" address ", " link ", 1), &object),
        Some("vlan") => {}
        _ => snapshot.add_json(what, &object),
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
fn look_at_nftables(netns: &str, snapshot: &mut Snapshot) {
    let printed = Cmd::new("nft").args(["--json", "list", "ruleset"]).run();
    let ruleset: Value = serde_json::from_str(&printed)
        .unwrap_or_else(|error| panic!("nft printed no JSON: {error}\n{printed}"));
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
        let what = format!("{netns} nft {kind}{what}");
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
fn look_at_legacy_iptables(netns: &str, snapshot: &mut Snapshot) {
    for (names, program) in [
        ("ip_tables_names", "iptables-legacy-save"),
        ("ip6_tables_names", "ip6tables-legacy-save"),
    ] {
        let tables = fs::read_to_string(Path::new("/proc/thread-self/net").join(names));
        if tables.is_ok_and(|tables| tables.is_empty()) {
            continue;
        }
        let saved = Cmd::new(program).run();
        let rules = saved
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(without_counters);
        for (place, rule) in rules.enumerate() {
            snapshot.add(format!("{netns} {program} {place:04}"), rule);
        }
    }
}

/// A chain's line ends with its counters: `:INPUT ACCEPT [12:3456]`.
fn without_counters(line: &str) -> &str {
    line.rsplit_once(" [").map_or(line, |(line, _)| line)
}

fn look_at_traffic_control(netns: &str, links: &[Value], snapshot: &mut Snapshot) {
    let qdiscs = Cmd::new("tc").args(["qdisc", "show"]).run();
    // An interface without a queue of its own says nothing by that, and has no filters.
    let mut lines: Vec<String> = qdiscs
        .lines()
        .filter(|line| !line.contains("noqueue"))
        .map(str::to_owned)
        .collect();
    if !lines.is_empty() {
        lines.extend(links.iter().flat_map(filters));
    }
    for (place, line) in lines.iter().enumerate() {
        snapshot.add(format!("{netns} tc {place:04}"), line.trim_end());
    }
}

fn filters(link: &Value) -> Vec<String> {
    let ifname = text(&link["ifname"]);
    let of = |at: &str| {
        let shown = Cmd::new("tc")
            .args(["filter", "show", "dev", &ifname, at])
            .output();
        let prefix = format!("{ifname} {at} ");
        let lines: Vec<String> = shown
            .stdout
            .lines()
            .map(|line| format!("{prefix}{line}"))
            .collect();
        lines
    };
    ["root", "ingress", "egress"]
        .into_iter()
        .flat_map(of)
        .collect()
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
