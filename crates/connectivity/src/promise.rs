//! What a network's configuration promises, whoever's plugins keep it.

use linkspan_spec::{Map, NetworkList, PluginConfig, Value, key};

/// What connects containers, as far as it matters to packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A bridge of the host's.
    Bridge {
        /// Its name.
        name: String,
        /// The host has an address on it, which is the gateway.
        is_gateway: bool,
        /// What comes by a port may go back by it.
        is_hairpin: bool,
    },
    /// A cable to the host for each container.
    PointToPoint,
    /// Made on an interface of the host, or that interface itself: what it sends leaves the host there. Of this plugin.
    OnMaster(String),
    /// Nothing leads out of the container. Of this plugin.
    Closed(String),
    /// Something that is not known here. Of this plugin.
    Other(String),
}

/// Whether containers of the network reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbours {
    /// They do.
    Reached,
    /// They are kept apart, by this.
    Apart(&'static str),
    /// Nothing is said of it, for this reason.
    Unpromised(&'static str),
}

/// Ports of the host that lead to containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Connections from the host's loopback, from the container itself and from neighbours are masqueraded, without which
    /// they do not work.
    pub snat: bool,
    /// Connections from everywhere are.
    pub masquerades_all: bool,
    /// IPv4 or IPv6 connections have to meet conditions.
    pub conditions: [bool; 2],
    /// Nothing goes back to the bridge that it came from.
    pub isolated: bool,
}

/// A limit of what a container receives or sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bits for each second.
    pub rate: u64,
    /// Bits that may pass at once.
    pub burst: u64,
}

/// The rate that is asked for where the network limits as the runtime says.
pub(crate) const ASKED: Limit = Limit {
    rate: 20_000_000,
    burst: 1_000_000,
};

/// What a network's configuration promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promises {
    /// What connects its containers.
    pub kind: Kind,
    /// What containers send to the world outside has the host's address there; `None`: nothing is said of it.
    pub masquerades: Option<bool>,
    /// Whether its containers reach each other.
    pub neighbours: Neighbours,
    /// Why no second container can be attached.
    pub single: Option<&'static str>,
    /// Its containers are admitted where the host drops by default.
    pub admits: bool,
    /// It publishes ports, as the runtime says.
    pub published: Option<Published>,
    /// The limit of what a container receives, and of what it sends.
    pub limits: [Option<Limit>; 2],
    /// The limits are those that the runtime asks for.
    pub asks_limits: bool,
    /// Only some traffic is limited.
    pub limits_some: bool,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// Where reservations of host-local are.
    pub reservations: Option<String>,
}

impl Promises {
    /// Reads them. What cannot be understood promises nothing: the plugin will say so itself.
    pub fn of(network: &NetworkList) -> Self {
        let empty = Map::new();
        let main = network.plugins.first().map_or(&empty, PluginConfig::as_map);
        let plugin = |name: &str| network.plugins.iter().find(|plugin| is(plugin, name));
        let firewall = plugin("firewall").map(PluginConfig::as_map);
        let policy = firewall.map_or("", |map| text(map, "ingressPolicy"));
        let bandwidth = plugin("bandwidth");
        let (limits, asks_limits) = limits(bandwidth);
        let kind = kind(main);
        Self {
            masquerades: match kind {
                Kind::Other(_) => None,
                _ => Some(flag(main, "ipMasq")),
            },
            neighbours: neighbours(&kind, main, policy),
            single: single(main),
            admits: firewall.is_some(),
            published: plugin("portmap")
                .filter(|plugin| declares(plugin, "portMappings"))
                .map(|plugin| published(plugin.as_map(), policy)),
            limits,
            asks_limits,
            limits_some: bandwidth.map(PluginConfig::as_map).is_some_and(|map| {
                ["shapedSubnets", "unshapedSubnets"]
                    .iter()
                    .any(|name| key(map, name).is_some())
            }),
            mtu: mtu(main, plugin("tuning").map(PluginConfig::as_map)),
            reservations: reservations(main, network.name.as_str()),
            kind,
        }
    }

    /// How many containers are attached.
    pub fn containers(&self) -> usize {
        if self.single.is_some() { 1 } else { 2 }
    }
}

fn is(plugin: &PluginConfig, name: &str) -> bool {
    text(plugin.as_map(), "type") == name
}

fn declares(plugin: &PluginConfig, capability: &str) -> bool {
    plugin
        .capabilities()
        .is_ok_and(|all| all.contains(&capability))
}

