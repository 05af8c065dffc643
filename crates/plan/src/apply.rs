//! Making a plan so.
//!
//! Steps are taken in order. Those that stand for themselves (settings, addresses, routes) and follow
//! each other in the same namespace travel in one send.

use std::time::Duration;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::monitor::Monitor;
use linkspan_kernel::rtnl::{self, BridgeVlan, Change, LinkChange, VlanFlags};
use linkspan_plugin::{Undo, warn};
use linkspan_spec::{Error, ErrorCode, Route};

use super::{
    Address, LinkRef, Namespaces, Place, Plan, PortVlans, Step, bridge, carry, container_link,
    device, gateway, ifb, parameters, point_to_point, routing, settings, shaping, tap, veth,
    vlan_interface, vrf,
};
use crate::fault::{explain, explain_step};

/// How long a link may take until it carries traffic: the kernel needs milliseconds.
const RUNNING_DEADLINE: Duration = Duration::from_secs(10);

/// How long duplicate address detection may take: a second for each address, by the kernel's defaults.
const ADDRESSES_DEADLINE: Duration = Duration::from_secs(5);

/// Makes the plan so; registers with `undo` how each step is undone.
///
/// # Errors
/// The first step that failed. What was done before stands until `undo` is dropped.
pub fn apply<'a>(
    plan: &Plan,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    let mut rest = plan.steps.as_slice();
    while let [first, ..] = rest {
        let together = rest
            .iter()
            .take_while(|step| group(step) == group(first))
            .count();
        let (now, later) = match group(first) {
            Some(_) => rest.split_at(together),
            None => rest.split_at(1),
        };
        match group(first) {
            Some((place, Kind::Change)) => commit(now, place, namespaces, undo)?,
            Some((place, Kind::Traffic)) => shaping::apply(now, place, namespaces, undo)?,
            Some((place, Kind::Routing { .. })) => routing::apply(now, place, namespaces, undo)?,
            Some((place, Kind::Sysctl)) => parameters::write(now, place, namespaces, undo)?,
            None => take(first, namespaces, undo)?,
        }
        rest = later;
    }
    Ok(())
}

/// Steps of one kind in one place can be taken together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Change,
    Sysctl,
    Traffic,
    Routing { takes_away: bool },
}

fn group(step: &Step) -> Option<(Place, Kind)> {
    match step {
        Step::Settings(link, _)
        | Step::Address(link, _)
        | Step::Route(link, _)
        | Step::PointToPoint(link, _) => Some((link.place, Kind::Change)),
        Step::Sysctl(sysctl) => Some((sysctl.place, Kind::Sysctl)),
        Step::Shape(link, _) | Step::Redirect(link, _) => Some((link.place, Kind::Traffic)),
        Step::Routing(place, routing) => {
            let takes_away = routing.takes_away();
            Some((*place, Kind::Routing { takes_away }))
        }
        _ => None,
    }
}

/// Takes a step that stands alone.
fn take<'a>(step: &Step, namespaces: &'a Namespaces, undo: &mut Undo<'a>) -> Result<(), Error> {
    match step {
        Step::Bridge(wanted) => bridge::ensure(wanted, namespaces, undo),
        Step::Tap(wanted) => tap::create(wanted, namespaces, undo),
        Step::Device(device) => device::move_in(device, namespaces, undo),
        Step::VethPair(pair) => veth::create(pair, namespaces, undo),
        Step::ContainerLink(wanted) => container_link::create(wanted, namespaces, undo),
        Step::VlanInterface(wanted) => vlan_interface::ensure(wanted, namespaces, undo),
        Step::Gateway(link, gateway) => gateway::ensure(link, gateway, namespaces, undo),
        Step::PortVlans(port, vlans) => {
            let index = namespaces.link(port)?.index;
            set_vlans(index, vlans, namespaces.side(port.place)?.rtnl())
                .map_err(|error| explain_step(step, &error))
        }
        Step::Vrf(wanted) => vrf::ensure(wanted, namespaces, undo),
        Step::Carry(link, wanted) => carry::carry(link, wanted, namespaces, undo),
        Step::Ifb(wanted) => ifb::create(wanted, namespaces, undo),
        Step::AwaitRunning(link) => await_running(link, namespaces),
        Step::AwaitAddresses(link) => await_addresses(link, namespaces),
        Step::Announce(link, _) => {
            announce(link, namespaces).map_err(|error| explain_step(step, &error))
        }
        Step::Netfilter(attachment) => {
            let attachment = attachment.as_ref();
            for notice in attachment.install()? {
                warn(&format!("{}: {notice}", attachment.plugin()));
            }
            let again = attachment.clone();
            undo.on_failure("what was set up in netfilter", move || again.remove());
            Ok(())
        }
        Step::Settings(..)
        | Step::Address(..)
        | Step::Route(..)
        | Step::PointToPoint(..)
        | Step::Sysctl(_)
        | Step::Routing(..)
        | Step::Shape(..)
        | Step::Redirect(..) => Ok(()),
    }
}

