//! A link that becomes part of a vrf, or of none, with its addresses and routes.
//!
//! The kernel switches the link off and on again on the way. So its routes go, and its IPv6 addresses unless they
//! are set to stay; what belongs to addresses it makes anew, in the other table.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::monitor::Monitor;
use linkspan_kernel::rtnl::{self, Change, LinkChange, Route};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, IfName};

use crate::difference::{self, Difference, unless};
use crate::fault::{explain, explain_step};
use crate::foresee::Outlook;
use crate::link::On;
use crate::namespaces::{Namespaces, Side};
use crate::object::{Made, Object};

/// How long IPv6 addresses may take to be usable, which they are not checked for again: the kernel needs
/// milliseconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// Where a link goes, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carry {
    /// The vrf that it becomes part of; `None`: of none.
    pub vrf: Option<IfName>,
    /// The addresses that it has, of which those that get lost are given back.
    pub addresses: Vec<rtnl::Address>,
    /// The routes that it has and that the kernel does not make by itself.
    pub before: Vec<Route>,
    /// The same as they are to be afterwards.
    pub after: Vec<Route>,
}

impl fmt::Display for On<Carry> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, carry) = self;
        match &carry.vrf {
            Some(vrf) => write!(f, "make {link} part of the vrf {:?}", vrf.as_str())?,
            None => write!(f, "take {link} out of its vrf")?,
        }
        // Addresses of IPv4 stay by themselves, and so do the routes that the kernel makes for addresses.
        let parts = [
            (carry.addresses.len(), "IPv6 address", "es"),
            (carry.after.len(), "route", "s"),
        ];
        let parts = parts.iter().filter(|(count, ..)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, what, many)| match count {
                1 => format!("its {what}"),
                _ => format!("its {count} {what}{many}"),
            })
            .collect();
        match parts.is_empty() {
            true => Ok(()),
            false => write!(f, ", and carry over {}", parts.join(" and ")),
        }
    }
}

impl Object for On<Carry> {
    /// Whether the link is where it is to be.
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, wanted) = self;
        let side = namespaces.side(link.place)?;
        let Some(found) = side.link_if_there(&link.name)? else {
            return Ok(difference::missing(link));
        };
        let Some(vrf) = &wanted.vrf else {
            return Ok(Vec::new());
        };
        let vrf = side.link_if_there(vrf.as_str())?;
        let is_part = vrf.is_some_and(|vrf| found.master == Some(vrf.index));
        let expected = wanted.vrf.as_ref().map_or("", |vrf| vrf.as_str());
        let master = found
            .master
            .and_then(|index| side.rtnl().link_at(index).ok());
        let has = master.map_or_else(|| "none".to_owned(), |master| master.name);
        Ok(unless(is_part, format!("the vrf of {link}"), expected, has))
    }

    fn foresee(&self, _namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let Self(link, carry) = self;
        let Some(vrf) = &carry.vrf else {
            return Ok(vec![Outlook::made()]);
        };
        let words = format!("make {link} part of the vrf {:?}", vrf.as_str());
        let outlook = Outlook::made().words(words);
        Ok(vec![match carry.after.len() {
            0 => outlook,
            1 => outlook.note("its route goes with it, to the vrf's table"),
            count => outlook.note(format!("its {count} routes go with it, to the vrf's table")),
        }])
    }
}

impl Made for On<Carry> {
    /// Carries the link over.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(link, wanted) = self;
        let side = namespaces.side(link.place)?;
        let found = side.link(&link.name)?;
        let master = match &wanted.vrf {
            Some(vrf) => side.link(vrf.as_str())?.index,
            None => 0,
        };
        let (addresses, before) = (wanted.addresses.clone(), wanted.before.clone());
        let index = found.index;
        let link_before = Rc::clone(&found);
        undo.on_failure(format!("the vrf of {link}"), move || {
            match set_master(&link_before, link_before.master.unwrap_or(0), side) {
                Err(error) if error.is_not_found() => return Ok(()),
                outcome => outcome.map_err(explain)?,
            }
            give_back(index, &addresses, &before, side)
        });
        set_master(&found, master, side).map_err(|error| explain_step(self, &error))?;
        give_back(index, &wanted.addresses, &wanted.after, side)
    }
}

/// Makes it part of another link. The addresses that survive are not checked for duplicates a second time.
fn set_master(link: &rtnl::Link, master: u32, side: &Side) -> Result<(), KernelError> {
    let detection = format!("net/ipv6/conf/{}/accept_dad", link.name);
    let parameters = side.parameters()?;
    let before = parameters.read(&detection);
    let is_on = before.as_ref().is_ok_and(|value| value != "0");
    if is_on {
        parameters.write(&detection, "0")?;
    }
    let change = LinkChange {
        master: Some(master),
        ..LinkChange::default()
    };
    let outcome = side.rtnl().change(Change::SetLink(link.index, change));
    if let (true, Ok(value)) = (is_on, before) {
        parameters.write(&detection, &value)?;
    }
    outcome
}

/// Gives the link what got lost of these addresses, and these routes.
fn give_back(
    index: u32,
    addresses: &[rtnl::Address],
    routes: &[Route],
    side: &Side,
) -> Result<(), Error> {
    let rtnl = side.rtnl();
    let held = rtnl.addresses(index).map_err(explain)?;
    let is_lost = |address: &&rtnl::Address| held.iter().all(|held| held.net != address.net);
    let lost = addresses.iter().filter(is_lost).map(|address| {
        let flags = match address.net {
            ipnet::IpNet::V4(_) => address.flags,
            // That it is nobody else's was found out before.
            ipnet::IpNet::V6(_) => address.flags | rtnl::Address::NO_DAD,
        };
        let address = rtnl::Address {
            flags,
            ..address.clone()
        };
        Change::AddAddress(index, address)
    });
    make(&lost.collect::<Vec<_>>(), side)?;
    if addresses.iter().any(|address| address.net.addr().is_ipv6()) {
        let monitor = side.run(Monitor::open)?.map_err(explain)?;
        monitor
            .await_addresses(rtnl, index, DEADLINE)
            .map_err(explain)?;
    }
    // What a gateway is reached by comes before what goes by the gateway.
    let by_gateway = |route: &Route| {
        route.gateway.is_some() || route.next_hops.iter().any(|hop| hop.gateway.is_some())
    };
    let (indirect, direct): (Vec<&Route>, Vec<&Route>) =
        routes.iter().partition(|route| by_gateway(route));
    let routes = direct.into_iter().chain(indirect).cloned();
    make(&routes.map(Change::AppendRoute).collect::<Vec<_>>(), side)
}

/// Makes changes of which some may have been made already.
fn make(changes: &[Change], side: &Side) -> Result<(), Error> {
    let outcomes = side.rtnl().commit(changes).map_err(explain)?;
    for outcome in outcomes {
        match outcome {
            Err(error) if !error.is_exists() => return Err(explain(error)),
            _ => {}
        }
    }
    Ok(())
}
