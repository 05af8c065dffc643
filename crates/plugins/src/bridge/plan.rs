//! From a configuration and addresses to the wanted objects: a pure function.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use linkspan_netfilter::{Attachment, Kind};
use linkspan_plan::{
    Announcement, AwaitRunning, Because, Bridge, Gateway, LinkRef, Netfilter, On, Plan, PortVlans,
    Settings, VethEnd, VethPair, VlanInterface, sysctls,
};
use linkspan_plugin::spec::{IpConfig, MacAddr, Route, Success};

use super::config::{Config, Vlans};
use crate::attach::{Manner, configure};

/// What the plan needs beyond the configuration: what was chosen for this attachment.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    /// The container's interface.
    pub(super) container: VethEnd,
    /// Its other end on the host.
    pub(super) host: VethEnd,
    /// Bytes; `None` leaves it to the kernel.
    pub(super) mtu: Option<u32>,
    /// The bridge's MAC address, should it have to be created; of one that is compared, `None` is any.
    pub(super) bridge_mac: Option<MacAddr>,
    /// Who the attachment is, for the host end's alias.
    pub(super) owner: String,
    /// The bridge's interface in the container's VLAN, should a gateway's address be on it.
    pub(super) vlan_interface: Option<VlanEnds>,
}

/// The two ends of the bridge's interface in a VLAN.
#[derive(Clone, Debug)]
pub(super) struct VlanEnds {
    /// The end with the gateway's address.
    pub(super) address: VethEnd,
    /// The end that is a port of the bridge.
    pub(super) port: VethEnd,
}

/// The position of the container's interface in the result.
pub(super) const CONTAINER_INTERFACE: usize = 2;

/// Completes the IPAM plugin's result: the interface that the addresses are of, gateways that it left
/// to us, and the default route that `isDefaultGateway` asks for.
pub(super) fn complete(config: &Config, result: &mut Success) {
    for ip in &mut result.ips {
        ip.interface = Some(CONTAINER_INTERFACE);
        if ip.gateway.is_none() && config.is_gateway {
            ip.gateway = Some(first_host(ip.address));
        }
    }
    if !config.is_default_gateway {
        return;
    }
    for index in 0..result.ips.len() {
        let IpConfig {
            address, gateway, ..
        } = result.ips[index];
        let default = default_route(address);
        // One without a gateway of its own gets this address's.
        let is_there =
            |route: &Route| route.dst == default && (route.gw.is_some() || route.table.is_none());
        if !result.routes.iter().any(is_there) {
            result.routes.push(Route::new(default, gateway));
        }
    }
}

/// The first address of a subnet after the network's own, by convention the gateway's.
fn first_host(address: IpNet) -> IpAddr {
    match address.network() {
        IpAddr::V4(network) => IpAddr::V4(u32::from(network).wrapping_add(1).into()),
        IpAddr::V6(network) => IpAddr::V6(u128::from(network).wrapping_add(1).into()),
    }
}

fn default_route(address: IpNet) -> IpNet {
    match address {
        IpNet::V4(_) => Ipv4Net::default().into(),
        IpNet::V6(_) => Ipv6Net::default().into(),
    }
}

/// The bridge and the link, before it has addresses.
pub(super) fn link(config: &Config, chosen: &Chosen) -> Plan {
    let mut plan = Plan::default();
    plan.push(Bridge {
        name: config.bridge.clone(),
        mtu: chosen.mtu,
        mac: chosen.bridge_mac,
        vlan_filtering: config.vlans.filtering,
        promisc: config.promisc,
    });
    plan.push(VethPair {
        host: chosen.host.clone(),
        master: Some(config.bridge.clone()),
        container: chosen.container.clone(),
        mtu: chosen.mtu,
        alias: chosen.owner.clone(),
    });
    plan.extend(port_steps(
        config,
        &LinkRef::host(chosen.host.name.as_str()),
    ));
    plan
}

/// Everything else that the attachment is to consist of: what follows from its addresses, and `netfilter`, what is wanted
/// of that.
pub(super) fn configuration(
    config: &Config,
    chosen: &Chosen,
    netfilter: Option<Attachment>,
    result: &Success,
) -> Plan {
    let mut plan = Plan::default();
    let container = LinkRef::container(chosen.container.name.as_str());
    if config.layer3 {
        plan.extend(container_steps(config, &container, result));
        plan.extend(gateway_steps(config, chosen, result));
    } else if !config.disable_container_interface {
        plan.push(On(container.clone(), Settings::up()));
    }
    let with_reasons = |wanted| Netfilter::from(wanted).with_reasons(NETFILTER);
    plan.extend(netfilter.map(with_reasons));
    if !config.disable_container_interface {
        plan.push(AwaitRunning(LinkRef::host(chosen.host.name.as_str())));
        if !result.ips.is_empty() {
            let addresses = result.ips.iter().map(|ip| ip.address.addr()).collect();
            plan.push(On(container, Announcement(addresses)));
        }
    }
    plan
}

