//! A host with a bridge, a world outside it, and containers whose ports are published.

use std::cell::RefCell;
use std::collections::BTreeMap;

use linkspan_testkit::{Netns, Outcome, Outside, Plugins, Sandbox, with_prev_result};
use serde_json::{Value, json};

/// The host's addresses on the bridge.
pub(crate) const BRIDGE_V4: &str = "10.22.0.1";
pub(crate) const BRIDGE_V6: &str = "fd22::1";

/// A host with its containers.
pub(crate) struct World<'s> {
    pub(crate) host: &'s Sandbox,
    pub(crate) ours: Plugins,
    pub(crate) reference: Plugins,
    pub(crate) outside: Netns,
    /// What `bridge` and the plugins after it answered, by container.
    results: RefCell<BTreeMap<String, Value>>,
    /// Keys of `bridge` beside the usual ones.
    pub(crate) bridge: Value,
}

/// A container that is attached to the bridge.
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) netns: Netns,
    pub(crate) v4: String,
    pub(crate) v6: String,
}

impl<'s> World<'s> {
    pub(crate) fn new(host: &'s Sandbox) -> Self {
        // As long as a bridge's link-local address is being checked for duplicates, the host asks nobody on it for the
        // way to an IPv6 address that it forwards to.
        host.run("sysctl -qw net.ipv6.conf.default.accept_dad=0");
        let outside = host.outside().netns;
        // What the kernel may not have, and then does not need to be told.
        host.host().try_run(
            "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0",
        );
        Self {
            host,
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            reference: Plugins::reference(),
            outside,
            results: RefCell::default(),
            bridge: json!({}),
        }
    }

    /// The configuration of `bridge`.
    fn network(&self) -> Value {
        let mut config = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "bridge", "bridge": "cni0",
            "isGateway": true, "isDefaultGateway": true,
            "ipam": {
                "type": "host-local",
                "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd22::/64" }]]
            }
        });
        merge(&mut config, &self.bridge);
        config
    }

    /// Attaches a container to the bridge.
    pub(crate) fn container(&self, id: &str) -> Container {
        let netns = self.host.netns(id);
        let result = self.ours.add(&self.network(), id, &netns, "eth0").success();
        let address = |index: usize| {
            let text = result["ips"][index]["address"].as_str().unwrap();
            text.split('/').next().unwrap().to_owned()
        };
        let container = Container {
            id: id.to_owned(),
            netns,
            v4: address(0),
            v6: address(1),
        };
        self.results.borrow_mut().insert(id.to_owned(), result);
        container
    }

    /// A container with servers of TCP and UDP at its port 80.
    pub(crate) fn server(&self, id: &str) -> Container {
        let container = self.container(id);
        for address in [
            format!("{}:80", container.v4),
            format!("[{}]:80", container.v6),
        ] {
            container.netns.serve_tcp(&address);
            container.netns.serve_udp(&address);
        }
        container
    }

    /// The configuration of `portmap` for a container: these keys beside the usual ones.
    pub(crate) fn config(&self, container: &Container, keys: &Value) -> Value {
        let mut config = json!({
            "cniVersion": "1.0.0", "name": "net", "type": "portmap",
            "capabilities": { "portMappings": true }
        });
        merge(&mut config, keys);
        with_prev_result(&config, &self.results.borrow()[&container.id])
    }

    /// ADD.
    pub(crate) fn add(&self, container: &Container, keys: &Value) -> Outcome {
        let config = self.config(container, keys);
        self.ours
            .add(&config, &container.id, &container.netns, "eth0")
    }

    pub(crate) fn check(&self, container: &Container, keys: &Value) -> Outcome {
        let config = self.config(container, keys);
        self.ours
            .check(&config, &container.id, &container.netns, "eth0")
    }

    /// DEL.
    pub(crate) fn del(&self, container: &Container, keys: &Value) -> Outcome {
        let config = self.config(container, keys);
        self.ours
            .del(&config, &container.id, &container.netns, "eth0")
    }

    /// The ruleset, without counters and handles.
    pub(crate) fn ruleset(&self) -> String {
        self.host.run("nft list ruleset")
    }
}

/// Keys of `portmap` that publish these: `"8080:80/tcp"`, with the host's address before it if there is one
/// (`"198.51.100.1:8080:80/udp"`, `"[::1]:8080:80/tcp"`).
pub(crate) fn publish(mappings: &[&str]) -> Value {
    let mappings: Vec<Value> = mappings.iter().map(|text| mapping(text)).collect();
    json!({ "runtimeConfig": { "portMappings": mappings } })
}

/// The same with other keys beside it.
pub(crate) fn publish_with(mappings: &[&str], keys: Value) -> Value {
    let mut all = publish(mappings);
    merge(&mut all, &keys);
    all
}

fn mapping(text: &str) -> Value {
    let (ports, protocol) = text.split_once('/').unwrap();
    let (rest, container_port) = ports.rsplit_once(':').unwrap();
    let (address, host_port) = rest.rsplit_once(':').unwrap_or(("", rest));
    let address = address.trim_matches(['[', ']']);
    json!({
        "hostPort": host_port.parse::<i64>().unwrap(),
        "containerPort": container_port.parse::<i64>().unwrap(),
        "protocol": protocol,
        "hostIP": address,
    })
}

/// Sets these keys in an object.
pub(crate) fn merge(object: &mut Value, keys: &Value) {
    for (key, value) in keys.as_object().unwrap() {
        object[key] = value.clone();
    }
}

/// The host's addresses that outside knows.
pub(crate) const HOST_V4: &str = Outside::HOST_V4;
pub(crate) const HOST_V6: &str = Outside::HOST_V6;

/// Restores what others removed, as `linkspan reconcile` does; how many attachments lacked something.
pub(crate) fn reconcile() -> usize {
    let outcomes = linkspan_netfilter::reconcile().unwrap();
    let missed = outcomes.into_iter().map(|(_, outcome)| outcome.unwrap());
    missed.filter(|differences| !differences.is_empty()).count()
}
