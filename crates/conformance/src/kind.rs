//! Kinds of plugins, and what is known of those that everybody has.

use std::fmt;

use linkspan_spec::{Map, Value};
use serde_json::json;

/// What a plugin does, by which it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// It makes the container's interface.
    Interface,
    /// It changes an interface that another plugin has made, and gets that one's result.
    Chained,
    /// It gives addresses, asked by other plugins.
    Ipam,
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Interface, Self::Chained, Self::Ipam];

    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interface => "interface",
            Self::Chained => "chained",
            Self::Ipam => "ipam",
        }
    }

    /// That of a plugin of this name with this configuration: known names, then the configuration's `ipam`, which names the plugin
    /// itself where it is one, then a `prevResult`, which only a chained plugin needs.
    pub fn guess(name: &str, config: &Map) -> Self {
        if let Some(known) = Known::find(name) {
            return known.kind;
        }
        let ipam = config.get("ipam").and_then(|ipam| ipam.get("type"));
        match ipam.and_then(Value::as_str) {
            Some(asked) if asked == name => Self::Ipam,
            _ if config.contains_key("prevResult") => Self::Chained,
            _ => Self::Interface,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A plugin that is known by its name.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// A configuration for a host with the interfaces [`UPLINK`] and [`DEVICE`].
    config: fn() -> Value,
    /// The interface that it makes or changes.
    pub(crate) ifname: &'static str,
    /// Whether it attaches one container at a time: there is one device, or one VLAN of a number.
    pub(crate) single: bool,
}

/// The interface of the host of each check that leads outside.
pub(crate) const UPLINK: &str = "uplink0";
/// An interface of that host which may be given away.
pub(crate) const DEVICE: &str = "device0";

impl Known {
    /// What is known of a name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        KNOWN.iter().find(|known| known.name == name)
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> Map {
        match (self.config)() {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }
}

const fn known(name: &'static str, kind: Kind, config: fn() -> Value) -> Known {
    Known {
        name,
        kind,
        config,
        ifname: "eth0",
        single: false,
    }
}

/// The plugins of the reference and of Linkspan.
pub(crate) static KNOWN: &[Known] = &[
    known(
        "bridge",
        Kind::Interface,
        || json!({ "bridge": "conformance0", "isGateway": true, "ipMasq": true, "ipam": pool(1) }),
    ),
    known(
        "ptp",
        Kind::Interface,
        || json!({ "ipMasq": true, "ipam": pool(2) }),
    ),
    known(
        "macvlan",
        Kind::Interface,
        || json!({ "master": UPLINK, "ipam": pool(3) }),
    ),
    known(
        "ipvlan",
        Kind::Interface,
        || json!({ "master": UPLINK, "ipam": pool(4) }),
    ),
    Known {
        single: true,
        ..known(
            "vlan",
            Kind::Interface,
            || json!({ "master": UPLINK, "vlanId": 100, "ipam": pool(5) }),
        )
    },
    Known {
        single: true,
        ..known(
            "host-device",
            Kind::Interface,
            || json!({ "device": DEVICE, "ipam": pool(6) }),
        )
    },
    known("tap", Kind::Interface, || json!({ "ipam": pool(7) })),
    known("dummy", Kind::Interface, || json!({ "ipam": pool(8) })),
    Known {
        ifname: "lo",
        ..known("loopback", Kind::Interface, || json!({}))
    },
    known("host-local", Kind::Ipam, || json!({ "ipam": pool(9) })),
    known("static", Kind::Ipam, || {
        json!({ "ipam": { "type": "static", "addresses": [{ "address": "10.89.10.2/24", "gateway": "10.89.10.1" }],
            "routes": [{ "dst": "0.0.0.0/0" }] } })
    }),
    known("dhcp", Kind::Ipam, || json!({ "ipam": { "type": "dhcp" } })),
    known(
        "portmap",
        Kind::Chained,
        || json!({ "runtimeConfig": { "portMappings": [{ "hostPort": 18080, "containerPort": 80, "protocol": "tcp" }] } }),
    ),
    known("firewall", Kind::Chained, || json!({})),
    known(
        "bandwidth",
        Kind::Chained,
        || json!({ "ingressRate": 8_000_000, "ingressBurst": 8_000_000, "egressRate": 8_000_000, "egressBurst": 8_000_000 }),
    ),
    known(
        "tuning",
        Kind::Chained,
        || json!({ "sysctl": { "net.ipv4.conf.eth0.log_martians": "1" } }),
    ),
    known("sbr", Kind::Chained, || json!({})),
    known("vrf", Kind::Chained, || json!({ "vrfname": "blue" })),
];

/// Addresses of host-local, other ones for each plugin.
fn pool(number: u8) -> Value {
    json!({ "type": "host-local", "subnet": format!("10.89.{number}.0/24"), "routes": [{ "dst": "0.0.0.0/0" }] })
}
