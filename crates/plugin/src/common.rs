//! The keys that do not belong to any one plugin: those of the specification, which every configuration may have, and the
//! parts of routes and DNS settings.
//!
//! They are read by [`linkspan_spec`]; here they are declared as plugins declare their own, for lint and documentation.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

use crate::config::{FromKey, Wrong};
use crate::keys;

keys! {
    /// The keys of a network: at the top of a `.conflist` file. The runtime reads them; plugins get name and version.
    pub struct NetworkKeys {
        /// The version of the specification that runtime and plugins speak; without it 0.1.0.
        "cniVersion" => cni_version: Option<String>, read by [Add, Check, Del, Gc, Status];
        /// The versions that may be spoken; the highest that the runtime knows, of these and cniVersion, is.
        "cniVersions" => cni_versions: Option<Vec<String>>, read by [Add, Check, Del, Gc, Status];
        /// The network's name: letters, digits, '_', '.' and '-', the first of which is a letter or a digit. It must not be
        /// that of another network on the host.
        "name" => name: String, read by [Add, Check, Del, Gc, Status];
        /// The runtime does not call CHECK.
        "disableCheck" => disable_check: Switch, default = false, read by [Check];
        /// The runtime does not call GC.
        "disableGC" => disable_gc: Switch, default = false, read by [Gc];
        /// No plugins are added from the folder beside the file that is named as the network.
        "loadOnlyInlinedPlugins" => load_only_inlined_plugins: Switch, default = false,
            read by [Add, Check, Del, Gc, Status];
        /// The plugins, in the order in which ADD calls them; DEL goes backwards.
        "plugins" => plugins: Option<Vec<Map<String, Value>>>, read by [Add, Check, Del, Gc, Status];
    }
}

keys! {
    /// The keys that the configuration of any plugin may have: an entry of `plugins`, or a `.conf` file.
    pub struct PluginKeys {
        /// The version of the specification; in a list the runtime writes the list's over it.
        "cniVersion" => cni_version: Option<String>, read by [Add, Check, Del, Gc, Status];
        /// The network's name; in a list the runtime writes the list's over it.
        "name" => name: Option<String>, read by [Add, Check, Del, Gc, Status];
        /// The plugin: the name of a file in a directory of CNI_PATH, never a path.
        "type" => kind: String, read by [Add, Check, Del, Gc, Status];
        /// What the runtime may hand the plugin in runtimeConfig, by the name of a capability: true or false.
        "capabilities" => capabilities: Option<Map<String, Value>>, read by [Add, Check, Del];
        /// What the runtime hands in for the capabilities that are switched on; it writes over what a file says.
        "runtimeConfig" => runtime_config: Option<Map<String, Value>>, read by [Add, Check, Del];
        /// Arguments of the configuration's author or an orchestrator, by convention below args.cni.
        "args" => args: Option<Map<String, Value>>, read by [Add, Check, Del];
        /// The configuration of the plugin that gives addresses; which one, its type says.
        "ipam" => ipam: Option<Map<String, Value>>, read by [Add, Check, Del, Gc, Status];
        /// The DNS settings of the result, of plugins that read it.
        "dns" => dns: Option<linkspan_spec::Dns>, read by [Add];
        /// The result of the plugins before; the runtime writes it.
        "prevResult" => prev_result: Option<Map<String, Value>>, read by [Add, Check, Del];
        /// The attachments that GC must spare; the runtime writes it.
        "cni.dev/valid-attachments" => valid_attachments: Option<Vec<Map<String, Value>>>, read by [Gc];
        /// As cni.dev/valid-attachments, by the name that the reference's runtime writes beside it.
        "cni.dev/attachments" => attachments: Option<Vec<Map<String, Value>>>, read by [Gc];
    }
}

