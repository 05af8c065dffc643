//! Addresses and routes of the container's interface, from an IPAM plugin's result.

use std::net::IpAddr;

use linkspan_plugin::spec::{IpConfig, Route, Success};

use crate::plan::{Address, LinkRef, Settings, Step, sysctls};

/// The steps that give the interface its addresses, switch it on and give it its routes.
///
/// `index` is the position of the interface in the result; addresses of others are left out. A route
/// without a gateway gets the first of its family.
pub fn steps(link: &LinkRef, result: &Success, index: usize, detect_duplicates: bool) -> Vec<Step> {
    let own: Vec<&IpConfig> = result
        .ips
        .iter()
        .filter(|ip| ip.interface == Some(index))
        .collect();
    let mut steps = Vec::new();
    if own.iter().any(|ip| ip.address.addr().is_ipv6()) {
        steps.extend(sysctls::ipv6(link));
    }
    steps.extend(own.iter().map(|ip| {
        // The link is set so too (accept_dad), for addresses that it gets later. But with that alone the kernel
        // makes an address usable some time after it was added, perhaps after ADD has returned.
        let address = Address {
            address: ip.address,
            detect_duplicates,
        };
        Step::Address(link.clone(), address)
    }));
    steps.push(Step::Settings(
        link.clone(),
        Settings {
            up: true,
            ..Settings::default()
        },
    ));
    if detect_duplicates && own.iter().any(|ip| ip.address.addr().is_ipv6()) {
        steps.push(Step::AwaitAddresses(link.clone()));
    }
    steps.extend(routes(result, &own).map(|route| Step::Route(link.clone(), route)));
    steps
}

/// The routes with their gateways; what is there twice then is one route, which the kernel takes once.
fn routes(result: &Success, own: &[&IpConfig]) -> impl Iterator<Item = Route> {
    let mut routes: Vec<Route> = Vec::new();
    for route in result.routes.iter().map(|route| with_gateway(route, own)) {
        if !routes.contains(&route) {
            routes.push(route);
        }
    }
    routes.into_iter()
}

fn with_gateway(route: &Route, own: &[&IpConfig]) -> Route {
    let same_family = |gateway: &IpAddr| gateway.is_ipv4() == route.dst.addr().is_ipv4();
    let first = own.iter().filter_map(|ip| ip.gateway).find(same_family);
    Route {
        gw: route.gw.or(first),
        ..*route
    }
}
