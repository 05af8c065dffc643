//! The host that the tests attach containers to, and the configurations that they do it with.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use linkspan_testkit::{Call, Cmd, Netns, Outcome, Plugins, Sandbox, Snapshot, tells_of_calls};
use serde_json::{Value, json};

/// What plugins write to, and may leave something in.
pub(crate) const DIRECTORIES: [&str; 3] = ["/var/lib/cni", "/run/cni", "/run/lock"];

/// A host and the plugins on it.
pub(crate) struct Host<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) plugins: Plugins,
}

impl<'a> Host<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        Self {
            sandbox,
            plugins: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
        }
    }

    /// A call about the interface `eth0` of a container whose ID is its namespace's name.
    pub(crate) fn call(&self, verb: &str, config: &Value, container: &Netns) -> Call {
        self.plugins
            .call(verb, config)
            .container(container.name())
            .netns(container.path())
            .ifname("eth0")
    }

    /// The call as a command without the search path that cargo sets for the dynamic linker, which costs a hundred system
    /// calls.
    pub(crate) fn cmd(&self, verb: &str, config: &Value, container: &Netns) -> Cmd {
        self.call(verb, config, container)
            .cmd()
            .env_remove("LD_LIBRARY_PATH")
    }

    #[track_caller]
    pub(crate) fn add(&self, config: &Value, container: &Netns) -> Outcome {
        self.call("ADD", config, container).run()
    }

    #[track_caller]
    pub(crate) fn del(&self, config: &Value, container: &Netns) -> Outcome {
        self.call("DEL", config, container).run()
    }

    /// Attaches a container in a new namespace.
    #[track_caller]
    pub(crate) fn attach(&self, config: &Value, name: &str) -> Attached {
        let netns = self.sandbox.netns(name);
        let result = self.add(config, &netns).success();
        Attached { netns, result }
    }

    /// The state of the host and of containers, without what stays after the last DEL, in the reference too: forwarding,
    /// directories, the files `lock` and `last_reserved_ip.N`, and the constant part of the ruleset.
    #[track_caller]
    pub(crate) fn snapshot(&self, containers: &[&Netns]) -> Snapshot {
        const STAYS: [&str; 14] = [
            "= directory ",
            "/lock =",
            "/last_reserved_ip.",
            "/forwarding =",
            "/ip_forward =",
            // The kernel changes it with forwarding.
            "/accept_redirects =",
            " nft table inet linkspan",
            " nft table bridge linkspan",
            " nft chain inet linkspan",
            " nft chain bridge linkspan",
            " nft rule inet linkspan",
            " nft rule bridge linkspan",
            // A set, by its comment; its elements are facts of their own.
            "\"containers' ",
            // Of a route, while nobody is attached.
            "[\"linkdown\"]",
        ];
        let mut namespaces = vec![self.sandbox.host()];
        namespaces.extend(containers);
        Snapshot::of(&namespaces, &DIRECTORIES).without(&STAYS)
    }
}

/// A container with the result of its ADD.
pub(crate) struct Attached {
    pub(crate) netns: Netns,
    pub(crate) result: Value,
}

impl Attached {
    /// Its first address of a family, without the prefix.
    #[track_caller]
    pub(crate) fn address(&self, family: Family) -> String {
        address(&self.result, family)
    }

    /// The name of the link's end on the host.
    #[track_caller]
    pub(crate) fn host_end(&self) -> String {
        let name = &self.result["interfaces"][1]["name"];
        name.as_str().unwrap().to_owned()
    }
}

/// Which of the datagrams that a program sends is the first to hold all of these, as strace shows it; counted from 1.
#[track_caller]
pub(crate) fn request_number(sandbox: &Sandbox, program: Cmd, parts: &[&str]) -> u32 {
    let log = sandbox.dir().join("log");
    let path = log.to_str().unwrap();
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-e",
        "trace=sendto",
        "-o",
        path,
        "--",
    ];
    let output = program.under(&strace).output();
    assert!(output.ok(), "{output}");
    let log = fs::read_to_string(path).unwrap();
    let requests = log.lines().filter(|line| line.contains("sendto("));
    let has_all = |line: &str| parts.iter().all(|part| line.contains(part));
    let found = (1..).zip(requests).find(|(_, line)| has_all(line));
    found
        .unwrap_or_else(|| panic!("nothing of {parts:?}: {log}"))
        .0
}