/// What the port is set to on the host.
fn port_steps(config: &Config, port: &LinkRef) -> Plan {
    let settings = Settings {
        hairpin: config.hairpin,
        isolated: config.port_isolation,
        ..Settings::default()
    };
    let mut steps = Plan::from_iter([sysctls::no_router_advertisements(port)]);
    if settings != Settings::default() {
        steps.push(On(port.clone(), settings).because(port_reason(config)));
    }
    if let Some(vlans) = port_vlans(&config.vlans) {
        steps.push(On(port.clone(), vlans).because(VLANS));
    }
    steps
}

/// An access VLAN passes untagged, trunk VLANs tagged; a trunk without an access VLAN has 1 as its
/// native VLAN, as it always had.
fn port_vlans(vlans: &Vlans) -> Option<PortVlans> {
    const NATIVE_OF_A_TRUNK: u16 = 1;
    if vlans.access.is_none() && vlans.trunk.is_empty() {
        return None;
    }
    Some(PortVlans {
        native: vlans.access.or(Some(NATIVE_OF_A_TRUNK)),
        tagged: vlans.trunk.clone(),
        without_default: !vlans.preserve_default,
    })
}

/// Addresses and routes in the container.
fn container_steps(config: &Config, container: &LinkRef, result: &Success) -> Plan {
    let detection = sysctls::duplicate_address_detection(container, config.enable_dad);
    let mut steps = Plan::from_iter(detection);
    let manner = Manner {
        announced: true,
        detect_duplicates: config.enable_dad,
    };
    steps.extend(configure::steps(
        container,
        result,
        CONTAINER_INTERFACE,
        manner,
    ));
    steps
}

/// The gateways' addresses on the bridge, or on the bridge's interface in the container's VLAN, and
/// forwarding for their families.
fn gateway_steps(config: &Config, chosen: &Chosen, result: &Success) -> Plan {
    if !config.is_gateway {
        return Plan::default();
    }
    let mut steps = Plan::default();
    let link = match (&chosen.vlan_interface, config.vlans.access) {
        (Some(ends), Some(vlan)) => {
            let interface = vlan_interface(config, ends, vlan);
            let name = interface.name.clone();
            steps.push(interface);
            name
        }
        _ => config.bridge.to_string(),
    };
    steps.extend(gateways(&link, config, result));
    if result.ips.iter().any(|ip| ip.address.addr().is_ipv4()) {
        steps.push(sysctls::forward_ipv4());
    }
    if result.ips.iter().any(|ip| ip.address.addr().is_ipv6()) {
        steps.push(sysctls::forward_ipv6());
    }
    steps.because(match config.is_default_gateway {
        true => "so that the host routes for the containers (isDefaultGateway)",
        false => "so that the host routes for the containers (isGateway)",
    })
}

/// Why a port is set so.
fn port_reason(config: &Config) -> &'static str {
    match (config.hairpin, config.port_isolation) {
        (true, true) => "(hairpinMode, portIsolation)",
        (true, false) => "so that the container reaches its own published ports (hairpinMode)",
        (false, _) => "so that isolated containers do not reach each other (portIsolation)",
    }
}

const VLANS: &str = "(vlan, vlanTrunk, preserveDefaultVlan)";

/// Why something is wanted of netfilter.
const NETFILTER: &[(Kind, &str)] = &[
    (
        Kind::Masquerade,
        "since nobody there knows a way back to it (ipMasq)",
    ),
    (
        Kind::SpoofGuard,
        "so that the container passes for nobody else (macspoofchk)",
    ),
];

fn vlan_interface(config: &Config, ends: &VlanEnds, vlan: u16) -> VlanInterface {
    VlanInterface {
        name: ends.address.name.clone(),
        mac: ends.address.mac,
        port: ends.port.clone(),
        bridge: config.bridge.clone(),
        vlans: PortVlans {
            native: Some(vlan),
            tagged: Vec::new(),
            without_default: !config.vlans.preserve_default,
        },
    }
}

fn gateways<'a>(
    link: &'a str,
    config: &'a Config,
    result: &'a Success,
) -> impl Iterator<Item = On<Gateway>> + 'a {
    result.ips.iter().filter_map(move |ip| {
        // The prefix is that of an address of the same family, so it fits.
        let address = IpNet::new(ip.gateway?, ip.address.prefix_len()).ok()?;
        let gateway = Gateway {
            address,
            force: config.force_address,
        };
        Some(On(LinkRef::host(link), gateway))
    })
}
