//! Routes as the kernel writes them.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use linkspan_netlink::{AttributeWriter, Attributes, Message, Request};

use super::{NextHop, Route};
use crate::rtnl::Opaque;
use crate::rtnl::address::{address, family, octets, octets_of};

/// Bytes of `struct rtmsg`.
const HEADER: usize = 12;
/// Bytes of `struct rtnexthop`.
const NEXT_HOP: usize = 8;

// linux/rtnetlink.h; `libc` has none of these with musl.
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
const ONLINK: u8 = 4;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;
/// `RTM_F_CLONED`: no route, but what was found out about a destination.
const CLONED: u32 = 0x200;
/// `rta_cacheinfo.rta_expires` counts these in a second (`USER_HZ`).
const TICKS: u64 = 100;

/// What of a route or a next hop is kept without being read: what the kernel tells of it and also takes.
/// Everything else that it tells is its own (caches, states, counters).
const KEPT: [u16; 4] = [libc::RTA_FLOW, RTA_PREF, RTA_ENCAP_TYPE, RTA_ENCAP];

impl Route {
    pub(in crate::rtnl) fn request(&self, kind: u16, flags: u16) -> Request {
        let mut request = Request::new(kind, flags);
        self.write_header(&mut request);
        let family = family(self.destination.addr());
        let prefixes = [
            (libc::RTA_DST, Some(self.destination)),
            (libc::RTA_SRC, self.from),
        ];
        for (kind, net) in prefixes {
            net.filter(|net| net.prefix_len() != 0)
                .map(|net| request.bytes(kind, &octets_of(family, net.network())));
        }
        self.source
            .map(|source| request.bytes(libc::RTA_PREFSRC, &octets_of(family, source)));
        self.priority
            .map(|priority| request.u32(libc::RTA_PRIORITY, priority));
        request.u32(libc::RTA_TABLE, self.table);
        // The kernel takes whole seconds, and 0 for no end.
        let seconds = |left: Duration| u32::try_from(left.as_secs()).unwrap_or(u32::MAX).max(1);
        self.expires
            .map(|left| request.u32(RTA_EXPIRES, seconds(left)));
        self.write_metrics(&mut request);
        match self.next_hop_object {
            Some(id) => {
                request.u32(RTA_NH_ID, id);
            }
            None => self.write_way(&mut request),
        }
        request
    }

    /// `struct rtmsg`
    fn write_header(&self, request: &mut Request) {
        // Tables beyond a byte are in an attribute alone.
        let table = u8::try_from(self.table).unwrap_or(libc::RT_TABLE_UNSPEC);
        let onlink = self.onlink && self.next_hop_object.is_none();
        let [a, b, c, d] = u32::from(if onlink { ONLINK } else { 0 }).to_ne_bytes();
        request.header(&[
            family(self.destination.addr()),
            self.destination.prefix_len(),
            self.from.map_or(0, |net| net.prefix_len()),
            self.tos,
            table,
            self.protocol,
            self.scope,
            self.kind,
            a,
            b,
            c,
            d,
        ]);
    }

    fn write_metrics(&self, request: &mut Request) {
        if self.mtu.is_none() && self.advmss.is_none() && self.other_metrics.is_empty() {
            return;
        }
        request.nest(libc::RTA_METRICS, |metrics| {
            self.mtu.map(|mtu| metrics.u32(RTAX_MTU, mtu));
            self.advmss.map(|advmss| metrics.u32(RTAX_ADVMSS, advmss));
            self.other_metrics.write(metrics);
        });
    }

    /// Where it goes.
    fn write_way(&self, request: &mut Request) {
        if let Some(gateway) = self.gateway {
            write_gateway(request, self.destination.addr(), gateway);
        }
        self.link.map(|link| request.u32(libc::RTA_OIF, link));
        self.other.write(request);
        if self.next_hops.is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        for hop in &self.next_hops {
            hop.write(self.destination.addr(), &mut bytes);
        }
        request.bytes(libc::RTA_MULTIPATH, &bytes);
    }

    /// Reads a route of a list; those that the kernel has cached are left out.
    pub(crate) fn decode(message: &Message<'_>) -> Option<Self> {
        let flags = message.header::<HEADER>()?.last_chunk()?;
        let is_cached = u32::from_ne_bytes(*flags) & CLONED != 0;
        Self::decode_looked_up(message).filter(|_| !is_cached)
    }