fn text<'a>(map: &'a Map, name: &str) -> &'a str {
    key(map, name).and_then(Value::as_str).unwrap_or_default()
}

fn flag(map: &Map, name: &str) -> bool {
    key(map, name).and_then(Value::as_bool).unwrap_or_default()
}

fn number(map: &Map, name: &str) -> Option<u64> {
    key(map, name)
        .and_then(Value::as_u64)
        .filter(|number| *number > 0)
}

fn kind(main: &Map) -> Kind {
    match text(main, "type") {
        "bridge" => Kind::Bridge {
            name: match text(main, "bridge") {
                "" => "cni0".to_owned(),
                name => name.to_owned(),
            },
            is_gateway: flag(main, "isGateway") || flag(main, "isDefaultGateway"),
            is_hairpin: flag(main, "hairpinMode") || flag(main, "promiscMode"),
        },
        "ptp" => Kind::PointToPoint,
        plugin @ ("macvlan" | "ipvlan" | "vlan" | "host-device") => {
            Kind::OnMaster(plugin.to_owned())
        }
        plugin @ ("loopback" | "dummy" | "tap") => Kind::Closed(plugin.to_owned()),
        plugin => Kind::Other(plugin.to_owned()),
    }
}

fn neighbours(kind: &Kind, main: &Map, policy: &str) -> Neighbours {
    match (kind, text(main, "type"), text(main, "mode")) {
        (Kind::Bridge { .. }, ..) if flag(main, "portIsolation") => {
            Neighbours::Apart("\"portIsolation\" of bridge")
        }
        (Kind::Bridge { .. }, ..) if policy == "isolated" => {
            Neighbours::Apart("the \"ingressPolicy\" isolated of firewall")
        }
        (_, "macvlan", "private") => Neighbours::Apart("the mode private of macvlan"),
        (_, "macvlan", "vepa") => {
            Neighbours::Unpromised("with the mode vepa a switch outside has to send it back")
        }
        (_, "vlan", _) => Neighbours::Unpromised(
            "with vlan containers meet outside the host, and nothing is sent there unasked",
        ),
        (Kind::Closed(_), ..) => Neighbours::Unpromised("nothing leads out of the container"),
        _ => Neighbours::Reached,
    }
}

fn single(main: &Map) -> Option<&'static str> {
    let ipam = key(main, "ipam").and_then(Value::as_object);
    match (text(main, "type"), ipam.map(|ipam| text(ipam, "type"))) {
        ("host-device", _) => Some("a device can be in one container only"),
        ("loopback", _) => Some("loopback is each container's own"),
        ("macvlan", _) if text(main, "mode") == "passthru" => {
            Some("the mode passthru is for one container")
        }
        (_, Some("static")) => Some("the addresses are static, for one container"),
        _ => None,
    }
}

fn published(portmap: &Map, policy: &str) -> Published {
    let has = |name: &str| {
        let list = key(portmap, name).and_then(Value::as_array);
        list.is_some_and(|list| !list.is_empty())
    };
    let snat = key(portmap, "snat")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    Published {
        snat,
        masquerades_all: snat && flag(portmap, "masqAll"),
        conditions: [has("conditionsV4"), has("conditionsV6")],
        isolated: policy == "isolated",
    }
}

/// The limits of what is received and sent, and whether they are to be asked for.
fn limits(bandwidth: Option<&PluginConfig>) -> ([Option<Limit>; 2], bool) {
    let Some(plugin) = bandwidth else {
        return ([None; 2], false);
    };
    let map = plugin.as_map();
    let limit = |rate: &str, burst: &str| {
        Some(Limit {
            rate: number(map, rate)?,
            burst: number(map, burst).unwrap_or_default(),
        })
    };
    let configured = [
        limit("ingressRate", "ingressBurst"),
        limit("egressRate", "egressBurst"),
    ];
    let asks = configured == [None; 2] && declares(plugin, "bandwidth");
    match asks {
        true => ([Some(ASKED); 2], true),
        false => (configured, false),
    }
}

/// A later plugin's overrides that of the first.
fn mtu(main: &Map, tuning: Option<&Map>) -> Option<u32> {
    let mtu = tuning.and_then(|tuning| number(tuning, "mtu"));
    mtu.or_else(|| number(main, "mtu"))
        .and_then(|mtu| u32::try_from(mtu).ok())
}

