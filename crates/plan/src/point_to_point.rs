//! An address whose subnet is reached through the gateway alone.
//!
//! A pair of links has nobody on it but its two ends, while an address comes with a subnet, which the kernel
//! takes to be on the link. So its route is replaced by one to the gateway, on the link, and one to the
//! subnet, through the gateway. The first comes before other routes, which may need it; the second after them, since
//! they may go by other addresses of the subnet.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_kernel::rtnl::{Change, Route, RouteFilter};
use linkspan_spec::Error;

use crate::difference::{Difference, listed, unless};
use crate::fault::explain;
use crate::foresee::Outlook;
use crate::link::{LinkRef, On};
use crate::namespaces::Namespaces;
use crate::object::Object;
use crate::route::{leads, way};
use crate::send::{self, Batch, Sent};

// linux/rtnetlink.h
/// `RT_SCOPE_LINK`
const LINK: u8 = 253;
/// `RT_SCOPE_NOWHERE`; to delete a route, any.
const NOWHERE: u8 = 255;
/// `RTPROT_KERNEL`
const BY_KERNEL: u8 = 2;

/// The address and the gateway, of the same family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointToPoint {
    /// The address with the length of its subnet's prefix.
    pub address: IpNet,
    /// The gateway at the other end.
    pub gateway: IpAddr,
}

/// The gateway is reached directly, from the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherEnd(pub PointToPoint);

impl fmt::Display for On<OtherEnd> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, OtherEnd(PointToPoint { gateway, .. })) = self;
        write!(f, "reach {gateway} directly on {link}")
    }
}

impl fmt::Display for On<PointToPoint> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(link, PointToPoint { address, gateway }) = self;
        let subnet = address.trunc();
        write!(f, "reach {subnet} through {gateway} alone on {link}")
    }
}

impl Object for On<OtherEnd> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, OtherEnd(wanted)) = self;
        differences(link, |index| Some(wanted.to_gateway(index)), namespaces)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        send::foresee(self, namespaces)
    }
}

impl Object for On<PointToPoint> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(link, wanted) = self;
        differences(link, |index| wanted.to_subnet(index), namespaces)
    }

    fn foresee(&self, namespaces: &Namespaces) -> Result<Vec<Outlook>, Error> {
        send::foresee(self, namespaces)
    }
}

impl Sent for On<OtherEnd> {
    fn batch(&self) -> Batch {
        Batch::OfLinks(self.0.place)
    }

    fn changes(&self, namespaces: &Namespaces) -> Result<Vec<Change>, Error> {
        let Self(link, OtherEnd(wanted)) = self;
        let route = wanted.to_gateway(namespaces.link(link)?.index);
        Ok(vec![Change::AddRoute(route)])
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
        changes.extend(wanted.to_subnet(index).map(Change::AddRoute));
        Ok(changes)
    }
}

impl PointToPoint {
    /// The route to the gateway.
    fn to_gateway(self, link: u32) -> Route {
        Route {
            scope: LINK,
            source: Some(self.address.addr()),
            ..Route::new(IpNet::from(self.gateway), None, link)
        }
    }

    /// The route through it to the rest of the subnet, if there is one.
    fn to_subnet(self, link: u32) -> Option<Route> {
        let Self { address, gateway } = self;
        let is_subnet = address.prefix_len() < address.max_prefix_len();
        is_subnet.then(|| Route {
            source: Some(address.addr()),
            ..Route::new(address.trunc(), Some(gateway), link)
        })
    }
}

/// The route that the kernel has made for the address, whatever else it has. Of a subnet of one address it makes
/// none (IPv4).
fn on_link(wanted: &PointToPoint, link: u32) -> Route {
    Route {
        scope: NOWHERE,
        protocol: BY_KERNEL,
        ..Route::new(wanted.address.trunc(), None, link)
    }
}

/// What a link lacks of a route.
fn differences(
    link: &LinkRef,
    wanted: impl Fn(u32) -> Option<Route>,
    namespaces: &Namespaces,
) -> Result<Vec<Difference>, Error> {
    let Some(found) = namespaces.link_if_there(link)? else {
        return Ok(Vec::new());
    };
    let Some(route) = wanted(found.index) else {
        return Ok(Vec::new());
    };
    let filter = RouteFilter {
        link: Some(found.index),
        // Whichever: plugins that come later move routes to tables of their own.
        table: None,
    };
    let rtnl = namespaces.side(link.place)?.rtnl();
    let mut there = rtnl.routes(filter).map_err(explain)?;
    there.retain(|held| held.destination == route.destination);
    let is_right = |held: &Route| match route.gateway {
        Some(_) => leads(held, Some(found.index), route.gateway),
        None => held.gateway.is_none() && held.next_hops.is_empty(),
    };
    let object = format!("the route to {} on {link}", route.destination);
    let ways = listed(there.iter().map(way));
    Ok(unless(
        there.iter().any(is_right),
        object,
        way(&route),
        ways,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(address: &str, gateway: &str) -> Vec<String> {
        let wanted = PointToPoint {
            address: address.parse().unwrap(),
            gateway: gateway.parse().unwrap(),
        };
        [wanted.to_gateway(7)]
            .into_iter()
            .chain(wanted.to_subnet(7))
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
