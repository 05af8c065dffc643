//! What happens to links and to namespaces, heard of in one place for all.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use linkspan_netlink::{Attributes, Message};

use crate::Error;
use crate::socket::{Socket, is_lost};

/// `RTNLGRP_NSID` as a bit: numbers of namespaces come and go.
const NSID_GROUP: u32 = 1 << (28 - 1);

/// Bytes of `struct rtgenmsg`.
const GENERIC_HEADER: usize = 1;

// linux/net_namespace.h
const NETNSA_NSID: u16 = 1;

/// A socket that hears of links in the caller's namespace and in all that have a number there
/// ([`assign_netns_id`](crate::rtnl::Rtnl::assign_netns_id)), and of the end of those. It keeps none of them alive.
#[derive(Debug)]
pub struct LinkEvents {
    socket: Socket,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A link with this index, in whichever namespace, was made or changed, or went.
    Link(u32),
    /// The namespace with this number has ended.
    NamespaceGone(i32),
    /// More than was heard of: anything may have happened.
    Lost,
}

impl LinkEvents {
    /// Opens it.
    ///
    /// # Errors
    /// When the process has no descriptors left.
    pub fn open() -> Result<Self, Error> {
        let groups = libc::RTMGRP_LINK as u32 | NSID_GROUP;
        let socket = Socket::listen(groups)
            .map_err(|error| Error::new("open", "a socket for the kernel's events", error))?;
        socket.listen_everywhere();
        Ok(Self { socket })
    }

    /// What has happened since the last call.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn take(&self) -> Result<Vec<LinkEvent>, Error> {
        let mut events = Vec::new();
        loop {
            match self.socket.receive_queued() {
                Ok(datagram) if datagram.cut_answer_to().is_some() => events.push(LinkEvent::Lost),
                Ok(datagram) => events.extend(datagram.messages().filter_map(|one| decode(&one))),
                Err(error) if is_lost(&error) => events.push(LinkEvent::Lost),
                Err(error) if error.raw_os_error() == Some(libc::ETIMEDOUT) => return Ok(events),
                Err(error) => return Err(failed(error)),
            }
        }
    }
}

impl AsFd for LinkEvents {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn failed(error: io::Error) -> Error {
    Error::new("receive", "the kernel's events", error)
}

fn decode(message: &Message<'_>) -> Option<LinkEvent> {
    match message.kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => {
            let index = message.payload.get(4..)?.first_chunk()?;
            Some(LinkEvent::Link(u32::from_ne_bytes(*index)))
        }
        libc::RTM_DELNSID => {
            let attributes = Attributes::new(message.attributes(GENERIC_HEADER));
            let number = attributes.get(NETNSA_NSID)?.as_u32()?;
            Some(LinkEvent::NamespaceGone(number as i32))
        }
        _ => None,
    }
}
