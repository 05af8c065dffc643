//! The bridge that attachments share.
//!
//! Any number of plugins create it at the same time. That something is there already is a success, and
//! what is there is then verified.

use std::fmt;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Change, Kind, Link, LinkChange, LinkData, NewLink, Rtnl};
use linkspan_plugin::{Undo, warn};
use linkspan_spec::{Error, ErrorCode, IfName, MacAddr};

use crate::difference::{self, Difference, unless};
use crate::fault::{explain, gone};
use crate::foresee::Outlook;
use crate::imagined::{ETHERNET_MTU, IFF_UP, is_imagined};
use crate::link::{LinkRef, Place};
use crate::namespaces::{Namespaces, Side};
use crate::object::{Made, Object};
use crate::settings::IFF_PROMISC;
use crate::sysctls;

/// How often it is looked again when others create and remove the bridge at the same time.
const ATTEMPTS: usize = 10;

/// A bridge on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bridge {
    /// Its name.
    pub name: IfName,
    /// Bytes; `None` leaves it to the kernel. Only for a new bridge.
    pub mtu: Option<u32>,
    /// Of a new bridge it is set at creation, so that it does not change as ports come and go. When it is compared,
    /// `None` is any.
    pub mac: Option<MacAddr>,
    /// It tells VLANs apart. Only for a new bridge.
    pub vlan_filtering: bool,
    /// It takes every frame.
    pub promisc: bool,
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "use or create the bridge {:?}", self.name.as_str())
    }
}

impl Object for Bridge {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let name = self.name.as_str();
        let object = format!("the bridge {name:?}");
        let found = match namespaces.host().rtnl().link(name) {
            Ok(found) => found,
            Err(error) if error.is_not_found() => {
                return Ok(unless(false, object, "it", "nothing"));
            }
            Err(error) => return Err(explain(error)),
        };
        let is_bridge = found.is_kind("bridge");
        let mut differences = difference::kind(is_bridge, &object, "a bridge", &found);
        differences.extend(difference::switched_on(true, &object, &found));
        // Not the other way round: another network on the same bridge may want it, and the reference fails while
        // somebody looks at the bridge with tcpdump. Nor whether it filters VLANs:
        // that is its creator's choice.
        let promisc = !self.promisc || found.flags & IFF_PROMISC != 0;
        differences.extend(unless(
            promisc,
            object,
            "promiscuous mode",
            "no promiscuous mode",
        ));
        let mac = difference::mac(&LinkRef::host(name), self.mac, &found);
        if !mac.is_empty() && !has_mac_of_a_port(&found, namespaces.host().rtnl())? {
            differences.extend(mac);
        }
        namespaces.host().remember(name, found);
        Ok(differences)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        let (host, name) = (namespaces.host(), self.name.as_str());
        let Some(found) = host.link_if_there(name)? else {
            namespaces.imagine(Place::Host, self.new_link());
            let mut words = format!("create the bridge {name:?} on the host");
            if self.vlan_filtering {
                words.push_str(", which keeps VLANs apart");
            }
            if self.promisc {
                words.push_str(", in promiscuous mode");
            }
            return Ok(vec![Outlook::made().words(words)]);
        };
        if !found.is_kind("bridge") {
            return Err(not_a_bridge(&found));
        }
        let held = held_by(&found, host.rtnl())?;
        let mut note = match held.as_slice() {
            [] => "is there, without an address".to_owned(),
            held => format!("is there, with {}", held.join(", ")),
        };
        let changed = [
            (!found.is_up()).then_some("switched on"),
            (self.promisc && found.flags & IFF_PROMISC == 0).then_some("set to promiscuous mode"),
        ];
        let changed: Vec<_> = changed.into_iter().flatten().collect();
        let mut outlook = match changed.is_empty() {
            true => {
                note.push_str("; used as it is");
                Outlook::there(note)
            }
            false => Outlook::made().note(format!("{note}; is {}", changed.join(" and "))),
        };
        if self.vlan_filtering && !filters_vlans(&found) {
            let note = outlook.note.unwrap_or_default();
            let lacks = "it does not filter VLANs, so vlan and vlanTrunk have no effect";
            outlook.note = Some(format!("{note}; {lacks}"));
        }
        let words = format!("use the bridge {name:?} of the host");
        Ok(vec![outlook.words(words)])
    }
}

impl Bridge {
    /// One that was just made.
    fn new_link(&self) -> Link {
        Link {
            name: self.name.to_string(),
            kind: Some("bridge".to_owned()),
            mtu: self.mtu.unwrap_or(ETHERNET_MTU),
            mac: self.mac.map(MacAddr::octets),
            flags: IFF_UP,
            data: LinkData::Bridge {
                vlan_filtering: self.vlan_filtering,
                default_pvid: 1,
            },
            ..Link::default()
        }
    }
}

