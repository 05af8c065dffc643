//! Making links: everything that a link is to be, in one request.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use linkspan_netlink::{AttributeWriter, Message, Request};

use super::link::header;
use super::link_data::{
    IFLA_BR_VLAN_FILTERING, IFLA_IPVLAN_MODE, IFLA_MACVLAN_BC_QUEUE_LEN, IFLA_MACVLAN_MODE,
    IFLA_VLAN_ID, IFLA_VRF_TABLE, VETH_INFO_PEER,
};
use super::{CREATE_NEW, IpvlanMode, Link, LinkChange, MacvlanMode, Rtnl};
use crate::Error;

/// A link to be made.
#[derive(Clone, Debug)]
pub struct NewLink<'a> {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind<'a>,
    /// Bytes; `None` leaves it to the kernel.
    pub mtu: Option<u32>,
    /// `None` leaves it to the kernel.
    pub mac: Option<[u8; 6]>,
    /// Switched on from the start.
    pub up: bool,
    /// The index of the bridge, bond or vrf that it is part of.
    pub master: Option<u32>,
    /// The index of the link that it is made on.
    pub parent: Option<u32>,
    /// A text written on it, at most 255 bytes, where it is made in the socket's namespace. If the name is
    /// taken, the link that has it gets the text: for names that only links with this text can have.
    pub alias: Option<String>,
    /// The namespace that it is made in; `None`: the socket's.
    pub netns: Option<BorrowedFd<'a>>,
    /// Packets.
    pub tx_queue_len: Option<u32>,
}

/// What a link is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Kind<'a> {
    /// A bridge.
    Bridge {
        /// It tells VLANs apart.
        vlan_filtering: bool,
    },
    /// One end of a pair; the other end is made with it, each where it is to be.
    Veth(Box<NewLink<'a>>),
    /// A further MAC address on a parent.
    Macvlan {
        /// Whom it can talk to.
        mode: MacvlanMode,
        /// The length of the queue of broadcasts, in packets.
        broadcast_queue_len: Option<u32>,
    },
    /// Further addresses on a parent, with the parent's MAC address.
    Ipvlan(IpvlanMode),
    /// The frames of a parent with this VLAN ID.
    Vlan(u16),
    /// A link that swallows what is sent.
    Dummy,
    /// A routing table of its own for the links that are part of it.
    Vrf {
        /// The table.
        table: u32,
    },
    /// What traffic is redirected to in order to be shaped.
    Ifb,
}

impl<'a> NewLink<'a> {
    /// A link of this name and kind, all else left to the kernel.
    pub fn new(name: impl Into<String>, kind: Kind<'a>) -> Self {
        Self {
            name: name.into(),
            kind,
            mtu: None,
            mac: None,
            up: false,
            master: None,
            parent: None,
            alias: None,
            netns: None,
            tx_queue_len: None,
        }
    }

    fn request(&self) -> Request {
        // The echo tells the new link's index, on kernels from 6.2; older ones are asked for it.
        let mut request = Request::new(libc::RTM_NEWLINK, CREATE_NEW | libc::NLM_F_ECHO as u16);
        self.write(&mut request);
        request
    }

    /// The request that writes the alias, which the kernel ignores in the one that makes the link.
    fn alias_request(&self) -> Option<Request> {
        let alias = self.alias.clone().filter(|_| self.netns.is_none());
        let change = LinkChange {
            alias: Some(alias?),
            ..LinkChange::default()
        };
        Some(change.request_named(&self.name))
    }

    fn write(&self, request: &mut AttributeWriter) {
        let up = if self.up { libc::IFF_UP as u32 } else { 0 };
        request
            .raw(&header(0, up, up))
            .string(libc::IFLA_IFNAME, &self.name);
        let numbers = [
            (libc::IFLA_MTU, self.mtu),
            (libc::IFLA_MASTER, self.master),
            (libc::IFLA_LINK, self.parent),
            (libc::IFLA_TXQLEN, self.tx_queue_len),
            (
                libc::IFLA_NET_NS_FD,
                self.netns.map(|fd| fd.as_raw_fd() as u32),
            ),
        ];
        for (kind, number) in numbers {
            number.map(|number| request.u32(kind, number));
        }
        self.mac.map(|mac| request.bytes(libc::IFLA_ADDRESS, &mac));
        request.nest(libc::IFLA_LINKINFO, |info| {
            info.string(libc::IFLA_INFO_KIND, self.kind.name());
            info.nest(libc::IFLA_INFO_DATA, |data| self.kind.write(data));
        });
    }
}

