//! Links: finding them, changing them, removing them.

use linkspan_netlink::{Attribute, Attributes, Message, Request};

use super::{CHANGE, Change, DUMP, LinkData, REQUEST, Rtnl};
use crate::Error;
use crate::exchange::Whole;

/// Bytes of `struct ifinfomsg`.
pub(super) const HEADER: usize = 16;

/// `IFLA_EXT_MASK`: what is to be left out, `RTEXT_FILTER_SKIP_STATS` (linux/rtnetlink.h).
const SKIP_STATS: u32 = 1 << 3;

/// `RTM_NEWLINKPROP`, linux/rtnetlink.h: of the other names of a link.
pub(super) const RTM_NEWLINKPROP: u16 = 108;
/// `RTM_DELLINKPROP`, linux/rtnetlink.h.
pub(super) const RTM_DELLINKPROP: u16 = 109;

/// `IFLA_ALLMULTI`, linux/if_link.h.
const IFLA_ALLMULTI: u16 = 61;
/// `IFLA_BRPORT_MODE`, linux/if_link.h: hairpin.
pub(super) const IFLA_BRPORT_MODE: u16 = 4;
/// `IFLA_BRPORT_ISOLATED`, linux/if_link.h.
pub(super) const IFLA_BRPORT_ISOLATED: u16 = 33;

/// A link as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `veth`, `bridge`, …; `None` for hardware and the loopback link.
    pub kind: Option<String>,
    /// The largest packet, in bytes.
    pub mtu: u32,
    /// The hardware address, when it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// The hardware address that it was made with, when it is hardware.
    pub permanent_mac: Option<[u8; 6]>,
    /// `IFF_…`
    pub flags: u32,
    /// Whether it carries traffic.
    pub state: OperState,
    /// The index of the bridge, bond or vrf that it is part of.
    pub master: Option<u32>,
    /// The index of the link that it is made on, or its peer's, in that link's namespace.
    pub parent: Option<u32>,
    /// The namespace of that link, as this namespace numbers it; `None` is this one.
    pub parent_netns: Option<i32>,
    /// What somebody wrote on it.
    pub alias: Option<String>,
    /// Its other names, which can be longer than its name.
    pub alt_names: Vec<String>,
    /// How many want it to take every frame.
    pub promiscuity: u32,
    /// How many want it to take every multicast frame.
    pub allmulti: u32,
    /// The length of its transmit queue, in packets.
    pub tx_queue_len: u32,
    /// The number of its group; 0 unless somebody has put it into another.
    pub group: u32,
    /// What its kind has beyond that.
    pub data: LinkData,
    /// `IFLA_BRPORT_MODE`: as a bridge port, it sends frames back out.
    pub hairpin: Option<bool>,
    /// As a bridge port, it does not talk to other isolated ports.
    pub isolated: Option<bool>,
}

/// Whether a link carries traffic (RFC 2863).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OperState {
    /// The driver does not say.
    #[default]
    Unknown,
    /// It carries traffic.
    Up,
    /// It does not; the number is the kernel's (`IF_OPER_…`).
    Other(u8),
}

impl Link {
    /// It is switched on.
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    /// It is switched on and has a carrier.
    pub fn is_running(&self) -> bool {
        // For a moment after a link is made, the first is set without a carrier.
        let both = (libc::IFF_RUNNING | libc::IFF_LOWER_UP) as u32;
        self.flags & both == both
    }

    /// It carries traffic. A link whose driver does not say so is taken to when it runs.
    pub fn carries_traffic(&self) -> bool {
        match self.state {
            OperState::Up => true,
            OperState::Unknown => self.is_running(),
            OperState::Other(_) => false,
        }
    }

    /// It is the loopback link.
    pub fn is_loopback(&self) -> bool {
        self.flags & libc::IFF_LOOPBACK as u32 != 0
    }

