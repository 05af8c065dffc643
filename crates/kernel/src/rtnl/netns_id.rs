//! The numbers by which a namespace knows others.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use linkspan_netlink::{Attributes, Message, Request};

use super::{CHANGE, REQUEST, Rtnl};
use crate::Error;
use crate::netns::Netns;

/// Bytes of `struct rtgenmsg`.
const HEADER: usize = 1;

// linux/net_namespace.h
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `NETNSA_NSID_NOT_ASSIGNED`
const NOT_ASSIGNED: i32 = -1;

impl Rtnl {
    /// The number of another namespace, by which this one tells where the other end of a link is
    /// ([`Link::parent_netns`](super::Link::parent_netns)); `None` when it has never needed one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn netns_id(&self, other: &Netns) -> Result<Option<i32>, Error> {
        let request = request(libc::RTM_GETNSID, REQUEST, other);
        let mut found = None;
        self.ask("find", &"the number of a namespace", request, |message| {
            found = found.or_else(|| decode(message));
        })?;
        Ok(found)
    }

    /// The number of another namespace; it is given one when it has none. It keeps it as long as both live.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn assign_netns_id(&self, other: &Netns) -> Result<i32, Error> {
        if let Some(id) = self.netns_id(other)? {
            return Ok(id);
        }
        let mut wanted = request(libc::RTM_NEWNSID, CHANGE, other);
        // -1: any.
        wanted.u32(NETNSA_NSID, NOT_ASSIGNED as u32);
        match self.ask("assign", &"a number to a namespace", wanted, |_| ()) {
            // Somebody was faster.
            Err(error) if error.is_exists() => {}
            outcome => outcome?,
        }
        self.netns_id(other)?.ok_or_else(|| {
            let error = io::Error::from_raw_os_error(libc::ENOENT);
            Error::new("find", "the number of a namespace", error)
        })
    }
}

fn request(kind: u16, flags: u16, other: &Netns) -> Request {
    let mut request = Request::new(kind, flags);
    request
        .header(&[libc::AF_UNSPEC as u8; HEADER])
        .u32(NETNSA_FD, other.as_fd().as_raw_fd() as u32);
    request
}

pub(crate) fn decode(message: &Message<'_>) -> Option<i32> {
    let attributes = Attributes::new(message.attributes(HEADER));
    let id = attributes.get(NETNSA_NSID)?.as_u32()? as i32;
    (id != NOT_ASSIGNED).then_some(id)
}
