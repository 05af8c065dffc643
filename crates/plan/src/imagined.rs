//! What is not there yet, and would be: for who asks what ADD would do.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use ipnet::{IpNet, Ipv4Net};
use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{Address, Change, Link, LinkData, Route, RouteFilter};
use linkspan_plugin::Foresight;
use rustix::io::Errno;

use crate::link::{LinkRef, Place};

/// `RT_TABLE_DEFAULT`: it and those above are the kernel's (253 to 255).
const RESERVED: std::ops::RangeInclusive<u32> = 253..=255;
/// `RT_SCOPE_LINK`
const LINK: u8 = 253;
/// `RTPROT_KERNEL`
const BY_KERNEL: u8 = 2;

/// What the kernel gives links that are like Ethernet, in bytes.
pub(crate) const ETHERNET_MTU: u32 = 1500;
/// `IFF_UP`, linux/if.h.
pub(crate) const IFF_UP: u32 = 1;

/// The loopback link of a new namespace.
const LO: &str = "lo";

/// What the steps so far would have made: links on the host and in the container, and what the container's have.
///
/// A new container has a loopback link, switched off, and nothing else.
#[derive(Clone, Debug)]
pub struct Imagined {
    links: BTreeMap<(Place, String), Rc<Link>>,
    addresses: Vec<(u32, Address)>,
    routes: Vec<Route>,
    /// Those of the host.
    ways: Vec<Route>,
    /// The tables that rules lead to.
    tables: Vec<u32>,
    next_index: u32,
}

impl Default for Imagined {
    fn default() -> Self {
        let lo = Link {
            index: 1,
            name: LO.to_owned(),
            mtu: 65536,
            ..Link::default()
        };
        Self {
            links: BTreeMap::from([((Place::Container, LO.to_owned()), Rc::new(lo))]),
            addresses: vec![
                (
                    1,
                    Address::new(IpNet::from(Ipv4Net::new_assert(Ipv4Addr::LOCALHOST, 8))),
                ),
                (
                    1,
                    Address::new(IpNet::from(IpAddr::from(Ipv6Addr::LOCALHOST))),
                ),
            ],
            routes: Vec::new(),
            ways: Vec::new(),
            tables: Vec::new(),
            next_index: FIRST_INDEX,
        }
    }
}

/// Above those that links have, so that nothing is taken for another.
const FIRST_INDEX: u32 = 0x7fff_0000;

/// Whether there is no such link yet.
pub(crate) fn is_imagined(link: &Link) -> bool {
    link.index > FIRST_INDEX
}

/// Whether it stands in for an address that nobody knows yet: those are of 240.0.0.0/4, as
/// [`Foresight::unknown_address`] makes them.
pub(crate) fn is_unknown(net: IpNet) -> bool {
    matches!(net.addr(), IpAddr::V4(address) if address.octets()[0] >= 240)
}

impl Imagined {
    /// What was imagined so far.
    pub fn of(foresight: &mut Foresight) -> Self {
        let world = foresight.world().take();
        let imagined = world.and_then(|world| world.downcast::<Self>().ok());
        imagined.map_or_else(Self::default, |imagined| *imagined)
    }

    /// Hands it to the next plugin, with the names of links for their numbers.
    pub fn hand_on(self, foresight: &mut Foresight) {
        for link in self.links.values().filter(|link| is_imagined(link)) {
            foresight.stand_in(format!("link {}", link.index), format!("{:?}", link.name));
        }
        *foresight.world() = Some(Box::new(self));
    }

    pub(crate) fn link(&self, link: &LinkRef) -> Option<Rc<Link>> {
        self.links.get(&(link.place, link.name.clone())).cloned()
    }

    /// The links of the host that are not there yet.
    pub(crate) fn of_host(&self) -> impl Iterator<Item = &Rc<Link>> {
        self.at(Place::Host)
    }

    pub(crate) fn of_container(&self) -> impl Iterator<Item = &Rc<Link>> {
        self.at(Place::Container)
    }

    fn at(&self, wanted: Place) -> impl Iterator<Item = &Rc<Link>> {
        let links = self.links.iter();
        links
            .filter(move |((place, _), _)| *place == wanted)
            .map(|(_, link)| link)
    }

