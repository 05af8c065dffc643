//! `sbr`: routes what the container sends by where it comes from, so that what came in by an interface is answered
//! by it.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/meta/sbr/). Everything that it makes is in
//! the container's namespace and goes with it; so there is nothing to collect. Tables are chosen and filled under the
//! namespace's lock, which is that of the reference too, so that several at once do not choose the same.

mod check;
pub mod config;
mod plan;

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_kernel::rtnl::{Change, Route, RouteFilter, Rtnl, Rule};
use linkspan_plan::Namespaces;
use linkspan_plan::fault::{all, explain};
use linkspan_plan::words;
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, IpConfig, Success};
use linkspan_plugin::{Call, Foresight, Needs, Plugin, Role};

use crate::attach::routes::{self, MAIN_TABLE};
use crate::attach::{Work, require_prev_result, told};
use config::Config;
use plan::Found;

/// The plugin.
pub struct Sbr;

/// The first table that is tried.
const FIRST_TABLE: u32 = 100;

/// IPv4 and IPv6 (`AF_INET`, `AF_INET6`).
const FAMILIES: [u8; 2] = [2, 10];

impl Plugin for Sbr {
    type Config = Deferred<Config>;
    const NAME: &'static str = "sbr";
    const ABOUT: &'static str = "routes what the container sends by its source address";
    const ROLE: Role = Role::Chained {
        needs: Needs::Address,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        let ips = own_addresses(call, &result)?;
        let namespaces = crate::attach::namespaces(call)?;
        let _lock = routes::lock(&namespaces)?;
        Work::done(&namespaces, |work| route(call, config, ips, work))?;
        Ok(result)
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        let ips = own_addresses(call, &result)?;
        told(call, foresight, |work| {
            route(call, config, ips, work)?;
            Ok(result)
        })
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        check::check(call)
    }

    /// Removes the rules of the interface's addresses, and what is left in the tables that they led to. The
    /// interface need not be there; without the namespace there is nothing, and in another container's nothing of ours.
    fn del(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        let Some(namespaces) = crate::attach::namespaces_if_own(call)? else {
            return Ok(());
        };
        let _lock = routes::lock(&namespaces)?;
        remove(call, &namespaces)
    }

    fn status(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        call.config.get().map(drop)
    }
}

/// What ADD says where there is no plugin before it.
const CHAINED: &str = "This plugin must be called as chained plugin";

/// The work of ADD.
fn route(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    ips: Vec<IpConfig>,
    work: &mut Work<'_, '_>,
) -> Result<(), Error> {
    let (namespaces, ifname) = (work.namespaces(), call.ifname()?.as_str());
    let missing = format!("Cannot find network interface {ifname}: Link not found");
    let link = words::link(namespaces, ifname, missing)?.index;
    let found = Found {
        ifname,
        link,
        addresses: with_tables(config, ips, namespaces)?,
        routes: main_routes(namespaces, link)?,
    };
    work.apply(&plan::plan(config, &found))
}

/// The addresses of the interface in the result of the plugins before. One that does not say which interface
/// it is of counts.
fn own_addresses(
    call: &Call<'_, Deferred<Config>>,
    result: &Success,
) -> Result<Vec<IpConfig>, Error> {
    let ifname = call.ifname()?.as_str();
    if result.ips.is_empty() {
        return Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!("No IP addresses supplied on interface: {ifname}"),
        )
        .with_details("without an address there is nothing to route by"));
    }
    let is_own = |ip: &&IpConfig| {
        let interface = ip.interface.and_then(|index| result.interfaces.get(index));
        interface.is_none_or(|interface| interface.name == ifname)
    };
    Ok(result.ips.iter().filter(is_own).copied().collect())
}

/// Each address with its table: the configured one, else one that nothing in the namespace uses.
fn with_tables(
    config: &Config,
    ips: Vec<IpConfig>,
    namespaces: &Namespaces,
) -> Result<Vec<(IpConfig, u32)>, Error> {
    let mut next = FIRST_TABLE;
    let mut choose = |ip| {
        if let Some(table) = config.table {
            return Ok((ip, table));
        }
        let table = namespaces.free_table_inside(next)?;
        next = table.saturating_add(1);
        Ok((ip, table))
    };
    ips.into_iter().map(&mut choose).collect()
}

fn main_routes(namespaces: &Namespaces, link: u32) -> Result<Vec<Route>, Error> {
    let filter = RouteFilter {
        link: Some(link),
        table: Some(MAIN_TABLE),
    };
    namespaces.routes_inside(filter)
}

/// The rules that are about nothing but one source address.
fn source_rules(rtnl: &Rtnl) -> Result<Vec<(IpAddr, Rule)>, Error> {
    let mut found = Vec::new();
    for family in FAMILIES {
        match rtnl.rules(family) {
            Err(error) if error.is_unsupported() => {}
            rules => found.extend(rules.map_err(explain)?.into_iter().filter_map(|rule| {
                let source = rule.from.filter(|from| IpNet::from(from.addr()) == *from)?;
                let made_anew = plan::rule(source.addr(), rule.table);
                // The kernel gives each a priority of its own, and a protocol.
                let is_plain = Rule {
                    priority: rule.priority,
                    protocol: rule.protocol,
                    ..made_anew
                } == rule;
                is_plain.then(|| (source.addr(), rule))
            })),
        }
    }
    Ok(found)
}

fn remove(call: &Call<'_, Deferred<Config>>, namespaces: &Namespaces) -> Result<(), Error> {
    let rtnl = namespaces.container()?.rtnl();
    let config = call.config.get().ok();
    let table = config.and_then(|config| config.table);
    let ifname = call.ifname()?.as_str();
    let link = match rtnl.link(ifname) {
        Ok(link) => Some(link.index),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(explain(error)),
    };
    let mut addresses: BTreeSet<IpAddr> = told_addresses(call);
    if let Some(link) = link {
        let held = rtnl.addresses(link).map_err(explain)?;
        addresses.extend(held.iter().map(|address| address.net.addr()));
    }
    let own = source_rules(rtnl)?.into_iter().filter(|(source, rule)| {
        addresses.contains(source) && table.is_none_or(|table| table == rule.table)
    });
    let rules: Vec<Rule> = own.map(|(_, rule)| rule).collect();
    let mut changes = Vec::new();
    if let Some(link) = link.filter(|_| config.is_some() && table.is_none()) {
        let tables: BTreeSet<u32> = rules.iter().map(|rule| rule.table).collect();
        for table in tables.into_iter().filter(|table| *table != MAIN_TABLE) {
            let filter = RouteFilter {
                link: Some(link),
                table: Some(table),
            };
            let routes = rtnl.routes(filter).map_err(explain)?;
            changes.extend(routes.into_iter().map(Change::DeleteRoute));
        }
    }
    // First nothing is led to the tables any more.
    changes.splice(0..0, rules.into_iter().map(Change::DeleteRule));
    let outcomes = rtnl.commit(&changes).map_err(explain)?;
    all(outcomes.into_iter().map(|outcome| match outcome {
        Err(error) if !error.is_not_found() => Err(explain(error)),
        _ => Ok(()),
    }))
}

/// The addresses that the result of ADD tells, when there is one.
fn told_addresses(call: &Call<'_, Deferred<Config>>) -> BTreeSet<IpAddr> {
    let result = call.prev_result().ok().flatten();
    let ips = result.and_then(|result| own_addresses(call, &result).ok());
    let ips = ips.into_iter().flatten();
    ips.map(|ip| ip.address.addr()).collect()
}
