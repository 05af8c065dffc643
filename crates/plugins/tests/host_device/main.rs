//! `host-device`: a device that goes into a container and comes home, whatever happens.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod bus;
mod crash;
mod home;
mod verbs;

use linkspan_testkit::{Cmd, Netns, Outcome, Plugins, Sandbox};
use serde_json::{Value, json};

/// The device's MAC address.
const MAC: &str = "02:00:00:00:00:d1";

/// A host with the device `nic0`, whose wire ends at another machine, and a container.
struct World {
    ours: Plugins,
    host: Netns,
    peer: Netns,
    netns: Netns,
}

impl World {
    fn new(sandbox: &Sandbox) -> Self {
        let host = sandbox.host().clone();
        let (peer, netns) = (sandbox.netns("peer"), sandbox.netns("container"));
        host.connect("nic0", &peer, "eth0");
        host.run(&format!("ip link set nic0 address {MAC}"));
        peer.address("eth0", "10.1.0.1/24");
        peer.address("eth0", "fd00:1::1/64");
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            host,
            peer,
            netns,
        }
    }

    fn add(&self, config: &Value) -> Outcome {
        self.ours.add(config, "c1", &self.netns, "eth0")
    }

    fn del(&self, config: &Value) -> Outcome {
        self.ours.del(config, "c1", &self.netns, "eth0")
    }

    /// The device on the host: name, MAC address, alias, and whether it is switched on.
    fn devices(&self) -> Vec<(String, String, bool)> {
        let links = self.host.ip_json("link show");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_up = |link: &Value| link["flags"].as_array().unwrap().contains(&"UP".into());
        let devices = links.as_array().unwrap().iter();
        devices
            .filter(|link| link["address"] == MAC)
            .map(|link| (text(&link["ifname"]), text(&link["ifalias"]), is_up(link)))
            .collect()
    }

    /// The device is on the host, under its name and without an alias, and nothing is written down.
    #[track_caller]
    fn assert_home(&self, context: &str) {
        let devices = self.devices();
        assert!(
            matches!(devices.as_slice(), [(name, alias, _)] if name == "nic0" && alias.is_empty()),
            "{context}: {devices:?}"
        );
        assert_eq!(records(), 0, "{context}");
    }
}

fn records() -> usize {
    Cmd::shell("find /run/cni/linkspan/netns-*/host-device -type f | wc -l")
        .run()
        .trim()
        .parse()
        .unwrap()
}

/// A configuration with these keys and addresses of its own.
fn network(keys: Value) -> Value {
    let mut config = layer2(keys);
    config["ipam"] = json!({
        "type": "static",
        "addresses": [{ "address": "10.1.0.2/24", "gateway": "10.1.0.1" }, { "address": "fd00:1::2/64" }],
        "routes": [{ "dst": "10.9.0.0/16" }]
    });
    config
}

/// The same without IPAM.
fn layer2(keys: Value) -> Value {
    let mut config = json!({ "cniVersion": "1.0.0", "name": "net", "type": "host-device" });
    let map = config.as_object_mut().unwrap();
    map.extend(keys.as_object().unwrap().clone());
    config
}
