//! A netlink socket: what it sends, and what it receives of the kernel.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use linkspan_netlink::Messages;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, sockopt,
};

/// How long the kernel may take for an answer. It answers at once, but for link removal, which waits
/// for RCU, and for the lock that all of rtnetlink shares, on a busy host.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes that nearly every datagram fits into: the kernel fills that many in a dump, when the reader's buffer takes
/// them. A single answer is larger where somebody has given a link hundreds of other names.
const USUAL_ROOM: usize = 32 * 1024;

/// How often in a row a socket may say that something was dropped. The kernel says so once for each time that the buffer was full, so
/// that one which goes on has failed for good, and whoever reads on for the next datagram would do so for ever.
const LOST_IN_A_ROW: u32 = 16;

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// How many datagrams with requests this process has sent, on all netlink sockets.
pub fn requests_sent() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}

/// A netlink socket in one network namespace.
///
/// It is not `Sync`: of two threads that wait for answers on it each would take the other's.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    next_sequence: Cell<u32>,
    /// Bytes that the next datagram may have. It grows with what did not fit.
    room: Cell<usize>,
    /// Netfilter refuses a datagram of an ordinary user by its first message, and does not answer the others.
    is_netfilter: bool,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A datagram of the kernel.
#[derive(Debug)]
pub(crate) struct Datagram {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Datagram {
    /// Its messages, as far as they came whole.
    pub(crate) fn messages(&self) -> Messages<'_> {
        Messages::new(&self.bytes)
    }

    /// When it did not fit, the number of the request that it answers.
    pub(crate) fn cut_answer_to(&self) -> Option<u32> {
        let number = self.bytes.get(8..)?.first_chunk()?;
        self.is_cut.then(|| u32::from_ne_bytes(*number))
    }
}

/// Counts how often the kernel has dropped something, for who reads on all the same.
#[derive(Debug, Default)]
pub(crate) struct Losses(u32);

impl Losses {
    /// Whether there was one.
    pub(crate) fn any(&self) -> bool {
        self.0 > 0
    }

    /// Whether this is a loss behind which there may be more to read.
    pub(crate) fn is_next(&mut self, error: &io::Error) -> bool {
        self.0 += u32::from(is_lost(error));
        is_lost(error) && self.0 < LOST_IN_A_ROW
    }
}