    /// Reads a route that was asked for by an address, which always counts as cached.
    pub(crate) fn decode_looked_up(message: &Message<'_>) -> Option<Self> {
        let &[
            family,
            prefix,
            from,
            tos,
            table,
            protocol,
            scope,
            kind,
            a,
            b,
            c,
            d,
        ] = message.header::<HEADER>()?;
        let flags = u32::from_ne_bytes([a, b, c, d]);
        let attributes = Attributes::new(message.attributes(HEADER));
        let ip = |kind| address(family, attributes.get(kind)?.payload);
        let number = |kind| attributes.get(kind)?.as_u32();
        let destination = match (ip(libc::RTA_DST), i32::from(family)) {
            (Some(address), _) => IpNet::new(address, prefix).ok()?,
            (None, libc::AF_INET) => Ipv4Net::default().into(),
            (None, libc::AF_INET6) => Ipv6Net::default().into(),
            _ => return None,
        };
        let metrics = attributes
            .get(libc::RTA_METRICS)
            .map_or(Attributes::new(&[]), |metrics| metrics.nested());
        let metric = |kind| metrics.get(kind)?.as_u32();
        let hops = attributes.get(libc::RTA_MULTIPATH);
        Some(Self {
            destination,
            from: ip(libc::RTA_SRC).and_then(|address| IpNet::new(address, from).ok()),
            tos,
            gateway: read_gateway(family, &attributes),
            link: number(libc::RTA_OIF),
            next_hops: hops
                .map(|hops| NextHop::decode_all(family, hops.payload))
                .unwrap_or_default(),
            source: ip(libc::RTA_PREFSRC),
            priority: number(libc::RTA_PRIORITY),
            table: number(libc::RTA_TABLE).unwrap_or_else(|| table.into()),
            scope,
            protocol,
            kind,
            onlink: flags & u32::from(ONLINK) != 0,
            mtu: metric(RTAX_MTU),
            advmss: metric(RTAX_ADVMSS),
            other_metrics: Opaque::where_kind(metrics, |kind| {
                ![RTAX_MTU, RTAX_ADVMSS].contains(&kind)
            }),
            expires: read_expiry(&attributes),
            next_hop_object: number(RTA_NH_ID),
            other: Opaque::of(attributes, &KEPT),
        })
    }
}

impl NextHop {
    /// `struct rtnexthop` and its attributes.
    fn write(&self, destination: IpAddr, bytes: &mut Vec<u8>) {
        let mut attributes = AttributeWriter::default();
        if let Some(gateway) = self.gateway {
            write_gateway(&mut attributes, destination, gateway);
        }
        self.other.write(&mut attributes);
        let length = NEXT_HOP + attributes.as_bytes().len();
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_ne_bytes());
        bytes.push(if self.onlink { ONLINK } else { 0 });
        bytes.push(u8::try_from(self.weight.saturating_sub(1)).unwrap_or(u8::MAX));
        bytes.extend_from_slice(&self.link.to_ne_bytes());
        bytes.extend_from_slice(attributes.as_bytes());
    }

    fn decode_all(family: u8, mut bytes: &[u8]) -> Vec<Self> {
        let mut hops = Vec::new();
        while let Some(&[l0, l1, flags, weight, i0, i1, i2, i3]) = bytes.first_chunk::<NEXT_HOP>() {
            let length = usize::from(u16::from_ne_bytes([l0, l1]));
            let Some(attributes) = bytes.get(NEXT_HOP..length) else {
                break;
            };
            let attributes = Attributes::new(attributes);
            hops.push(Self {
                link: u32::from_ne_bytes([i0, i1, i2, i3]),
                gateway: read_gateway(family, &attributes),
                weight: u16::from(weight) + 1,
                onlink: flags & ONLINK != 0,
                other: Opaque::of(attributes, &KEPT),
            });
            bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        hops
    }
}

/// A gateway of the other family than the destination's is a `struct rtvia`: the family, the address.
fn write_gateway(attributes: &mut AttributeWriter, destination: IpAddr, gateway: IpAddr) {
    let octets = octets(gateway);
    if family(gateway) == family(destination) {
        attributes.bytes(libc::RTA_GATEWAY, &octets);
        return;
    }
    let mut via = u16::from(family(gateway)).to_ne_bytes().to_vec();
    via.extend_from_slice(&octets);
    attributes.bytes(RTA_VIA, &via);
}

fn read_gateway(family: u8, attributes: &Attributes<'_>) -> Option<IpAddr> {
    if let Some(gateway) = attributes.get(libc::RTA_GATEWAY) {
        return address(family, gateway.payload);
    }
    let (family, octets) = attributes.get(RTA_VIA)?.payload.split_first_chunk()?;
    address(u16::from_ne_bytes(*family) as u8, octets)
}

/// `rta_expires` of `struct rta_cacheinfo`.
fn read_expiry(attributes: &Attributes<'_>) -> Option<Duration> {
    let cache = attributes.get(libc::RTA_CACHEINFO)?.payload;
    let ticks = i32::from_ne_bytes(*cache.get(8..)?.first_chunk()?);
    let ticks = u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}
