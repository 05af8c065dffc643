//! `vrf`: makes the container's interface part of a vrf, which has a routing table of its own.
//!
//! See [the reference's documentation](https://www.cni.dev/plugins/current/meta/vrf/). Everything that it makes is in
//! the container's namespace and goes with it; so there is nothing to collect. What several interfaces share, the
//! vrf, is made and removed under the namespace's lock.

mod check;
pub mod config;
mod plan;

use linkspan_kernel::rtnl::{Link, LinkData, RouteFilter};
use linkspan_plan::fault::explain;
use linkspan_plan::words;
use linkspan_plan::{Namespaces, Plan, Vrf as VrfLink, apply, remove_unused_vrf};
use linkspan_plugin::config::Deferred;
use linkspan_plugin::spec::{Error, ErrorCode, Success};
use linkspan_plugin::{Call, Foresight, Needs, Plugin, Role, Undo, warn};

use crate::attach::{Work, require_prev_result, routes, told};
use config::Config;
use plan::Interface;

/// The plugin.
pub struct Vrf;

/// The first table that is tried.
const FIRST_TABLE: u32 = 1;

impl Plugin for Vrf {
    type Config = Deferred<Config>;
    const NAME: &'static str = "vrf";
    const ABOUT: &'static str = "makes the container's interface part of a vrf";
    const ROLE: Role = Role::Chained {
        needs: Needs::Interface,
    };

    fn add(&self, call: &Call<'_, Deferred<Config>>) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        let namespaces = crate::attach::namespaces(call)?;
        let _lock = routes::lock(&namespaces)?;
        Work::done(&namespaces, |work| join(call, config, work))?;
        Ok(result)
    }

    fn foresee(
        &self,
        call: &Call<'_, Deferred<Config>>,
        foresight: &mut Foresight,
    ) -> Result<Success, Error> {
        let config = call.config.get()?;
        let result = require_prev_result(call, CHAINED)?;
        told(call, foresight, |work| {
            join(call, config, work)?;
            Ok(result)
        })
    }

    fn check(&self, call: &Call<'_, Deferred<Config>>) -> Result<(), Error> {
        check::check(call)
    }

    /// Takes the interface out of the vrf, and removes the vrf when it was the last one. Nothing need be there.
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
const CHAINED: &str = "missing prevResult from earlier plugin";

/// The work of ADD.
fn join(
    call: &Call<'_, Deferred<Config>>,
    config: &Config,
    work: &mut Work<'_, '_>,
) -> Result<(), Error> {
    let (namespaces, ifname) = (work.namespaces(), call.ifname()?.as_str());
    let table = table(config, namespaces)?;
    let missing = format!("cmdAdd failed: could not get link by name {ifname}");
    let link = words::link(namespaces, ifname, missing)?;
    refuse_master(&link, namespaces)?;
    let vrf = VrfLink {
        name: config.name.clone(),
        table,
    };
    let interface = interface(&link, namespaces)?;
    let mut wanted = Plan::from_iter([vrf]).because("(vrfname)");
    wanted.extend(plan::into_vrf(config.name.clone(), table, interface));
    work.apply(&wanted)
}

/// What a link has.
fn interface(link: &Link, namespaces: &Namespaces) -> Result<Interface, Error> {
    let filter = RouteFilter {
        link: Some(link.index),
        table: None,
    };
    Ok(Interface {
        name: link.name.clone(),
        link: link.index,
        addresses: namespaces.addresses_inside(link.index)?,
        routes: namespaces.routes_inside(filter)?,
    })
}

/// The table of the vrf that is there, else the configured one when it is no other's, else one that is free.
fn table(config: &Config, namespaces: &Namespaces) -> Result<u32, Error> {
    let name = config.name.as_str();
    match (namespaces.inside(name)?, config.table) {
        (Ok(found), wanted) => {
            let LinkData::Vrf { table } = found.data else {
                return Err(not_a_vrf(&found));
            };
            match wanted {
                Some(wanted) if wanted != table => Err(other_table(name, table)),
                _ => Ok(table),
            }
        }
        (Err(error), _) if !error.is_not_found() => Err(explain(error)),
        (Err(_), Some(wanted)) => refuse_taken_table(wanted, namespaces).map(|()| wanted),
        (Err(_), None) => namespaces.free_table_inside(FIRST_TABLE),
    }
}

fn not_a_vrf(found: &Link) -> Error {
    let kind = found.kind.as_deref().unwrap_or("device");
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("cmdAdd failed: Netlink {} is not a VRF", found.name),
    )
    .with_details(format!(
        "in the container it is a {kind}; choose another name in \"vrfname\""
    ))
}