/// None of these addresses answers within a second; all are pinged at the same time.
#[track_caller]
pub(crate) fn reaches_none(from: &Netns, addresses: &[&str]) {
    let addresses = addresses.join(" ");
    let reached = from.run(&format!(
        "for address in {addresses}; do (ping -n -c 1 -W 1 $address >/dev/null && echo $address) & done; wait"
    ));
    assert_eq!(reached, "", "reached from {}", from.name());
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The first address of a result of a family, without the prefix.
#[track_caller]
pub(crate) fn address(result: &Value, family: Family) -> String {
    result["ips"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|ip| ip["address"].as_str()?.split('/').next())
        .find(|address| address.contains(':') == (family == Family::V6))
        .unwrap_or_else(|| panic!("no address of {family:?} in {result}"))
        .to_owned()
}

/// The configuration of the first network, with these keys beside or instead of its own. A key that is null is taken
/// away.
pub(crate) fn network(keys: Value) -> Value {
    let mut config = json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "bridge", "bridge": "cni0", "isGateway": true,
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }
    });
    let map = config.as_object_mut().unwrap();
    for (key, value) in keys.as_object().unwrap() {
        map.insert(key.clone(), value.clone());
    }
    map.retain(|_, value| !value.is_null());
    config
}

/// `ipam` with an IPv4 and an IPv6 range.
pub(crate) fn dual_stack() -> Value {
    json!({
        "type": "host-local",
        "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]
    })
}

/// What of a network is left on the host, looked at a hundred times faster than a [`Snapshot`]: a test that kills a
/// plugin some hundred times asks each time. Each line is a link, a line of the ruleset, or a file.
///
/// Left out is what stays after DEL: the bridge, what the reference's format keeps (`lock`, `last_reserved_ip.N`), empty
/// directories, and of our own nftables all but the elements.
pub(crate) fn left(containers: &[&Netns]) -> BTreeSet<String> {
    let mut left = present(containers);
    left.remove("host link cni0");
    left
}

/// The same with the bridge.
pub(crate) fn present(containers: &[&Netns]) -> BTreeSet<String> {
    let mut left = links("host");
    for netns in containers {
        left.extend(netns.enter(|| links(netns.name())));
    }
    left.extend(ruleset());
    for directory in DIRECTORIES {
        files(Path::new(directory), &mut left);
    }
    left
}

/// The lines of the ruleset, of our own tables only the elements, each for itself.
fn ruleset() -> BTreeSet<String> {
    let (mut set, mut is_ours, mut in_elements) = (String::new(), false, false);
    let mut facts = BTreeSet::new();
    for line in Cmd::new("nft").args(["list", "ruleset"]).run().lines() {
        let line = line.trim();
        match line.split_once(' ') {
            Some(("table", name)) => is_ours = name.ends_with(" linkspan {"),
            Some(("set", name)) => set = name.trim_end_matches(" {").to_owned(),
            _ => {}
        }
        let elements = line.strip_prefix("elements = {");
        in_elements |= elements.is_some();
        if in_elements {
            let elements = elements.unwrap_or(line).trim_end_matches('}');
            let elements = elements.split(',').map(str::trim);
            let elements = elements.filter(|element| !element.is_empty());
            facts.extend(elements.map(|element| format!("nft element of {set}: {element}")));
            in_elements = !line.ends_with('}');
        } else if !is_ours {
            facts.insert(format!("nft {line}"));
        }
    }
    facts
}

fn links(netns: &str) -> BTreeSet<String> {
    // The kernel's list, not sysfs: that shows the namespace that it was mounted in.
    let table = fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| format!("{netns} link {}", name.trim()))
        .collect()
}

fn files(path: &Path, left: &mut BTreeSet<String>) {
    let Ok(entries) = fs::read_dir(path) else {
        return;
    };
    for entry in entries {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if tells_of_calls(&entry.path()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), left);
        } else if name != "lock" && !name.starts_with("last_reserved_ip.") {
            left.insert(format!("file {}", entry.path().display()));
        }
    }
}