/// The kernel has dropped something, since the socket's buffer was full.
pub(crate) fn is_lost(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

impl Socket {
    /// Opens one in the caller's namespace; `NETLINK_ROUTE` is `None`, since its number is 0.
    pub(crate) fn open(protocol: impl Into<Option<Protocol>>) -> io::Result<Self> {
        Self::open_with_groups(protocol.into(), 0)
    }

    /// # Kernel
    /// Whoever has CAP_NET_ADMIN in the namespace, which root in a container has, may send to any socket there, with
    /// whatever sequence number. One that is connected to the kernel takes from nobody else (`netlink_getsockbyportid`), so
    /// that a flood does not fill its buffer either; what is sent to a group still comes, and is told by its sender.
    fn open_with_groups(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let fd =
            rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
        if groups != 0 {
            rustix::net::bind(&fd, &SocketAddrNetlink::new(0, groups))?;
        }
        rustix::net::connect(&fd, &SocketAddrNetlink::new(KERNEL, 0))?;
        sockopt::set_socket_timeout(&fd, sockopt::Timeout::Recv, Some(ANSWER_DEADLINE))?;
        // Errors without the request's copy but with words; unknown to kernels before 4.12 (4.20 for
        // strict checking), which then answer with less.
        for option in [
            libc::NETLINK_EXT_ACK,
            libc::NETLINK_CAP_ACK,
            libc::NETLINK_GET_STRICT_CHK,
        ] {
            // Kernels that do not know it go without.
            let _ = switch_on(&fd, option);
        }
        Ok(Self {
            fd,
            next_sequence: Cell::new(first_sequence()),
            room: Cell::new(USUAL_ROOM),
            is_netfilter: protocol == Some(netlink::NETFILTER),
        })
    }

    /// Opens one that hears of the routing family's events in these groups (`RTMGRP_…`).
    pub(crate) fn listen(groups: u32) -> io::Result<Self> {
        Self::open_with_groups(None, groups)
    }

    /// Hears of the events in all namespaces that have a number in this one; without CAP_NET_BROADCAST of its own alone.
    pub(crate) fn listen_everywhere(&self) -> io::Result<()> {
        switch_on(&self.fd, libc::NETLINK_LISTEN_ALL_NSID)
    }

    /// Opens one that hears of another family's events in these groups.
    pub(crate) fn listen_to(protocol: Protocol, groups: u32) -> io::Result<Self> {
        Self::open_with_groups(Some(protocol), groups)
    }

    /// Whether a datagram that is refused is refused as a whole, by an answer to its first message alone.
    pub(crate) fn refuses_as_a_whole(&self) -> bool {
        self.is_netfilter
    }

    /// Takes `count` sequence numbers; returns the first.
    pub(crate) fn reserve(&self, count: u32) -> u32 {
        let first = self.next_sequence.get();
        self.next_sequence.set(first.wrapping_add(count));
        first
    }

    /// Sends requests, already encoded, in one datagram.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, bytes, SendFlags::empty()))?;
        Ok(())
    }

    /// Receives the kernel's next datagram, if it comes in time.
    ///
    /// # Errors
    /// `ETIMEDOUT` when none has come, or when it is too late from the start.
    pub(crate) fn receive_before(&self, end: Instant) -> io::Result<Datagram> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Errno::TIMEDOUT.into());
            }
            let limit = Timespec::try_from(left).ok();
            let mut ready = [PollFd::new(&self.fd, PollFlags::IN)];
            match rustix::event::poll(&mut ready, limit.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(_) => match self.take(RecvFlags::DONTWAIT) {
                    Ok(None) | Err(Errno::AGAIN) => {}
                    Ok(Some(datagram)) => return Ok(datagram),
                    Err(error) => return Err(error.into()),
                },
            }
        }
    }

    /// Receives the kernel's next datagram.
    ///
    /// # Errors
    /// `ETIMEDOUT` when none comes; `ENOBUFS` when the kernel has dropped some.
    pub(crate) fn receive(&self) -> io::Result<Datagram> {
        self.receive_with(RecvFlags::empty())
    }

    /// Receives a datagram of the kernel that is there already.
    ///
    /// # Errors
    /// `ETIMEDOUT` when there is none; `ENOBUFS` when the kernel has dropped some.
    pub(crate) fn receive_queued(&self) -> io::Result<Datagram> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    fn receive_with(&self, flags: RecvFlags) -> io::Result<Datagram> {
        let mut end = None;
        loop {
            match self.take(flags) {
                Ok(Some(datagram)) => return Ok(datagram),
                Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT.into()),
                Err(error) => return Err(error.into()),
                Ok(None) => {
                    let end = *end.get_or_insert_with(|| Instant::now() + ANSWER_DEADLINE);
                    if Instant::now() >= end {
                        return Err(Errno::TIMEDOUT.into());
                    }
                }
            }
        }
    }

    /// Takes one datagram from the socket; `None` when it is not the kernel's.
    fn take(&self, flags: RecvFlags) -> Result<Option<Datagram>, Errno> {
        // Not filled with zeros: that would have the kernel find eight pages for an answer of 40 bytes.
        let mut bytes = Vec::with_capacity(self.room.get());
        let (_, length, sender) = rustix::io::retry_on_intr(|| {
            let room = rustix::buffer::spare_capacity(&mut bytes);
            rustix::net::recvfrom(&self.fd, room, flags | RecvFlags::TRUNC)
        })?;
        if !sender.is_some_and(is_kernel) {
            return Ok(None);
        }
        let is_cut = length > bytes.len();
        if is_cut {
            self.room.set(length.next_power_of_two());
        }
        Ok(Some(Datagram { bytes, is_cut }))
    }

    /// Reads what nobody waits for any more. A socket whose buffer was full gets no further answer
    /// until it has been emptied.
    pub(crate) fn drain(&self) {
        let mut losses = Losses::default();
        while self
            .receive_queued()
            .map_or_else(|error| losses.is_next(&error), |_| true)
        {}
    }
}

/// The kernel's own port.
const KERNEL: u32 = 0;

fn is_kernel(sender: SocketAddrAny) -> bool {
    SocketAddrNetlink::try_from(sender).is_ok_and(|sender| sender.pid() == KERNEL)
}

/// Numbers that no other socket begins with, since answers to a predecessor at the same port may still be under way.
fn first_sequence() -> u32 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(1, |now| now.as_nanos() as u32)
}

/// Switches a boolean option of the netlink layer on.
fn switch_on(fd: &OwnedFd, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the pointer and the length describe `on`, which outlives the
    // call. rustix has no wrapper for options of SOL_NETLINK.
    let outcome = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