/// Makes several independent changes in one send.
fn commit<'a>(
    steps: &[Step],
    place: Place,
    namespaces: &'a Namespaces,
    undo: &mut Undo<'a>,
) -> Result<(), Error> {
    for step in steps {
        if let Step::Settings(link, wanted) = step {
            settings::remember(link, wanted, namespaces, undo)?;
        }
    }
    let mut changes = Vec::new();
    let mut reasons = Vec::new();
    for step in steps {
        changes.extend(changes_of(step, namespaces)?);
        reasons.resize(changes.len(), step);
    }
    let outcomes = namespaces
        .side(place)?
        .rtnl()
        .commit(&changes)
        .map_err(explain)?;
    for ((change, step), outcome) in changes.iter().zip(reasons).zip(outcomes) {
        match (change, outcome) {
            (Change::DeleteRoute(_), Err(error)) if error.is_not_found() => {}
            (_, outcome) => outcome.map_err(|error| refused(step, &error))?,
        }
    }
    Ok(())
}

fn changes_of(step: &Step, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
    Ok(match step {
        Step::Settings(link, settings) => vec![Change::SetLink(
            namespaces.link(link)?.index,
            settings::change(settings),
        )],
        Step::Address(link, address) => vec![Change::AddAddress(
            namespaces.link(link)?.index,
            kernel_address(address),
        )],
        Step::Route(link, route) => vec![Change::AddRoute(kernel_route(
            route,
            namespaces.link(link)?.index,
        ))],
        Step::PointToPoint(link, wanted) => {
            point_to_point::changes(wanted, namespaces.link(link)?.index)
        }
        _ => Vec::new(),
    })
}

fn kernel_address(address: &Address) -> rtnl::Address {
    let wanted = rtnl::Address::new(address.address);
    if address.detect_duplicates {
        wanted.with_dad()
    } else {
        wanted
    }
}

/// A route of a result as the kernel takes it.
pub(super) fn kernel_route(route: &Route, index: u32) -> rtnl::Route {
    let wanted = rtnl::Route::new(route.dst.trunc(), route.gw, index);
    rtnl::Route {
        mtu: route.mtu,
        advmss: route.advmss,
        priority: route.priority.filter(|priority| *priority != 0),
        table: route.table.unwrap_or(wanted.table),
        scope: route.scope.unwrap_or(wanted.scope),
        ..wanted
    }
}

/// Why the kernel refused a step, with what the person who wrote the configuration can do.
pub(super) fn refused(step: &Step, error: &KernelError) -> Error {
    let explained = explain_step(step, error);
    match (step, error.errno().unwrap_or_default()) {
        (Step::Address(..) | Step::Gateway(..), IPV6_OFF) => explained.with_details(
            "IPv6 is switched off in this namespace (net.ipv6.conf.all.disable_ipv6, or ipv6.disable=1 \
             on the kernel's command line); remove the IPv6 range or switch it on",
        ),
        (Step::Settings(..), MAC_IN_USE) => explained.with_details(
            "another link on the same master, or the master itself, has this MAC address; give each container \
             one of its own, or let the kernel choose",
        ),
        (Step::Settings(..), MASTER_OFF) => {
            explained.with_details("the master was switched off just now; switch it on")
        }
        _ => explained,
    }
}

