//! What the interface has, and what of it is where afterwards: pure functions.

use linkspan_kernel::rtnl::{Address, Route};
use linkspan_plan::{Carry, LinkRef, On, Plan};
use linkspan_plugin::spec::IfName;

use crate::attach::routes::{MAIN_TABLE, own_part, without_own_part};

/// What the kernel makes by itself when a link is switched on (`RTPROT_KERNEL`).
const BY_KERNEL: u8 = 2;
/// The table of the namespace's own addresses (`RT_TABLE_LOCAL`).
const LOCAL_TABLE: u32 = 255;
/// `RT_SCOPE_LINK`
const LINK_SCOPE: u8 = 253;
/// An address that the kernel made for privacy (`IFA_F_TEMPORARY`); of IPv4, one that comes after another.
const TEMPORARY: u32 = 1;

/// What an interface has.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    /// Its name and index.
    pub(super) name: String,
    pub(super) link: u32,
    /// Its addresses.
    pub(super) addresses: Vec<Address>,
    /// The routes that leave by it, of all tables.
    pub(super) routes: Vec<Route>,
}

/// The steps that move an interface into a vrf with this table.
pub(super) fn into_vrf(vrf: IfName, table: u32, interface: Interface) -> Plan {
    carry(Some(vrf), interface, |from| {
        if from == MAIN_TABLE { table } else { from }
    })
}

/// The steps that move an interface out of the vrf with this table.
pub(super) fn out_of_vrf(table: u32, interface: Interface) -> Plan {
    carry(None, interface, |from| {
        if from == table { MAIN_TABLE } else { from }
    })
}

fn carry(vrf: Option<IfName>, interface: Interface, table: impl Fn(u32) -> u32) -> Plan {
    let link = interface.link;
    let made = |route: &&Route| route.protocol != BY_KERNEL && route.table != LOCAL_TABLE;
    let mut steps = Plan::default();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for route in interface.routes.iter().filter(made) {
        let Some(own) = own_part(route, link) else {
            continue;
        };
        after.push(Route {
            table: table(own.table),
            ..own.clone()
        });
        // Of a route that goes by other links as well, the kernel would revive our part in its old table.
        let is_shared = route.next_hops.iter().any(|hop| hop.link != link);
        match without_own_part(route, link).filter(|_| is_shared) {
            Some(rest) => steps.push(rest),
            None => before.push(own),
        }
    }
    let mut addresses = interface.addresses;
    addresses.retain(is_ours);
    let carry = Carry {
        vrf,
        addresses,
        before,
        after,
    };
    steps.push(On(LinkRef::container(interface.name), carry));
    steps
}

/// Whether somebody gave the link an address. Those of IPv4 stay; link-local ones and those for privacy the kernel
/// makes anew.
fn is_ours(address: &Address) -> bool {
    address.net.addr().is_ipv6()
        && address.scope != LINK_SCOPE
        && address.flags & (TEMPORARY | Address::DAD_FAILED) == 0
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use linkspan_kernel::rtnl::NextHop;
    use linkspan_plan::Step;

    use super::*;

    fn route(destination: &str, gateway: Option<&str>, table: u32) -> Route {
        let gateway: Option<IpAddr> = gateway.map(|gateway| gateway.parse().unwrap());
        Route {
            table,
            priority: Some(7),
            ..Route::new(destination.parse().unwrap(), gateway, 3)
        }
    }

    fn interface(addresses: Vec<Address>, routes: Vec<Route>) -> Interface {
        Interface {
            name: "net1".into(),
            link: 3,
            addresses,
            routes,
        }
    }

    fn carried(plan: &Plan) -> &Carry {
        match plan.steps.last().map(|planned| &planned.step) {
            Some(Step::Carry(On(_, carry))) => carry,
            other => panic!("{other:?}"),
        }
    }

    fn hop(link: u32, gateway: &str) -> NextHop {
        NextHop {
            link,
            gateway: gateway.parse().ok(),
            weight: 1,
            onlink: true,
            other: linkspan_kernel::rtnl::Opaque::default(),
        }
    }

    fn shared(destination: &str, gateways: [&str; 2]) -> Route {
        Route {
            link: None,
            next_hops: vec![hop(2, gateways[0]), hop(3, gateways[1])],
            ..route(destination, None, MAIN_TABLE)
        }
    }

    /// plugins#1253, #866, #1223: routes that were lost.
    #[test]
    fn routes_go_to_the_vrfs_table_and_back() {
        let connected = Route {
            protocol: BY_KERNEL,
            ..route("10.1.0.0/24", None, MAIN_TABLE)
        };
        let routes = vec![
            connected,
            route("0.0.0.0/0", Some("10.1.0.1"), MAIN_TABLE),
            route("10.9.0.0/16", None, MAIN_TABLE),
            route("0.0.0.0/0", Some("10.1.0.9"), 100),
            shared("::/0", ["fd02::1", "fd03::1"]),
        ];
        let red: IfName = "red".parse().unwrap();
        let there = into_vrf(red, 10, interface(Vec::new(), routes));
        let there = carried(&there);
        let tables: Vec<u32> = there.after.iter().map(|route| route.table).collect();
        assert_eq!(tables, [10, 10, 100, 10]);
        assert!(there.after.iter().all(|route| route.priority == Some(7)));
        let own = &there.after[3];
        assert_eq!((own.link, own.onlink), (Some(3), true));
        assert_eq!(own.gateway, "fd03::1".parse().ok());
        let back = out_of_vrf(10, interface(Vec::new(), there.after.clone()));
        assert_eq!(carried(&back).after[..3], there.before);
    }

    #[test]
    fn what_others_have_of_a_route_stays_without_ours() {
        let routes = vec![
            shared("0.0.0.0/0", ["10.2.0.1", "10.3.0.1"]),
            shared("::/0", ["fd02::1", "fd03::1"]),
        ];
        let red: IfName = "red".parse().unwrap();
        let steps = into_vrf(red, 10, interface(Vec::new(), routes));
        let words: Vec<String> = steps
            .steps
            .iter()
            .map(|planned| planned.step.to_string())
            .collect();
        assert_eq!(
            words,
            [
                "replace the route 0.0.0.0/0 via 10.2.0.1 out of link 2",
                "take away the route ::/0 via fd03::1 out of link 3",
                "make \"net1\" in the container part of the vrf \"red\", and carry over its 2 routes",
            ]
        );
        assert!(carried(&steps).before.is_empty());
    }

    #[test]
    fn addresses_that_the_kernel_keeps_or_makes_are_not_carried() {
        let address = |net: &str| Address::new(net.parse().unwrap());
        let link_local = Address {
            scope: LINK_SCOPE,
            ..address("fe80::1/64")
        };
        let mut temporary = address("fd01::77/64");
        temporary.flags |= TEMPORARY;
        let all = vec![
            address("10.1.0.2/24"),
            address("fd01::2/64"),
            link_local,
            temporary,
        ];
        let steps = out_of_vrf(10, interface(all, Vec::new()));
        assert_eq!(carried(&steps).addresses, [address("fd01::2/64")]);
    }
}
