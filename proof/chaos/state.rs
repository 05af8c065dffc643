//! What a host and its containers have, as a set of lines that is made in a millisecond or two.
//!
//! It sees what a plugin can change in namespaces and directories, in fewer words than [`Snapshot`](linkspan_testkit::Snapshot), which takes
//! programs and a tenth of a second; not the legacy iptables, nor of the parameters in `/proc/sys` others than a link's and forwarding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use linkspan_testkit::{Netns, tells_of_calls};

use crate::netlink::{Socket, attribute, attributes, half, text, word};

/// Kinds of messages of rtnetlink.
const LINKS: u16 = 18;
const ADDRESSES: u16 = 22;
const ROUTES: u16 = 26;
const NEIGHBOURS: u16 = 30;
const RULES: u16 = 34;
const QDISCS: u16 = 38;
const FILTERS: u16 = 46;

/// Kinds of messages of nf_tables.
const TABLES: u16 = 10 << 8 | 1;
const CHAINS: u16 = 10 << 8 | 4;
const NFT_RULES: u16 = 10 << 8 | 7;
const SETS: u16 = 10 << 8 | 10;
const ELEMENTS: u16 = 10 << 8 | 13;

/// What a link is switched to: up, promiscuous, all of multicast, no ARP, multicast.
const FLAGS: u32 = 0x1 | 0x100 | 0x200 | 0x80 | 0x1000;

/// Files that stay when the last attachment goes, with nothing about it in them.
const STAYS: [&str; 3] = ["lock", "last_reserved_ip.0", "last_reserved_ip.1"];

/// Lines, each about one thing.
pub(crate) type State = BTreeSet<String>;

/// A namespace that is looked at.
pub(crate) struct View {
    name: String,
    route: Socket,
    netfilter: Option<Socket>,
}

impl View {
    pub(crate) fn of(netns: &Netns) -> Self {
        let (route, netfilter) = netns.enter(|| {
            let is_host = netns.name() == "host";
            (Socket::route(), is_host.then(Socket::netfilter))
        });
        Self {
            name: netns.name().to_owned(),
            route,
            netfilter,
        }
    }

    pub(crate) fn look(&self, state: &mut State) {
        let names = self.links(state);
        let name = |index: u32| names.get(&index).cloned().unwrap_or_default();
        self.addresses(&name, state);
        self.routes(&name, state);
        for rule in self.route.dump(RULES, &[0; 12]) {
            self.add(state, format!("rule {}", hex(&rule)));
        }
        for neighbour in self.route.dump(NEIGHBOURS, &[0; 12]) {
            // NUD_PERMANENT.
            if half(&neighbour, 8) & 0x80 != 0 {
                let all = attributes(&neighbour[12..]);
                let (to, is) = (hex(attribute(&all, 1)), hex(attribute(&all, 2)));
                let link = name(word(&neighbour, 4));
                self.add(state, format!("neighbour {to} {is} on {link}"));
            }
        }
        self.traffic_control(&names, state);
        if let Some(netfilter) = &self.netfilter {
            for line in nftables(netfilter) {
                self.add(state, line);
            }
        }
    }

    fn add(&self, state: &mut State, line: String) {
        state.insert(format!("{} {line}", self.name));
    }

    fn links(&self, state: &mut State) -> BTreeMap<u32, String> {
        let links = self.route.dump(LINKS, &[0; 16]);
        let of = |link: &Vec<u8>| text(attribute(&attributes(&link[16..]), 3));
        let names: BTreeMap<u32, String> =
            links.iter().map(|link| (word(link, 4), of(link))).collect();
        for link in &links {
            let all = attributes(&link[16..]);
            let name = of(link);
            let info = attributes(attribute(&all, 18));
            let kind = text(attribute(&info, 1));
            let flags = word(link, 8) & FLAGS;
            let (mtu, queue) = (word(attribute(&all, 4), 0), word(attribute(&all, 13), 0));
            let master = names.get(&word(attribute(&all, 10), 0));
            let alias = text(attribute(&all, 20));
            self.add(state, format!(
                "link {name} {kind} mtu {mtu} queue {queue} flags {flags:x} master {master:?} alias {alias}"
            ));
            // A bridge has one of its ports', and the half of `bandwidth` one by chance.
            if kind != "bridge" && !name.starts_with("bwp") {
                self.add(
                    state,
                    format!("address of {name} {}", hex(attribute(&all, 1))),
                );
            }
            for (family, conf) in attributes(attribute(&all, 26)) {
                // The parameters in net/ipv4/conf and net/ipv6/conf: IFLA_INET_CONF, IFLA_INET6_CONF.
                let number = if family == 2 { 1 } else { 2 };
                let conf = hex(attribute(&attributes(conf), number));
                self.add(
                    state,
                    format!("parameters of {name} family {family} {conf}"),
                );
            }
        }
        names
    }

