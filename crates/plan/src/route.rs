//! A route out of a link, as results have it.

use std::fmt;
use std::net::IpAddr;

use linkspan_kernel::rtnl::{self, Change, RouteFilter};
use linkspan_spec::Error;

use crate::difference::{Difference, listed, unless};
use crate::fault::explain;
use crate::foresee::Outlook;
use crate::link::On;
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::send::{self, Batch, Sent};

pub(crate) use linkspan_spec::Route;

impl fmt::Display for On<Route> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, route) = self;
        write!(f, "add the route to {}", route.dst)?;
        match route.gw {
            Some(gateway) => write!(f, " via {gateway} on {link}"),
            None => write!(f, " on {link}"),
        }
    }
}

impl Object for On<Route> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, wanted) = self;
        let Some(found) = namespaces.link_if_there(link)? else {
            return Ok(Vec::new());
        };
        let rtnl = namespaces.side(link.place)?.rtnl();
        let filter = RouteFilter {
            link: Some(found.index),
            table: wanted.table,
        };
        let routes = rtnl.routes(filter).map_err(explain)?;
        let same_target = || {
            let destination = wanted.dst.trunc();
            let is_same = move |route: &&rtnl::Route| route.destination == destination;
            routes.iter().filter(is_same)
        };
        let is_right = |route: &rtnl::Route| {
            // IPv6 has no scopes.
            let scope_is_right = wanted.dst.addr().is_ipv6()
                || wanted.scope.is_none_or(|scope| route.scope == scope);
            leads(route, Some(found.index), wanted.gw) && scope_is_right
        };
        Ok(unless(
            same_target().any(is_right),
            format!("the route to {} on {link}", wanted.dst),
            wanted
                .gw
                .map_or("one".to_owned(), |gateway| format!("via {gateway}")),
            listed(same_target().map(way)),
        ))
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let Self(_, route) = self;
        let priority = route.priority.filter(|priority| *priority != 0);
        let details = [
            route.table.map(|table| format!("in table {table}")),
            priority.map(|priority| format!("with priority {priority}")),
            route
                .mtu
                .map(|mtu| format!("packets of {mtu} bytes at most")),
            route
                .advmss
                .map(|mss| format!("TCP segments of {mss} bytes at most")),
        ];
        let details: Vec<String> = details.into_iter().flatten().collect();
        let words = [vec![self.to_string()], details].concat().join(", ");
        let outlooks = send::foresee(self, namespaces)?.into_iter();
        Ok(outlooks.map(|outlook| outlook.words(&words)).collect())
    }
}

impl Sent for On<Route> {
    fn batch(&self) -> Batch {
        Batch::OfLinks(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let Self(link, route) = self;
        let wanted = rtnl::Route::new(route.dst.trunc(), route.gw, namespaces.link(link)?.index);
        Ok(vec![Change::AddRoute(rtnl::Route {
            mtu: route.mtu,
            advmss: route.advmss,
            priority: route.priority.filter(|priority| *priority != 0),
            table: route.table.unwrap_or(wanted.table),
            scope: route.scope.unwrap_or(wanted.scope),
            ..wanted
        })])
    }
}

/// Whether a route leads out of this link, by this gateway; `None` is any. Routes to the same destination by different
/// gateways (IPv6) the kernel joins into one of several hops, so one hop of it is enough.
pub(crate) fn leads(route: &rtnl::Route, link: Option<u32>, gateway: Option<IpAddr>) -> bool {
    let is_way = |by_link: Option<u32>, by: Option<IpAddr>| {
        (link.is_none() || link == by_link) && (gateway.is_none() || gateway == by)
    };
    let mut hops = route.next_hops.iter();
    is_way(route.link, route.gateway) || hops.any(|hop| is_way(Some(hop.link), hop.gateway))
}

/// By what a route leads, in words.
pub(crate) fn way(route: &rtnl::Route) -> String {
    let hops = route.next_hops.iter().filter_map(|hop| hop.gateway);
    let gateways: Vec<String> = route
        .gateway
        .into_iter()
        .chain(hops)
        .map(|gateway| format!("via {gateway}"))
        .collect();
    match gateways.as_slice() {
        [] => "directly".to_owned(),
        gateways => gateways.join(" and "),
    }
}
