//! Addresses of links.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_netlink::{Attributes, Message, Request};

use super::{DUMP, Opaque, REQUEST, Rtnl};
use crate::Error;

/// An address of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address with the length of its subnet's prefix.
    pub net: IpNet,
    /// How far it is valid (`RT_SCOPE_…`); universe by default.
    pub scope: u8,
    /// `IFA_F_…`, such as [`Address::TENTATIVE`].
    pub flags: u32,
    /// How long it is valid and preferred, and the metric of its subnet's route: one that was listed and is
    /// added again is as it was.
    pub other: Opaque,
}

/// Bytes of `struct ifaddrmsg`.
const HEADER: usize = 8;
/// `IFA_RT_PRIORITY`, linux/if_addr.h.
const IFA_RT_PRIORITY: u16 = 9;

impl Address {
    /// Duplicate address detection is not done (`IFA_F_NODAD`).
    pub const NO_DAD: u32 = libc::IFA_F_NODAD;
    /// Duplicate address detection is under way (`IFA_F_TENTATIVE`).
    pub const TENTATIVE: u32 = libc::IFA_F_TENTATIVE;
    /// Somebody else has this address (`IFA_F_DADFAILED`).
    pub const DAD_FAILED: u32 = libc::IFA_F_DADFAILED;

    /// An address that is usable at once: without duplicate address detection.
    pub fn new(net: IpNet) -> Self {
        let flags = match net {
            IpNet::V4(_) => 0,
            IpNet::V6(_) => Self::NO_DAD,
        };
        Self {
            net,
            scope: libc::RT_SCOPE_UNIVERSE,
            flags,
            other: Opaque::default(),
        }
    }

    /// The same with duplicate address detection, as the link is set to (IPv6).
    #[must_use]
    pub fn with_dad(mut self) -> Self {
        self.flags &= !Self::NO_DAD;
        self
    }

    pub(super) fn request(&self, kind: u16, flags: u16, index: u32) -> Request {
        let mut request = Request::new(kind, flags);
        let [a, b, c, d] = index.to_ne_bytes();
        let family = family(self.net.addr());
        request.header(&[family, self.net.prefix_len(), 0, self.scope, a, b, c, d]);
        let octets = octets(self.net.addr());
        request
            .bytes(libc::IFA_LOCAL, &octets)
            .bytes(libc::IFA_ADDRESS, &octets);
        if let (IpNet::V4(net), 0..=30) = (self.net, self.net.prefix_len()) {
            request.bytes(libc::IFA_BROADCAST, &net.broadcast().octets());
        }
        if self.flags != 0 {
            request.u32(libc::IFA_FLAGS, self.flags);
        }
        self.other.write(&mut request);
        request
    }

    pub(crate) fn decode(message: &Message<'_>) -> Option<(u32, Self)> {
        let &[family, prefix, flags, scope, a, b, c, d] = message.header::<HEADER>()?;
        let index = u32::from_ne_bytes([a, b, c, d]);
        let attributes = Attributes::new(message.attributes(HEADER));
        let octets = attributes
            .get(libc::IFA_LOCAL)
            .or(attributes.get(libc::IFA_ADDRESS))?;
        let address = address(family, octets.payload)?;
        let all_flags = attributes
            .get(libc::IFA_FLAGS)
            .and_then(|flags| flags.as_u32());
        let address = Self {
            net: IpNet::new(address, prefix).ok()?,
            scope,
            flags: all_flags.unwrap_or_else(|| u32::from(flags)),
            other: Opaque::of(attributes, &[libc::IFA_CACHEINFO, IFA_RT_PRIORITY]),
        };
        Some((index, address))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.net.fmt(f)
    }
}

impl Rtnl {
    /// The addresses of the link with this index, of both families.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn addresses(&self, index: u32) -> Result<Vec<Address>, Error> {
        let mut request = Request::new(libc::RTM_GETADDR, REQUEST | DUMP);
        let [a, b, c, d] = index.to_ne_bytes();
        request.header(&[libc::AF_UNSPEC as u8, 0, 0, 0, a, b, c, d]);
        let object = format!("addresses of link {index}");
        // Kernels before 4.20 do not filter, so what comes is filtered here as well.
        self.dump_unwatched("list", &object, &request, |message| {
            let (of, address) = Address::decode(message)?;
            (of == index).then_some(address)
        })
    }

    /// The addresses of all links, each behind the index of its link. For people; nothing on an attachment's way asks for it.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn all_addresses(&self) -> Result<Vec<(u32, Address)>, Error> {
        let mut request = Request::new(libc::RTM_GETADDR, REQUEST | DUMP);
        request.header(&[0; HEADER]);
        self.dump_unwatched("list", &"addresses", &request, Address::decode)
    }
}

/// The number of an address's family.
pub(crate) fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => libc::AF_INET as u8,
        IpAddr::V6(_) => libc::AF_INET6 as u8,
    }
}

/// An address as the kernel writes it.
pub(crate) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// An address where the kernel expects one of `family`. It is empty when it is of the other: the kernel
/// refuses that, while of a longer one it would take the first bytes.
pub(super) fn octets_of(family: u8, address: IpAddr) -> Vec<u8> {
    if self::family(address) == family {
        octets(address)
    } else {
        Vec::new()
    }
}

/// An address that the kernel wrote.
pub(crate) fn address(family: u8, octets: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => Some(IpAddr::from(*octets.first_chunk::<4>()?)),
        libc::AF_INET6 => Some(IpAddr::from(*octets.first_chunk::<16>()?)),
        _ => None,
    }
}
