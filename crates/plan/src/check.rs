//! Comparing a plan with the kernel.

use std::fmt;

use linkspan_kernel::rtnl::{Link, RouteFilter};
use linkspan_spec::{Error, ErrorCode, MacAddr, Route};

use super::bridge::IFF_PROMISC;
use super::{
    Bridge, LinkRef, Namespaces, Plan, PortVlans, Step, VethPair, carry, container_link, device,
    point_to_point, routing, settings, shaping, tap, vrf,
};
use crate::fault::explain;

/// What is not as the plan has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub object: String,
    /// What the plan has.
    pub expected: String,
    /// What the kernel has.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, found {}",
            self.object, self.expected, self.found
        )
    }
}

/// Compares every object that the plan wants with the kernel. What others share and may change (a
/// gateway's address, kernel parameters) is not looked at.
///
/// # Errors
/// All differences in one error, or that they cannot be found out.
pub fn check(plan: &Plan, namespaces: &Namespaces) -> Result<(), Error> {
    let mut differences = Vec::new();
    for step in &plan.steps {
        differences.extend(differences_of(step, namespaces)?);
    }
    let [first, rest @ ..] = differences.as_slice() else {
        return Ok(());
    };
    let others: Vec<_> = rest
        .iter()
        .map(|difference| format!("{difference}; "))
        .collect();
    Err(
        Error::new(ErrorCode::INTERNAL, first.to_string()).with_details(format!(
            "{}something changed the attachment after ADD; DEL and ADD make it anew",
            others.concat()
        )),
    )
}

fn differences_of(step: &Step, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
    match step {
        Step::Bridge(wanted) => bridge(wanted, namespaces),
        Step::VethPair(pair) => veth_pair(pair, namespaces),
        Step::ContainerLink(wanted) => container_link::differences(wanted, namespaces),
        Step::Device(wanted) => device::differences(wanted, namespaces),
        Step::Tap(wanted) => tap::differences(wanted, namespaces),
        Step::Settings(link, wanted) => settings::differences(link, wanted, namespaces),
        Step::PortVlans(port, wanted) => port_vlans(port, wanted, namespaces),
        Step::Address(link, address) => {
            let Ok(found) = namespaces.link(link) else {
                return Ok(Vec::new());
            };
            let rtnl = namespaces.side(link.place)?.rtnl();
            let held = rtnl.addresses(found.index).map_err(explain)?;
            let is_there = held.iter().any(|held| held.net == address.address);
            let all: Vec<_> = held.iter().map(ToString::to_string).collect();
            let found = if all.is_empty() {
                "none".to_owned()
            } else {
                all.join(", ")
            };
            Ok(unless(
                is_there,
                format!("the addresses of {link}"),
                address.address,
                found,
            ))
        }
        Step::Route(link, wanted) => route(link, wanted, namespaces),
        Step::PointToPoint(link, wanted) => point_to_point::differences(link, wanted, namespaces),
        Step::Vrf(wanted) => vrf::differences(wanted, namespaces),
        Step::Carry(link, wanted) => carry::differences(link, wanted, namespaces),
        Step::Routing(place, wanted) => routing::differences(*place, wanted, namespaces),
        Step::Shape(link, wanted) => shaping::shape_differences(link, wanted, namespaces),
        Step::Redirect(from, to) => shaping::redirect_differences(from, to, namespaces),
        Step::Netfilter(attachment) => {
            let sentences = attachment.check()?;
            Ok(sentences.iter().map(|one| of_netfilter(one)).collect())
        }
        Step::Sysctl(_)
        | Step::Gateway(..)
        | Step::VlanInterface(_)
        | Step::Ifb(_)
        | Step::AwaitAddresses(_)
        | Step::AwaitRunning(_)
        | Step::Announce(..) => Ok(Vec::new()),
    }
}

/// A difference that netfilter tells in a whole sentence: "expected …, found …".
fn of_netfilter(sentence: &str) -> Difference {
    let (expected, found) = sentence
        .strip_prefix("expected ")
        .and_then(|rest| rest.rsplit_once(", found "))
        .unwrap_or(("what ADD set up", sentence));
    Difference {
        object: "netfilter".to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    }
}

/// A difference unless the condition holds.
pub(super) fn unless(
    holds: bool,
    object: impl Into<String>,
    expected: impl ToString,
    found: impl ToString,
) -> Vec<Difference> {
    if holds {
        return Vec::new();
    }
    vec![Difference {
        object: object.into(),
        expected: expected.to_string(),
        found: found.to_string(),
    }]
}

fn bridge(wanted: &Bridge, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
    let object = format!("the bridge {:?}", wanted.name.as_str());
    let found = match namespaces.host().rtnl().link(wanted.name.as_str()) {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(unless(false, object, "it", "nothing")),
        Err(error) => return Err(explain(error)),
    };
    let promisc = found.flags & IFF_PROMISC != 0;
    let kind = found.kind.clone().unwrap_or_else(|| "a device".to_owned());
    let mut differences = unless(found.is_kind("bridge"), &object, "a bridge", kind);
    differences.extend(unless(
        found.is_up(),
        &object,
        "switched on",
        "switched off",
    ));
    // Not the other way round: another network on the same bridge may want it. Nor whether it filters VLANs:
    // that is its creator's choice.
    differences.extend(unless(
        promisc || !wanted.promisc,
        &object,
        "promiscuous mode",
        "no promiscuous mode",
    ));
    namespaces.host().remember(wanted.name.as_str(), found);
    Ok(differences)
}

