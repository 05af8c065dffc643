//! The host that the tests attach containers to, and what is asserted of every plugin alike.

use std::time::Duration;

use linkspan_testkit::{
    Call, Family, Netns, Outcome, Plugins, Sandbox, Snapshot, with, with_prev_result,
};
use serde_json::{Value, json};

use crate::plugin::Plugin;
use crate::wire::{MASTER, Peer};

/// What plugins write to, and may leave something in.
const DIRECTORIES: [&str; 3] = ["/var/lib/cni", "/run/cni", "/run/lock"];

/// Codes of errors (`SPEC.md`, section 5).
pub(crate) mod code {
    pub(crate) const VERSION: u64 = 1;
    pub(crate) const ENVIRONMENT: u64 = 4;
    pub(crate) const CONFIG: u64 = 7;
    pub(crate) const TRY_AGAIN: u64 = 11;
    pub(crate) const NOT_AVAILABLE: u64 = 50;
    pub(crate) const INTERNAL: u64 = 999;
}

/// A host, the plugins on it, and one network.
pub(crate) struct World<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) host: &'a Netns,
    pub(crate) plugins: Plugins,
    pub(crate) config: Value,
    plugin: Plugin,
    peer: Option<Peer>,
}

impl<'a> World<'a> {
    /// With a master and a peer behind it, where the plugin needs one, and a network of both families.
    #[track_caller]
    pub(crate) fn new(sandbox: &'a Sandbox, plugin: &Plugin) -> Self {
        Self {
            peer: plugin.lay(sandbox, sandbox.host(), MASTER),
            ..Self::without_master(sandbox, plugin)
        }
    }

    /// The same without a master.
    pub(crate) fn without_master(sandbox: &'a Sandbox, plugin: &Plugin) -> Self {
        let network = json!({ "cniVersion": "1.1.0", "name": "mynet", "type": plugin.name, "ipam": dual_stack() });
        Self {
            sandbox,
            host: sandbox.host(),
            plugins: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            config: with(&network, plugin.keys.clone()),
            plugin: plugin.clone(),
            peer: None,
        }
    }

    /// The same host with other keys; those that are null are taken away.
    pub(crate) fn with(&self, keys: Value) -> World<'a> {
        World {
            config: with(&self.config, keys),
            plugins: self.plugins.clone(),
            plugin: self.plugin.clone(),
            peer: self.peer.clone(),
            ..*self
        }
    }

    /// With what tells the attachment of this number from others, where that must be.
    pub(crate) fn number(&self, number: u32) -> World<'a> {
        self.with((self.plugin.differ)(number))
    }

    /// With a master that has the name of a container's interface.
    #[track_caller]
    pub(crate) fn with_master_eth0(&self) -> World<'a> {
        self.host
            .run("ip link set ens1 down; ip link set ens1 name eth0; ip link set eth0 up");
        self.with(json!({ "master": "eth0" }))
    }

    /// Who is behind the master.
    #[track_caller]
    pub(crate) fn peer(&self) -> &Peer {
        self.peer.as_ref().unwrap()
    }

    /// A call about the interface `eth0` of a container whose ID is its namespace's name.
    pub(crate) fn call(&self, verb: &str, container: &Netns) -> Call {
        let call = self.plugins.call(verb, &self.config);
        call.container(container.name())
            .netns(container.path())
            .ifname("eth0")
    }

    pub(crate) fn add(&self, container: &Netns) -> Outcome {
        self.call("ADD", container).run()
    }

    /// Attaches a container in a new namespace.
    #[track_caller]
    pub(crate) fn attach(&self, name: &str) -> Attached<'_> {
        let netns = self.sandbox.netns(name);
        let result = self.add(&netns).success();
        Attached {
            world: self,
            netns,
            result,
        }
    }

    /// The state of the host and of a container, without what stays after the last DEL in the reference too: forwarding,
    /// directories, the files `lock` and `last_reserved_ip.N`, and the constant part of the ruleset.
    #[track_caller]
    pub(crate) fn snapshot(&self, container: &Netns) -> Snapshot {
        const STAYS: [&str; 14] = [
            "= directory ",
            "/lock =",
            "/last_reserved_ip.",
            "/forwarding =",
            "/ip_forward =",
            // The kernel changes it with forwarding.
            "/accept_redirects =",
            " nft table inet linkspan",
            " nft chain inet linkspan",
            " nft rule inet linkspan",
            // A set, by its comment; its elements are facts of their own.
            "\"containers' ",
            // The chain that the backend iptables makes when it needs one.
            " nft table ip nat",
            " nft chain ip nat",
            "[\"linkdown\"]",
            // Of a master, until the kernel has removed a container's namespace, which it does later.
            " promiscuity = ",
        ];
        Snapshot::of(&[self.host, container], &DIRECTORIES).without(&STAYS)
    }

    /// ADD of a new container fails with this code and these words, and leaves nothing.
    #[track_caller]
    pub(crate) fn refuses(&self, name: &str, code: u64, words: &[&str]) {
        let netns = self.sandbox.netns(name);
        self.refuses_in(&netns, code, words);
    }

    /// ADD of this container fails with this code and these words, and leaves nothing.
    #[track_caller]
    pub(crate) fn refuses_in(&self, netns: &Netns, code: u64, words: &[&str]) {
        let before = self.snapshot(netns);
        self.add(netns).fails(code, words);
        before.assert_same(&self.snapshot(netns), "after an ADD that failed");
    }

    /// ADD with each of these keys fails with the code and the words of its row, and leaves nothing.
    #[track_caller]
    pub(crate) fn refuses_each(&self, rows: &[(Value, u64, &[&str])]) {
        for (number, (keys, code, words)) in rows.iter().enumerate() {
            let world = self.with(keys.clone());
            world.refuses(&format!("refused{number}"), *code, words);
        }
    }

    /// STATUS fails with code 50 and these words.
    #[track_caller]
    pub(crate) fn is_not_available(&self, words: &[&str]) {
        self.plugins
            .status(&self.config)
            .fails(code::NOT_AVAILABLE, words);
    }
}

