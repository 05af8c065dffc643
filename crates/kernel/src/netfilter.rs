//! The socket that nf_tables and conntrack are spoken to by.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    netlink, sendmsg, socketpair,
};

use crate::Error;
use crate::socket::Socket;

/// A netlink socket to netfilter.
#[derive(Debug)]
pub(crate) struct NetfilterSocket {
    socket: Socket,
    /// What keeps the socket alive beyond us. Closed after it, since fields are dropped in order: closed
    /// before, the collector may be done with it while ours is still the last reference.
    in_flight: Option<[OwnedFd; 2]>,
}

impl NetfilterSocket {
    pub(crate) fn open() -> Result<Self, Error> {
        let socket = Socket::open(netlink::NETFILTER)
            .map_err(|error| Error::new("open", "a socket to netfilter", error))?;
        Ok(Self {
            socket,
            in_flight: None,
        })
    }
}

impl std::ops::Deref for NetfilterSocket {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        &self.socket
    }
}

/// # Kernel
/// The kernel frees what was deleted after an RCU grace period, in the background. But whoever closes a
/// netfilter socket meanwhile, be it another process, waits for that (`nft_rcv_nl_event`), 5 to 40 ms on a busy machine, a
/// hundred times what the deletion took. Here the last reference to the socket is left to the kernel: the
/// descriptor is sent over a pair of sockets that is closed with it in flight. The other end is in flight
/// too, so that nobody but the collector of such cycles, which runs in the background since Linux 6.9,
/// can free them. Kernels before that wait, as without this.
impl Drop for NetfilterSocket {
    fn drop(&mut self) {
        // Where that fails the socket is closed here and now.
        self.in_flight = leave_to_kernel(&self.socket).ok();
    }
}

fn leave_to_kernel(socket: &Socket) -> io::Result<[OwnedFd; 2]> {
    let (near, far) = socketpair(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let in_flight = [far.as_fd(), socket.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&in_flight));
    let payload = [IoSlice::new(&[0])];
    sendmsg(&near, &payload, &mut ancillary, SendFlags::empty())?;
    Ok([near, far])
}
