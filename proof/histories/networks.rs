//! The networks of the host, as configurations.

use serde_json::{Value, json};

use crate::schedule::Net;

/// The port that a container's server listens at.
pub(crate) const SERVED: u16 = 80;

/// The plugins of a network, in order, without the keys that a runtime puts in.
pub(crate) fn chain(net: Net) -> Vec<Value> {
    let portmap =
        || json!({ "type": "portmap", "capabilities": { "portMappings": true }, "snat": true });
    let firewall = || json!({ "type": "firewall" });
    let bridge = |name: &str, ipam: Value| json!({ "type": "bridge", "bridge": name, "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": ipam });
    match net {
        Net::Lan => vec![
            bridge("br-lan", pool("10.40.0.0/28", "10.40.0.2", "10.40.0.9")),
            portmap(),
            firewall(),
        ],
        Net::Tool => vec![
            bridge("br-tool", pool("10.43.0.0/28", "10.43.0.2", "10.43.0.9")),
            portmap(),
            firewall(),
        ],
        Net::Also => {
            let ranges = json!([
                [{ "subnet": "10.41.0.0/28", "rangeStart": "10.41.0.2", "rangeEnd": "10.41.0.7" }],
                [{ "subnet": "fd41::/64", "rangeStart": "fd41::2", "rangeEnd": "fd41::7" }],
            ]);
            vec![
                json!({ "type": "bridge", "bridge": "br-lan", "ipam": { "type": "host-local", "ranges": ranges } }),
            ]
        }
        Net::Ptp => {
            let mut ipam = pool("10.42.0.0/29", "10.42.0.2", "10.42.0.6");
            ipam["routes"] = json!([{ "dst": "0.0.0.0/0" }]);
            vec![
                json!({ "type": "ptp", "ipMasq": true, "ipam": ipam }),
                portmap(),
            ]
        }
    }
}

fn pool(subnet: &str, first: &str, last: &str) -> Value {
    json!({ "type": "host-local", "ranges": [[{ "subnet": subnet, "rangeStart": first, "rangeEnd": last }]] })
}

/// What a runtime asks of `portmap`.
pub(crate) fn mappings(port: u16) -> Value {
    json!({ "portMappings": [{ "hostPort": port, "containerPort": SERVED, "protocol": "tcp" }] })
}

/// The beginnings of the addresses of all networks.
pub(crate) const PREFIXES: [&str; 5] = ["10.40.0.", "10.41.0.", "10.42.0.", "10.43.0.", "fd41::"];
