//! `bandwidth` after a plugin that made a link: rates measured in both directions, and nothing left behind.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod configuration;
mod leftovers;
mod measure;
mod rates;
mod reference;
mod subnets;

use linkspan_testkit::{Cmd, Netns, Outcome, Plugins, Sandbox, with_prev_result};
use serde_json::{Value, json};

/// The host's address on the link, and the container's.
const HOST: &str = "10.1.0.1";
const CONTAINER: &str = "10.1.0.2";
const HOST_V6: &str = "fd01::1";
const CONTAINER_V6: &str = "fd01::2";

/// A host with a container whose `eth0` is one end of a pair; the other, `veth0`, is on the host.
struct World {
    ours: Plugins,
    host: Netns,
    netns: Netns,
}

impl World {
    fn new(sandbox: &Sandbox) -> Self {
        let world = Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            host: sandbox.host().clone(),
            netns: sandbox.netns("container"),
        };
        world.connect();
        world
    }

    /// Makes the link, as the plugin before does.
    fn connect(&self) {
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
    fn config(&self, keys: Value) -> Value {
        let mut config = json!({ "cniVersion": "1.0.0", "name": "net", "type": "bandwidth" });
        config
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        with_prev_result(
            &config,
            &json!({
                "cniVersion": "1.0.0",
                "interfaces": [
                    { "name": "veth0", "mac": "02:00:00:00:00:aa" },
                    { "name": "eth0", "mac": "02:00:00:00:00:bb", "sandbox": self.netns.path() },
                ],
                "ips": [{ "address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 1 }],
                "routes": [{ "dst": "0.0.0.0/0" }],
                "dns": { "nameservers": ["10.1.0.1"] },
            }),
        )
    }

    fn add(&self, config: &Value) -> Outcome {
        self.ours.add(config, "c1", &self.netns, "eth0")
    }

    fn check(&self, config: &Value) -> Outcome {
        self.ours.check(config, "c1", &self.netns, "eth0")
    }

    fn del(&self, config: &Value) -> Outcome {
        self.ours.del(config, "c1", &self.netns, "eth0")
    }

    fn command(&self, verb: &str, config: &Value) -> Cmd {
        let call = self.ours.call(verb, config).container("c1");
        call.netns(self.netns.path()).ifname("eth0").cmd()
    }

    /// The names of the links on the host that shape, sorted.
    fn ifbs(&self) -> Vec<String> {
        let links = self.host.ip_json("link show type ifb");
        let mut names: Vec<String> = links
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|link| link["ifname"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// What `tc` says of the host's links.
    fn qdiscs(&self) -> String {
        self.host.run("tc qdisc show | grep -v 'qdisc no'||true")
    }
}