/// What the kernel says to an IPv6 address where IPv6 is switched off (`EACCES`).
const IPV6_OFF: i32 = 13;

/// What it says to the second link of a master with the same MAC address (`EADDRINUSE`).
const MAC_IN_USE: i32 = 98;

/// What it says to a VLAN of a link that is switched off (`ENETDOWN`).
const MASTER_OFF: i32 = 100;

/// Has these VLANs pass the port with this index.
pub(super) fn set_vlans(
    port: u32,
    wanted: &PortVlans,
    rtnl: &rtnl::Rtnl,
) -> Result<(), KernelError> {
    let mut changes = Vec::new();
    if wanted.without_default {
        let is_wanted = |vlan: &BridgeVlan| {
            wanted.native == Some(vlan.first) || wanted.tagged.contains(&vlan.first)
        };
        let there = rtnl.bridge_vlans(port)?.into_iter();
        let others = there.filter(|vlan| !is_wanted(vlan));
        changes.extend(others.map(|vlan| Change::DeleteBridgeVlan(port, vlan)));
    }
    let native = VlanFlags {
        pvid: true,
        untagged: true,
    };
    let vlans = ranges(&wanted.tagged)
        .into_iter()
        .map(|(first, last)| BridgeVlan {
            first,
            last,
            flags: VlanFlags::default(),
        })
        .chain(wanted.native.map(|vlan| BridgeVlan::one(vlan, native)));
    changes.extend(vlans.map(|vlan| Change::AddBridgeVlan(port, vlan)));
    rtnl.commit(&changes)?.into_iter().collect()
}

/// Ascending numbers as ranges of neighbours.
fn ranges(numbers: &[u16]) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

fn await_running(link: &LinkRef, namespaces: &Namespaces) -> Result<(), Error> {
    let side = namespaces.side(link.place)?;
    let index = namespaces.link(link)?.index;
    if side
        .rtnl()
        .link_at(index)
        .is_ok_and(|link| link.carries_traffic())
    {
        return Ok(());
    }
    let monitor = side.run(Monitor::open)?.map_err(explain)?;
    monitor.await_running(side.rtnl(), index, RUNNING_DEADLINE).map_err(|error| {
        explain(error).with_details(format!(
            "{link} was connected but does not forward; `ip -d link show` and, for a bridge with STP, \
             `bridge link` tell its state"
        ))
    })
}

/// Has the kernel tell the neighbours of a link where its addresses are.
///
/// An address that is given to another container has another MAC address; neighbours that remember the
/// old one cannot reach it for many seconds unless they are told.
///
/// # Kernel
/// With `arp_notify` and `ndisc_notify` set, the kernel sends a gratuitous ARP and an unsolicited
/// neighbour advertisement for each address when the link gets a MAC address, be it the one that it has
/// (`inetdev_event`, `ndisc_netdev_event`). Frames of our own would need a packet socket, and whoever
/// closes one waits for an RCU grace period (`packet_release`), 15 ms, ten times what all the rest of an
/// ADD takes.
fn announce(link: &LinkRef, namespaces: &Namespaces) -> Result<(), KernelError> {
    let (Ok(side), Ok(found)) = (namespaces.side(link.place), namespaces.link(link)) else {
        return Ok(());
    };
    let same = LinkChange {
        mac: found.mac,
        ..LinkChange::default()
    };
    side.rtnl().change(Change::SetLink(found.index, same))
}

fn await_addresses(link: &LinkRef, namespaces: &Namespaces) -> Result<(), Error> {
    let side = namespaces.side(link.place)?;
    let index = namespaces.link(link)?.index;
    let monitor = side.run(Monitor::open)?.map_err(explain)?;
    monitor
        .await_addresses(side.rtnl(), index, ADDRESSES_DEADLINE)
        .map_err(|error| {
            Error::new(ErrorCode::TRY_AGAIN_LATER, error.to_string()).with_details(
            "duplicate address detection found another host with this address, or did not finish",
        )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_vlans_travel_as_ranges() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[5]), [(5, 5)]);
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    }
}
