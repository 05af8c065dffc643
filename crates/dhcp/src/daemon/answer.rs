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
    let route = |route: &crate::message::Route| Route {
        mtu: parameters.mtu.map(u32::from),
        priority,
        // Said, since without a gateway a plugin takes that of the address.
        scope: route.via.is_none().then_some(ON_LINK),
        ..Route::new(IpNet::V4(route.destination), route.via.map(IpAddr::V4))
    };
    Success {
        interfaces: Vec::new(),
        ips: vec![IpConfig {
            interface: None,
            address: IpNet::V4(lease.address),
            gateway: parameters.routers.first().copied().map(IpAddr::V4),
        }],
        routes: parameters.routes.iter().map(route).collect(),
        dns: Dns {
            nameservers: parameters.dns.iter().map(ToString::to_string).collect(),
            domain: parameters.domain.clone().unwrap_or_default(),
            search: parameters.search.clone(),
            options: Vec::new(),
        },
    }
}
