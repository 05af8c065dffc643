//! Filters: which class a packet belongs to, or where else it goes.
//!
//! They are made with the u32 classifier, which every kernel with traffic control has; flower and
//! matchall, which would say the same in fewer words, are missing from small kernels.

use std::fmt;

use ipnet::IpNet;
use linkspan_netlink::{AttributeWriter, Attributes, Message, Request};

use super::{Handle, Header, TCA_KIND, TCA_OPTIONS, u32_at};
use crate::Error;
use crate::rtnl::address::{address, octets};
use crate::rtnl::{CHANGE, DUMP, REQUEST, Rtnl};

/// A filter of a qdisc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// The qdisc, [`Handle::INGRESS_FILTERS`] or [`Handle::EGRESS_FILTERS`].
    pub parent: Handle,
    /// Which filter comes first: the one with the lowest, from 1. All with the same one have the same
    /// protocol: all, IPv4 or IPv6.
    pub priority: u16,
    /// Which packets.
    pub matches: Match,
    /// Where they go.
    pub target: Target,
}

/// Which packets a filter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// All, of whatever protocol.
    All,
    /// From these addresses.
    Source(IpNet),
    /// To these addresses.
    Destination(IpNet),
}

/// Where a filter sends packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this class of the filter's qdisc.
    Class(Handle),
    /// Out of the link with this index, as if it had been asked to send them (`mirred egress redirect`).
    Redirect(u32),
}

// linux/pkt_cls.h
const TCA_U32_CLASSID: u16 = 1;
const TCA_U32_SEL: u16 = 5;
const TCA_U32_ACT: u16 = 7;
const TC_U32_TERMINAL: u8 = 1;
const TCA_ACT_KIND: u16 = 1;
const TCA_ACT_OPTIONS: u16 = 2;
/// The position in the list of actions, from 1, is the attribute's type.
const FIRST_ACTION: u16 = 1;
// linux/tc_act/tc_mirred.h
const TCA_MIRRED_PARMS: u16 = 2;
const TCA_EGRESS_REDIR: u32 = 1;
/// `TC_ACT_STOLEN`, linux/pkt_cls.h
const TC_ACT_STOLEN: u32 = 4;

// linux/if_ether.h
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
const ETH_P_ALL: u16 = 0x0003;

/// Where addresses are in a packet, in bytes from the beginning of the network header.
const IPV4_SOURCE: u32 = 12;
const IPV4_DESTINATION: u32 = 16;
const IPV6_SOURCE: u32 = 8;
const IPV6_DESTINATION: u32 = 24;

/// Bytes of `struct tc_u32_sel` without its keys.
const SELECTOR: usize = 16;

/// `struct tc_u32_key`: 32 bits of a packet.
struct Key {
    mask: [u8; 4],
    value: [u8; 4],
    offset: u32,
}

impl Filter {
    pub(in crate::rtnl) fn request(&self, kind: u16, flags: u16, link: u32) -> Request {
        let header = Header {
            link,
            handle: Handle(0),
            parent: self.parent,
            info: info(self.priority, self.matches.protocol()),
        };
        let mut request = header.request(kind, flags);
        request
            .string(TCA_KIND, "u32")
            .nest(TCA_OPTIONS, |options| {
                if let Target::Class(class) = self.target {
                    options.u32(TCA_U32_CLASSID, class.0);
                }
                options.bytes(TCA_U32_SEL, &self.matches.selector());
                if let Target::Redirect(link) = self.target {
                    options.nest(TCA_U32_ACT, |actions| write_redirect(actions, link));
                }
            });
        request
    }

    /// A filter that another program made with the same means is read as well; one that takes anything
    /// but a prefix is not.
    pub(crate) fn decode(message: &Message<'_>) -> Option<Self> {
        let header = Header::decode(message)?;
        let attributes = Attributes::new(message.attributes(super::HEADER));
        if attributes.get(TCA_KIND)?.as_str() != Some("u32") {
            return None;
        }
        // u32's hash tables are listed as well; they have no selector.
        let options = attributes.get(TCA_OPTIONS)?.nested();
        let protocol = u16::from_be(header.info as u16);
        let class = || options.get(TCA_U32_CLASSID)?.as_u32();
        let redirect = options
            .get(TCA_U32_ACT)
            .and_then(|actions| read_redirect(&actions.nested()));
        Some(Self {
            parent: header.parent,
            priority: (header.info >> 16) as u16,
            matches: Match::decode(protocol, options.get(TCA_U32_SEL)?.payload)?,
            target: match redirect {
                Some(link) => Target::Redirect(link),
                None => Target::Class(Handle(class()?)),
            },
        })
    }
}

/// `tcm_info` of a filter.
fn info(priority: u16, protocol: u16) -> u32 {
    u32::from(priority) << 16 | u32::from(protocol.to_be())
}

/// `struct tc_mirred`: what all actions have, then what is done and where it goes.
fn write_redirect(actions: &mut AttributeWriter, link: u32) {
    let numbers = [0, 0, TC_ACT_STOLEN, 0, 0, TCA_EGRESS_REDIR, link];
    actions.nest(FIRST_ACTION, |action| {
        action
            .string(TCA_ACT_KIND, "mirred")
            .nest(TCA_ACT_OPTIONS, |options| {
                options.bytes(TCA_MIRRED_PARMS, &numbers.map(u32::to_ne_bytes).concat());
            });
    });
}

fn read_redirect(actions: &Attributes<'_>) -> Option<u32> {
    let action = actions.get(FIRST_ACTION)?.nested();
    if action.get(TCA_ACT_KIND)?.as_str() != Some("mirred") {
        return None;
    }
    let options = action.get(TCA_ACT_OPTIONS)?.nested();
    let parameters = options.get(TCA_MIRRED_PARMS)?.payload;
    (u32_at(parameters, 20)? == TCA_EGRESS_REDIR).then_some(())?;
    u32_at(parameters, 24)
}