    /// It is of this kind.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    pub(crate) fn decode(message: &Message<'_>) -> Option<Self> {
        if message.kind != libc::RTM_NEWLINK {
            return None;
        }
        let header = message.header::<HEADER>()?;
        let mut link = Self {
            index: u32::from_ne_bytes([header[4], header[5], header[6], header[7]]),
            flags: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            ..Self::default()
        };
        // Kernels before 6.0 do not count.
        link.allmulti = u32::from(link.flags & libc::IFF_ALLMULTI as u32 != 0);
        let number = |payload: &Attribute<'_>| payload.as_u32().unwrap_or_default();
        for attribute in Attributes::new(message.attributes(HEADER)) {
            match attribute.kind {
                libc::IFLA_IFNAME => link.name = attribute.as_str().unwrap_or_default().to_owned(),
                libc::IFLA_MTU => link.mtu = number(&attribute),
                libc::IFLA_ADDRESS => link.mac = attribute.payload.try_into().ok(),
                libc::IFLA_PERM_ADDRESS => link.permanent_mac = attribute.payload.try_into().ok(),
                libc::IFLA_MASTER => link.master = attribute.as_u32(),
                libc::IFLA_LINK => link.parent = attribute.as_u32(),
                libc::IFLA_LINK_NETNSID => {
                    link.parent_netns = attribute.as_u32().map(|id| id as i32)
                }
                libc::IFLA_IFALIAS => link.alias = attribute.as_str().map(str::to_owned),
                libc::IFLA_PROP_LIST => link.alt_names = alt_names(&attribute),
                libc::IFLA_PROMISCUITY => link.promiscuity = number(&attribute),
                IFLA_ALLMULTI => link.allmulti = number(&attribute),
                libc::IFLA_TXQLEN => link.tx_queue_len = number(&attribute),
                libc::IFLA_GROUP => link.group = number(&attribute),
                libc::IFLA_OPERSTATE => link.state = OperState::decode(attribute.as_u8()),
                libc::IFLA_LINKINFO => link.decode_info(&attribute.nested()),
                _ => {}
            }
        }
        Some(link)
    }

    fn decode_info(&mut self, info: &Attributes<'_>) {
        let kind = info
            .get(libc::IFLA_INFO_KIND)
            .and_then(|kind| kind.as_str());
        self.kind = kind.map(str::to_owned);
        if let Some(data) = info.get(libc::IFLA_INFO_DATA) {
            self.data = LinkData::decode(kind.unwrap_or_default(), &data.nested());
        }
        let port_of = info
            .get(libc::IFLA_INFO_SLAVE_KIND)
            .and_then(|kind| kind.as_str());
        if let (Some("bridge"), Some(data)) = (port_of, info.get(libc::IFLA_INFO_SLAVE_DATA)) {
            let flag = |kind| data.nested().get(kind)?.as_u8().map(|value| value != 0);
            self.hairpin = flag(IFLA_BRPORT_MODE);
            self.isolated = flag(IFLA_BRPORT_ISOLATED);
        }
    }
}

fn alt_names(properties: &Attribute<'_>) -> Vec<String> {
    let names = properties
        .nested()
        .filter(|property| property.kind == libc::IFLA_ALT_IFNAME);
    names
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect()
}

impl OperState {
    fn decode(number: Option<u8>) -> Self {
        // IF_OPER_UNKNOWN and IF_OPER_UP, linux/if.h
        match number {
            None | Some(0) => Self::Unknown,
            Some(6) => Self::Up,
            Some(other) => Self::Other(other),
        }
    }
}

/// `struct ifinfomsg`
pub(super) fn header(index: u32, flags: u32, mask: u32) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[4..8].copy_from_slice(&index.to_ne_bytes());
    bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
    bytes[12..].copy_from_slice(&mask.to_ne_bytes());
    bytes
}

pub(super) fn delete(index: u32) -> Request {
    let mut request = Request::new(libc::RTM_DELLINK, CHANGE);
    request.header(&header(index, 0, 0));
    request
}

pub(super) fn delete_named(name: &str) -> Request {
    let mut request = delete(0);
    request.string(libc::IFLA_IFNAME, name);
    request
}

impl Rtnl {
    /// The link of this name. One that has it as one of its other names is not found: those come along when a link
    /// is moved here, and whoever had it before may have written anything there.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is none.
    pub fn link(&self, name: &str) -> Result<Link, Error> {
        let link = self.link_by_any_name(name)?;
        if link.name == name {
            return Ok(link);
        }
        Err(none(&format!("link {name:?}")))
    }

    /// The link that has this name, or has it as one of its other names: for what a person calls it, as `ip` does,
    /// and for whether a name is taken.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is none.
    pub fn link_by_any_name(&self, name: &str) -> Result<Link, Error> {
        self.one_link(&format!("link {name:?}"), get_named(name))
    }