impl Kind<'_> {
    /// Its name, as `ip link` shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bridge { .. } => "bridge",
            Self::Veth(_) => "veth",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Dummy => "dummy",
            Self::Vrf { .. } => "vrf",
            Self::Ifb => "ifb",
        }
    }

    fn write(&self, data: &mut AttributeWriter) {
        match self {
            Self::Bridge {
                vlan_filtering: true,
            } => {
                data.u8(IFLA_BR_VLAN_FILTERING, 1);
            }
            Self::Veth(peer) => {
                data.nest(VETH_INFO_PEER, |data| peer.write_peer(data));
            }
            Self::Macvlan {
                mode,
                broadcast_queue_len,
            } => {
                data.u32(IFLA_MACVLAN_MODE, *mode as u32);
                broadcast_queue_len.map(|len| data.u32(IFLA_MACVLAN_BC_QUEUE_LEN, len));
            }
            Self::Ipvlan(mode) => {
                data.u16(IFLA_IPVLAN_MODE, *mode as u16);
            }
            Self::Vlan(id) => {
                data.u16(IFLA_VLAN_ID, *id);
            }
            Self::Vrf { table } => {
                data.u32(IFLA_VRF_TABLE, *table);
            }
            Self::Bridge { .. } | Self::Dummy | Self::Ifb => {}
        }
    }
}

impl NewLink<'_> {
    /// The peer of a pair: the same attributes without a kind, which is its creator's.
    fn write_peer(&self, data: &mut AttributeWriter) {
        let up = if self.up { libc::IFF_UP as u32 } else { 0 };
        data.raw(&header(0, up, up))
            .string(libc::IFLA_IFNAME, &self.name);
        self.mtu.map(|mtu| data.u32(libc::IFLA_MTU, mtu));
        self.mac.map(|mac| data.bytes(libc::IFLA_ADDRESS, &mac));
        self.netns
            .map(|fd| data.u32(libc::IFLA_NET_NS_FD, fd.as_raw_fd() as u32));
    }
}

impl Rtnl {
    /// Makes a link and returns it as it then is, but for its alias.
    ///
    /// Link and alias travel in one send, which the kernel takes as a whole: a process that dies leaves
    /// no link without its alias. A link that is made in another namespace than the socket's is returned
    /// as it was announced there, with its index.
    ///
    /// # Errors
    /// [`is_exists`](Error::is_exists) when the name, or for a pair either name, is taken.
    pub fn create_link(&self, link: &NewLink<'_>) -> Result<Link, Error> {
        let object = format!("{} link {:?}", link.kind.name(), link.name);
        let failed = |error| Error::new("create", object.as_str(), error);
        let requests: Vec<Request> = [link.request()]
            .into_iter()
            .chain(link.alias_request())
            .collect();
        let mut made = None;
        let take = |position, message: &Message<'_>| {
            if position == 0 {
                made = made.take().or_else(|| Link::decode(message));
            }
        };
        let outcomes = self.socket.exchange(&requests, take).map_err(failed)?;
        for (position, outcome) in outcomes.into_iter().enumerate() {
            let Err(failure) = outcome else { continue };
            if position > 0 {
                // Made, but not marked: nobody would know whose it is.
                self.delete_link(&link.name)?;
            }
            return Err(
                failed(io::Error::from_raw_os_error(failure.errno)).with_ext_ack(failure.ext_ack)
            );
        }
        match made {
            Some(made) if made.name == link.name => Ok(made),
            _ if link.netns.is_none() => self.link(&link.name),
            _ => Err(Error::new(
                "learn the index of",
                object,
                io::Error::from_raw_os_error(libc::EOPNOTSUPP),
            )),
        }
    }
}
