//! From a configuration, addresses and the routes that there are to the wanted rules and routes: a pure function.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use linkspan_kernel::rtnl::{Route, Rule};
use linkspan_plan::{AwaitAddresses, LinkRef, Plan, Routing, Step};
use linkspan_plugin::spec::IpConfig;

use super::config::Config;
use crate::attach::routes::{MAIN_TABLE, own_part, without_own_part};

/// What the plan needs beyond the configuration.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    /// The name of the interface, and its index.
    pub(super) ifname: &'a str,
    pub(super) link: u32,
    /// The addresses, each with its table.
    pub(super) addresses: Vec<(IpConfig, u32)>,
    /// The routes of the main table that leave by the interface.
    pub(super) routes: Vec<Route>,
}

/// The rules, the routes in the tables that these lead to, and what becomes of the main table.
pub(super) fn plan(config: &Config, found: &Found<'_>) -> Plan {
    let mut plan = Plan::default();
    let rules = found
        .addresses
        .iter()
        .map(|(ip, table)| Routing::Rule(Box::new(rule(ip.address.addr(), *table))));
    let by_source = "so that what came in by an interface is answered by it";
    plan.extend(Plan::from_iter(rules).because(by_source));
    if config.table.is_some() {
        return plan;
    }
    let own: Vec<Route> = found
        .routes
        .iter()
        .filter_map(|route| own_part(route, found.link))
        .filter(|route| !is_link_local(route.destination))
        .collect();
    for (ip, table) in &found.addresses {
        let table = table_of(config, found.link, ip, *table, &own);
        plan.extend(
            Plan::from_iter(table)
                .because("so that the rule's table leads where the interface does"),
        );
    }
    if config.source_hints {
        plan.extend(hints(found, &own));
    }
    // What others have beside ours in one route stays.
    let moved = found
        .routes
        .iter()
        .filter(|route| !is_link_local(route.destination))
        .filter(|route| !(config.source_hints && is_direct(route)));
    let removed = moved.filter_map(|route| without_own_part(route, found.link));
    let own_table = "since what it is for now has a table of its own";
    plan.extend(Plan::from_iter(removed).because(own_table));
    plan
}

/// What comes from this very address is routed by this table (plugins#478: not what comes from its subnet).
pub(super) fn rule(address: IpAddr, table: u32) -> Rule {
    Rule::from(IpNet::from(address), table)
}

/// The routes of one address's table: a default route, and those of the interface that are of its subnet, or of
/// none.
fn table_of<'r>(
    config: &Config,
    link: u32,
    ip: &'r IpConfig,
    table: u32,
    own: &'r [Route],
) -> impl Iterator<Item = Routing> + 'r {
    let is_v4 = ip.address.addr().is_ipv4();
    // Another default route would take the place of the configured one.
    let is_static = config.has_gateway(ip.address.addr());
    let of_subnet = |address: &IpAddr| ip.address.contains(address);
    let concerns = move |route: &&Route| {
        let gateways: Vec<IpAddr> = gateways(route).collect();
        let is_generic = gateways.is_empty() && route.source.is_none();
        route.destination.addr().is_ipv4() == is_v4
            && !(is_static && route.destination.prefix_len() == 0)
            && (is_generic || gateways.iter().any(of_subnet) || route.source.iter().any(of_subnet))
    };
    let copies = own.iter().filter(concerns).map(move |route| Route {
        table,
        ..route.clone()
    });
    let copies: Vec<Route> = copies.collect();
    let gateway = config.gateway(ip.address.addr(), ip.gateway);
    let default = gateway.map(|gateway| default_route(gateway, link, table));
    // One that is copied would take its place.
    let default = default.filter(|_| !copies.iter().any(is_default));
    default.into_iter().chain(copies).map(Routing::new)
}

/// A default route with the metric that one has when none is said.
fn is_default(route: &Route) -> bool {
    const IPV6_METRIC: u32 = 1024;
    let usual = if route.destination.addr().is_ipv4() {
        0
    } else {
        IPV6_METRIC
    };
    route.destination.prefix_len() == 0 && route.priority.is_none_or(|metric| metric == usual)
}

pub(super) fn default_route(gateway: IpAddr, link: u32, table: u32) -> Route {
    let everywhere = match gateway {
        IpAddr::V4(_) => IpNet::from(Ipv4Net::default()),
        IpAddr::V6(_) => IpNet::from(Ipv6Net::default()),
    };
    Route {
        table,
        ..Route::new(everywhere, Some(gateway), link)
    }
}

fn gateways(route: &Route) -> impl Iterator<Item = IpAddr> + '_ {
    let hops = route.next_hops.iter().filter_map(|hop| hop.gateway);
    route.gateway.into_iter().chain(hops)
}

/// The routes to the subnets, with their addresses as preferred source. Of two addresses in one subnet the
/// last one is preferred.
fn hints<'f>(found: &'f Found<'_>, own: &'f [Route]) -> impl Iterator<Item = Step> + 'f {
    let is_v6 = |(ip, _): &(IpConfig, u32)| ip.address.addr().is_ipv6();
    // An address whose duplicates are looked for cannot be preferred yet.
    let wait = found
        .addresses
        .iter()
        .any(is_v6)
        .then(|| AwaitAddresses(LinkRef::container(found.ifname)).into());
    let hints = found.addresses.iter().map(|(ip, _)| {
        let subnet = ip.address.trunc();
        let is_there = |route: &&Route| route.destination == subnet && is_direct(route);
        let before = own.iter().find(is_there).cloned();
        let route = before.clone().unwrap_or_else(|| direct(subnet, found.link));
        Routing::Route {
            route: Box::new(Route {
                source: Some(ip.address.addr()),
                ..route
            }),
            before: before.map(Box::new),
        }
    });
    wait.into_iter().chain(hints.map(Step::from))
}

