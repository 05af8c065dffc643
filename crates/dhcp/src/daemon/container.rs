//! Where an interface is: a namespace, known by its path and told from others by what it is, and a link in it. Nothing of
//! it is held open, so that nothing outlives the container.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ipnet::{IpNet, Ipv4Net};
use linkspan_kernel::netns::{Identity, Netns, is_own};
use linkspan_kernel::packet::{PacketSocket, Packets};
use linkspan_kernel::rtnl::{Change, Link, LinkChange, LinkData, Rtnl};
use linkspan_state::origin::{Found, find};
use serde::{Deserialize, Serialize};

use super::closer::Closer;
use super::frame;
use crate::message::CLIENT_PORT;

/// An interface of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    /// The namespace's path, as this daemon sees it.
    pub(super) netns: PathBuf,
    /// What tells the namespace from others: inode and cookie.
    #[serde(with = "text")]
    pub(super) identity: Identity,
    /// The number that the host's namespace knows it by, under which its end is told.
    pub(super) number: Option<i32>,
    /// The link's index there.
    pub(super) link: u32,
    /// The link's hardware address.
    pub(super) mac: [u8; 6],
    /// Its MTU in bytes.
    pub(super) mtu: u32,
    /// What a server sends to it alone does not arrive before it has its address: so it is with an ipvlan, which gets by
    /// address what comes for the MAC address that it shares.
    #[serde(default)]
    pub(super) needs_broadcast: bool,
    /// By what of the host's the link's packets travel.
    pub(super) way: Option<Way>,
    /// It is a device of the host's, which comes back when the container is gone. Nobody in a container can make one.
    pub(super) is_hardware: bool,
}

/// A link of the host's that leads to the same network as a container's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Way {
    /// The link's index on the host.
    pub(super) link: u32,
    /// The VLAN that packets are in there.
    pub(super) vlan: Option<u16>,
}

