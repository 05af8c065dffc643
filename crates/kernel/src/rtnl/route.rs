//! Routes.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use linkspan_netlink::{Attributes, Message, Request};

use super::address::{address, family, octets};
use super::{DUMP, REQUEST, Rtnl};
use crate::Error;

/// Bytes of `struct rtmsg`.
const HEADER: usize = 12;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to; with a prefix of 0, everywhere.
    pub destination: IpNet,
    /// By whom; `None`: directly, or see `next_hops`.
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
}

/// Which routes are listed; what is `None` is not asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct RouteFilter {
    /// Of the link with this index.
    pub link: Option<u32>,
    /// Of this table.
    pub table: Option<u32>,
}

/// `RTNH_F_ONLINK`, linux/rtnetlink.h.
const ONLINK: u8 = 4;
/// Bytes of `struct rtnexthop`.
const NEXT_HOP: usize = 8;

impl Route {
    /// A route of the main table out of the link with this index.
    pub fn new(destination: IpNet, gateway: Option<IpAddr>, link: u32) -> Self {
        Self {
            destination,
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
        }
    }

    pub(super) fn request(&self, kind: u16, flags: u16) -> Request {
        let mut request = Request::new(kind, flags);
        let family = family(self.destination.addr());
        // Tables beyond a byte are in an attribute alone.
        let table = u8::try_from(self.table).unwrap_or(libc::RT_TABLE_UNSPEC);
        let [a, b, c, d] = u32::from(if self.onlink { ONLINK } else { 0 }).to_ne_bytes();
        let prefix = self.destination.prefix_len();
        request.header(&[
            family,
            prefix,
            0,
            0,
            table,
            self.protocol,
            self.scope,
            self.kind,
            a,
            b,
            c,
            d,
        ]);
        if prefix != 0 {
            request.bytes(libc::RTA_DST, &octets(self.destination.network()));
        }
        self.gateway
            .map(|gateway| request.bytes(libc::RTA_GATEWAY, &octets(gateway)));
        self.source
            .map(|source| request.bytes(libc::RTA_PREFSRC, &octets(source)));
        self.link.map(|link| request.u32(libc::RTA_OIF, link));
        self.priority
            .map(|priority| request.u32(libc::RTA_PRIORITY, priority));
        if table == libc::RT_TABLE_UNSPEC {
            request.u32(libc::RTA_TABLE, self.table);
        }
        self.write_metrics(&mut request);
        self.write_next_hops(&mut request);
        request
    }

    fn write_metrics(&self, request: &mut Request) {
        if self.mtu.is_none() && self.advmss.is_none() {
            return;
        }
        request.nest(libc::RTA_METRICS, |metrics| {
            self.mtu.map(|mtu| metrics.u32(RTAX_MTU, mtu));
            self.advmss.map(|advmss| metrics.u32(RTAX_ADVMSS, advmss));
        });
    }

    fn write_next_hops(&self, request: &mut Request) {
        if self.next_hops.is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        for hop in &self.next_hops {
            let gateway = hop.gateway.map(octets).unwrap_or_default();
            let attribute = if gateway.is_empty() {
                0
            } else {
                4 + gateway.len()
            };
            let length = (NEXT_HOP + attribute) as u16;
            bytes.extend_from_slice(&length.to_ne_bytes());
            bytes.push(if hop.onlink { ONLINK } else { 0 });
            bytes.push(u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX));
            bytes.extend_from_slice(&hop.link.to_ne_bytes());
            if attribute != 0 {
                bytes.extend_from_slice(&(attribute as u16).to_ne_bytes());
                bytes.extend_from_slice(&libc::RTA_GATEWAY.to_ne_bytes());
                bytes.extend_from_slice(&gateway);
            }
        }
        request.bytes(libc::RTA_MULTIPATH, &bytes);
    }

    fn decode(message: &Message<'_>) -> Option<Self> {
        let header = message.header::<HEADER>()?;
        let family = header[0];
        let attributes = Attributes::new(message.attributes(HEADER));
        let ip = |kind| address(family, attributes.get(kind)?.payload);
        let number = |kind| attributes.get(kind)?.as_u32();
        let destination = match (ip(libc::RTA_DST), i32::from(family)) {
            (Some(address), _) => IpNet::new(address, header[1]).ok()?,
            (None, libc::AF_INET) => Ipv4Net::default().into(),
            (None, libc::AF_INET6) => Ipv6Net::default().into(),
            _ => return None,
        };
        let metrics = attributes
            .get(libc::RTA_METRICS)
            .map(|metrics| metrics.nested());
        let metric = |kind| metrics.as_ref()?.get(kind)?.as_u32();
        let hops = attributes.get(libc::RTA_MULTIPATH);
        Some(Self {
            destination,
            gateway: ip(libc::RTA_GATEWAY),
            link: number(libc::RTA_OIF),
            next_hops: hops
                .map(|hops| decode_next_hops(family, hops.payload))
                .unwrap_or_default(),
            source: ip(libc::RTA_PREFSRC),
            priority: number(libc::RTA_PRIORITY),
            table: number(libc::RTA_TABLE).unwrap_or_else(|| header[4].into()),
            scope: header[6],
            protocol: header[5],
            kind: header[7],
            onlink: u32::from_ne_bytes([header[8], header[9], header[10], header[11]])
                & u32::from(ONLINK)
                != 0,
            mtu: metric(RTAX_MTU),
            advmss: metric(RTAX_ADVMSS),
        })
    }
}

/// `RTAX_MTU`, linux/rtnetlink.h.
const RTAX_MTU: u16 = 2;
/// `RTAX_ADVMSS`, linux/rtnetlink.h.
const RTAX_ADVMSS: u16 = 8;

fn decode_next_hops(family: u8, mut bytes: &[u8]) -> Vec<NextHop> {
    let mut hops = Vec::new();
    while let Some(&[l0, l1, flags, weight, i0, i1, i2, i3]) = bytes.first_chunk::<NEXT_HOP>() {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(attributes) = bytes.get(NEXT_HOP..length) else {
            break;
        };
        let gateway = Attributes::new(attributes).get(libc::RTA_GATEWAY);
        hops.push(NextHop {
            link: u32::from_ne_bytes([i0, i1, i2, i3]),
            gateway: gateway.and_then(|gateway| address(family, gateway.payload)),
            weight: u16::from(weight) + 1,
            onlink: flags & ONLINK != 0,
        });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.destination.fmt(f)?;
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
        // Kernels before 4.20 do not filter, so what comes is filtered here as well.
        let passes = |route: &Route| {
            let of_link = |link| {
                route.link == Some(link) || route.next_hops.iter().any(|hop| hop.link == link)
            };
            filter.link.is_none_or(of_link) && filter.table.is_none_or(|table| route.table == table)
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
