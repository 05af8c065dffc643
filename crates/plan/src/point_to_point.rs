//! An address whose subnet is reached through the gateway alone.
//!
//! A pair of links has nobody on it but its two ends, while an address comes with a subnet, which the kernel
//! takes to be on the link. So its route is replaced by one to the gateway, on the link, and one to the
//! subnet, through the gateway.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Change, Route, RouteFilter};
use linkspan_spec::Error;

use crate::difference::{Difference, listed, unless};
use crate::fault::{explain, explain_addressing};
use crate::link::On;
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::send::{Batch, Sent};

// linux/rtnetlink.h
/// `RT_SCOPE_LINK`
const LINK: u8 = 253;
/// `RT_SCOPE_NOWHERE`; to delete a route, any.
const NOWHERE: u8 = 255;
/// `RTPROT_UNSPEC`; to delete a route, any.
const UNSPECIFIED: u8 = 0;

/// The address and the gateway, of the same family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointToPoint {
    /// The address with the length of its subnet's prefix.
    pub address: IpNet,
    /// The gateway at the other end.
    pub gateway: IpAddr,
}

impl fmt::Display for On<PointToPoint> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, PointToPoint { address, gateway }) = self;
        let subnet = address.trunc();
        write!(f, "reach {subnet} through {gateway} alone on {link}")
    }
}

impl Object for On<PointToPoint> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, wanted) = self;
        let Ok(found) = namespaces.link(link) else {
            return Ok(Vec::new());
        };
        let filter = RouteFilter {
            link: Some(found.index),
            table: None,
        };
        let rtnl = namespaces.side(link.place)?.rtnl();
        let held = rtnl.routes(filter).map_err(explain)?;
        let mut differences = Vec::new();
        for route in routes(wanted, found.index) {
            let same =
                |held: &&Route| held.destination == route.destination && held.table == route.table;
            let mut there = held.iter().filter(same);
            let is_there = there.any(|held| held.gateway == route.gateway);
            let ways = listed(held.iter().filter(same).map(way));
            let object = format!("the route to {} on {link}", route.destination);
            differences.extend(unless(is_there, object, way(&route), ways));
        }
        Ok(differences)
    }
}

impl Sent for On<PointToPoint> {
    fn batch(&self) -> Batch {
        Batch::OfLinks(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let Self(link, wanted) = self;
        let index = namespaces.link(link)?.index;
        let mut changes = vec![Change::DeleteRoute(on_link(wanted, index))];
        changes.extend(routes(wanted, index).map(Change::AddRoute));
        Ok(changes)
    }

    fn refused(&self, error: &KernelError) -> Error {
        explain_addressing(self, error)
    }
}

/// The route that the kernel has made for the address, whatever it has beyond its destination. Of a subnet
/// of one address it makes none (IPv4).
fn on_link(wanted: &PointToPoint, link: u32) -> Route {
    Route {
        scope: NOWHERE,
        protocol: UNSPECIFIED,
        ..Route::new(wanted.address.trunc(), None, link)
    }
}

/// To the gateway, and through it to the rest of the subnet, if there is one.
fn routes(wanted: &PointToPoint, link: u32) -> impl Iterator<Item = Route> {
    let PointToPoint { address, gateway } = *wanted;
    let source = Some(address.addr());
    let to_gateway = Route {
        scope: LINK,
        source,
        ..Route::new(IpNet::from(gateway), None, link)
    };
    let to_subnet = Route {
        source,
        ..Route::new(address.trunc(), Some(gateway), link)
    };
    let is_subnet = address.prefix_len() < address.max_prefix_len();
    [to_gateway]
        .into_iter()
        .chain(is_subnet.then_some(to_subnet))
}

fn way(route: &Route) -> String {
    route
        .gateway
        .map_or("directly".to_owned(), |gateway| format!("via {gateway}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(address: &str, gateway: &str) -> Vec<String> {
        let wanted = PointToPoint {
            address: address.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        };
        routes(&wanted, 7)
            .map(|route| format!("{route} scope {}", route.scope))
            .collect()
    }

    #[test]
    fn the_subnet_lies_behind_the_gateway() {
        let expected = [
            "10.1.2.1/32 out of link 7 scope 253",
            "10.1.2.0/24 via 10.1.2.1 out of link 7 scope 0",
        ];
        assert_eq!(told("10.1.2.5/24", "10.1.2.1"), expected);
    }

    #[test]
    fn a_subnet_of_one_address_has_no_rest() {
        assert_eq!(
            told("10.1.2.5/32", "169.254.1.1"),
            ["169.254.1.1/32 out of link 7 scope 253"]
        );
        assert_eq!(
            told("fd00::5/128", "fe80::1"),
            ["fe80::1/128 out of link 7 scope 253"]
        );
    }
}
