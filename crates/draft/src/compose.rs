//! The configuration itself.

use linkspan_spec::{Map, Value, Version};
use serde_json::json;

use crate::Choice;
use crate::addresses::{Addresses, Subnet};
use crate::facts::Facts;
use crate::versions::Speech;
use crate::wish::{Kind, Wish};

const PORTMAP: &str = "portmap";
const FIREWALL: &str = "firewall";
const BANDWIDTH: &str = "bandwidth";

/// What a configuration is made of.
pub(crate) struct Plan<'a> {
    pub(crate) wish: &'a Wish,
    pub(crate) name: &'a str,
    pub(crate) bridge: Option<&'a str>,
    pub(crate) addresses: &'a Addresses,
    pub(crate) chain: &'a [&'static str],
    pub(crate) version: Version,
}

/// The plugins that a wish may need, which are to be asked for their versions.
pub fn candidates(wish: &Wish) -> Vec<&'static str> {
    let mut plugins = vec![wish.kind.plugin(), "host-local"];
    if wish.kind.master().is_some() || wish.dhcp {
        plugins.push("dhcp");
    }
    let others = [
        (wish.ports, PORTMAP),
        (may_have_firewall(wish), FIREWALL),
        (wish.bandwidth, BANDWIDTH),
    ];
    plugins.extend(
        others
            .into_iter()
            .filter(|(is_wanted, _)| *is_wanted)
            .map(|(_, plugin)| plugin),
    );
    plugins
}

/// Whether the host's firewall sees what containers send.
fn may_have_firewall(wish: &Wish) -> bool {
    wish.firewall
        .unwrap_or(wish.kind.master().is_none() && !wish.internal && !wish.dhcp)
}

/// The plugins of the chain, in their order.
pub(crate) fn chain(
    wish: &Wish,
    facts: &Facts,
    addresses: &Addresses,
    choices: &mut Vec<Choice>,
) -> Vec<&'static str> {
    let mut chain = vec![wish.kind.plugin()];
    if wish.ports {
        chain.push(PORTMAP);
    }
    // Where no plugin is installed, those that will be are Linkspan's, which has it.
    let has = |plugin: &str| facts.speech(plugin) != Some(&Speech::Missing);
    let is_there = has(FIREWALL) || !has(wish.kind.plugin());
    match wish.firewall {
        None if may_have_firewall(wish) && matches!(addresses, Addresses::Local(_)) && is_there => {
            let why = "so that containers are reached where the host's firewall drops what it forwards; --no-firewall leaves it out";
            choices.push(Choice::new("firewall", "on", why));
            chain.push(FIREWALL);
        }
        Some(true) => chain.push(FIREWALL),
        _ => {}
    }
    if wish.bandwidth {
        chain.push(BANDWIDTH);
    }
    chain
}

/// All plugins that a chain runs.
pub(crate) fn plugins(chain: &[&str], addresses: &Addresses) -> Vec<String> {
    let ipam = match addresses {
        Addresses::Dhcp => "dhcp",
        Addresses::Local(_) => "host-local",
    };
    let (first, rest) = chain.split_at(1.min(chain.len()));
    let all = first
        .iter()
        .copied()
        .chain([ipam])
        .chain(rest.iter().copied());
    all.map(str::to_owned).collect()
}

/// The list.
pub(crate) fn configuration(plan: &Plan<'_>) -> Value {
    let plugins = plan.chain.iter().map(|plugin| match *plugin {
        PORTMAP => json!({ "type": PORTMAP, "capabilities": { "portMappings": true } }),
        FIREWALL => json!({ "type": FIREWALL }),
        BANDWIDTH => json!({ "type": BANDWIDTH, "capabilities": { "bandwidth": true } }),
        _ => interface(plan),
    });
    let plugins: Vec<Value> = plugins.collect();
    json!({ "cniVersion": plan.version.as_str(), "name": plan.name, "plugins": plugins })
}

/// The plugin that makes the interface.
fn interface(plan: &Plan<'_>) -> Value {
    let wish = plan.wish;
    let mut map = Map::new();
    let mut set = |key: &str, value: Value| {
        map.insert(key.to_owned(), value);
    };
    set("type", wish.kind.plugin().into());
    let is_routed = !wish.internal && matches!(plan.addresses, Addresses::Local(_));
    match &wish.kind {
        Kind::Bridge(_) => {
            set("bridge", plan.bridge.into());
            if is_routed {
                set("isGateway", true.into());
                set("ipMasq", true.into());
            }
            // A container that calls a port of the host that is its own.
            if wish.ports {
                set("hairpinMode", true.into());
            }
        }
        Kind::Ptp if is_routed => set("ipMasq", true.into()),
        Kind::Ptp => {}
        Kind::Macvlan(master) | Kind::Ipvlan(master) => {
            set("master", master.as_str().into());
            if let Some(mode) = &wish.mode {
                set("mode", mode.as_str().into());
            }
        }
        Kind::Vlan(master, id) => {
            set("master", master.as_str().into());
            set("vlanId", (*id).into());
        }
    }
    if let Some(mtu) = wish.mtu {
        set("mtu", mtu.into());
    }
    if let Some(capabilities) = capabilities(plan) {
        set("capabilities", capabilities);
    }
    set("ipam", ipam(plan));
    Value::Object(map)
}

/// What a runtime may hand in: an address and a MAC address, as `podman run --ip` and `--mac-address` do.
fn capabilities(plan: &Plan<'_>) -> Option<Value> {
    let has_mac = matches!(plan.wish.kind, Kind::Bridge(_) | Kind::Macvlan(_));
    match (plan.addresses, has_mac) {
        (Addresses::Local(_), true) => Some(json!({ "ips": true, "mac": true })),
        (Addresses::Local(_), false) => Some(json!({ "ips": true })),
        (Addresses::Dhcp, true) => Some(json!({ "mac": true })),
        (Addresses::Dhcp, false) => None,
    }
}

fn ipam(plan: &Plan<'_>) -> Value {
    let Addresses::Local(subnets) = plan.addresses else {
        return json!({ "type": "dhcp" });
    };
    let ranges: Vec<Value> = subnets
        .iter()
        .map(|subnet| json!([range(subnet)]))
        .collect();
    let mut map = Map::new();
    map.insert("type".into(), "host-local".into());
    map.insert("ranges".into(), ranges.into());
    if !plan.wish.internal {
        let routes = subnets
            .iter()
            .map(|subnet| match subnet.net.addr().is_ipv4() {
                true => json!({ "dst": "0.0.0.0/0" }),
                false => json!({ "dst": "::/0" }),
            });
        map.insert("routes".into(), routes.collect());
    }
    Value::Object(map)
}

fn range(subnet: &Subnet) -> Value {
    let mut map = Map::new();
    map.insert("subnet".into(), subnet.net.to_string().into());
    if let Some(stretch) = subnet.stretch {
        map.insert("rangeStart".into(), stretch.first.to_string().into());
        map.insert("rangeEnd".into(), stretch.last.to_string().into());
    }
    if let Some(gateway) = subnet.gateway {
        map.insert("gateway".into(), gateway.to_string().into());
    }
    Value::Object(map)
}
