//! `sbr` in a container with several interfaces: what came in by one is answered by it.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod configuration;
mod leftovers;
mod reference;
mod traffic;

use linkspan_testkit::{Netns, Outcome, Plugins, Sandbox, with_prev_result};
use serde_json::{Value, json};

/// An address that no subnet has, of a world behind each router.
const FAR: &str = "203.0.113.9";
const FAR_V6: &str = "2001:db8:9::9";

/// A container with the interfaces net1, net2, …, each with a router at its other end: `10.N.0.1/24` and
/// `fd0N::1/64`. Every router has the same far addresses behind it. The default routes of the container go to
/// the first router.
struct World {
    ours: Plugins,
    netns: Netns,
    routers: Vec<Netns>,
}

impl World {
    fn new(sandbox: &Sandbox, routers: usize) -> Self {
        // Addresses, those of links too, are usable at once.
        let netns = |name: &str| {
            let netns = sandbox.netns(name);
            netns.run("echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad");
            netns
        };
        let routers = 1..=routers;
        let netns_of_router = |number| netns(&format!("router{number}"));
        let netns = netns("container");
        let router = |number| {
            let router = netns_of_router(number);
            router.connect("eth0", &netns, &format!("net{number}"));
            router.address("eth0", &format!("10.{number}.0.1/24"));
            router.address("eth0", &format!("fd0{number}::1/64"));
            router.address("lo", &format!("{FAR}/32"));
            router.address("lo", &format!("{FAR_V6}/128"));
            netns.address(&format!("net{number}"), &format!("10.{number}.0.2/24"));
            netns.address(&format!("net{number}"), &format!("fd0{number}::2/64"));
            router
        };
        let routers = routers.map(router).collect();
        netns.run("ip route add default via 10.1.0.1; ip route add default via fd01::1");
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            netns,
            routers,
        }
    }

    /// A configuration with these keys for the interface of this number, and the result of the plugin before.
    fn config(&self, number: usize, keys: Value) -> Value {
        let mut config = json!({ "cniVersion": "1.0.0", "name": "net", "type": "sbr" });
        config
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        with_prev_result(
            &config,
            &json!({
                "cniVersion": "1.0.0",
                "interfaces": [{ "name": format!("net{number}"), "sandbox": self.netns.path() }],
                "ips": [
                    { "address": format!("10.{number}.0.2/24"), "gateway": format!("10.{number}.0.1"), "interface": 0 },
                    { "address": format!("fd0{number}::2/64"), "gateway": format!("fd0{number}::1"), "interface": 0 },
                ],
                "dns": {},
            }),
        )
    }

    fn add(&self, number: usize, config: &Value) -> Outcome {
        let ifname = format!("net{number}");
        self.ours.add(config, "c1", &self.netns, &ifname)
    }

    fn check(&self, number: usize, config: &Value) -> Outcome {
        let ifname = format!("net{number}");
        self.ours.check(config, "c1", &self.netns, &ifname)
    }

    fn del(&self, number: usize, config: &Value) -> Outcome {
        let ifname = format!("net{number}");
        self.ours.del(config, "c1", &self.netns, &ifname)
    }

    fn router(&self, number: usize) -> &Netns {
        &self.routers[number - 1]
    }

    /// The rules of both families that the kernel does not have by itself, without their priorities.
    fn rules(&self) -> Vec<String> {
        let text = self.netns.run("ip rule; ip -6 rule");
        let rules = text.lines().filter_map(|line| line.split_once("from "));
        let mut rules: Vec<String> = rules
            .map(|(_, rule)| rule.trim().to_owned())
            .filter(|rule| !rule.starts_with("all"))
            .collect();
        rules.sort();
        rules
    }

    /// The routes of a table.
    fn table(&self, family: &str, table: &str) -> String {
        self.netns
            .try_run(&format!("ip {family} route show table {table}"))
            .stdout
    }
}

/// Whether the far address behind a router gets an answer from the container's address there.
fn answers(router: &Netns, number: usize) -> [bool; 2] {
    [
        format!("ping -n -c 1 -W 1 -I {FAR} 10.{number}.0.2"),
        format!("ping -n -c 1 -W 1 -I {FAR_V6} fd0{number}::2"),
    ]
    .map(|line| router.try_run(&line).ok())
}
