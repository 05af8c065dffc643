//! The bridge that attachments share.
//!
//! Any number of plugins create it at the same time. That something is there already is a success, and
//! what is there is then verified.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Change, Kind, Link, LinkChange, LinkData, NewLink, Rtnl};
use linkspan_plugin::{Undo, warn};
use linkspan_spec::{Error, ErrorCode};

use super::{Bridge, Namespaces, Side, sysctls};
use crate::fault::explain;

/// How often it is looked again when others create and remove the bridge at the same time.
const ATTEMPTS: usize = 10;

/// Uses the bridge that is there, or creates it.
pub(super) fn ensure<'a>(
    wanted: &Bridge,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let rtnl = namespaces.host().rtnl();
    let name = wanted.name.as_str();
    namespaces.host().share();
    let (found, created) = find_or_create(wanted, namespaces.host())?;
    if created {
        let name = name.to_owned();
        undo.on_failure(format!("the bridge {name:?}"), move || {
            remove_unused(&name, namespaces.host())
        });
    }
    if !found.is_kind("bridge") {
        return Err(not_a_bridge(&found));
    }
    if wanted.vlan_filtering && !filters_vlans(&found) && !created {
        // As the reference does; but nothing is kept apart, and somebody should know.
        warn(&format!(
            "{name:?} exists and does not filter VLANs, so vlan and vlanTrunk have no effect: \
             `ip link set {name} type bridge vlan_filtering 1` switches that on"
        ));
    }
    configure(wanted, &found, rtnl).map_err(explain)?;
    namespaces.host().remember(name, found);
    Ok(())
}

fn find_or_create(wanted: &Bridge, host: &Side) -> Result<(Link, bool), Error> {
    let rtnl = host.rtnl();
    let name = wanted.name.as_str();
    let new = NewLink {
        mtu: wanted.mtu,
        mac: Some(wanted.mac.octets()),
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
            Err(error) => return Err(explain(error)),
        }
    }
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
        format!("{:?} already exists but is not a bridge", found.name),
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

/// `IFF_PROMISC`, linux/if.h.
pub(super) const IFF_PROMISC: u32 = 0x100;

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
    match remove() {
        Err(error) if KernelError::is_not_found(&error) => Ok(()),
        outcome => outcome.map_err(explain),
    }
}
