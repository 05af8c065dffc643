//! The bridge's own interface in a VLAN.
//!
//! Any number of plugins create it at the same time, and one may die between its creation and the
//! setting of its VLANs; so whoever uses it sets them, which is the same however often it is done.

use std::fmt;

use linkspan_kernel::rtnl::{Change, Kind, Link, LinkChange, NewLink, Peer};
use linkspan_plugin::Undo;
use linkspan_spec::{Error, ErrorCode, IfName, MacAddr};

use crate::fault::{explain, explain_step, gone};
use crate::foresee::Outlook;
use crate::imagined::IFF_UP;
use crate::link::Place;
use crate::lost::undone;
use crate::namespaces::{Namespaces, Side};
use crate::object::{Made, Object};
use crate::port_vlans::PortVlans;
use crate::sysctls;
use crate::veth::VethEnd;

/// The host's way into one VLAN of a bridge: a pair whose one end is a port in the VLAN, and whose other
/// end has the gateway's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanInterface {
    /// The end with the address.
    pub name: String,
    /// The end that is the bridge's port; both MAC addresses only for a new pair.
    pub port: VethEnd,
    /// The MAC address of the end with the address.
    pub mac: MacAddr,
    /// The bridge.
    pub bridge: IfName,
    /// What passes the port.
    pub vlans: PortVlans,
}

impl fmt::Display for VlanInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, bridge) = (self.name.as_str(), self.bridge.as_str());
        write!(f, "use or create {name:?}, the interface of {bridge:?} in ")?;
        match self.vlans.native {
            Some(vlan) => write!(f, "VLAN {vlan}"),
            None => f.write_str("no VLAN"),
        }
    }
}

impl Object for VlanInterface {
    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        if let Some(found) = namespaces.host().link_if_there(&self.name)? {
            verified((*found).clone())?;
            return Ok(vec![Outlook::there("is there; used as it is")]);
        }
        let bridge = namespaces.host().link(self.bridge.as_str())?;
        let link = |name: &str, mac: MacAddr| Link {
            name: name.to_owned(),
            kind: Some("veth".to_owned()),
            mtu: bridge.mtu,
            mac: Some(mac.octets()),
            flags: IFF_UP,
            ..Link::default()
        };
        namespaces.imagine(Place::Host, link(&self.name, self.mac));
        namespaces.imagine(Place::Host, link(&self.port.name, self.port.mac));
        let words = self.to_string().replacen("use or create", "create", 1);
        Ok(vec![Outlook::made().words(words)])
    }
}

impl Made for VlanInterface {
    /// Uses the interface that is there, or creates it.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let host = namespaces.host();
        let rtnl = host.rtnl();
        let bridge = host.link(self.bridge.as_str())?;
        let name = self.name.as_str();
        let is_there = || match rtnl.link(name) {
            Ok(found) => verified(found).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(explain(error)),
        };
        let mut found = is_there()?;
        if found.is_none() {
            host.claim();
            found = is_there()?;
        }
        let found = match found {
            Some(found) => found,
            None => create(self, &bridge, host, undo)?,
        };
        if let Some(port) = found.parent {
            let outcome = self.vlans.set(port, rtnl);
            outcome.map_err(|error| explain_step(self, &error))?;
        }
        for link in [self.port.name.as_str(), name] {
            sysctls::ignore_router_advertisements(link);
        }
        if !found.is_up() {
            rtnl.change(Change::SetLink(found.index, LinkChange::up()))
                .map_err(explain)?;
        }
        host.remember(name, found);
        Ok(())
    }
}

fn create<'a>(
    wanted: &VlanInterface,
    bridge: &Link,
    host: &'a Side,
    undo: &mut Undo<'a>,
) -> Result<Link, Error> {
    let rtnl = host.rtnl();
    let name = wanted.name.as_str();
    match rtnl.create_link(&pair(wanted, bridge)) {
        Ok(_) => {
            sysctls::ready_at_once(name);
            let owned = name.to_owned();
            undo.on_failure(format!("the interface {name:?}"), move || {
                remove_unused(&owned, host)
            });
        }
        // Somebody who takes no part in the lock.
        Err(error) if error.is_exists() => {}
        Err(error) => {
            let mac = Some(wanted.port.mac.octets());
            let is_ours = |found: &Link| host.is_alone() && found.mac == mac;
            let error = undone(error, name, rtnl, is_ours);
            return Err(explain_step(wanted, &error));
        }
    }
    verified(rtnl.link(name).map_err(explain)?)
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

fn verified(found: Link) -> Result<Link, Error> {
    if found.is_kind("veth") {
        return Ok(found);
    }
    let name = &found.name;
    Err(Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("{name:?} already exists but is not the interface of a bridge in a VLAN"),
    )
    .with_details(format!(
        "it is {}; choose another name in \"bridge\", or remove it",
        found.kind.as_deref().unwrap_or("a device")
    )))
}

/// Removes the interface, unless others may have begun to use it.
fn remove_unused(name: &str, host: &Side) -> Result<(), Error> {
    if !host.is_alone() {
        return Ok(());
    }
    gone(host.rtnl().delete_link(name))
}
