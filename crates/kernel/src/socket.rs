//! A netlink socket: requests in one send, answers matched by their sequence numbers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use linkspan_netlink::{Attributes, HEADER_LEN, Message, Messages, Request};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt,
};

/// How long the kernel may take for an answer. It answers at once, but for link removal, which waits
/// for RCU, and for the lock that all of rtnetlink shares, on a busy host.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes of the largest datagram that the kernel sends: it fills that many in a dump, when the reader's
/// buffer takes them, and a single answer is smaller.
const DATAGRAM: usize = 32 * 1024;

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// How many datagrams with requests this process has sent, on all netlink sockets.
pub fn requests_sent() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}

/// A netlink socket in one network namespace.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    next_sequence: AtomicU32,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What the kernel answered to one request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: i32,
    pub(crate) ext_ack: Option<String>,
}

impl Socket {
    /// Opens one in the caller's namespace; `NETLINK_ROUTE` is `None`, since its number is 0.
    pub(crate) fn open(protocol: impl Into<Option<Protocol>>) -> io::Result<Self> {
        Self::open_with_groups(protocol.into(), 0)
    }

    fn open_with_groups(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let fd =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        rustix::net::bind(&fd, &netlink::SocketAddrNetlink::new(0, groups))?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(ANSWER_DEADLINE))?;
        // Errors without the request's copy but with words; unknown to kernels before 4.12 (4.20 for
        // strict checking), which then answer with less.
        for option in [
            libc::NETLINK_EXT_ACK,
            libc::NETLINK_CAP_ACK,
            libc::NETLINK_GET_STRICT_CHK,
        ] {
            switch_on(&fd, option);
        }
        Ok(Self {
            fd,
            next_sequence: AtomicU32::new(1),
        })
    }

    /// Opens one that hears of the routing family's events in these groups (`RTMGRP_…`).
    pub(crate) fn listen(groups: u32) -> io::Result<Self> {
        Self::open_with_groups(None, groups)
    }

    /// Receives one datagram, if one comes in time.
    pub(crate) fn receive_within(&self, limit: Duration) -> io::Result<Vec<u8>> {
        let mut ready = [PollFd::new(&self.fd, PollFlags::IN)];
        let limit = Timespec::try_from(limit).unwrap_or(Timespec {
            tv_sec: 3600,
            tv_nsec: 0,
        });
        let count = rustix::io::retry_on_intr(|| rustix::event::poll(&mut ready, Some(&limit)))?;
        if count == 0 {
            return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
        }
        self.receive()
    }

    /// Takes `count` sequence numbers; returns the first.
    pub(crate) fn reserve(&self, count: u32) -> u32 {
        self.next_sequence.fetch_add(count, Ordering::Relaxed)
    }

    /// Sends requests, already encoded, in one datagram.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, bytes, SendFlags::empty()))?;
        Ok(())
    }

    /// Receives one datagram.
    pub(crate) fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; DATAGRAM];
        let (_, length) = rustix::io::retry_on_intr(|| {
            rustix::net::recv(&self.fd, buffer.as_mut_slice(), RecvFlags::TRUNC)
        })?;
        if length > buffer.len() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        buffer.truncate(length);
        Ok(buffer)
    }

    /// Sends independent requests in one datagram and waits until each is answered. Messages that are
    /// neither acknowledgement nor error go to `take` with the position of their request.
    pub(crate) fn exchange(
        &self,
        requests: &[Request],
        mut take: impl FnMut(usize, &Message<'_>),
    ) -> io::Result<Vec<Result<(), Failure>>> {
        let count = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        let first = self.reserve(count);
        let mut bytes = Vec::with_capacity(256 * requests.len());
        for (sequence, request) in (first..).zip(requests) {
            request.append_to(&mut bytes, sequence);
        }
        self.send(&bytes)?;
        let mut outcomes: Vec<Option<Result<(), Failure>>> =
            requests.iter().map(|_| None).collect();
        let mut waiting = requests.len();
        while waiting > 0 {
            let datagram = self.receive()?;
            for message in Messages::new(&datagram) {
                let position = message.sequence.wrapping_sub(first) as usize;
                let Some(outcome) = outcomes.get_mut(position) else {
                    continue;
                };
                match error_of(&message) {
                    Some(answer) if outcome.is_none() => {
                        *outcome = Some(answer.into_result());
                        waiting -= 1;
                    }
                    Some(_) => {}
                    None => take(position, &message),
                }
            }
        }
        Ok(outcomes.into_iter().flatten().collect())
    }
}

/// The end of an exchange: an errno (0 for success) with the kernel's words.
pub(crate) type Answer = (i32, Option<String>);

trait IntoResult {
    fn into_result(self) -> Result<(), Failure>;
}

impl IntoResult for Answer {
    fn into_result(self) -> Result<(), Failure> {
        match self {
            (0, _) => Ok(()),
            (errno, ext_ack) => Err(Failure { errno, ext_ack }),
        }
    }
}

/// The errno (0 for success) and the kernel's words, when the message ends an exchange.
pub(crate) fn error_of(message: &Message<'_>) -> Option<Answer> {
    const CAPPED: u16 = 0x100;
    const HAS_ATTRIBUTES: u16 = 0x200;
    const WORDS: u16 = 1;
    let kind = i32::from(message.kind);
    if kind != libc::NLMSG_ERROR && kind != libc::NLMSG_DONE {
        return None;
    }
    let errno = message
        .header()
        .map_or(0, |bytes| -i32::from_ne_bytes(*bytes));
    if message.flags & HAS_ATTRIBUTES == 0 {
        return Some((errno, None));
    }
    // After the number comes, in an error, the request: its header alone or the whole of it.
    let echoed = match (kind == libc::NLMSG_DONE, message.flags & CAPPED != 0) {
        (true, _) => 0,
        (false, true) => HEADER_LEN,
        (false, false) => echoed_length(message.payload),
    };
    let words = Attributes::new(message.attributes(4 + echoed)).get(WORDS);
    Some((
        errno,
        words.and_then(|words| words.as_str()).map(str::to_owned),
    ))
}

fn echoed_length(payload: &[u8]) -> usize {
    let length = payload.get(4..).and_then(|bytes| bytes.first_chunk());
    length.map_or(HEADER_LEN, |bytes| u32::from_ne_bytes(*bytes) as usize)
}

/// Switches a boolean option of the netlink layer on; kernels that do not know it go without.
fn switch_on(fd: &OwnedFd, option: libc::c_int) {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the pointer and the length describe `on`, which outlives the
    // call. rustix has no wrapper for options of SOL_NETLINK.
    unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        );
    }
}
