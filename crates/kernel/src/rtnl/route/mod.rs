//! Routes.

mod lookup;
mod wire;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use linkspan_netlink::Request;

use super::{DUMP, Opaque, REQUEST, Rtnl, address};
use crate::Error;

/// A route. One that was listed and is added again is as it was, whatever it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to; with a prefix of 0, everywhere.
    pub destination: IpNet,
    /// For packets from these addresses alone (IPv6).
    pub from: Option<IpNet>,
    /// For packets with this type of service alone (IPv4); 0 for all.
    pub tos: u8,
    /// By whom; `None`: directly, or see `next_hops`. An IPv4 route may have one of IPv6.
    pub gateway: Option<IpAddr>,
    /// The index of the link that it leaves by.
    pub link: Option<u32>,
    /// Several ways at once.
    pub next_hops: Vec<NextHop>,
    /// The source address that is preferred.
    pub source: Option<IpAddr>,
    /// The metric: the lowest wins.
    pub priority: Option<u32>,
    /// The table; 254 is the main one.
    pub table: u32,
    /// How far it reaches (`RT_SCOPE_…`).
    pub scope: u8,
    /// Who made it (`RTPROT_…`).
    pub protocol: u8,
    /// What it is (`RTN_…`).
    pub kind: u8,
    /// The gateway is taken to be reachable directly (`RTNH_F_ONLINK`).
    pub onlink: bool,
    /// The largest packet, in bytes.
    pub mtu: Option<u32>,
    /// The maximal segment size that is announced to peers, in bytes.
    pub advmss: Option<u32>,
    /// The other metrics (`RTAX_…`).
    pub other_metrics: Opaque,
    /// How long it is still there (IPv6).
    pub expires: Option<Duration>,
    /// The next hop object that says where it goes, in place of link, gateway and next hops, which
    /// are then told but not asked for.
    pub next_hop_object: Option<u32>,
    /// Realms, encapsulation, preference among routers.
    pub other: Opaque,
}

/// One way of a route that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// The index of the link.
    pub link: u32,
    /// By whom.
    pub gateway: Option<IpAddr>,
    /// How often it is taken compared with the others, from 1.
    pub weight: u16,
    /// The gateway is taken to be reachable directly.
    pub onlink: bool,
    /// Realms, encapsulation.
    pub other: Opaque,
}

/// Which routes are listed; what is `None` is not asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteFilter {
    /// Of the link with this index.
    pub link: Option<u32>,
    /// Of this table.
    pub table: Option<u32>,
}

impl Route {
    /// A route of the main table out of the link with this index.
    pub fn new(destination: IpNet, gateway: Option<IpAddr>, link: u32) -> Self {
        Self {
            destination,
            from: None,
            tos: 0,
            gateway,
            link: Some(link),
            next_hops: Vec::new(),
            source: None,
            priority: None,
            table: u32::from(libc::RT_TABLE_MAIN),
            scope: libc::RT_SCOPE_UNIVERSE,
            protocol: libc::RTPROT_BOOT,
            kind: libc::RTN_UNICAST,
            onlink: false,
            mtu: None,
            advmss: None,
            other_metrics: Opaque::default(),
            expires: None,
            next_hop_object: None,
            other: Opaque::default(),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)?;
        if let Some(from) = self.from {
            write!(f, " from {from}")?;
        }
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(link) = self.link {
            write!(f, " out of link {link}")?;
        }
        if self.table != u32::from(libc::RT_TABLE_MAIN) {
            write!(f, " in table {}", self.table)?;
        }
        Ok(())
    }
}

impl Rtnl {
    /// The routes of both families that the filter lets pass.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn routes(&self, filter: RouteFilter) -> Result<Vec<Route>, Error> {
        let mut routes = self.routes_of(libc::AF_INET as u8, filter)?;
        routes.extend(self.routes_of(libc::AF_INET6 as u8, filter)?);
        Ok(routes)
    }

    fn routes_of(&self, family: u8, filter: RouteFilter) -> Result<Vec<Route>, Error> {
        let mut request = Request::new(libc::RTM_GETROUTE, REQUEST | DUMP);
        request.header(&[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        filter.link.map(|link| request.u32(libc::RTA_OIF, link));
        filter
            .table
            .map(|table| request.u32(libc::RTA_TABLE, table));
        // Kernels before 4.20 do not filter, so what comes is filtered here as well. Those without IPv6
        // list the routes of all other families instead.
        let passes = |route: &Route| {
            let of_link = |link| {
                route.link == Some(link) || route.next_hops.iter().any(|hop| hop.link == link)
            };
            address::family(route.destination.addr()) == family
                && filter.link.is_none_or(of_link)
                && filter.table.is_none_or(|table| route.table == table)
        };
        let found = self.dump("list", &"routes", &request, |message| {
            Route::decode(message).filter(passes)
        });
        match found {
            // No such table, or no such family in this kernel: no routes.
            Err(error) if error.is_not_found() || error.is_unsupported() => Ok(Vec::new()),
            found => found,
        }
    }
}
