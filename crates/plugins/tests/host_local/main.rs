//! `host-local` as a runtime calls it: beside the reference on the same directory, killed, rebooted, out of room, and
//! asked for what cannot be.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

mod bad_input;
mod crash;
mod interop;
mod lifetime;
mod verbs;

use std::fs;
use std::path::Path;

use linkspan_testkit::{Netns, Outcome, Plugins, Sandbox};
use serde_json::{Value, json};

/// Where reservations are by default.
const DIRECTORY: &str = "/var/lib/cni/networks/net";

/// A host with both implementations and one container's namespace.
struct Host {
    ours: Plugins,
    reference: Plugins,
    netns: Netns,
}

impl Host {
    fn new(sandbox: &Sandbox) -> Self {
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            reference: Plugins::reference(),
            netns: sandbox.netns("container"),
        }
    }

    fn add(&self, config: &Value, container: &str) -> Outcome {
        self.ours.add(config, container, &self.netns, "eth0")
    }

    fn del(&self, config: &Value, container: &str) -> Outcome {
        self.ours.del(config, container, &self.netns, "eth0")
    }
}

/// A configuration whose `ipam` has these keys beside its type.
fn network(ipam: Value) -> Value {
    let mut config =
        json!({ "cniVersion": "1.1.0", "name": "net", "type": "host-local", "ipam": ipam });
    config["ipam"]["type"] = "host-local".into();
    config
}

/// The same configuration as the reference of Debian knows it.
fn older(config: &Value) -> Value {
    let mut config = config.clone();
    config["cniVersion"] = "1.0.0".into();
    config
}

/// A subnet of 16 addresses, 13 of which are for containers.
fn small() -> Value {
    network(json!({ "subnet": "10.22.0.0/28" }))
}

/// The first address of a result, without its prefix.
fn address(outcome: &Outcome) -> String {
    let result = outcome.success();
    let address = result["ips"][0]["address"].as_str().unwrap_or_default();
    address.split('/').next().unwrap_or_default().to_owned()
}

/// The names of the files in a directory, sorted; none when there is no directory.
fn files(directory: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// The addresses that are reserved.
fn reserved() -> Vec<String> {
    let mut names = files(DIRECTORY);
    names.retain(|name| name != "lock" && !name.starts_with("last_reserved_ip."));
    names
}