keys! {
    /// The keys of ipam that do not belong to any one IPAM plugin.
    pub struct IpamKeys {
        /// The plugin that gives addresses: the name of a file in a directory of CNI_PATH, never a path.
        "type" => kind: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

keys! {
    /// The keys of a route.
    pub struct RouteKeys {
        /// The destination, as an address with the length of its prefix; 0.0.0.0/0 and ::/0 are default routes.
        "dst" => dst: IpNet, read by [Add, Check];
        /// The next hop; without it the gateway of an address of the same family.
        "gw" => gw: Option<IpAddr>, read by [Add, Check];
        /// The largest packet on the route; 0 is none. Since 1.1.0.
        "mtu" => mtu: Option<u32>, unit = "bytes", read by [Add, Check];
        /// The largest segment that TCP asks for (MSS); 0 is none. Since 1.1.0.
        "advmss" => advmss: Option<u32>, unit = "bytes", read by [Add, Check];
        /// The priority (metric): of routes to one destination the one with the lowest counts. Since 1.1.0.
        "priority" => priority: Option<u32>, read by [Add, Check];
        /// The routing table; without it the main one. Since 1.1.0.
        "table" => table: Option<u32>, read by [Add, Check];
        /// How far the destinations are: 0 anywhere, 253 on the link, 254 on the host. Since 1.1.0.
        "scope" => scope: Option<u8>, read by [Add, Check];
    }
}

keys! {
    /// The keys of DNS settings.
    pub struct DnsKeys {
        /// The name servers' addresses, the preferred one first.
        "nameservers" => nameservers: Option<Vec<String>>, read by [Add];
        /// The domain of short names.
        "domain" => domain: Option<String>, read by [Add];
        /// The domains in which short names are looked for, the preferred one first.
        "search" => search: Option<Vec<String>>, read by [Add];
        /// Options of the resolver, such as ndots:5.
        "options" => options: Option<Vec<String>>, read by [Add];
    }
}

/// A switch that may be written as a text too, since the reference's runtime reads it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch(pub bool);

impl FromKey for Switch {
    const KIND: &'static str = "true or false";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        match json {
            Value::Bool(switch) => Ok(Self(*switch)),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(Self(true)),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(Self(false)),
            _ => Err(Wrong::Type(Self::KIND.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use linkspan_spec::{Dns, NetworkList, Route};
    use serde_json::json;

    use super::*;

    /// What is declared and what is read are two descriptions of one thing.
    #[test]
    fn what_is_declared_is_what_is_read() {
        let object = |json: &Value| json.as_object().cloned().unwrap_or_default();
        for (route, is_read) in [
            (json!({ "dst": "0.0.0.0/0" }), true),
            (
                json!({ "dst": "fd00::/8", "gw": "fd00::1", "mtu": 1400, "advmss": 1360, "priority": 9, "table": 7,
                    "scope": 253 }),
                true,
            ),
            (json!({ "gw": "10.0.0.1" }), false),
            (json!({ "dst": "10.0.0.0" }), false),
            (json!({ "dst": "10.0.0.0/8", "gw": "x" }), false),
            (json!({ "dst": "10.0.0.0/8", "mtu": "1400" }), false),
            (json!({ "dst": "10.0.0.0/8", "scope": 256 }), false),
        ] {
            assert_eq!(Route::from_json(&route).is_ok(), is_read, "{route}");
            assert_eq!(
                RouteKeys::from_object(&object(&route)).is_ok(),
                is_read,
                "{route}"
            );
        }
        for (dns, is_read) in [
            (json!({}), true),
            (
                json!({ "nameservers": ["10.1.1.1"], "domain": "a.test", "search": ["b.test"], "options": ["ndots:5"] }),
                true,
            ),
            (json!({ "nameservers": "10.1.1.1" }), false),
            (json!({ "domain": ["a.test"] }), false),
            (json!({ "options": [5] }), false),
        ] {
            assert_eq!(Dns::from_json(&dns).is_ok(), is_read, "{dns}");
            assert_eq!(
                DnsKeys::from_object(&object(&dns)).is_ok(),
                is_read,
                "{dns}"
            );
        }
        for (network, is_read) in [
            (json!({ "name": "n", "plugins": [{ "type": "a" }] }), true),
            (
                json!({ "name": "n", "disableCheck": "TRUE", "disableGC": false, "loadOnlyInlinedPlugins": null }),
                true,
            ),
            (
                json!({ "name": "n", "cniVersion": "1.0.0", "cniVersions": ["0.4.0"] }),
                true,
            ),
            (json!({ "plugins": [{ "type": "a" }] }), false),
            (json!({ "name": "n", "disableCheck": "yes" }), false),
            (json!({ "name": "n", "cniVersions": "1.0.0" }), false),
            (json!({ "name": "n", "plugins": { "type": "a" } }), false),
        ] {
            let text = network.to_string();
            assert_eq!(
                NetworkList::parse(text.as_bytes()).is_ok(),
                is_read,
                "{text}"
            );
            assert_eq!(
                NetworkKeys::from_object(&object(&network)).is_ok(),
                is_read,
                "{text}"
            );
        }
    }
}