fn other_table(name: &str, table: u32) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("cmdAdd failed: VRF {name} already exist with different routing table {table}"),
    )
    .with_details(
        "all configurations of one vrf in a container must have the same \"table\", or none",
    )
}

/// Two vrfs with one table would be one network.
fn refuse_taken_table(table: u32, namespaces: &Namespaces) -> Result<(), Error> {
    let links = namespaces.links_inside()?;
    let taken = links
        .iter()
        .find(|link| matches!(link.data, LinkData::Vrf { table: taken } if taken == table));
    match taken {
        None => Ok(()),
        Some(other) => Err(Error::new(
            ErrorCode::INVALID_NETWORK_CONFIG,
            format!(
                "the routing table {table} is that of the vrf {:?}",
                other.name
            ),
        )
        .with_details("choose another \"table\", or leave it out")),
    }
}

/// An interface is part of one other link at most.
fn refuse_master(link: &Link, namespaces: &Namespaces) -> Result<(), Error> {
    let Some(master) = link.master else {
        return Ok(());
    };
    let (name, kind) = match namespaces.container()?.rtnl().link_at(master) {
        Ok(master) => (master.name, master.kind.unwrap_or_default()),
        Err(_) => (format!("link {master}"), String::new()),
    };
    Err(Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!(
            "cmdAdd failed: interface {} has already a master set: {name}",
            link.name
        ),
    )
    .with_details(format!(
        "it is part of that {kind} and can be part of no other; `vrf` comes once in a chain"
    )))
}

fn remove(call: &Call<'_, Deferred<Config>>, namespaces: &Namespaces) -> Result<(), Error> {
    let rtnl = namespaces.container()?.rtnl();
    let find = |link: Result<Link, linkspan_kernel::Error>| match link {
        Ok(link) => Ok(Some(link)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(explain(error)),
    };
    let link = find(rtnl.link(call.ifname()?.as_str()))?;
    let master = match link.as_ref().and_then(|link| link.master) {
        Some(master) => find(rtnl.link_at(master))?,
        None => None,
    };
    let vrf = match call.config.get() {
        Ok(config) => find(rtnl.link(config.name.as_str()))?,
        // Without a configuration, the one that it is part of.
        Err(_) => master.clone(),
    };
    let Some((vrf, table)) = vrf.and_then(|vrf| match vrf.data {
        LinkData::Vrf { table } => Some((vrf, table)),
        _ => None,
    }) else {
        return Ok(());
    };
    if let Some(link) = link.filter(|_| master.is_some_and(|master| master.index == vrf.index)) {
        let wanted = plan::out_of_vrf(table, interface(&link, namespaces)?);
        release(&link, &wanted, namespaces)?;
    }
    remove_unused_vrf(vrf.index, rtnl)
}

/// Takes the interface out. A route that cannot be had outside is said, but does not keep the container from
/// being detached: the interface goes with it.
fn release(link: &Link, wanted: &Plan, namespaces: &Namespaces) -> Result<(), Error> {
    let mut undo = Undo::new();
    let outcome = apply(wanted, namespaces, &mut undo);
    undo.commit();
    let is_out = match namespaces.container()?.rtnl().link_at(link.index) {
        Ok(link) => link.master.is_none(),
        Err(error) => error.is_not_found(),
    };
    match outcome {
        Err(error) if is_out => {
            warn(&format!("{} lost some of its routes: {error}", link.name));
            Ok(())
        }
        outcome => outcome,
    }
}
