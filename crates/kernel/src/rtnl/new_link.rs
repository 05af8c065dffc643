//! Making links: everything that a link is to be, in one request.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use linkspan_netlink::{AttributeWriter, Message, Request};

use super::link::{get_named, header};
use super::link_data::{
    IFLA_BR_VLAN_FILTERING, IFLA_IPVLAN_MODE, IFLA_MACVLAN_BC_QUEUE_LEN, IFLA_MACVLAN_MODE,
    IFLA_VLAN_ID, IFLA_VRF_TABLE, VETH_INFO_PEER,
};
use super::{CREATE_NEW, IpvlanMode, Link, LinkChange, MacvlanMode, Place, Rtnl};
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
    /// A text written on it, at most 255 bytes. If the name is taken, the link that has it gets the text:
    /// for names that only links with this text can have.
    pub alias: Option<String>,
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
    Veth(Peer<'a>),
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

/// The other end of a pair, as far as it can be said while the pair is made.
///
/// # Kernel
/// It cannot be switched on yet, or be part of a bridge: as long as it is alone, it does not go up
/// (`ENOTCONN`), and its master is not looked at.
#[derive(Clone, Debug)]
pub struct Peer<'a> {
    /// Its name.
    pub name: String,
    /// Bytes; `None` leaves it to the kernel.
    pub mtu: Option<u32>,
    /// `None` leaves it to the kernel.
    pub mac: Option<[u8; 6]>,
    /// The namespace that it is made in; `None`: the socket's.
    pub netns: Option<BorrowedFd<'a>>,
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
            tx_queue_len: None,
        }
    }

    fn request(&self) -> Request {
        let mut request = Request::new(libc::RTM_NEWLINK, CREATE_NEW);
        self.write(&mut request);
        request
    }

    /// The request that writes the alias, which the kernel ignores in the one that makes the link.
    fn alias_request(&self) -> Option<Request> {
        let change = LinkChange {
            alias: Some(self.alias.clone()?),
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
        ];
        for (kind, number) in numbers {
            number.map(|number| request.u32(kind, number));
        }
        self.mac.map(|mac| request.bytes(libc::IFLA_ADDRESS, &mac));
        if matches!(self.kind, Kind::Veth(_)) {
            one_queue(request);
        }
        request.nest(libc::IFLA_LINKINFO, |info| {
            info.string(libc::IFLA_INFO_KIND, self.kind.name());
            info.nest(libc::IFLA_INFO_DATA, |data| self.kind.write(data));
        });
    }
}

impl NewLink<'_> {
    /// For an error.
    fn object(&self) -> String {
        format!("{} link {:?}", self.kind.name(), self.name)
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
                data.nest(VETH_INFO_PEER, |data| peer.write(data));
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

impl<'a> Peer<'a> {
    /// An end of this name in the socket's namespace, all else left to the kernel.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            mtu: None,
            mac: None,
            netns: None,
        }
    }

    /// The same in another namespace.
    #[must_use]
    pub fn inside(mut self, netns: BorrowedFd<'a>) -> Self {
        self.netns = Some(netns);
        self
    }

    fn write(&self, data: &mut AttributeWriter) {
        data.raw(&header(0, 0, 0))
            .string(libc::IFLA_IFNAME, &self.name);
        one_queue(data);
        self.mtu.map(|mtu| data.u32(libc::IFLA_MTU, mtu));
        self.mac.map(|mac| data.bytes(libc::IFLA_ADDRESS, &mac));
        self.netns
            .map(|fd| data.u32(libc::IFLA_NET_NS_FD, fd.as_raw_fd() as u32));
    }
}

/// An end of a pair uses one queue each way. Unless told so, the kernel makes as many as there are
/// processors, and then takes all but one back out of use, which has it wait for an RCU grace period: a
/// third of the time that a pair takes on a machine with two processors.
fn one_queue(data: &mut AttributeWriter) {
    data.u32(libc::IFLA_NUM_TX_QUEUES, 1)
        .u32(libc::IFLA_NUM_RX_QUEUES, 1);
}

impl Rtnl {
    /// Makes a link and returns it as it was announced: before it has its master and its alias.
    ///
    /// Link and alias travel in one send, which the kernel takes as a whole: a process that dies leaves
    /// no link without its alias.
    ///
    /// # Errors
    /// [`is_exists`](Error::is_exists) when the name, or for a pair either name, is taken; the link that has
    /// the name has then got the alias. Where it may be another's, whoever asks looks first.
    pub fn create_link(&self, link: &NewLink<'_>) -> Result<Link, Error> {
        // The echo tells the new link's index, on kernels from 6.2; older ones are asked for it.
        let mut request = link.request();
        request.add_flags(libc::NLM_F_ECHO as u16);
        let requests: Vec<Request> = [request].into_iter().chain(link.alias_request()).collect();
        let mut made = None;
        let take = |position, message: &Message<'_>| {
            if position == 0 {
                made = made.take().or_else(|| Link::decode(message));
            }
        };
        let outcomes = self
            .socket
            .exchange(&requests, take)
            .map_err(|error| Error::unanswered("create", link.object(), error))?;
        for (position, outcome) in outcomes.into_iter().enumerate() {
            let Err(failure) = outcome else { continue };
            if position > 0 {
                // Made, but not marked: nobody would know whose it is.
                self.delete_link(&link.name)?;
            }
            return Err(failure.into_error("create", link.object()));
        }
        match made {
            Some(made) if made.name == link.name => Ok(made),
            _ => self.link(&link.name).inspect_err(|_| {
                let _ = self.delete_link(&link.name);
            }),
        }
    }

    /// Makes a link in another namespace, on a parent in the socket's, and returns it as it is there. It never shows
    /// in the socket's namespace.
    ///
    /// # Errors
    /// [`is_exists`](Error::is_exists) when the name is taken there.
    pub fn create_link_in(&self, link: &NewLink<'_>, there: Place<'_>) -> Result<Link, Error> {
        let mut request = link.request();
        let netns = there.netns.as_fd().as_raw_fd();
        request.u32(libc::IFLA_NET_NS_FD, netns as u32);
        self.ask("create", &link.object(), request, |_| ())?;
        // It is announced in its namespace alone.
        let there = there.rtnl;
        there.marked(link).inspect_err(|_| {
            // Nobody would know whose it is.
            let _ = there.delete_link(&link.name);
        })
    }

    /// Gives a new link its alias and returns it, in one send.
    fn marked(&self, link: &NewLink<'_>) -> Result<Link, Error> {
        let failed = |error| Error::unanswered("mark", link.object(), error);
        let requests: Vec<Request> = link
            .alias_request()
            .into_iter()
            .chain([get_named(&link.name)])
            .collect();
        let mut marked = None;
        let take = |_, message: &Message<'_>| marked = Link::decode(message);
        let outcomes = self.socket.exchange(&requests, take).map_err(failed)?;
        for outcome in outcomes {
            outcome.map_err(|failure| failure.into_error("mark", link.object()))?;
        }
        marked.ok_or_else(|| failed(io::Error::from_raw_os_error(libc::ENODEV)))
    }
}