    /// The link of this name in another namespace, by the number that this one knows that by
    /// ([`netns_id`](Self::netns_id)). Nobody needs to go there.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is none; `EACCES` without CAP_NET_ADMIN there.
    pub fn link_in(&self, netns_id: i32, name: &str) -> Result<Link, Error> {
        let mut request = get_named(name);
        request.u32(libc::IFLA_TARGET_NETNSID, netns_id as u32);
        self.one_link(&format!("link {name:?} in namespace {netns_id}"), request)
    }

    /// The links with this hardware address. Those that were made with it come first, hardware before
    /// what is made on hardware: VLANs, bridges and bonds bear the address of a link that they are made of.
    ///
    /// It lists all links, since the kernel finds none by address.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn links_by_mac(&self, mac: [u8; 6]) -> Result<Vec<Link>, Error> {
        let mut links = self.links()?;
        links.retain(|link| [link.mac, link.permanent_mac].contains(&Some(mac)));
        links.sort_by_key(|link| (link.permanent_mac != Some(mac), link.kind.is_some()));
        Ok(links)
    }

    /// The link with this index.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is none.
    pub fn link_at(&self, index: u32) -> Result<Link, Error> {
        self.one_link(&format!("link {index}"), get(index))
    }

    fn one_link(&self, object: &str, request: Request) -> Result<Link, Error> {
        let mut found = None;
        self.ask("find", &object, request, |message| {
            found = found.take().or_else(|| Link::decode(message));
        })?;
        found.ok_or_else(|| none(object))
    }

    /// All links whose master is this one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn ports(&self, master: u32) -> Result<Vec<Link>, Error> {
        let mut request = Request::new(libc::RTM_GETLINK, REQUEST | DUMP);
        request.header(&header(0, 0, 0));
        request
            .u32(libc::IFLA_MASTER, master)
            .u32(libc::IFLA_EXT_MASK, SKIP_STATS);
        self.dump(
            "list",
            &format!("ports of link {master}"),
            &request,
            |message| Link::decode(message).filter(|link| link.master == Some(master)),
        )
    }

    /// All links of the namespace. For people and for GC; nothing on an attachment's way asks for it.
    ///
    /// # Errors
    /// What the kernel says.
    /// `EINTR` when links came and went all the while, so that the list never came out whole.
    pub fn links(&self) -> Result<Vec<Link>, Error> {
        self.list_links(Whole::Required)
    }

    /// Links of the namespace that are there: all of them, unless others came and went meanwhile. For GC, which does
    /// something about each that it sees, and nothing about those that it does not.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn links_seen(&self) -> Result<Vec<Link>, Error> {
        self.list_links(Whole::NotRequired)
    }

    fn list_links(&self, whole: Whole) -> Result<Vec<Link>, Error> {
        let mut request = Request::new(libc::RTM_GETLINK, REQUEST | DUMP);
        request
            .header(&header(0, 0, 0))
            .u32(libc::IFLA_EXT_MASK, SKIP_STATS);
        self.list("list", &"links", &request, whole, Link::decode)
    }

    /// Removes the link of this name; waits until it is gone.
    ///
    /// # Errors
    /// [`is_not_found`](Error::is_not_found) when there is none.
    pub fn delete_link(&self, name: &str) -> Result<(), Error> {
        self.change(Change::DeleteLinkNamed(name.to_owned()))
    }
}

fn none(object: &str) -> Error {
    let error = std::io::Error::from_raw_os_error(libc::ENODEV);
    Error::new("find", object, error)
}

/// Gives a link another name (`RTM_NEWLINKPROP`) or takes it away (`RTM_DELLINKPROP`).
pub(super) fn alt_name(kind: u16, flags: u16, index: u32, name: &str) -> Request {
    let mut request = Request::new(kind, flags);
    request.header(&header(index, 0, 0));
    request.nest(libc::IFLA_PROP_LIST, |properties| {
        properties.string(libc::IFLA_ALT_IFNAME, name);
    });
    request
}

/// The attribute to find a link of this name by: names beyond `IFNAMSIZ` can only be its others.
fn name_kind(name: &str) -> u16 {
    if name.len() < libc::IFNAMSIZ {
        libc::IFLA_IFNAME
    } else {
        libc::IFLA_ALT_IFNAME
    }
}

pub(super) fn get_named(name: &str) -> Request {
    let mut request = get(0);
    request.string(name_kind(name), name);
    request
}

fn get(index: u32) -> Request {
    let mut request = Request::new(libc::RTM_GETLINK, REQUEST);
    request
        .header(&header(index, 0, 0))
        .u32(libc::IFLA_EXT_MASK, SKIP_STATS);
    request
}
