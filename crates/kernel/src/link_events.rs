//! What happens to links and to namespaces, heard of in one place for all.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use linkspan_netlink::{Attributes, Message, Messages};

use crate::Error;
use crate::socket::{Losses, Socket};

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
    refused: Option<Error>,
}

/// Bytes that every event fits into.
const ROOM: usize = 64 * 1024;

/// The kernel's own port.
const KERNEL: u32 = 0;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// A link was made or changed, or went.
    Link {
        /// The number of its namespace; `None` for the caller's.
        netns: Option<i32>,
        /// Its index there.
        index: u32,
    },
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
        let refused = socket
            .listen_everywhere()
            .err()
            .map(|error| Error::new("hear of", "links in the namespaces of containers", error));
        Ok(Self { socket, refused })
    }

    /// Why it hears of the caller's namespace alone, if that is so: all others take CAP_NET_BROADCAST.
    pub fn refused(&self) -> Option<&Error> {
        self.refused.as_ref()
    }

    /// What has happened since the last call. Where not all of it could be read, the last is [`LinkEvent::Lost`].
    ///
    /// # Errors
    /// What the kernel says, where nothing was read.
    pub fn take(&self) -> Result<Vec<LinkEvent>, Error> {
        let mut room = vec![0; ROOM];
        gather(|| {
            let received = receive(self.as_fd(), &mut room)?;
            Ok(match received.sender {
                _ if received.is_cut => vec![LinkEvent::Lost],
                KERNEL => Messages::new(&room[..received.length])
                    .filter_map(|one| decode(&one, received.netns))
                    .collect(),
                _ => Vec::new(),
            })
        })
    }
}

/// Reads until there is no more.
fn gather(mut read: impl FnMut() -> io::Result<Vec<LinkEvent>>) -> Result<Vec<LinkEvent>, Error> {
    let mut events = Vec::new();
    let mut losses = Losses::default();
    loop {
        match read() {
            Ok(read) => events.extend(read),
            Err(error) if losses.is_next(&error) => events.push(LinkEvent::Lost),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(events),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if events.is_empty() => return Err(failed(error)),
            Err(_) => {
                events.push(LinkEvent::Lost);
                return Ok(events);
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

pub(crate) fn decode(message: &Message<'_>, netns: Option<i32>) -> Option<LinkEvent> {
    match message.kind {
        libc::RTM_NEWLINK | libc::RTM_DELLINK => {
            let index = message.payload.get(4..)?.first_chunk()?;
            Some(LinkEvent::Link {
                netns,
                index: u32::from_ne_bytes(*index),
            })
        }
        libc::RTM_DELNSID => {
            let attributes = Attributes::new(message.attributes(GENERIC_HEADER));
            let number = attributes.get(NETNSA_NSID)?.as_u32()?;
            Some(LinkEvent::NamespaceGone(number as i32))
        }
        _ => None,
    }
}

/// What came in one datagram.
struct Received {
    length: usize,
    is_cut: bool,
    sender: u32,
    netns: Option<i32>,
}

/// Room for one control message: its head and a number.
#[repr(C, align(8))]
struct Control([u8; 64]);

fn receive(fd: BorrowedFd<'_>, room: &mut [u8]) -> io::Result<Received> {
    let mut control = Control([0; 64]);
    let mut part = libc::iovec {
        iov_base: room.as_mut_ptr().cast(),
        iov_len: room.len(),
    };
    // SAFETY: a structure of integers, for which zeros are a value.
    let mut sender: libc::sockaddr_nl = unsafe { std::mem::zeroed() };
    // SAFETY: a structure of pointers and integers, for which zeros are a value.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = (&raw mut sender).cast();
    header.msg_namelen = size_of_val(&sender) as libc::socklen_t;
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    // SAFETY: the descriptor is open, and every pointer in the header is that of memory of the size beside it, which
    // outlives the call. rustix does not read control messages of netlink.
    let length = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT) };
    let length = usize::try_from(length).map_err(|_negative| io::Error::last_os_error())?;
    Ok(Received {
        length,
        is_cut: header.msg_flags & libc::MSG_TRUNC != 0,
        sender: sender.nl_pid,
        netns: netns_of(&control.0[..header.msg_controllen as usize]),
    })
}

/// The number in a control message: its length, its level, its kind, and what it says.
fn netns_of(control: &[u8]) -> Option<i32> {
    const HEAD: usize = size_of::<libc::cmsghdr>();
    let number = |at: usize| Some(i32::from_ne_bytes(*control.get(at..)?.first_chunk()?));
    let is_it = number(HEAD - 8)? == libc::SOL_NETLINK
        && number(HEAD - 4)? == libc::NETLINK_LISTEN_ALL_NSID;
    number(HEAD).filter(|_| is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_failure_is_told() {
        let gone = LinkEvent::NamespaceGone(7);
        let failure = || Err(io::Error::from_raw_os_error(libc::ENOMEM));
        let mut reads = [Ok(vec![gone]), failure()].into_iter();
        let told = gather(|| reads.next().unwrap()).unwrap();
        assert_eq!(told, [gone, LinkEvent::Lost]);
        assert!(gather(failure).is_err());
        // Of a socket that has nothing else to say.
        let lost = || Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        assert!(
            gather(lost)
                .unwrap()
                .iter()
                .all(|told| *told == LinkEvent::Lost)
        );
    }
}