impl Match {
    fn protocol(&self) -> u16 {
        match self {
            Self::All => ETH_P_ALL,
            Self::Source(IpNet::V4(_)) | Self::Destination(IpNet::V4(_)) => ETH_P_IP,
            Self::Source(IpNet::V6(_)) | Self::Destination(IpNet::V6(_)) => ETH_P_IPV6,
        }
    }

    /// `struct tc_u32_sel` with its keys.
    fn selector(&self) -> Vec<u8> {
        let keys = match self {
            Self::All => vec![Key {
                mask: [0; 4],
                value: [0; 4],
                offset: 0,
            }],
            Self::Source(net @ IpNet::V4(_)) => keys(*net, IPV4_SOURCE),
            Self::Source(net @ IpNet::V6(_)) => keys(*net, IPV6_SOURCE),
            Self::Destination(net @ IpNet::V4(_)) => keys(*net, IPV4_DESTINATION),
            Self::Destination(net @ IpNet::V6(_)) => keys(*net, IPV6_DESTINATION),
        };
        let mut bytes = vec![0; SELECTOR];
        bytes[0] = TC_U32_TERMINAL;
        bytes[2] = keys.len() as u8;
        for key in keys {
            bytes.extend_from_slice(&key.mask);
            bytes.extend_from_slice(&key.value);
            bytes.extend_from_slice(&key.offset.to_ne_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes
    }

    fn decode(protocol: u16, selector: &[u8]) -> Option<Self> {
        let keys = read_keys(selector)?;
        let first = keys.first()?;
        match (protocol, first.offset) {
            (ETH_P_ALL, _) => keys
                .iter()
                .all(|key| key.mask == [0; 4])
                .then_some(Self::All),
            (ETH_P_IP, IPV4_SOURCE) => prefix::<4>(&keys, libc::AF_INET).map(Self::Source),
            (ETH_P_IP, IPV4_DESTINATION) => {
                prefix::<4>(&keys, libc::AF_INET).map(Self::Destination)
            }
            (ETH_P_IPV6, IPV6_SOURCE) => prefix::<16>(&keys, libc::AF_INET6).map(Self::Source),
            (ETH_P_IPV6, IPV6_DESTINATION) => {
                prefix::<16>(&keys, libc::AF_INET6).map(Self::Destination)
            }
            _ => None,
        }
    }
}

/// The words of an address that a prefix says something of; one of them when it says nothing, since the
/// selector tells by it which address is meant.
fn keys(net: IpNet, start: u32) -> Vec<Key> {
    let (mask, value) = (octets(net.netmask()), octets(net.network()));
    let words = usize::from(net.prefix_len()).div_ceil(32).max(1);
    let word = |bytes: &[u8], position: usize| {
        let mut word = [0; 4];
        word.copy_from_slice(&bytes[4 * position..4 * position + 4]);
        word
    };
    (0..words)
        .map(|position| Key {
            mask: word(&mask, position),
            value: word(&value, position),
            offset: start + 4 * position as u32,
        })
        .collect()
}

fn read_keys(selector: &[u8]) -> Option<Vec<Key>> {
    let count = usize::from(*selector.get(2)?);
    let (keys, _) = selector.get(SELECTOR..)?.as_chunks::<16>();
    let read = |key: &[u8; 16]| Key {
        mask: [key[0], key[1], key[2], key[3]],
        value: [key[4], key[5], key[6], key[7]],
        offset: u32::from_ne_bytes([key[8], key[9], key[10], key[11]]),
    };
    Some(keys.iter().take(count).map(read).collect())
}

/// The prefix that these words of an address of `N` bytes stand for, when they stand for one.
fn prefix<const N: usize>(keys: &[Key], family: i32) -> Option<IpNet> {
    let start = keys.first()?.offset;
    let (mut mask, mut value) = ([0; N], [0; N]);
    for (position, key) in keys.iter().enumerate() {
        if key.offset != start + 4 * position as u32 {
            return None;
        }
        mask.get_mut(4 * position..4 * position + 4)?
            .copy_from_slice(&key.mask);
        value
            .get_mut(4 * position..4 * position + 4)?
            .copy_from_slice(&key.value);
    }
    let (mask, value) = (
        address(family as u8, &mask)?,
        address(family as u8, &value)?,
    );
    IpNet::with_netmask(value, mask).ok()
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all packets"),
            Self::Source(net) => write!(f, "packets from {net}"),
            Self::Destination(net) => write!(f, "packets to {net}"),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter {} of {} to ", self.priority, self.matches)?;
        match self.target {
            Target::Class(class) => write!(f, "class {class}"),
            Target::Redirect(link) => write!(f, "link {link}"),
        }
    }
}

pub(in crate::rtnl) fn delete(link: u32, parent: Handle, priority: u16) -> Request {
    let header = Header {
        link,
        handle: Handle(0),
        parent,
        info: info(priority, 0),
    };
    header.request(libc::RTM_DELTFILTER, CHANGE)
}

impl Rtnl {
    /// The filters of the link with this index below this parent; none when there is no such parent.
    /// Those that take anything but all packets or a prefix are left out.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn filters(&self, link: u32, parent: Handle) -> Result<Vec<Filter>, Error> {
        let header = Header {
            link,
            handle: Handle(0),
            parent,
            info: 0,
        };
        let request = header.request(libc::RTM_GETTFILTER, REQUEST | DUMP);
        let object = format!("filters of link {link} below {parent}");
        self.dump("list", &object, &request, Filter::decode)
    }
}