fn reservations(main: &Map, network: &str) -> Option<String> {
    let ipam = key(main, "ipam").and_then(Value::as_object)?;
    let folder = match text(ipam, "dataDir") {
        "" => "/var/lib/cni/networks",
        folder => folder,
    };
    (text(ipam, "type") == "host-local").then(|| format!("{folder}/{network}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(plugins: Value) -> Promises {
        let list = json!({"cniVersion": "1.0.0", "name": "mynet", "plugins": plugins});
        Promises::of(&NetworkList::parse(list.to_string().as_bytes()).unwrap())
    }

    #[test]
    fn containers_reach_each_other_unless_something_says_otherwise() {
        use Neighbours::{Apart, Reached, Unpromised};
        for (plugins, same) in [
            (json!([{"type": "bridge"}]), Reached),
            (json!([{"type": "ptp"}]), Reached),
            (json!([{"type": "calico"}]), Reached),
            (json!([{"type": "macvlan"}]), Reached),
            (
                json!([{"type": "bridge", "portIsolation": true}]),
                Apart(""),
            ),
            (
                json!([{"type": "bridge"}, {"type": "firewall", "ingressPolicy": "isolated"}]),
                Apart(""),
            ),
            (
                json!([{"type": "bridge"}, {"type": "firewall", "ingressPolicy": "same-bridge"}]),
                Reached,
            ),
            (json!([{"type": "macvlan", "mode": "private"}]), Apart("")),
            (json!([{"type": "macvlan", "mode": "vepa"}]), Unpromised("")),
            (json!([{"type": "dummy"}]), Unpromised("")),
        ] {
            let found = of(plugins.clone()).neighbours;
            let is_same = std::mem::discriminant(&found) == std::mem::discriminant(&same);
            assert!(is_same, "{plugins}: {found:?}");
        }
    }

    #[test]
    fn a_second_container_is_attached_where_there_can_be_one() {
        for (plugin, containers) in [
            (json!({"type": "bridge"}), 2),
            (json!({"type": "host-device"}), 1),
            (json!({"type": "loopback"}), 1),
            (json!({"type": "macvlan", "mode": "passthru"}), 1),
            (json!({"type": "bridge", "ipam": {"type": "static"}}), 1),
        ] {
            assert_eq!(of(json!([plugin])).containers(), containers, "{plugin}");
        }
    }

    #[test]
    fn ports_are_published_where_the_runtime_is_asked_for_them() {
        let bridge = json!({"type": "bridge"});
        let mut portmap = json!({"type": "portmap", "snat": true, "conditionsV6": ["-d", "::1"]});
        assert_eq!(of(json!([bridge, portmap])).published, None);
        portmap["capabilities"] = json!({"portMappings": true});
        let published = of(json!([bridge, portmap])).published.unwrap();
        assert!(published.snat && !published.masquerades_all && !published.isolated);
        assert_eq!(published.conditions, [false, true]);
        portmap["snat"] = json!(false);
        portmap["masqAll"] = json!(true);
        let published = of(json!([bridge, portmap])).published.unwrap();
        assert!(!published.snat && !published.masquerades_all);
    }

    #[test]
    fn limits_are_those_of_the_configuration_or_asked_for() {
        let limits = |bandwidth: Value| {
            let promises = of(json!([{"type": "bridge"}, bandwidth]));
            (promises.limits, promises.asks_limits)
        };
        let configured = Limit {
            rate: 8_000_000,
            burst: 80_000,
        };
        let declared = json!({"bandwidth": true});
        for (bandwidth, expected) in [
            (json!({"type": "tuning"}), ([None; 2], false)),
            (json!({"type": "bandwidth"}), ([None; 2], false)),
            (
                json!({"type": "bandwidth", "capabilities": declared}),
                ([Some(ASKED); 2], true),
            ),
            (
                json!({"type": "bandwidth", "capabilities": declared,
                       "egressRate": 8_000_000, "egressBurst": 80_000}),
                ([None, Some(configured)], false),
            ),
        ] {
            assert_eq!(limits(bandwidth.clone()), expected, "{bandwidth}");
        }
    }

    #[test]
    fn the_last_word_on_the_mtu_counts() {
        for (plugins, mtu) in [
            (json!([{"type": "bridge"}]), None),
            (json!([{"type": "bridge", "mtu": 0}]), None),
            (json!([{"type": "bridge", "mtu": 1400}]), Some(1400)),
            (
                json!([{"type": "bridge", "mtu": 1400}, {"type": "tuning", "mtu": 1300}]),
                Some(1300),
            ),
        ] {
            assert_eq!(of(plugins.clone()).mtu, mtu, "{plugins}");
        }
    }
}