    fn addresses(&self, name: &impl Fn(u32) -> String, state: &mut State) {
        for address in self.route.dump(ADDRESSES, &[0; 8]) {
            let all = attributes(&address[8..]);
            let (family, prefix, scope) = (address[0], address[1], address[3]);
            // Link-local ones of IPv6 come by themselves.
            if (family, scope) != (10, 253) {
                let (is, peer) = (hex(attribute(&all, 2)), hex(attribute(&all, 1)));
                let link = name(word(&address, 4));
                self.add(
                    state,
                    format!("address {is} peer {peer}/{prefix} on {link}"),
                );
            }
        }
    }

    fn routes(&self, name: &impl Fn(u32) -> String, state: &mut State) {
        for route in self.route.dump(ROUTES, &[0; 12]) {
            let all = attributes(&route[12..]);
            let to = hex(attribute(&all, 1));
            let (family, table) = (route[0], word(attribute(&all, 15), 0));
            // What IPv6 does for link-local addresses, multicast and its own.
            if family == 10 && (to.starts_with("fe80") || to.starts_with("ff00") || table == 255) {
                continue;
            }
            let (length, kind, scope) = (route[1], route[7], route[6]);
            let link = name(word(attribute(&all, 4), 0));
            let (by, from, metric) = (
                hex(attribute(&all, 5)),
                hex(attribute(&all, 7)),
                word(attribute(&all, 6), 0),
            );
            self.add(state, format!(
                "route {family} {to}/{length} by {by} on {link} table {table} kind {kind} scope {scope} from {from} metric {metric}"
            ));
        }
    }

    fn traffic_control(&self, names: &BTreeMap<u32, String>, state: &mut State) {
        for qdisc in self.route.dump(QDISCS, &[0; 20]) {
            let all = attributes(&qdisc[20..]);
            let (index, kind) = (word(&qdisc, 4), text(attribute(&all, 1)));
            let Some(link) = names.get(&index).filter(|_| kind != "noqueue") else {
                continue;
            };
            let (handle, parent) = (word(&qdisc, 8), word(&qdisc, 12));
            // What HTB tells as options has a counter in it.
            let options = if kind == "htb" {
                String::new()
            } else {
                hex(attribute(&all, 2))
            };
            // The handle of what comes by itself counts up.
            let handle = if parent == u32::MAX { handle } else { 0 };
            self.add(
                state,
                format!("qdisc {kind} {handle:x} on {link} {options}"),
            );
            for parent in [0xffff_fff2_u32, 0xffff_fff3, handle] {
                let mut question = [0; 20];
                question[4..8].copy_from_slice(&index.to_ne_bytes());
                question[12..16].copy_from_slice(&parent.to_ne_bytes());
                for filter in self.route.dump(FILTERS, &question) {
                    let kind = text(attribute(&attributes(&filter[20..]), 1));
                    self.add(state, format!("filter {kind} on {link} at {parent:x}"));
                }
            }
        }
    }
}

/// Tables, chains, rules in their order, sets and their elements; without handles, counters and times.
fn nftables(socket: &Socket) -> Vec<String> {
    let mut lines = Vec::new();
    let mut all = |what: &str, kind: u16, numbers: &[u16]| {
        let mut places: BTreeMap<String, u32> = BTreeMap::new();
        let objects = socket.dump(kind, &[0; 4]);
        for object in &objects {
            let attributes = attributes(&object[4..]);
            let (family, table, name) = (
                object[0],
                text(attribute(&attributes, 1)),
                text(attribute(&attributes, 2)),
            );
            let mut line = format!("nft {what} {family} {table}");
            if what == "rule" {
                let place = places
                    .entry(format!("{family} {table} {name}"))
                    .or_default();
                *place += 1;
                let _ = write!(
                    line,
                    " {name} #{place} {}",
                    expressions(attribute(&attributes, 4))
                );
            }
            for number in numbers {
                let _ = write!(line, " {}", hex_or_text(attribute(&attributes, *number)));
            }
            lines.push(line);
        }
        objects
    };
    all("table", TABLES, &[2]);
    all("chain", CHAINS, &[3, 4, 5, 7]);
    all("rule", NFT_RULES, &[7]);
    let sets = all("set", SETS, &[2, 3, 4, 5, 6, 7]);
    for set in &sets {
        let of_set = attributes(&set[4..]);
        let (table, name) = (attribute(&of_set, 1), attribute(&of_set, 2));
        let mut question = vec![set[0], 0, 0, 0];
        for (number, value) in [(1_u16, table), (2, name)] {
            question.extend(u16::try_from(value.len() + 4).unwrap().to_ne_bytes());
            question.extend(number.to_ne_bytes());
            question.extend(value);
            question.resize(question.len().next_multiple_of(4), 0);
        }
        for part in socket.dump(ELEMENTS, &question) {
            for (_, element) in attributes(attribute(&attributes(&part[4..]), 3)) {
                let mut line = format!("nft element of {} {}", text(table), text(name));
                let fields = attributes(element);
                for number in [1, 2, 3, 10] {
                    let _ = write!(line, " {}", hex(attribute(&fields, number)));
                }
                // The comment.
                let _ = write!(line, " {}", hex_or_text(attribute(&fields, 6)));
                lines.push(line);
            }
        }
    }
    lines
}

