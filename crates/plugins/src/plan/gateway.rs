//! The addresses of gateways on a link that attachments share.

use ipnet::IpNet;
use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Address, Change, Link, Rtnl};
use linkspan_plugin::Undo;
use linkspan_plugin::spec::{Error, ErrorCode};

use super::apply::refused;
use super::{Gateway, LinkRef, Namespaces, Side, Step};
use crate::fault::explain;

/// Has the link hold the gateway's address.
///
/// IPv4: one address; IPv6: any number in subnets that do not overlap. Another address in its way is
/// replaced when that is asked for, and is an error otherwise.
pub(super) fn ensure<'a>(
    link: &LinkRef,
    gateway: &Gateway,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let found = namespaces.link(link)?;
    let index = found.index;
    let side = namespaces.side(link.place)?;
    let rtnl = side.rtnl();
    let wanted = gateway.address;
    let held = rtnl.addresses(index).map_err(explain)?;
    if held.iter().any(|address| address.net == wanted) {
        return Ok(());
    }
    let in_the_way: Vec<Address> = held
        .into_iter()
        .filter(|address| conflicts(address.net, wanted))
        .collect();
    if let (Some(other), false) = (in_the_way.first(), gateway.force) {
        return Err(other_address(link, other.net, wanted));
    }
    let mut changes: Vec<Change> = in_the_way
        .iter()
        .map(|address| Change::DeleteAddress(index, address.clone()))
        .collect();
    changes.push(Change::AddAddress(index, Address::new(wanted)));
    for outcome in rtnl.commit(&changes).map_err(explain)? {
        match outcome {
            // Another plugin has done the same at the same time.
            Err(error) if error.is_exists() || error.is_not_found() => {}
            outcome => outcome
                .map_err(|error| refused(&Step::Gateway(link.clone(), gateway.clone()), &error))?,
        }
    }
    let gateway = gateway.clone();
    undo.on_failure(format!("the address {wanted} of {link}"), move || {
        if is_used(&found, &gateway, side)? {
            return Ok(());
        }
        restore(index, wanted, in_the_way, side.rtnl())
    });
    Ok(())
}

fn conflicts(held: IpNet, wanted: IpNet) -> bool {
    match (held, wanted) {
        (IpNet::V4(_), IpNet::V4(_)) => true,
        (IpNet::V6(held), IpNet::V6(wanted)) => {
            held.contains(&wanted.addr()) || wanted.contains(&held.addr())
        }
        _ => false,
    }
}

fn other_address(link: &LinkRef, held: IpNet, wanted: IpNet) -> Error {
    let name = &link.name;
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("{name:?} already has an IP address different from {wanted}: {held}"),
    )
    .with_details(format!(
        "isGateway wants {wanted}, the gateway of the IPAM plugin's subnet, on {name:?}. Another network \
         or an earlier configuration uses {held} there: give this network a bridge of its own, remove the \
         address with `ip address del {held} dev {name}`, or set forceAddress"
    ))
}

/// Whether others attached themselves meanwhile. The port of the ADD that failed is still there, and so is
/// that of the bridge's own interface in a VLAN, when the address is on one.
fn is_used(link: &Link, gateway: &Gateway, side: &Side) -> Result<bool, Error> {
    if !side.is_alone() {
        return Ok(true);
    }
    let bridge = side.link(gateway.bridge.as_str())?.index;
    let ports = side.rtnl().ports(bridge).map_err(explain)?;
    let own = |port: &&Link| Some(port.index) == link.parent;
    Ok(ports.len() - ports.iter().filter(own).count() > 1)
}

/// Takes a gateway's address away again, and gives back what was in its way.
fn restore(index: u32, wanted: IpNet, removed: Vec<Address>, rtnl: &Rtnl) -> Result<(), Error> {
    let mut changes = vec![Change::DeleteAddress(index, Address::new(wanted))];
    changes.extend(
        removed
            .into_iter()
            .map(|address| Change::AddAddress(index, address)),
    );
    for outcome in rtnl.commit(&changes).map_err(explain)? {
        match outcome {
            Err(error) if error.is_exists() || KernelError::is_not_found(&error) => {}
            outcome => outcome.map_err(explain)?,
        }
    }
    Ok(())
}
