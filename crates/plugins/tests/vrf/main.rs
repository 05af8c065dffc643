//! `vrf`: an interface that moves into a vrf and back with everything that it has.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod members;
mod moves;
mod reference;

use linkspan_testkit::{Feature, Netns, Outcome, Plugins, Sandbox, needs, with_prev_result};
use serde_json::{Value, json};

/// Runs a body where there are vrfs.
#[track_caller]
fn vrf(body: impl FnOnce(&World)) {
    needs(&[Feature::Vrf]).sandbox(|sandbox| body(&World::new(sandbox)));
}

/// A container with the interfaces net1, net2 and net3, each with a router at its other end: `10.N.0.1/24` and
/// `fd0N::1/64`.
struct World {
    ours: Plugins,
    netns: Netns,
    routers: Vec<Netns>,
}

impl World {
    fn new(sandbox: &Sandbox) -> Self {
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
            router.address("lo", "203.0.113.9/32");
            router.address("lo", "2001:db8:9::9/128");
            netns.address(&format!("net{number}"), &format!("10.{number}.0.2/24"));
            netns.address(&format!("net{number}"), &format!("fd0{number}::2/64"));
            router
        };
        let routers = (1..=3).map(router).collect();
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            netns,
            routers,
        }
    }

    /// A configuration for the interface of this number, and the result of the plugin before.
    fn config(&self, number: usize, keys: Value) -> Value {
        let mut config = json!({ "cniVersion": "1.0.0", "name": "net", "type": "vrf" });
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
                "routes": [
                    { "dst": "0.0.0.0/0", "gw": format!("10.{number}.0.1") },
                    { "dst": "::/0", "gw": format!("fd0{number}::1") },
                ],
                "dns": {},
            }),
        )
    }

    /// The routes that the result of the plugin before tells.
    fn routes(&self, number: usize) {
        self.netns.run(&format!(
            "ip route append default via 10.{number}.0.1 dev net{number}"
        ));
        self.netns.run(&format!(
            "ip -6 route append default via fd0{number}::1 dev net{number}"
        ));
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

    /// The routes of a table that the kernel has not made by itself.
    fn table(&self, table: &str) -> Vec<String> {
        let show = |family: &str| {
            let line = format!("ip {family} route show table {table}");
            let text = self.netns.try_run(&line).stdout;
            // A route by several ways has a line for each.
            let text = text.replace("\n\tnexthop", " nexthop");
            let lines = text.lines().filter(|line| !line.contains("proto kernel"));
            let lines = lines.filter(|line| !line.starts_with("multicast"));
            lines
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        let mut routes = show("-4");
        routes.extend(show("-6"));
        routes
    }

    /// The name of the vrf that an interface is part of.
    fn master(&self, number: usize) -> Value {
        self.netns.ip_json(&format!("link show dev net{number}"))[0]["master"].clone()
    }

    /// The vrfs and their tables.
    fn vrfs(&self) -> Vec<(String, u64)> {
        let links = self.netns.ip_json("link show type vrf");
        let links = links.as_array().unwrap().iter();
        links
            .filter_map(|link| {
                let table = link["linkinfo"]["info_data"]["table"].as_u64()?;
                Some((link["ifname"].as_str()?.to_owned(), table))
            })
            .collect()
    }

    /// Whether what is far behind a router gets answers from the container's addresses there.
    fn answers(&self, number: usize) -> [bool; 2] {
        [
            format!("ping -n -c 1 -W 2 -I 203.0.113.9 10.{number}.0.2"),
            format!("ping -n -c 1 -W 2 -I 2001:db8:9::9 fd0{number}::2"),
        ]
        .map(|line| self.routers[number - 1].try_run(&line).ok())
    }
}
