//! Addresses and routes of the container's interface, from an IPAM plugin's result.

use std::net::IpAddr;

use linkspan_plan::{Address, AwaitAddresses, Because, LinkRef, On, Plan, Settings, sysctls};
use linkspan_plugin::spec::{IpConfig, Route, Success};

/// What goes with the addresses of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// Neighbours are told where they are now: others may have had them before.
    pub announced: bool,
    /// Other hosts that have one of IPv6 are looked for, and the outcome is awaited.
    pub detect_duplicates: bool,
}

/// The steps that give the interface its addresses, switch it on and give it its routes.
///
/// `index` is the position of the interface in the result; addresses of others are left out. A route
/// without a gateway gets the first of its family.
pub fn steps(link: &LinkRef, result: &Success, index: usize, manner: Manner) -> Plan {
    let mut steps = addresses(link, result, index, manner);
    steps.extend(routes(link, result, index));
    steps
}

/// The steps that give the interface its addresses and switch it on.
pub fn addresses(link: &LinkRef, result: &Success, index: usize, manner: Manner) -> Plan {
    let Manner {
        announced,
        detect_duplicates,
    } = manner;
    let mut steps = Plan::default();
    let has_ipv6 = own(result, index).any(|ip| ip.address.addr().is_ipv6());
    if has_ipv6 {
        steps.extend(sysctls::ipv6(link));
        steps.extend(announced.then(|| sysctls::announced_ipv6(link)));
    }
    if announced && own(result, index).next().is_some() {
        let settings = Settings {
            announced,
            ..Settings::default()
        };
        steps.push(On(link.clone(), settings));
    }
    steps.extend(own(result, index).map(|ip| {
        // The link may be set so too (accept_dad), for addresses that it gets later. But with that alone the
        // kernel makes an address usable some time after it was added, perhaps after ADD has returned.
        let address = Address {
            address: ip.address,
            detect_duplicates,
        };
        On(link.clone(), address)
    }));
    steps.push(On(link.clone(), Settings::up()));
    if detect_duplicates && has_ipv6 {
        steps.push(AwaitAddresses(link.clone()).because(DUPLICATES));
    }
    steps
}

/// Why the addresses are waited for.
const DUPLICATES: &str = "so that no other host has them (enabledad)";

/// The scope of a route whose destinations are neighbours, as the kernel numbers it (`RT_SCOPE_LINK`): with a gateway
/// the kernel refuses it.
const ON_LINK: u8 = 253;

/// The steps that give the interface its routes, once it has its addresses. What is there twice then is one
/// route, which the kernel takes once.
pub fn routes(link: &LinkRef, result: &Success, index: usize) -> Plan {
    let mut routes: Vec<Route> = Vec::new();
    for route in &result.routes {
        let same_family = |gateway: &IpAddr| gateway.is_ipv4() == route.dst.addr().is_ipv4();
        let mut gateways = own(result, index).filter_map(|ip| ip.gateway);
        let gw = match route.scope {
            Some(ON_LINK) => route.gw,
            _ => route.gw.or_else(|| gateways.find(same_family)),
        };
        let route = route.with_gw(gw);
        if !routes.contains(&route) {
            routes.push(route);
        }
    }
    let step = |route| On(link.clone(), route);
    routes.into_iter().map(step).collect()
}

/// The addresses of the interface at this position in the result.
pub fn own(result: &Success, index: usize) -> impl Iterator<Item = &IpConfig> {
    let is_own = move |ip: &&IpConfig| ip.interface == Some(index);
    result.ips.iter().filter(is_own)
}