/// A rule's expressions, without what counts.
fn expressions(list: &[u8]) -> String {
    let mut text_of = String::new();
    for (_, expression) in attributes(list) {
        let fields = attributes(expression);
        let name = text(attribute(&fields, 1));
        let data = if ["counter", "limit"].contains(&&*name) {
            &[]
        } else {
            attribute(&fields, 2)
        };
        let _ = write!(text_of, "{name} {} ", hex(data));
    }
    text_of
}

/// Files below some directories, with modes and contents.
pub(crate) fn files(dirs: &[&str], state: &mut State) {
    for dir in dirs {
        below(Path::new(dir), state);
    }
}

fn below(path: &Path, state: &mut State) {
    // Of who is killed with a lock an empty file stays until GC, and of a runtime what it was writing until GC finds that it is old.
    let is_swept = ["cni/locks", "cni/linkspan/locks", ".tmp"]
        .iter()
        .any(|folder| path.ends_with(folder));
    if tells_of_calls(path) || is_swept {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir {
            below(&path, state);
        } else if !STAYS.iter().any(|stays| name == **stays) {
            let contents = fs::read(&path).unwrap_or_default();
            // What a runtime keeps of an answer has MAC addresses in it, which chance gives.
            let is_answer = path.starts_with("/var/lib/cni/results");
            let contents = if is_answer { Vec::new() } else { contents };
            let contents = without_origin(contents);
            let shown = String::from_utf8_lossy(&contents[..contents.len().min(600)]).into_owned();
            state.insert(format!("file {} {shown:?}", path.display()));
        }
    }
}

/// A record without the boot that it is from: where the kernel does not tell that, a record is written all the same.
fn without_origin(contents: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&contents).replace("\"origin\":null,", "");
    let parts = text.split_once("\"origin\":\"");
    let rest = parts.and_then(|(head, tail)| Some((head, tail.split_once("\",")?.1)));
    match rest {
        Some((head, tail)) => format!("{head}{tail}").into_bytes(),
        None => text.into_bytes(),
    }
}

/// The state with what chance has given called by other names.
pub(crate) fn renamed(state: State, names: &[(String, String)]) -> State {
    if names.is_empty() {
        return state;
    }
    let rename = |line: String| {
        names
            .iter()
            .fold(line, |line, (chance, name)| line.replace(chance, name))
    };
    state.into_iter().map(rename).collect()
}

/// A MAC address of a result as it is written in lines, each with another name.
pub(crate) fn names_of_mac(mac: &str, name: &str) -> Vec<(String, String)> {
    let bytes: Vec<u8> = mac
        .split(':')
        .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    let decimal: Vec<String> = bytes.iter().map(u8::to_string).collect();
    [hex(&bytes), decimal.join(","), mac.to_owned()]
        .into_iter()
        .map(|written| (written, format!("<{name}>")))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What is text, as a name or a comment is, as such.
fn hex_or_text(bytes: &[u8]) -> String {
    let printable = |byte: &u8| (0x20..0x7f).contains(byte);
    let shown: String = String::from_utf8_lossy(bytes).into_owned();
    let shown = shown.trim_matches(|c: char| !c.is_ascii_graphic());
    if shown.len() > 3 && shown.bytes().all(|byte| printable(&byte)) {
        format!("{shown:?}")
    } else {
        hex(bytes)
    }
}
