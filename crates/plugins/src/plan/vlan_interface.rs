//! The bridge's own interface in a VLAN.
//!
//! Any number of plugins create it at the same time, and one may die between its creation and the
//! setting of its VLANs; so whoever uses it sets them, which is the same however often it is done.

use linkspan_kernel::rtnl::{Change, Kind, Link, LinkChange, NewLink, Peer, Rtnl};
use linkspan_plugin::Undo;
use linkspan_plugin::spec::{Error, ErrorCode};

use super::{Namespaces, Side, Step, VlanInterface, apply};
use crate::fault::{explain, explain_step};

/// Uses the interface that is there, or creates it.
pub(super) fn ensure<'a>(
    wanted: &VlanInterface,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let rtnl = namespaces.host().rtnl();
    let bridge = namespaces.host().link(wanted.bridge.as_str())?;
    let name = wanted.name.as_str();
    let found = match rtnl.create_link(&pair(wanted, &bridge)) {
        Ok(_) => {
            let (owned, bridge) = (name.to_owned(), bridge.index);
            undo.on_failure(format!("the interface {name:?}"), move || {
                remove_unused(&owned, bridge, namespaces.host())
            });
            rtnl.link(name).map_err(explain)?
        }
        Err(error) if error.is_exists() => existing(wanted, rtnl)?,
        Err(error) => return Err(explain_step(&Step::VlanInterface(wanted.clone()), &error)),
    };
    if let Some(port) = found.parent {
        apply::set_vlans(port, &wanted.vlans, rtnl)
            .map_err(|error| explain_step(&Step::VlanInterface(wanted.clone()), &error))?;
    }
    if !found.is_up() {
        rtnl.change(Change::SetLink(found.index, LinkChange::up()))
            .map_err(explain)?;
    }
    namespaces.host().remember(name, found);
    Ok(())
}

fn pair<'a>(wanted: &VlanInterface, bridge: &Link) -> NewLink<'a> {
    let mtu = Some(bridge.mtu);
    let inside = Peer {
        mtu,
        mac: Some(wanted.mac.octets()),
        ..Peer::new(wanted.name.as_str())
    };
    NewLink {
        mtu,
        mac: Some(wanted.port.mac.octets()),
        up: true,
        master: Some(bridge.index),
        ..NewLink::new(wanted.port.name.as_str(), Kind::Veth(inside))
    }
}

fn existing(wanted: &VlanInterface, rtnl: &Rtnl) -> Result<Link, Error> {
    let name = wanted.name.as_str();
    let found = rtnl.link(name).map_err(explain)?;
    if found.is_kind("veth") {
        return Ok(found);
    }
    Err(Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("{name:?} already exists but is not the interface of a bridge in a VLAN"),
    )
    .with_details(format!(
        "it is {}; choose another name in \"bridge\", or remove it",
        found.kind.as_deref().unwrap_or("a device")
    )))
}

/// Removes the interface unless somebody else uses the bridge meanwhile.
fn remove_unused(name: &str, bridge: u32, host: &Side) -> Result<(), Error> {
    if !host.is_alone() {
        return Ok(());
    }
    let rtnl = host.rtnl();
    // The interface's own port, and that of the ADD that failed.
    if rtnl.ports(bridge).map_err(explain)?.len() > 2 {
        return Ok(());
    }
    match rtnl.delete_link(name) {
        Err(error) if !error.is_not_found() => Err(explain(error)),
        _ => Ok(()),
    }
}