    /// Adds a link; one without an index gets one.
    pub(crate) fn add(&mut self, place: Place, link: Link) -> Rc<Link> {
        let index = match link.index {
            0 => {
                self.next_index += 1;
                self.next_index
            }
            index => index,
        };
        let link = Rc::new(Link { index, ..link });
        self.links
            .insert((place, link.name.clone()), Rc::clone(&link));
        link
    }

    /// The link of the host that is the other end of this one in the container.
    pub fn host_end(&self, inside: &Link) -> Option<Rc<Link>> {
        let is_it = |link: &&Rc<Link>| Some(link.index) == inside.parent;
        self.of_host().find(is_it).cloned()
    }

    pub(crate) fn addresses(&self, link: u32) -> Vec<Address> {
        let own = self.addresses.iter().filter(|(of, _)| *of == link);
        own.map(|(_, address)| address.clone()).collect()
    }

    pub(crate) fn routes(&self, filter: RouteFilter) -> Vec<Route> {
        let is_meant = |route: &&Route| {
            filter.link.is_none_or(|link| route.link == Some(link))
                && filter.table.is_none_or(|table| route.table == table)
        };
        self.routes.iter().filter(is_meant).cloned().collect()
    }

    /// The first table from this one on that nothing in the container uses.
    pub(crate) fn free_table(&self, first: u32) -> Option<u32> {
        let is_vrf = |table| {
            let mut links = self.of_container();
            links.any(|link| matches!(link.data, LinkData::Vrf { table: taken } if taken == table))
        };
        let is_used = |table: &u32| {
            RESERVED.contains(table)
                || self.tables.contains(table)
                || self.routes.iter().any(|route| route.table == *table)
                || is_vrf(*table)
        };
        (first..=u32::MAX).find(|table| !is_used(table))
    }

    /// The link of the host by which an address is reached, of the ways that would be made.
    pub(crate) fn way_to(&self, address: IpAddr) -> Option<String> {
        let leads = |way: &&Route| way.destination.contains(&address);
        let ways = self.ways.iter().filter(leads);
        let way = ways.max_by_key(|way| way.destination.prefix_len())?;
        let mut links = self.of_host();
        let link = links.find(|link| Some(link.index) == way.link)?;
        Some(link.name.clone())
    }

    /// What a change would make of a place.
    pub(crate) fn change(&mut self, place: Place, change: Change) {
        if place == Place::Host {
            self.ways.extend(match change {
                Change::AddAddress(link, address) => connected(link, address.net),
                Change::AddRoute(route) => Some(route),
                _ => None,
            });
            return;
        }
        match change {
            Change::AddAddress(link, address) => {
                self.routes.extend(connected(link, address.net));
                self.addresses.push((link, address));
            }
            Change::AddRoute(route) | Change::AppendRoute(route) => self.routes.push(route),
            Change::ReplaceRoute(route) => {
                self.routes.retain(|other| {
                    (other.destination, other.table, other.priority)
                        != (route.destination, route.table, route.priority)
                });
                self.routes.push(route);
            }
            Change::DeleteRoute(route) => self.routes.retain(|other| {
                (other.destination, other.table, other.gateway)
                    != (route.destination, route.table, route.gateway)
            }),
            Change::AddRule(rule) => self.tables.push(rule.table),
            Change::SetLink(index, change) => self.edit(index, |link| {
                link.mac = change.mac.or(link.mac);
                link.mtu = change.mtu.unwrap_or(link.mtu);
            }),
            _ => {}
        }
    }

    fn edit(&mut self, index: u32, edit: impl FnOnce(&mut Link)) {
        let mut links = self.links.values_mut();
        if let Some(link) = links.find(|link| link.index == index) {
            edit(Rc::make_mut(link));
        }
    }
}

/// The route that the kernel makes for an address.
fn connected(link: u32, address: IpNet) -> Option<Route> {
    let is_subnet = address.prefix_len() < address.max_prefix_len();
    is_subnet.then(|| Route {
        scope: if address.addr().is_ipv4() { LINK } else { 0 },
        protocol: BY_KERNEL,
        source: Some(address.addr()).filter(IpAddr::is_ipv4),
        ..Route::new(address.trunc(), None, link)
    })
}

/// What the kernel would say of a link that is not there.
pub(crate) fn not_found(name: &str) -> KernelError {
    let source = io::Error::from_raw_os_error(Errno::NODEV.raw_os_error());
    KernelError::new("find", format!("link {name:?}"), source)
}
