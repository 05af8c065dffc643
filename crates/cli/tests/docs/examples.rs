//! The examples of the book are attached, and what is shown of them compared.
//!
//! A block that begins with "```json,example=NAME" is a configuration. On a host of its own it is written to the directory of
//! configurations, and the commands of the blocks "```console" that follow it are run, up to the next example.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::ops::Range;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use linkspan_testkit::document::{Block, Document, replayed};
use linkspan_testkit::{Cmd, Feature, PLUGIN_NAMES, Sandbox, Setup, needs};
use serde_json::Value;

use crate::shown::Shown;

const CONF_DIR: &str = "/etc/cni/net.d";
const BIN_DIR: &str = "/opt/cni/bin";

/// Which examples need what of the kernel, by the beginnings of their names.
const NEEDS: [(&str, Feature); 5] = [
    ("bridge-vlan", Feature::BridgeVlanFiltering),
    ("dummy", Feature::Dummy),
    ("ipvlan", Feature::Ipvlan),
    ("vlan", Feature::Vlan),
    ("vrf", Feature::Vrf),
];

/// The host of every example, as docs/plugins/README.md describes it: an uplink to a LAN with a router, and two containers.
const HOST: &str = "
    ip netns add lan; ip -n lan link set lo up
    ip link add eth0 type veth peer name eth0 netns lan
    ip link set eth0 up; ip -n lan link set eth0 up
    ip address add 192.0.2.10/24 dev eth0; ip address add 2001:db8::10/64 dev eth0 nodad
    ip -n lan address add 192.0.2.1/24 dev eth0; ip -n lan address add 2001:db8::1/64 dev eth0 nodad
    ip route add default via 192.0.2.1; ip route add default via 2001:db8::1
    mkdir -p /etc/cni/net.d; chmod 755 /etc/cni /var/lib/cni /opt/cni
";

/// What makes it as it was before.
const AWAY: &str = "
    ip -all netns delete
    for name in $(ls /sys/class/net); do ip link delete $name 2>/dev/null || true; done
    nft flush ruleset
    sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
    rm -rf /etc/cni/net.d /var/lib/cni/* /run/cni
";

/// Every example does what its page shows, under this machine's kernel.
#[test]
fn do_what_is_shown() {
    crate::build_plugins();
    are_shown(Setup::default(), |name| feature(name).is_none());
}

/// Those that need more of the kernel, in one virtual machine where this one has not all of it.
#[test]
fn do_what_is_shown_in_a_machine() {
    crate::build_plugins();
    let features = NEEDS.map(|(_, feature)| feature);
    are_shown(needs(&features), |name| feature(name).is_some());
}

fn feature(name: &str) -> Option<Feature> {
    let found = NEEDS
        .iter()
        .find(|(beginning, _)| name.starts_with(beginning));
    found.map(|(_, feature)| *feature)
}

/// Runs the examples whose names are chosen, and compares.
fn are_shown(setup: Setup, is_chosen: impl Fn(&str) -> bool) {
    let documents = Document::all();
    let chosen: Vec<(&Document, Example<'_>)> = documents
        .iter()
        .flat_map(|document| {
            examples(document)
                .into_iter()
                .map(move |example| (document, example))
        })
        .filter(|(_, example)| is_chosen(example.name))
        .collect();
    let told = setup.deadline(Duration::from_secs(120)).tell(|host| {
        lay_programs();
        let made = chosen.iter().flat_map(|(_, example)| example.run(host));
        made.collect::<Value>().to_string()
    });
    let Some(told) = told else { return };
    let mut made: Vec<String> = serde_json::from_str(&told).unwrap();
    made.reverse();
    let mut places: BTreeMap<&Path, Vec<(Range<usize>, String)>> = BTreeMap::new();
    for (document, example) in &chosen {
        let places = places.entry(&document.path).or_default();
        places.extend(
            example
                .shows
                .iter()
                .map(|block| (block.range.clone(), made.pop().unwrap())),
        );
    }
    for (path, places) in places {
        let document = Document::read(path);
        document.is_to_be(&document.with(places));
    }
}

/// A configuration, and what follows from it.
struct Example<'d> {
    name: &'d str,
    config: &'d str,
    shows: Vec<&'d Block>,
}

/// The examples of a document.
fn examples(document: &Document) -> Vec<Example<'_>> {
    let mut examples: Vec<Example<'_>> = Vec::new();
    for block in &document.blocks {
        if let Some(name) = block.value("example") {
            examples.push(Example {
                name,
                config: &block.text,
                shows: Vec::new(),
            });
        } else if let Some(example) = examples.last_mut().filter(|_| block.info == "console") {
            example.shows.push(block);
        }
    }
    examples
}

impl Example<'_> {
    /// What its blocks show.
    fn run(&self, host: &Sandbox) -> Vec<String> {
        host.run(HOST);
        for name in ["c1", "c2"] {
            host.netns(name).serve_tcp("[::]:80");
        }
        let config: Value = serde_json::from_str(self.config).unwrap();
        let extension = if config["plugins"].is_array() {
            "conflist"
        } else {
            "conf"
        };
        fs::write(format!("{CONF_DIR}/{}.{extension}", self.name), self.config).unwrap();
        let mut shown = Shown::default();
        let path = format!("/run/programs:{}", env::var("PATH").unwrap());
        let mut run = |command: &str| {
            let output = Cmd::new("sh")
                .args(["-c", command])
                .env("PATH", &path)
                .output();
            shown.of(&format!("{}{}", output.stdout, output.stderr))
        };
        let made = self
            .shows
            .iter()
            .map(|block| replayed(&block.text, &mut run))
            .collect();
        host.run(AWAY);
        made
    }
}

/// The plugins where runtimes look for them, and the program along PATH.
fn lay_programs() {
    let linkspan = Path::new(env!("CARGO_BIN_EXE_linkspan"));
    let debug = linkspan.with_file_name("linkspan-plugins");
    let chosen = env::var_os("LINKSPAN_PLUGINS").map_or(debug, Into::into);
    let file = |name: &str| {
        if chosen.is_dir() {
            chosen.join(name)
        } else {
            chosen.clone()
        }
    };
    fs::create_dir_all(BIN_DIR).unwrap();
    for name in PLUGIN_NAMES {
        symlink(file(name), Path::new(BIN_DIR).join(name)).unwrap();
    }
    fs::create_dir("/run/programs").unwrap();
    symlink(linkspan, "/run/programs/linkspan").unwrap();
}