/// A container with the result of its ADD.
pub(crate) struct Attached<'w> {
    pub(crate) world: &'w World<'w>,
    pub(crate) netns: Netns,
    pub(crate) result: Value,
}

impl Attached<'_> {
    pub(crate) fn check(&self) -> Outcome {
        let config = with_prev_result(&self.world.config, &self.result);
        self.world
            .plugins
            .check(&config, self.netns.name(), &self.netns, "eth0")
    }

    #[track_caller]
    pub(crate) fn del(&self) {
        self.world.call("DEL", &self.netns).run().success();
    }

    /// CHECK fails with all of these words after a line of shell that changes something in the container, and succeeds again
    /// after another that puts it back.
    #[track_caller]
    pub(crate) fn notices(&self, change: &str, back: &str, words: &[&str]) {
        self.netns.run(change);
        self.check().fails(code::INTERNAL, words);
        self.netns.run(back);
        self.check().success();
    }

    /// The same for something on the host.
    #[track_caller]
    pub(crate) fn notices_on_the_host(&self, change: &str, back: &str, words: &[&str]) {
        self.world.host.run(change);
        self.check().fails(code::INTERNAL, words);
        self.world.host.run(back);
        self.check().success();
    }

    /// Its first address of a family, without the prefix.
    #[track_caller]
    pub(crate) fn address(&self, family: Family) -> String {
        linkspan_testkit::address(&self.result, family)
    }

    /// What the result says of the container's interface.
    #[track_caller]
    pub(crate) fn interface(&self) -> &Value {
        let mut all = self.result["interfaces"].as_array().into_iter().flatten();
        let found = all.find(|interface| interface["sandbox"].is_string());
        found.unwrap_or_else(|| panic!("no interface in a container: {}", self.result))
    }

    /// The name of the link's end on the host.
    #[track_caller]
    pub(crate) fn host_end(&self) -> &str {
        self.result["interfaces"][0]["name"].as_str().unwrap()
    }

    /// One fact that `ip` tells of the container's interface.
    pub(crate) fn eth0(&self, key: &str) -> Value {
        self.netns.ip_json("link show dev eth0")[0][key].clone()
    }

    /// The routes of a family that are not of link-local addresses, sorted.
    pub(crate) fn routes(&self, family: &str) -> Vec<String> {
        routes(&self.netns, family)
    }
}

/// The routes of a family in the main table that are not of link-local addresses, sorted.
pub(crate) fn routes(netns: &Netns, family: &str) -> Vec<String> {
    let text = netns.run(&format!("ip {family} route show table main"));
    let lines = text.lines().filter(|line| !line.starts_with("fe80::"));
    let mut routes: Vec<String> = lines.map(|line| line.trim().to_owned()).collect();
    routes.sort();
    routes
}

/// Both containers reach each other in both families: with echo requests, TCP and UDP.
#[track_caller]
pub(crate) fn exchange_traffic(one: &Attached<'_>, other: &Attached<'_>) {
    for family in [Family::V4, Family::V6] {
        for (from, to) in [(one, other), (other, one)] {
            let (source, target) = (from.address(family), to.address(family));
            from.netns.ping(&target);
            let server = match family {
                Family::V4 => format!("{target}:80"),
                Family::V6 => format!("[{target}]:80"),
            };
            to.netns.serve_tcp(&server);
            to.netns.serve_udp(&server);
            for seen in [from.netns.talk_tcp(&server), from.netns.talk_udp(&server)] {
                assert_eq!(seen.unwrap().ip().to_string(), source, "{family:?}");
            }
        }
    }
}

/// `ipam` with an IPv4 and an IPv6 range, and default routes.
pub(crate) fn dual_stack() -> Value {
    json!({
        "type": "host-local",
        "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]
    })
}

/// `ipam` that gives these addresses with their gateways.
pub(crate) fn addresses(addresses: &[(&str, Option<&str>)]) -> Value {
    let one = |(address, gateway): &(&str, Option<&str>)| match gateway {
        Some(gateway) => json!({ "address": address, "gateway": gateway }),
        None => json!({ "address": address }),
    };
    json!({ "type": "static", "addresses": addresses.iter().map(one).collect::<Vec<_>>() })
}

/// How long a test may take that does several things after each other, or waits for the kernel's idea of a second.
pub(crate) const LONG: Duration = Duration::from_secs(120);
