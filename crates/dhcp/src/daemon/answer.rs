//! What a lease says to a plugin.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_spec::{Dns, IpConfig, Route, Success};

use crate::machine::Lease;

/// A route to neighbours, as the kernel numbers its scope (`RT_SCOPE_LINK`).
const ON_LINK: u8 = 253;

/// The result of ADD: the address, its routes with this priority, name servers. An IPAM plugin's result has no interface
/// whose MTU it could tell, so that of the server is its routes'.
pub(super) fn result(lease: &Lease, priority: Option<u32>) -> Success {
    let parameters = &lease.parameters;
    let gateway = parameters.routers.first().copied().map(IpAddr::V4);
    let route = |route: &crate::message::Route| {
        Route::new(IpNet::V4(route.destination), route.via.map(IpAddr::V4))
            .with_mtu(parameters.mtu.map(u32::from))
            .with_priority(priority)
            // Said, since without a gateway a plugin takes that of the address.
            .with_scope(route.via.is_none().then_some(ON_LINK))
    };
    let nameservers = parameters.dns.iter().map(ToString::to_string);
    let dns = Dns::default()
        .with_nameservers(nameservers.collect::<Vec<_>>())
        .with_domain(parameters.domain.clone().unwrap_or_default())
        .with_search(parameters.search.clone());
    Success::default()
        .with_ips([IpConfig::new(IpNet::V4(lease.address)).with_gateway(gateway)])
        .with_routes(parameters.routes.iter().map(route).collect::<Vec<_>>())
        .with_dns(dns)
}
