//! CHECK: rules and routes are as ADD made them.

use linkspan_kernel::rtnl::Route;
use linkspan_plan::{Plan, Routing};
use linkspan_plugin::Call;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, IpConfig, Success};

use super::config::Config;
use super::{own_addresses, plan, source_rules};
use crate::attach::require_prev_result;
use crate::attach::routes::MAIN_TABLE;

pub(super) fn check(call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
    let config = call.config.get()?;
    let result = require_prev_result(call, "This plugin must be called as chained plugin")?;
    let namespaces = crate::attach::namespaces(call)?;
    let container = namespaces.container()?;
    let link = container.link(call.ifname()?.as_str())?.index;
    let rules = source_rules(container.rtnl())?;
    let mut wanted = Plan::default();
    for ip in own_addresses(call, &result)? {
        let address = ip.address.addr();
        // Which table ADD chose is in the kernel alone.
        let chosen = rules.iter().find(|(source, rule)| {
            *source == address && config.table.is_none_or(|table| table == rule.table)
        });
        let Some((_, rule)) = chosen else {
            return Err(without_rule(config, &ip));
        };
        if config.table.is_none() {
            wanted.extend(routes(config, &result, &ip, link, rule.table));
        }
    }
    linkspan_plan::check(&wanted, &namespaces)
}

fn without_rule(config: &Config, ip: &IpConfig) -> Error {
    let table = config
        .table
        .map_or("a table of its own".to_owned(), |table| table.to_string());
    let address = ip.address.addr();
    Error::new(
        ErrorCode::INTERNAL,
        format!("the rules from {address}: expected one to look up {table}, found none"),
    )
    .with_details("something changed the attachment after ADD; DEL and ADD make it anew")
}

/// The routes that an address's table has in any case: its default route, and of the result's those by a gateway
/// in its subnet. And what the main table has when it is to prefer the address.
fn routes(
    config: &Config,
    result: &Success,
    ip: &IpConfig,
    link: u32,
    table: u32,
) -> impl Iterator<Item = Routing> {
    let address = ip.address.addr();
    let is_static = config.has_gateway(address);
    let told = result.routes.iter().filter_map(|route| {
        let gateway = route.gw.filter(|gateway| ip.address.contains(gateway))?;
        // Those of another table have been left where they are.
        let is_copied = route.table.is_none_or(|table| table == MAIN_TABLE)
            && !(is_static && route.dst.prefix_len() == 0);
        is_copied.then(|| Route {
            table,
            ..Route::new(route.dst.trunc(), Some(gateway), link)
        })
    });
    let mut wanted: Vec<Route> = told.collect();
    if wanted
        .iter()
        .all(|route| route.destination.prefix_len() != 0)
    {
        let gateway = config.gateway(address, ip.gateway);
        wanted.extend(gateway.map(|gateway| plan::default_route(gateway, link, table)));
    }
    if config.source_hints {
        wanted.push(Route::new(ip.address.trunc(), None, link));
    }
    wanted.into_iter().map(Routing::new)
}
