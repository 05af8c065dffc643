//! The addresses of gateways on a link that attachments share.

use std::fmt;

use ipnet::IpNet;
use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Address, Change, Link, LinkChange};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode};

use crate::difference::listed;
use crate::fault::{explain, explain_step};
use crate::foresee::Outlook;
use crate::identity;
use crate::imagined::{is_imagined, is_unknown};
use crate::link::{LinkRef, On};
use crate::namespaces::{Namespaces, Side};
use crate::object::{Made, Object};

/// A gateway's address on a shared link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// The address with the length of its subnet's prefix.
    pub address: IpNet,
    /// Another address in its way is taken away, instead of failing.
    pub force: bool,
}

impl fmt::Display for On<Gateway> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, Gateway { address, .. }) = self;
        write!(f, "have {link} hold the gateway's address {address}")
    }
}

impl Object for On<Gateway> {
    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let Self(link, gateway) = self;
        let (found, wanted) = (namespaces.link(link)?, gateway.address);
        let address = Change::AddAddress(found.index, Address::new(wanted));
        namespaces.imagine_changes(link.place, vec![address]);
        if is_imagined(&found) {
            return Ok(vec![Outlook::made()]);
        }
        let rtnl = namespaces.side(link.place)?.rtnl();
        let held = rtnl.addresses(found.index).map_err(explain)?;
        if is_held(&held, wanted) {
            return Ok(vec![Outlook::there("has it already")]);
        }
        if is_unknown(wanted) {
            return Ok(vec![unknown_beside(&held, gateway.force)]);
        }
        Ok(vec![match self.in_the_way(held)?.as_slice() {
            [] => Outlook::made(),
            others => {
                let others = listed(others.iter().map(|other| other.net.to_string()));
                Outlook::made().note(format!(
                    "{others}, which it has, is taken away (forceAddress)"
                ))
            }
        }])
    }
}

impl On<Gateway> {
    /// Of the addresses that the link has, those that are in the way of this one and may be taken away.
    fn in_the_way(&self, held: Vec<Address>) -> Result<Vec<Address>, Error> {
        let Self(link, gateway) = self;
        let wanted = gateway.address;
        let in_the_way: Vec<Address> = held
            .into_iter()
            .filter(|address| conflicts(address.net, wanted))
            .collect();
        match (in_the_way.first(), gateway.force) {
            (Some(other), false) => Err(other_address(link, other.net, wanted)),
            _ => Ok(in_the_way),
        }
    }
}

/// What is known of a gateway whose address nobody knows yet: whether it is in the way of another is not.
fn unknown_beside(held: &[Address], force: bool) -> Outlook {
    let others = held.iter().filter(|held| held.net.addr().is_ipv4());
    let others: Vec<String> = others.map(|held| held.net.to_string()).collect();
    match (others.is_empty(), force) {
        (true, _) => Outlook::made(),
        (false, true) => Outlook::unknown(format!(
            "it has {}, which is taken away where it is another (forceAddress)",
            listed(others)
        )),
        (false, false) => Outlook::unknown(format!(
            "it has {}; where that is another, ADD fails",
            listed(others)
        )),
    }
}

fn is_held(held: &[Address], wanted: IpNet) -> bool {
    held.iter().any(|address| address.net == wanted)
}

impl Made for On<Gateway> {
    /// Has the link hold the gateway's address.
    ///
    /// IPv4: one address; IPv6: any number in subnets that do not overlap. Another address in its way is
    /// replaced when that is asked for, and is an error otherwise.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(link, gateway) = self;
        let found = namespaces.link(link)?;
        let index = found.index;
        let side = namespaces.side(link.place)?;
        let rtnl = side.rtnl();
        let wanted = gateway.address;
        let mut held = rtnl.addresses(index).map_err(explain)?;
        if !is_held(&held, wanted) && !side.is_alone() {
            side.claim();
            held = rtnl.addresses(index).map_err(explain)?;
        }
        if is_held(&held, wanted) {
            return Ok(());
        }
        let in_the_way = self.in_the_way(held)?;
        let mut changes: Vec<Change> = in_the_way
            .iter()
            .map(|address| Change::DeleteAddress(index, address.clone()))
            .collect();
        changes.extend(keep_mac(&found));
        changes.push(Change::AddAddress(index, Address::new(wanted)));
        // Before it is tried: a part of it may have been made when it fails.
        undo.on_failure(format!("the address {wanted} of {link}"), move || {
            restore(index, wanted, in_the_way, side)
        });
        for outcome in rtnl.commit(&changes).map_err(explain)? {
            match outcome {
                // Another plugin has done the same at the same time.
                Err(error) if error.is_exists() || error.is_not_found() => {}
                outcome => outcome.map_err(|error| explain_step(self, &error))?,
            }
        }
        Ok(())
    }
}

/// A bridge that somebody made without a MAC address takes that of one of its ports, and another one when
/// that port goes. Once it is given one, the gateway that neighbours know stays the same (cni#285). One
/// whose last port went has none at all.
fn keep_mac(link: &Link) -> Option<Change> {
    let found = link.mac.filter(|_| link.is_kind("bridge"))?;
    let own = || {
        let name = link.name.parse().ok()?;
        Some(identity::bridge_mac(&name).octets())
    };
    let change = LinkChange {
        mac: Some(found).filter(|mac| *mac != [0; 6]).or_else(own),
        ..LinkChange::default()
    };
    Some(Change::SetLink(link.index, change))
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
        format!("failed to set bridge addr: {name:?} already has an IP address different from {wanted}"),
    )
    .with_details(format!(
        "isGateway wants {wanted}, the gateway of the IPAM plugin's subnet, on {name:?}. Another network \
         or an earlier configuration uses {held} there: give this network a bridge of its own, remove the \
         address with `ip address del {held} dev {name}`, or set forceAddress"
    ))
}

/// Takes a gateway's address away again, and gives back what was in its way, unless others may have begun
/// to use it.
fn restore(index: u32, wanted: IpNet, removed: Vec<Address>, side: &Side) -> Result<(), Error> {
    if !side.is_alone() {
        return Ok(());
    }
    let rtnl = side.rtnl();
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
