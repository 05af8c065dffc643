//! The interfaces that the plugin before has made, and its result.

use linkspan_testkit::{
    Attachment, Cmd, Kill, Netns, Outcome, Plugins, Sandbox, kill_at_every_syscall, with,
    with_prev_result,
};
use serde_json::{Value, json};

/// The host's address on the link, and the container's.
pub(crate) const HOST: &str = "10.1.0.1";
pub(crate) const CONTAINER: &str = "10.1.0.2";
pub(crate) const HOST_V6: &str = "fd01::1";
pub(crate) const CONTAINER_V6: &str = "fd01::2";

/// An address that no subnet has, of a world behind each router.
pub(crate) const FAR: &str = "203.0.113.9";
pub(crate) const FAR_V6: &str = "2001:db8:9::9";

fn ours() -> Plugins {
    Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"))
}

/// A configuration of 1.0.0 with these keys, for the result of the plugin before.
fn network(plugin: &str, keys: Value, result: &Value) -> Value {
    let config = json!({ "cniVersion": "1.0.0", "name": "net", "type": plugin });
    with_prev_result(&with(&config, keys), result)
}

/// A host with a container whose `eth0` is one end of a pair; the other, `veth0`, is on the host.
pub(crate) struct Pair {
    pub(crate) ours: Plugins,
    pub(crate) host: Netns,
    pub(crate) netns: Netns,
    plugin: &'static str,
}

impl Pair {
    pub(crate) fn new(sandbox: &Sandbox, plugin: &'static str) -> Self {
        let pair = Self {
            ours: ours(),
            host: sandbox.host().clone(),
            netns: sandbox.netns("container"),
            plugin,
        };
        pair.connect();
        pair
    }

    /// Makes the link, as the plugin before does.
    pub(crate) fn connect(&self) {
        self.host.connect("veth0", &self.netns, "eth0");
        for (netns, link, addresses) in [
            (&self.host, "veth0", [HOST, HOST_V6]),
            (&self.netns, "eth0", [CONTAINER, CONTAINER_V6]),
        ] {
            netns.address(link, &format!("{}/24", addresses[0]));
            netns.address(link, &format!("{}/64", addresses[1]));
        }
    }

    /// A configuration with these keys, and the result of the plugin before.
    pub(crate) fn config(&self, keys: Value) -> Value {
        let result = json!({
            "cniVersion": "1.0.0",
            "interfaces": [
                { "name": "veth0", "mac": "02:00:00:00:00:aa" },
                { "name": "eth0", "mac": "02:00:00:00:00:bb", "sandbox": self.netns.path() },
            ],
            "ips": [{ "address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 1 }],
            "routes": [{ "dst": "10.9.0.0/16", "gw": "10.1.0.1" }],
            "dns": { "nameservers": ["10.1.0.1"], "search": ["example"] },
        });
        network(self.plugin, keys, &result)
    }

    pub(crate) fn attachment(&self) -> Attachment {
        self.ours.attachment("c1", &self.netns, "eth0")
    }

    pub(crate) fn add(&self, config: &Value) -> Outcome {
        self.attachment().add(config)
    }

    pub(crate) fn check(&self, config: &Value) -> Outcome {
        self.attachment().check(config)
    }

    pub(crate) fn del(&self, config: &Value) -> Outcome {
        self.attachment().del(config)
    }

    pub(crate) fn command(&self, verb: &str, config: &Value) -> Cmd {
        self.attachment().call(verb, config).cmd()
    }

    /// ADD and DEL, killed at every system call: after another DEL everything is as it was, which `is_as_before` asserts.
    #[track_caller]
    pub(crate) fn is_undone_by_del_wherever_killed(
        &self,
        config: &Value,
        is_as_before: impl Fn(&str),
    ) {
        let undone = |kill: Option<&Kill>, verb: &str| {
            self.del(config).success();
            is_as_before(&format!("{verb} {kill:?}"));
        };
        let kills =
            kill_at_every_syscall(|| self.command("ADD", config), |kill| undone(kill, "ADD"));
        assert!(kills > 50, "{kills}");
        let kills = kill_at_every_syscall(
            || {
                self.add(config).success();
                self.command("DEL", config)
            },
            |kill| undone(kill, "DEL"),
        );
        assert!(kills > 50, "{kills}");
    }
}

/// A container with the interfaces net1, net2, …, each with a router at its other end: `10.N.0.1/24` and
/// `fd0N::1/64`. Every router has the same far addresses behind it.
pub(crate) struct Routers {
    pub(crate) ours: Plugins,
    pub(crate) netns: Netns,
    routers: Vec<Netns>,
    plugin: &'static str,
}

impl Routers {
    pub(crate) fn new(sandbox: &Sandbox, plugin: &'static str, routers: usize) -> Self {
        // Addresses, those of links too, are usable at once.
        let netns_of = |name: &str| {
            let netns = sandbox.netns(name);
            netns.run("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
            netns
        };
        let netns = netns_of("container");
        let router = |number| {
            let router = netns_of(&format!("router{number}"));
            router.connect("eth0", &netns, &format!("net{number}"));
            router.address("eth0", &format!("10.{number}.0.1/24"));
            router.address("eth0", &format!("fd0{number}::1/64"));
            router.address("lo", &format!("{FAR}/32"));
            router.address("lo", &format!("{FAR_V6}/128"));
            netns.address(&format!("net{number}"), &format!("10.{number}.0.2/24"));
            netns.address(&format!("net{number}"), &format!("fd0{number}::2/64"));
            router
        };
        Self {
            ours: ours(),
            routers: (1..=routers).map(router).collect(),
            netns,
            plugin,
        }
    }

    /// A configuration with these keys for the interface of this number, and the result of the plugin before.
    pub(crate) fn config(&self, number: usize, keys: Value) -> Value {
        let result = json!({
            "cniVersion": "1.0.0",
            "interfaces": [{ "name": format!("net{number}"), "sandbox": self.netns.path() }],
            "ips": [
                { "address": format!("10.{number}.0.2/24"), "gateway": format!("10.{number}.0.1"), "interface": 0 },
                { "address": format!("fd0{number}::2/64"), "gateway": format!("fd0{number}::1"), "interface": 0 },
            ],
            "dns": {},
        });
        network(self.plugin, keys, &result)
    }

    pub(crate) fn attachment(&self, number: usize) -> Attachment {
        let ifname = format!("net{number}");
        self.ours.attachment("c1", &self.netns, &ifname)
    }

    pub(crate) fn add(&self, number: usize, config: &Value) -> Outcome {
        self.attachment(number).add(config)
    }

    pub(crate) fn check(&self, number: usize, config: &Value) -> Outcome {
        self.attachment(number).check(config)
    }

    pub(crate) fn del(&self, number: usize, config: &Value) -> Outcome {
        self.attachment(number).del(config)
    }

    pub(crate) fn router(&self, number: usize) -> &Netns {
        &self.routers[number - 1]
    }

    /// Whether what is far behind a router gets answers from the container's addresses there.
    pub(crate) fn answers(&self, number: usize) -> [bool; 2] {
        [
            format!("ping -n -c 1 -W 2 -I {FAR} 10.{number}.0.2"),
            format!("ping -n -c 1 -W 2 -I {FAR_V6} fd0{number}::2"),
        ]
        .map(|line| self.router(number).try_run(&line).ok())
    }
}
