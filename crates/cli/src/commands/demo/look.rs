//! What there is, by looking: links and addresses of every namespace, nftables, files.

use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use linkspan_kernel::Error;
use linkspan_kernel::netns::Netns;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::rtnl::{Link, RouteFilter, Rtnl};
use linkspan_nft::Family;
use linkspan_spec::Value;

use super::world::{PLUGIN_DIR, PRIVATE, Place, World};
use crate::ui::object;

/// A link with what matters to a person.
pub(super) struct Interface {
    /// The name of the namespace that it is in.
    pub(super) place: &'static str,
    pub(super) link: Link,
    /// Those that are valid beyond the link.
    pub(super) addresses: Vec<IpNet>,
    /// Of the default route that leaves by it.
    pub(super) gateway: Option<IpAddr>,
}

/// An element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Element {
    /// `inet linkspan`
    pub(super) table: String,
    /// What its comment says; whose it is.
    pub(super) owner: String,
    pub(super) set: String,
    pub(super) key: String,
}

/// What there is.
pub(super) struct State {
    pub(super) interfaces: Vec<Interface>,
    /// Tables of nftables, of the machine's namespace.
    pub(super) tables: BTreeSet<String>,
    /// Elements of their sets.
    pub(super) elements: Vec<Element>,
    pub(super) files: BTreeSet<PathBuf>,
}

impl State {
    pub(super) fn look(world: &World) -> Result<Self, Error> {
        let mut interfaces = Vec::new();
        for place in world.places() {
            interfaces.extend(interfaces_of(place)?);
        }
        let mut files = BTreeSet::new();
        for dir in PRIVATE {
            collect_files(Path::new(dir), &mut files);
        }
        let (tables, elements) = nftables(&world.host.netns)?;
        Ok(Self {
            interfaces,
            tables,
            elements,
            files,
        })
    }

    /// The interfaces of a place that satisfy a condition.
    pub(super) fn of<'a>(
        &'a self,
        place: &'a str,
        wanted: impl Fn(&Interface) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Interface> {
        let of_place = self
            .interfaces
            .iter()
            .filter(move |interface| interface.place == place);
        of_place.filter(move |interface| wanted(interface))
    }

    /// The same for programs.
    pub(super) fn to_json(&self) -> Value {
        let interfaces = self.interfaces.iter().map(|interface| {
            let link = &interface.link;
            let master = |index| {
                let of_place = |other: &&Interface| {
                    other.place == interface.place && Some(other.link.index) == index
                };
                let found = self.interfaces.iter().find(of_place);
                found.map(|master| master.link.name.clone())
            };
            let addresses = interface.addresses.iter().map(ToString::to_string);
            let peer = self.peer(interface);
            object([
                ("namespace", interface.place.into()),
                ("name", link.name.as_str().into()),
                ("kind", link.kind.as_deref().into()),
                ("addresses", addresses.collect::<Vec<_>>().into()),
                (
                    "gateway",
                    interface.gateway.map(|gateway| gateway.to_string()).into(),
                ),
                (
                    "bridge",
                    link.master.and_then(|index| master(Some(index))).into(),
                ),
                (
                    "peer",
                    peer.map(|peer| format!("{}/{}", peer.place, peer.link.name))
                        .into(),
                ),
            ])
        });
        let elements = self.elements.iter().map(|element| {
            object([
                ("table", element.table.as_str().into()),
                ("set", element.set.as_str().into()),
                ("element", element.key.as_str().into()),
                ("comment", element.owner.as_str().into()),
            ])
        });
        object([
            ("interfaces", interfaces.collect()),
            ("nftables", elements.collect()),
        ])
    }

    /// The other end of a pair whose one end is in the machine's namespace.
    pub(super) fn peer(&self, interface: &Interface) -> Option<&Interface> {
        let link = &interface.link;
        let is_peer = |other: &&Interface| {
            other.place != interface.place
                && other.link.parent == Some(link.index)
                && link.parent == Some(other.link.index)
        };
        self.interfaces.iter().find(is_peer)
    }
}

fn interfaces_of(place: &Place) -> Result<Vec<Interface>, Error> {
    let rtnl = Rtnl::open_in(&place.netns)?;
    let mut interfaces = Vec::new();
    for link in rtnl.links()? {
        let addresses = rtnl.addresses(link.index)?;
        let filter = RouteFilter {
            link: Some(link.index),
            ..RouteFilter::default()
        };
        let default = rtnl
            .routes(filter)?
            .into_iter()
            .find(|route| route.destination.prefix_len() == 0 && route.gateway.is_some());
        interfaces.push(Interface {
            place: place.name,
            addresses: addresses
                .into_iter()
                // Those of IPv6 that every link has say nothing.
                .filter(|address| address.scope == UNIVERSE)
                .map(|address| address.net)
                .collect(),
            gateway: default.and_then(|route| route.gateway),
            link,
        });
    }
    Ok(interfaces)
}

/// `RT_SCOPE_UNIVERSE`, linux/rtnetlink.h.
const UNIVERSE: u8 = 0;

/// All tables, and all elements of all sets in them.
fn nftables(netns: &Netns) -> Result<(BTreeSet<String>, Vec<Element>), Error> {
    let nftables = Nftables::open_in(netns)?;
    let (mut tables, mut elements) = (BTreeSet::new(), Vec::new());
    for family in [Family::Inet, Family::Ip, Family::Ip6, Family::Bridge] {
        for table in nftables.tables(family)? {
            let name = format!("{family} {}", table.name);
            for set in nftables.sets(&table)? {
                let found = nftables.elements(&set)?.into_iter();
                elements.extend(found.map(|element| Element {
                    table: name.clone(),
                    owner: element.comment.unwrap_or_default(),
                    set: set.name.clone(),
                    key: element.key.to_string(),
                }));
            }
            tables.insert(name);
        }
    }
    elements.sort();
    Ok((tables, elements))
}

/// Files below a directory. One that vanishes meanwhile is none.
fn collect_files(dir: &Path, files: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && path != Path::new(PLUGIN_DIR) => {
                collect_files(&path, files);
            }
            Ok(kind) if !kind.is_dir() => {
                files.insert(path);
            }
            _ => {}
        }
    }
}
