//! What a network's configuration promises to its containers, as far as checks ask.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_spec::{PluginConfig, Value, decode};

use crate::Host;
use crate::network::Network;
use crate::pool::Pool;

/// The bridge that the plugin `bridge` uses unless another is named.
const DEFAULT_BRIDGE: &str = "cni0";

/// What the interface's plugin of a network says, the first of its chain.
#[derive(Clone, Debug)]
pub(super) struct Promise<'h> {
    /// The network.
    pub(super) network: &'h Network,
    /// Its name.
    pub(super) name: &'h str,
    /// The bridge, where it is one.
    pub(super) bridge: Option<String>,
    /// The link of the host that containers' links are made on, where one is named.
    pub(super) master: Option<String>,
    /// The host is a router for the containers.
    pub(super) routes: bool,
    /// Containers are to reach what is beyond the host.
    pub(super) leads_outside: bool,
    /// What containers send beyond their subnet is masqueraded.
    pub(super) masquerades: bool,
    /// The largest packet that is asked for, in bytes.
    pub(super) mtu: Option<u32>,
}

impl<'h> Promise<'h> {
    /// That of a network.
    fn of(network: &'h Network) -> Option<Self> {
        let plugin = network.list.as_ref()?.plugins.first()?;
        let kind = network.plugins.first()?;
        let is_bridge = kind == "bridge";
        let is_ptp = kind == "ptp";
        let default_gateway = is_bridge && flag(plugin, "isDefaultGateway");
        let masquerades = (is_bridge || is_ptp) && flag(plugin, "ipMasq");
        let routes =
            is_ptp || (is_bridge && (default_gateway || masquerades || flag(plugin, "isGateway")));
        Some(Self {
            network,
            name: network.name.as_deref()?,
            bridge: is_bridge.then(|| text(plugin, "bridge").unwrap_or(DEFAULT_BRIDGE.to_owned())),
            master: text(plugin, "master").filter(|_| !flag(plugin, "linkInContainer")),
            routes,
            leads_outside: routes && (default_gateway || masquerades || has_default_route(plugin)),
            masquerades,
            mtu: key(plugin, "mtu")
                .and_then(Value::as_u64)
                .and_then(|mtu| u32::try_from(mtu).ok())
                .filter(|mtu| *mtu > 0),
        })
    }

    /// Whether a plugin is in the network's chain.
    pub(super) fn has(&self, plugin: &str) -> bool {
        self.network.plugins.iter().any(|one| one == plugin)
    }
}

fn has_default_route(plugin: &PluginConfig) -> bool {
    let routes = plugin.ipam().and_then(|ipam| decode::key(ipam, "routes"));
    let routes = routes.and_then(Value::as_array).into_iter().flatten();
    let mut destinations = routes.filter_map(|route| {
        decode::key(route.as_object()?, "dst")?
            .as_str()?
            .parse()
            .ok()
    });
    destinations.any(|destination: IpNet| destination.prefix_len() == 0)
}

fn key<'p>(plugin: &'p PluginConfig, name: &str) -> Option<&'p Value> {
    decode::key(plugin.as_map(), name)
}

fn flag(plugin: &PluginConfig, name: &str) -> bool {
    key(plugin, name)
        .and_then(Value::as_bool)
        .unwrap_or_default()
}

fn text(plugin: &PluginConfig, name: &str) -> Option<String> {
    let text = key(plugin, name)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// What the networks in force promise.
pub(super) fn promises(host: &Host) -> impl Iterator<Item = Promise<'_>> {
    let networks = host.networks.iter();
    networks
        .filter(|network| network.is_in_force())
        .filter_map(Promise::of)
}

/// The pools of a network.
pub(super) fn pools<'h>(host: &'h Host, network: &'h str) -> impl Iterator<Item = &'h Pool> {
    let pools = host.pools.iter();
    pools.filter(move |pool| pool.network == network && !pool.sets.is_empty())
}

/// The gateways of a network's pools, each with the length of its subnet's prefix.
pub(super) fn gateways(host: &Host, network: &str) -> Vec<IpNet> {
    let sets = pools(host, network).flat_map(|pool| &pool.sets);
    let ranges = sets.flat_map(|set| set.addresses.ranges());
    let mut gateways: Vec<IpNet> = ranges
        .map(|range| range.with_prefix(range.gateway()))
        .collect();
    gateways.sort();
    gateways.dedup();
    gateways
}

/// The addresses that a network's containers certainly use now.
pub(super) fn addresses_in_use<'h>(
    host: &'h Host,
    network: &'h str,
) -> impl Iterator<Item = IpAddr> + 'h {
    let attachments = host.attachments_of(network);
    let alive = attachments.filter(|one| one.life.is_alive());
    alive.flat_map(|one| one.addresses.iter().map(IpNet::addr))
}
