//! Neighbours: which hardware address belongs to an address on a link.

use std::fmt;
use std::net::IpAddr;

use linkspan_netlink::Request;

use super::address::{family, octets};

/// A neighbour that somebody wrote down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The index of the link.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// The hardware address; `None` to delete whatever it is.
    pub mac: Option<[u8; 6]>,
    /// It stays until it is deleted (`NUD_PERMANENT`); otherwise it is taken to be reachable for now.
    pub permanent: bool,
}

impl Neighbour {
    pub(super) fn request(&self, kind: u16, flags: u16) -> Request {
        let mut request = Request::new(kind, flags);
        let state = if self.permanent {
            libc::NUD_PERMANENT
        } else {
            libc::NUD_REACHABLE
        };
        let mut header = [0; 12];
        header[0] = family(self.address);
        header[4..8].copy_from_slice(&self.link.to_ne_bytes());
        header[8..10].copy_from_slice(&state.to_ne_bytes());
        request
            .header(&header)
            .bytes(libc::NDA_DST, &octets(self.address));
        self.mac.map(|mac| request.bytes(libc::NDA_LLADDR, &mac));
        request
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on link {}", self.address, self.link)
    }
}