mod text {
    use linkspan_kernel::netns::Identity;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(it: &Identity, to: S) -> Result<S::Ok, S::Error> {
        it.to_string().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Identity, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// What has become of a namespace.
#[derive(Debug)]
pub(super) enum There {
    /// It is there.
    Yes(Netns),
    /// It is gone for good.
    Gone,
    /// It cannot be reached, though it may be there.
    Unseen(String),
}

impl Container {
    /// The link of this name in the namespace at this path, which is not the host's own unless `own` says that this is meant.
    ///
    /// # Errors
    /// What is missing, in words.
    pub(super) fn find(path: &Path, ifname: &str, own: bool) -> Result<Self, String> {
        let netns = Netns::open(path).map_err(|error| {
            format!(
                "cannot open the network namespace {}: {error}",
                path.display()
            )
        })?;
        // What was looked at by the plugin may be something else by now: the path of a process whose number was given again.
        if !own && is_own(netns.as_fd()).map_err(|error| error.to_string())? {
            return Err(format!(
                "{} is the host's own network namespace, not a container's",
                path.display()
            ));
        }
        let rtnl = Rtnl::open_in(&netns).map_err(|error| error.to_string())?;
        let link = rtnl
            .link(ifname)
            .map_err(|error| format!("error looking up {ifname:?}: {error}"))?;
        let mac = link.mac.ok_or_else(|| {
            format!("{ifname:?} has no hardware address of six bytes, by which a DHCP server could know it")
        })?;
        let host = Rtnl::open().map_err(|error| error.to_string())?;
        // Without one, the namespace's end is noticed at the next renewal.
        let number = host.assign_netns_id(&netns).ok();
        Ok(Self {
            netns: path.to_owned(),
            identity: Identity::of(&netns).map_err(|error| error.to_string())?,
            number,
            link: link.index,
            mac,
            mtu: link.mtu,
            needs_broadcast: link.is_kind("ipvlan"),
            way: way(&link, &rtnl, &host),
            is_hardware: is_hardware(&link),
        })
    }

    /// Switches the link on: nothing is sent by it otherwise.
    ///
    /// # Errors
    /// What the kernel says, in words.
    pub(super) fn switch_on(&self) -> Result<(), String> {
        let There::Yes(netns) = self.look() else {
            return Err("its network namespace is gone".to_owned());
        };
        let change = Change::SetLink(self.link, LinkChange::up());
        let switched = Rtnl::open_in(&netns).and_then(|rtnl| rtnl.change(change));
        switched.map_err(|error| error.to_string())
    }

    /// Whether the link is in the namespace still.
    pub(super) fn has_link(&self) -> bool {
        let There::Yes(netns) = self.look() else {
            return false;
        };
        Rtnl::open_in(&netns).is_ok_and(|rtnl| rtnl.link_at(self.link).is_ok())
    }

    /// Whether the interface has this address.
    pub(super) fn has(&self, address: Ipv4Net) -> bool {
        let There::Yes(netns) = self.look() else {
            return false;
        };
        let addresses = Rtnl::open_in(&netns).and_then(|rtnl| rtnl.addresses(self.link));
        let is_it = |one: &linkspan_kernel::rtnl::Address| one.net == IpNet::V4(address);
        addresses.is_ok_and(|addresses| addresses.iter().any(is_it))
    }

    /// What has become of its namespace, which is looked for elsewhere when it is not at its path any more.
    pub(super) fn look(&self) -> There {
        let is_same = |netns: &Netns| Identity::of(netns).is_ok_and(|found| found == self.identity);
        let why = match Netns::open(&self.netns) {
            Ok(netns) if is_same(&netns) => return There::Yes(netns),
            Ok(_) => "another namespace is there".to_owned(),
            Err(error) => error.to_string(),
        };
        match find(self.identity) {
            Found::Open(netns) => There::Yes(netns),
            Found::Gone => There::Gone,
            Found::Unseen(reason) => There::Unseen(format!(
                "cannot enter the network namespace by {}: {why}; {reason}",
                self.netns.display()
            )),
        }
    }
}

fn is_hardware(link: &Link) -> bool {
    link.kind.is_none() && link.permanent_mac.is_some()
}

/// What leads to the same network on the host's side: the bridge that the other end of a pair is a port of, or the link
/// that this one is made on.
fn way(link: &Link, rtnl: &Rtnl, host: &Rtnl) -> Option<Way> {
    let host_netns = Netns::current().ok()?;
    if link.parent_netns? != rtnl.netns_id(&host_netns).ok()?? {
        return None;
    }
    let other = host.link_at(link.parent?).ok()?;
    if link.is_kind("veth") {
        return other.master.map(|master| Way {
            link: master,
            vlan: None,
        });
    }
    let vlan = match link.data {
        LinkData::Vlan { id } => Some(id),
        _ => None,
    };
    Some(Way {
        link: other.index,
        vlan,
    })
}

impl Container {
    /// Sends a packet to the same network from the host's side, after the container and its link are gone: by what the link
    /// was connected to, or by itself where it has come back to the host.
    ///
    /// # Errors
    /// When no link leads there, in words.
    pub(super) fn send_from_host(
        &self,
        to: [u8; 6],
        packet: &[u8],
        closer: &Closer,
    ) -> Result<(), String> {
        let host = Rtnl::open().map_err(|error| error.to_string())?;
        let (link, vlan) = match &self.way {
            Some(way) => (way.link, way.vlan),
            None => {
                let back = host
                    .links_by_mac(self.mac)
                    .map_err(|error| error.to_string())?;
                let is_it =
                    |link: &&Link| is_hardware(link) && link.permanent_mac == Some(self.mac);
                let link = back
                    .iter()
                    .find(is_it)
                    .filter(|_| self.is_hardware)
                    .ok_or("no link of the host leads to its network")?;
                (link.index, None)
            }
        };
        let (packets, bytes) = match vlan {
            Some(vlan) => (Packets::Vlan, frame::tagged(vlan, packet)),
            None => (Packets::Udp(CLIENT_PORT), packet.to_vec()),
        };
        let socket = PacketSocket::open(link, packets).map_err(|error| error.to_string())?;
        let sent = socket.send(to, &bytes).map_err(|error| error.to_string());
        closer.close(Some(socket));
        sent
    }
}
