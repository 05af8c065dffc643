//! What is kept on a host between two calls: who may read, write and lock it, whose it is, and that it goes.
#![forbid(unsafe_code)]

mod hosts;
mod locks;
mod modes;
mod records;
mod siblings;
mod upgrade;

use linkspan_testkit::{Cmd, Netns, Outcome, Plugins, Sandbox, with_prev_result};
use serde_json::{Value, json};

/// Where the records of this host are.
const RECORDS: &str = "/run/cni/linkspan/netns-*/netfilter";

/// A host, and chains of plugins on it.
struct World<'s> {
    host: &'s Sandbox,
    plugins: Plugins,
}

impl<'s> World<'s> {
    fn new(host: &'s Sandbox) -> Self {
        Self {
            host,
            plugins: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
        }
    }

    /// One call; the container's ID is its namespace's name.
    fn call(&self, verb: &str, config: &Value, netns: &Netns, ifname: &str) -> Outcome {
        let call = self.plugins.call(verb, config);
        let call = call.container(netns.name()).netns(netns.path());
        call.ifname(ifname).run()
    }

    /// ADD of a chain; returns the configurations with their previous results.
    #[track_caller]
    fn add(&self, chain: &[Value], netns: &Netns, ifname: &str) -> Vec<Value> {
        let mut result = Value::Null;
        let mut done = Vec::new();
        for config in chain {
            let config = match &result {
                Value::Null => config.clone(),
                result => with_prev_result(config, result),
            };
            result = self.call("ADD", &config, netns, ifname).success();
            done.push(with_prev_result(&config, &result));
        }
        done
    }

    #[track_caller]
    fn check(&self, done: &[Value], netns: &Netns, ifname: &str) {
        for config in done {
            self.call("CHECK", config, netns, ifname).success();
        }
    }

    #[track_caller]
    fn del(&self, done: &[Value], netns: &Netns, ifname: &str) {
        for config in done.iter().rev() {
            self.call("DEL", config, netns, ifname).success();
        }
    }

    #[track_caller]
    fn gc(&self, chain: &[Value], valid: &[(&str, &str)]) {
        for config in chain {
            self.plugins.gc(config, valid).success();
        }
    }

    /// Everything below a directory that is no directory.
    fn files(&self, directory: &str) -> Vec<String> {
        let found = self.host.run(&format!(
            "find {directory} ! -type d 2>/dev/null | sort || true"
        ));
        found.lines().map(str::to_owned).collect()
    }
}

/// A network of `kind` (`bridge`, `ptp`), with these plugins after it.
fn chain(name: &str, kind: &str, subnet: &str, others: &[Value]) -> Vec<Value> {
    let first = json!({
        "cniVersion": "1.1.0", "name": name, "type": kind, "bridge": format!("br-{name}"), "isGateway": true,
        "ipMasq": true, "ipam": { "type": "host-local", "subnet": subnet }
    });
    let with_names = |config: &Value| {
        let mut config = config.clone();
        config["cniVersion"] = "1.1.0".into();
        config["name"] = name.into();
        config
    };
    std::iter::once(first)
        .chain(others.iter().map(with_names))
        .collect()
}

/// `portmap` for these ports of the host, each to port 80.
fn portmap(ports: &[u16]) -> Value {
    let mapping = |port: &u16| json!({ "hostPort": port, "containerPort": 80, "protocol": "tcp" });
    let mappings: Vec<Value> = ports.iter().map(mapping).collect();
    json!({
        "type": "portmap", "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": mappings }
    })
}

fn firewall() -> Value {
    json!({ "type": "firewall", "backend": "nftables" })
}

fn shell(line: &str) -> String {
    Cmd::shell(line).run()
}