fn veth_pair(pair: &VethPair, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
    let (outside, inside) = (
        LinkRef::host(pair.host.name.as_str()),
        LinkRef::container(pair.container.name.as_str()),
    );
    let Ok(container) = namespaces.link(&inside) else {
        return Ok(unless(false, format!("the link {inside}"), "it", "nothing"));
    };
    let Ok(host) = namespaces.link(&outside) else {
        return Ok(unless(
            false,
            format!("the link {outside}"),
            "it",
            "nothing",
        ));
    };
    let mac =
        |mac: Option<[u8; 6]>| mac.map_or("none".to_owned(), |mac| MacAddr::new(mac).to_string());
    let object = format!("the link {inside}");
    let kind = container
        .kind
        .clone()
        .unwrap_or_else(|| "a device".to_owned());
    let mut differences = unless(container.is_kind("veth"), &object, "a veth", kind);
    let peers = container.parent == Some(host.index) && host.parent == Some(container.index);
    differences.extend(unless(
        peers,
        &object,
        format!("{outside} as its other end"),
        "another",
    ));
    let wanted_mac = pair.container.mac;
    let mac_is_right = container.mac == Some(wanted_mac.octets());
    let object = format!("the MAC address of {inside}");
    differences.extend(unless(mac_is_right, object, wanted_mac, mac(container.mac)));
    for (end, link) in [(&outside, &host), (&inside, &container)] {
        differences.extend(mtu(end, pair.mtu, link));
    }
    if let Some(master) = &pair.master {
        let expected = namespaces
            .host()
            .link(master.as_str())
            .ok()
            .map(|bridge| bridge.index);
        let is_port = host.master.is_some() && host.master == expected;
        let found = host
            .master
            .map_or("none".to_owned(), |index| format!("link {index}"));
        differences.extend(unless(
            is_port,
            format!("the bridge of {outside}"),
            master.as_str(),
            found,
        ));
    }
    Ok(differences)
}

/// A difference when another MTU is wanted than the link has.
pub(super) fn mtu(link: &LinkRef, wanted: Option<u32>, found: &Link) -> Vec<Difference> {
    let Some(wanted) = wanted else {
        return Vec::new();
    };
    let object = format!("the MTU of {link}");
    unless(wanted == found.mtu, object, wanted, found.mtu)
}

fn port_vlans(
    port: &LinkRef,
    wanted: &PortVlans,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let Ok(link) = namespaces.link(port) else {
        return Ok(Vec::new());
    };
    let rtnl = namespaces.side(port.place)?.rtnl();
    let found = rtnl.bridge_vlans(link.index).map_err(explain)?;
    let native = found
        .iter()
        .find(|vlan| vlan.flags.pvid)
        .map(|vlan| vlan.first);
    let passes = |id: &u16| {
        found
            .iter()
            .any(|vlan| (vlan.first..=vlan.last).contains(id))
    };
    let show = |id: Option<u16>| id.map_or("none".to_owned(), |id| format!("VLAN {id}"));
    let native_is_right = wanted.native.is_none() || native == wanted.native;
    let object = format!("the native VLAN of {port}");
    let mut differences = unless(native_is_right, object, show(wanted.native), show(native));
    for id in wanted.tagged.iter().filter(|id| !passes(id)) {
        differences.extend(unless(
            false,
            format!("VLAN {id} on {port}"),
            "it passes",
            "it does not",
        ));
    }
    Ok(differences)
}

fn route(
    link: &LinkRef,
    wanted: &Route,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let Ok(found) = namespaces.link(link) else {
        return Ok(Vec::new());
    };
    let rtnl = namespaces.side(link.place)?.rtnl();
    let filter = RouteFilter {
        link: Some(found.index),
        table: wanted.table,
    };
    let routes = rtnl.routes(filter).map_err(explain)?;
    let matches = |route: &linkspan_kernel::rtnl::Route| {
        // IPv6 has no scopes.
        let scope_is_right =
            wanted.dst.addr().is_ipv6() || wanted.scope.is_none_or(|scope| route.scope == scope);
        route.destination == wanted.dst.trunc()
            && (wanted.gw.is_none() || route.gateway == wanted.gw)
            && scope_is_right
    };
    let same_target: Vec<_> = routes
        .iter()
        .filter(|route| route.destination == wanted.dst.trunc())
        .map(|route| {
            route
                .gateway
                .map_or("directly".to_owned(), |gateway| format!("via {gateway}"))
        })
        .collect();
    let expected = wanted
        .gw
        .map_or("one".to_owned(), |gateway| format!("via {gateway}"));
    let found = if same_target.is_empty() {
        "none".to_owned()
    } else {
        same_target.join(", ")
    };
    let object = format!("the route to {} on {link}", wanted.dst);
    Ok(unless(routes.iter().any(matches), object, expected, found))
}
