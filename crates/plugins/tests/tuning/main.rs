//! `tuning` after a plugin that made an interface: kernel parameters, settings of the interface, and both
//! put back.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod leftovers;
mod reference;
mod settings;
mod sysctls;

use std::fs;

use linkspan_testkit::{Cmd, Netns, Outcome, Plugins, Sandbox};
use serde_json::{Value, json};

/// Where replaced settings are kept by default.
const DATA_DIR: &str = "/run/cni/tuning";

/// A host with a container whose `eth0` is one end of a pair; the other, `veth0`, is on the host.
struct World {
    ours: Plugins,
    host: Netns,
    netns: Netns,
}

impl World {
    fn new(sandbox: &Sandbox) -> Self {
        let (host, netns) = (sandbox.host().clone(), sandbox.netns("container"));
        host.connect("veth0", &netns, "eth0");
        host.address("veth0", "10.1.0.1/24");
        netns.address("eth0", "10.1.0.2/24");
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            host,
            netns,
        }
    }

    /// A configuration with these keys, and the result of the plugin before.
    fn config(&self, keys: Value) -> Value {
        let mut config = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "tuning",
            "prevResult": {
                "cniVersion": "1.0.0",
                "interfaces": [
                    { "name": "veth0", "mac": "02:00:00:00:00:aa" },
                    { "name": "eth0", "mac": "02:00:00:00:00:bb", "sandbox": self.netns.path() },
                ],
                "ips": [{ "address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 1 }],
                "routes": [{ "dst": "10.9.0.0/16", "gw": "10.1.0.1" }],
                "dns": { "nameservers": ["10.1.0.1"], "search": ["example"] },
            },
        });
        config
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        config
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

    /// One fact that `ip` tells of the container's interface.
    fn eth0(&self, key: &str) -> Value {
        self.netns.ip_json("link show dev eth0")[0][key].clone()
    }

    /// Whether the container's interface has a flag.
    fn eth0_is(&self, flag: &str) -> bool {
        self.eth0("flags")
            .as_array()
            .unwrap()
            .contains(&json!(flag))
    }

    /// The value of a kernel parameter in the container.
    fn sysctl(&self, name: &str) -> String {
        let value = self
            .netns
            .run(&format!("cat /proc/sys/{}", name.replace('.', "/")));
        value.trim_end().to_owned()
    }
}

/// The files in a directory; none when it is not there.
fn files(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}
