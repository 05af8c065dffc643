//! CHECK: the interface is part of the vrf, with what the result of ADD tells.

use linkspan_kernel::rtnl::{LinkData, Route};
use linkspan_plan::{Address, Carry, LinkRef, On, Plan, Routing, Step, Vrf};
use linkspan_plugin::Call;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, IpConfig, Success};

use super::config::Config;
use crate::attach::require_prev_result;
use crate::attach::routes::MAIN_TABLE;

pub(super) fn check(call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
    let config = call.config.get()?;
    let result = require_prev_result(call, "missing prevResult from earlier plugin")?;
    let namespaces = crate::attach::namespaces(call)?;
    let container = namespaces.container()?;
    let ifname = call.ifname()?.as_str();
    let link = container.link(ifname)?.index;
    let vrf = container.link_if_there(config.name.as_str())?;
    let table = match vrf.map(|vrf| vrf.data.clone()) {
        Some(LinkData::Vrf { table }) => table,
        _ => config.table.unwrap_or(0),
    };
    let mut wanted = Plan::from_iter([Vrf {
        name: config.name.clone(),
        table: config.table.unwrap_or(table),
    }]);
    wanted.push(On(
        LinkRef::container(ifname),
        Carry {
            vrf: Some(config.name.clone()),
            addresses: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
        },
    ));
    wanted.extend(addresses_and_routes(&result, ifname, link, table));
    linkspan_plan::check(&wanted, &namespaces)
}

/// The interface's IPv6 addresses, which the kernel drops as the interface moves, and the routes by gateways in
/// the subnets of its addresses. What does not move is for the plugin before to look at.
fn addresses_and_routes(result: &Success, ifname: &str, link: u32, table: u32) -> Plan {
    let is_own = |ip: &&IpConfig| {
        let interface = ip.interface.and_then(|index| result.interfaces.get(index));
        interface.is_some_and(|one| one.name == ifname && !one.sandbox.is_empty())
    };
    let own: Vec<&IpConfig> = result.ips.iter().filter(is_own).collect();
    let moved = own.iter().filter(|ip| ip.address.addr().is_ipv6());
    let addresses = moved.map(|ip| {
        let address = Address {
            address: ip.address,
            detect_duplicates: false,
        };
        Step::from(On(LinkRef::container(ifname), address))
    });
    let routes = result.routes.iter().filter_map(|route| {
        let gateway = route.gw?;
        let is_own = own.iter().any(|ip| ip.address.contains(&gateway));
        // Those of other tables have not moved.
        let is_moved = route.table.is_none_or(|table| table == MAIN_TABLE);
        (is_own && is_moved).then(|| Route {
            table,
            ..Route::new(route.dst.trunc(), Some(gateway), link)
        })
    });
    let routes = routes.map(|route| Routing::new(route).into());
    addresses.chain(routes).collect()
}
