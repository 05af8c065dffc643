//! Chains whose last plugin adjusts what `bridge` has attached.

use serde_json::{Value, json};

use crate::case::Case;

/// The MAC address of the container's interface before the plugin.
const MAC: &str = "02:00:00:00:00:aa";

/// A container on a bridge, with an IPv4 address and a default route; then this plugin.
pub(crate) fn after_bridge(kind: &str, keys: Value) -> Case {
    after(
        json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }),
        kind,
        keys,
    )
}

/// The same with an address of each family.
pub(crate) fn after_dual_stack(kind: &str, keys: Value) -> Case {
    let ranges = json!([[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]]);
    let routes = json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]);
    after(
        json!({ "type": "host-local", "ranges": ranges, "routes": routes }),
        kind,
        keys,
    )
}

fn after(ipam: Value, kind: &str, keys: Value) -> Case {
    let mut plugin = keys;
    plugin["type"] = kind.into();
    Case::chain(&json!([
        { "type": "bridge", "isGateway": true, "ipam": ipam, "runtimeConfig": { "mac": MAC } },
        plugin,
    ]))
}