/// The addresses of a link, but for those that the kernel gave it.
fn held_by(link: &Link, rtnl: &Rtnl) -> Result<Vec<String>, Error> {
    if is_imagined(link) {
        return Ok(Vec::new());
    }
    let held = rtnl.addresses(link.index).map_err(explain)?;
    let given = held.iter().filter(|held| held.scope != LINK_SCOPE);
    Ok(given.map(|held| held.net.to_string()).collect())
}

/// `RT_SCOPE_LINK`
const LINK_SCOPE: u8 = 253;

impl Made for Bridge {
    /// Uses the bridge that is there, or creates it.
    fn make<'a>(&self, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
        let host = namespaces.host();
        let name = self.name.as_str();
        host.share();
        let (found, created) = find_or_create(self, host)?;
        if created {
            sysctls::ready_at_once(name);
            let name = name.to_owned();
            undo.on_failure(format!("the bridge {name:?}"), move || {
                remove_unused(&name, host)
            });
        }
        if !found.is_kind("bridge") {
            return Err(not_a_bridge(&found));
        }
        if self.vlan_filtering && !filters_vlans(&found) && !created {
            // As the reference does; but nothing is kept apart, and somebody should know.
            warn(&format!(
                "{name:?} exists and does not filter VLANs, so vlan and vlanTrunk have no effect: \
                 `ip link set {name} type bridge vlan_filtering 1` switches that on"
            ));
        }
        configure(self, &found, host.rtnl()).map_err(explain)?;
        host.remember(name, found);
        Ok(())
    }
}

fn find_or_create(wanted: &Bridge, host: &Side) -> Result<(Link, bool), Error> {
    let rtnl = host.rtnl();
    let name = wanted.name.as_str();
    let new = NewLink {
        mtu: wanted.mtu,
        mac: wanted.mac.map(MacAddr::octets),
        ..NewLink::new(
            name,
            Kind::Bridge {
                vlan_filtering: wanted.vlan_filtering,
            },
        )
    };
    let mut attempt = 1;
    loop {
        match rtnl.link(name) {
            Ok(found) => return Ok((found, false)),
            Err(error) if !error.is_not_found() => return Err(explain(error)),
            Err(_) if !host.is_alone() && attempt == 1 => {
                host.claim();
                attempt += 1;
                continue;
            }
            Err(_) => {}
        }
        match rtnl.create_link(&new) {
            // The announcement of a new link has its MAC address already; nothing else matters here.
            Ok(created) => return Ok((created, true)),
            Err(error) if error.is_exists() && attempt < ATTEMPTS => attempt += 1,
            Err(error) => {
                if error.is_answer_lost() {
                    // It may have been made, and others may use it by now.
                    remove_unused(name, host)?;
                }
                return Err(explain(error));
            }
        }
    }
}

/// One that somebody made without a MAC address has that of one of its ports, whichever there are.
fn has_mac_of_a_port(bridge: &Link, rtnl: &Rtnl) -> Result<bool, Error> {
    let ports = rtnl.ports(bridge.index).map_err(explain)?;
    Ok(ports.iter().any(|port| port.mac == bridge.mac))
}

fn filters_vlans(bridge: &Link) -> bool {
    matches!(
        bridge.data,
        LinkData::Bridge {
            vlan_filtering: true,
            ..
        }
    )
}

fn not_a_bridge(found: &Link) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!(
            "failed to create bridge {0:?}: {0:?} already exists but is not a bridge",
            found.name
        ),
    )
    .with_details(format!(
        "it is {}; choose another name in \"bridge\", or remove it",
        found
            .kind
            .as_deref()
            .map_or("a device".to_owned(), |kind| format!("of the kind {kind}"))
    ))
}

/// Switches it on, deaf to router advertisements before that.
fn configure(wanted: &Bridge, found: &Link, rtnl: &Rtnl) -> Result<(), KernelError> {
    sysctls::ignore_router_advertisements(wanted.name.as_str());
    let is_promisc = found.flags & IFF_PROMISC != 0;
    let change = LinkChange {
        up: (!found.is_up()).then_some(true),
        promisc: (wanted.promisc && !is_promisc).then_some(true),
        ..LinkChange::default()
    };
    if change.up.is_none() && change.promisc.is_none() {
        return Ok(());
    }
    rtnl.change(Change::SetLink(found.index, change))
}

/// Removes the bridge unless somebody uses it who takes no part in the lock.
fn remove_unused(name: &str, host: &Side) -> Result<(), Error> {
    if !host.is_alone() {
        return Ok(());
    }
    let rtnl = host.rtnl();
    let remove = || {
        let bridge = rtnl.link(name)?;
        if rtnl.ports(bridge.index)?.is_empty() {
            rtnl.change(Change::DeleteLink(bridge.index))?;
        }
        Ok(())
    };
    gone(remove())
}