/// A route of the main table to a subnet that the link itself reaches.
fn direct(subnet: IpNet, link: u32) -> Route {
    const SCOPE_LINK: u8 = 253;
    Route {
        scope: if subnet.addr().is_ipv4() {
            SCOPE_LINK
        } else {
            0
        },
        table: MAIN_TABLE,
        ..Route::new(subnet, None, link)
    }
}

fn is_direct(route: &Route) -> bool {
    gateways(route).next().is_none()
}

/// Neighbours are reached by link-local addresses, from link-local addresses, which no rule is about.
fn is_link_local(destination: IpNet) -> bool {
    matches!(destination.addr(), IpAddr::V6(address) if address.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(address: &str, gateway: Option<&str>) -> IpConfig {
        let gateway = gateway.map(|gateway| gateway.parse::<IpAddr>().unwrap());
        IpConfig::new(address.parse().unwrap()).with_gateway(gateway)
    }

    fn route(destination: &str, gateway: Option<&str>, source: Option<&str>) -> Route {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        Route {
            source: source.map(address),
            ..Route::new(destination.parse().unwrap(), gateway.map(address), 3)
        }
    }

    fn found() -> Found<'static> {
        Found {
            ifname: "net1",
            link: 3,
            addresses: vec![
                (ip("10.2.0.2/24", Some("10.2.0.1")), 100),
                (ip("10.3.0.2/24", None), 101),
                (ip("fd02::2/64", Some("fd02::1")), 102),
            ],
            routes: vec![
                route("0.0.0.0/0", Some("10.2.0.1"), None),
                route("10.2.0.0/24", None, Some("10.2.0.2")),
                route("10.3.0.0/24", None, Some("10.3.0.2")),
                route("10.9.0.0/16", Some("10.3.0.1"), None),
                route("10.8.0.0/16", None, None),
                route("fd02::/64", None, None),
                route("fe80::/64", None, None),
            ],
        }
    }

    #[test]
    fn each_address_gets_a_table_with_the_routes_of_its_subnet() {
        insta::assert_snapshot!(plan(&Config::default(), &found()).to_string(), @r#"
        1. add the rule from 10.2.0.2/32 lookup 100
        2. add the rule from 10.3.0.2/32 lookup 101
        3. add the rule from fd02::2/128 lookup 102
        4. add the route 0.0.0.0/0 via 10.2.0.1 out of link 3 in table 100
        5. add the route 10.2.0.0/24 out of link 3 in table 100
        6. add the route 10.8.0.0/16 out of link 3 in table 100
        7. add the route 10.3.0.0/24 out of link 3 in table 101
        8. add the route 10.9.0.0/16 via 10.3.0.1 out of link 3 in table 101
        9. add the route 10.8.0.0/16 out of link 3 in table 101
       10. add the route ::/0 via fd02::1 out of link 3 in table 102
       11. add the route fd02::/64 out of link 3 in table 102
       12. take away the route 0.0.0.0/0 via 10.2.0.1 out of link 3
       13. take away the route 10.2.0.0/24 out of link 3
       14. take away the route 10.3.0.0/24 out of link 3
       15. take away the route 10.9.0.0/16 via 10.3.0.1 out of link 3
       16. take away the route 10.8.0.0/16 out of link 3
       17. take away the route fd02::/64 out of link 3
        "#);
    }

    #[test]
    fn hints_keep_the_routes_to_the_subnets() {
        let config = Config {
            source_hints: true,
            ..Config::default()
        };
        let text = plan(&config, &found()).to_string();
        let main: Vec<&str> = text
            .lines()
            .filter(|line| !line.contains("table"))
            .collect();
        insta::assert_snapshot!(main.join("\n"), @r#"
        1. add the rule from 10.2.0.2/32 lookup 100
        2. add the rule from 10.3.0.2/32 lookup 101
        3. add the rule from fd02::2/128 lookup 102
       12. wait until the addresses of "net1" in the container are usable
       13. replace the route 10.2.0.0/24 out of link 3
       14. replace the route 10.3.0.0/24 out of link 3
       15. replace the route fd02::/64 out of link 3
       16. take away the route 0.0.0.0/0 via 10.2.0.1 out of link 3
       17. take away the route 10.9.0.0/16 via 10.3.0.1 out of link 3
        "#);
    }

    #[test]
    fn with_a_table_there_are_rules_alone() {
        let config = Config {
            table: Some(7),
            ..Config::default()
        };
        let mut found = found();
        for (_, table) in &mut found.addresses {
            *table = 7;
        }
        insta::assert_snapshot!(plan(&config, &found).to_string(), @r"
        1. add the rule from 10.2.0.2/32 lookup 7
        2. add the rule from 10.3.0.2/32 lookup 7
        3. add the rule from fd02::2/128 lookup 7
        ");
    }
}
