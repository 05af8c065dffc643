//! The links of a network namespace, with their addresses and the namespace's routes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_kernel::Error;
use linkspan_kernel::rtnl::{self, Rtnl};
use serde::Serialize;

/// What a network namespace has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Links {
    /// The links, in the order of their numbers.
    pub links: Vec<Link>,
    /// The routes of the main table.
    pub routes: Vec<Route>,
}

/// A link with its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `veth`, `bridge`, …; `None` for hardware and the loopback link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The hardware address, as six pairs of hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// It is switched on.
    pub up: bool,
    /// It carries traffic.
    pub running: bool,
    /// The number of the bridge, bond or vrf that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<u32>,
    /// The number of the link that it is made on, or of its peer, in that link's namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// That link's namespace, as this namespace numbers it; `None` is this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent_netns: Option<i32>,
    /// What somebody wrote on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// The number of the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<u32>,
}

impl Links {
    /// All of a socket's namespace.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn read(rtnl: &Rtnl) -> Result<Self, Error> {
        let mut addresses: BTreeMap<u32, Vec<IpNet>> = BTreeMap::new();
        for (index, address) in rtnl.all_addresses()? {
            addresses.entry(index).or_default().push(address.net);
        }
        let link = |link: rtnl::Link| {
            let addresses = addresses.remove(&link.index).unwrap_or_default();
            Link::of(link, addresses)
        };
        let main = rtnl::RouteFilter {
            table: Some(MAIN),
            ..rtnl::RouteFilter::default()
        };
        Ok(Self {
            links: rtnl.links_seen()?.into_iter().map(link).collect(),
            routes: rtnl.routes(main)?.iter().map(Route::of).collect(),
        })
    }

    /// The link of this name.
    pub fn named(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The link with this number.
    pub fn at(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }
}

/// `RT_TABLE_MAIN`, linux/rtnetlink.h.
const MAIN: u32 = 254;

impl Link {
    fn of(link: rtnl::Link, addresses: Vec<IpNet>) -> Self {
        Self {
            up: link.is_up(),
            running: link.carries_traffic(),
            index: link.index,
            name: link.name,
            kind: link.kind,
            mac: link.mac.map(mac_text),
            mtu: link.mtu,
            master: link.master,
            parent: link.parent,
            parent_netns: link.parent_netns,
            alias: link.alias,
            addresses,
        }
    }

    /// Whether it has an address, whatever the prefix.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|net| net.addr() == address)
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

impl Route {
    fn of(route: &rtnl::Route) -> Self {
        Self {
            destination: route.destination,
            gateway: route.gateway,
            link: route.link,
        }
    }
}
