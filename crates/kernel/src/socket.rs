//! A netlink socket: requests in one send, answers matched by their sequence numbers.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use linkspan_netlink::{Attributes, HEADER_LEN, Message, Messages, Request};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt,
};

use crate::Error;

/// How long the kernel may take for an answer. It answers at once, but for link removal, which waits
/// for RCU, and for the lock that all of rtnetlink shares, on a busy host.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// Bytes of the largest datagram that the kernel sends: it fills that many in a dump, when the reader's
/// buffer takes them, and a single answer is smaller.
const DATAGRAM: usize = 32 * 1024;

/// How many requests travel in one send. Their answers wait in the socket's buffer, which holds those to
/// a hundred (`net.core.rmem_default`); the kernel drops what does not fit.
const WINDOW: usize = 32;

/// How often a dump is begun again because something changed meanwhile.
const DUMP_ATTEMPTS: u32 = 100;

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

impl Failure {
    pub(crate) fn into_error(
        self,
        operation: impl Into<String>,
        object: impl Into<String>,
    ) -> Error {
        let source = io::Error::from_raw_os_error(self.errno);
        Error::new(operation, object, source).with_ext_ack(self.ext_ack)
    }
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
        // One that hears of nothing is bound by its first message.
        if groups != 0 {
            rustix::net::bind(&fd, &netlink::SocketAddrNetlink::new(0, groups))?;
        }
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
            next_sequence: Cell::new(1),
        })
    }

    /// Opens one that hears of the routing family's events in these groups (`RTMGRP_…`).
    pub(crate) fn listen(groups: u32) -> io::Result<Self> {
        Self::open_with_groups(None, groups)
    }

    /// Opens one that hears of another family's events in these groups.
    pub(crate) fn listen_to(protocol: Protocol, groups: u32) -> io::Result<Self> {
        Self::open_with_groups(Some(protocol), groups)
    }

    /// Receives one datagram, if one comes in time.
    ///
    /// # Errors
    /// `ETIMEDOUT` when none has come, or when it is too late from the start.
    pub(crate) fn receive_before(&self, end: Instant) -> io::Result<Vec<u8>> {
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            let limit = Timespec::try_from(left).ok();
            let mut ready = [PollFd::new(&self.fd, PollFlags::IN)];
            match rustix::event::poll(&mut ready, limit.as_ref()) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.receive(),
                Err(error) => return Err(error.into()),
            }
        }
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

    /// Receives one datagram.
    ///
    /// # Errors
    /// `ETIMEDOUT` when none comes; `ENOBUFS` when the kernel has dropped some.
    pub(crate) fn receive(&self) -> io::Result<Vec<u8>> {
        self.receive_with(RecvFlags::empty())
    }

    /// Receives one datagram that is there already.
    ///
    /// # Errors
    /// `ETIMEDOUT` when there is none; `ENOBUFS` when the kernel has dropped some.
    pub(crate) fn receive_queued(&self) -> io::Result<Vec<u8>> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    fn receive_with(&self, flags: RecvFlags) -> io::Result<Vec<u8>> {
        // Not filled with zeros: that would have the kernel find eight pages for an answer of 40 bytes.
        let mut buffer = Vec::with_capacity(DATAGRAM);
        let received = rustix::io::retry_on_intr(|| {
            let room = rustix::buffer::spare_capacity(&mut buffer);
            rustix::net::recv(&self.fd, room, flags | RecvFlags::TRUNC)
        });
        let (_, length) = received.map_err(|error| match error {
            Errno::AGAIN => Errno::TIMEDOUT,
            error => error,
        })?;
        if length > buffer.len() {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        Ok(buffer)
    }

    /// Sends independent requests and waits until each is answered: until its acknowledgement, an error, or the end of
    /// the list that it asks for; where the last asks for neither it has a single answer. Messages that are neither
    /// acknowledgement nor error go to `take` with the position of their request.
    pub(crate) fn exchange(
        &self,
        requests: &[Request],
        mut take: impl FnMut(usize, &Message<'_>),
    ) -> io::Result<Vec<Result<(), Failure>>> {
        let mut outcomes = Vec::with_capacity(requests.len());
        for part in requests.chunks(WINDOW) {
            let before = outcomes.len();
            let answered =
                self.exchange_part(part, |position, message| take(before + position, message));
            outcomes.extend(answered.inspect_err(|_| self.drain())?);
        }
        Ok(outcomes)
    }

    /// Sends requests in one datagram and waits until each is answered.
    ///
    /// They are carried out, and answered, in their order. So the last one alone is to be acknowledged, and stands for those
    /// before it of which the kernel has said nothing.
    fn exchange_part(
        &self,
        requests: &[Request],
        mut take: impl FnMut(usize, &Message<'_>),
    ) -> io::Result<Vec<Result<(), Failure>>> {
        let first = self.reserve(requests.len() as u32);
        let mut bytes = Vec::with_capacity(256 * requests.len());
        let mut answers = Vec::with_capacity(requests.len());
        for (position, request) in (0..).zip(requests) {
            let is_last = answers.len() + 1 == requests.len();
            let (expected, flags) = Answers::to(request, is_last);
            request.append_with(flags, &mut bytes, first.wrapping_add(position));
            answers.push(expected);
        }
        self.send(&bytes)?;
        let mut waiting = answers.iter().filter(|answers| answers.awaited).count();
        while waiting > 0 {
            let datagram = self.receive()?;
            for message in Messages::new(&datagram) {
                let position = message.sequence.wrapping_sub(first) as usize;
                let Some(answers) = answers.get_mut(position) else {
                    continue;
                };
                // The message that ends a dump may be the only one to say so.
                answers.interrupted |= message.flags & libc::NLM_F_DUMP_INTR as u16 != 0;
                let mut last = error_of(&message);
                if last.is_none() {
                    take(position, &message);
                    last = answers.single.then(Answer::default);
                }
                if last.is_some() && answers.last.is_none() {
                    answers.last = last;
                    waiting -= usize::from(answers.awaited);
                }
            }
        }
        Ok(answers.into_iter().map(Answers::into_result).collect())
    }

    /// Reads what nobody waits for any more. A socket whose buffer was full gets no further answer
    /// until it has been emptied.
    fn drain(&self) {
        let lost = |error: io::Error| error.raw_os_error() == Some(libc::ENOBUFS);
        while self.receive_queued().map_or_else(lost, |_| true) {}
    }

    /// Runs a dump, again when something changed meanwhile, since what came may be inconsistent then.
    ///
    /// Fails with `EINTR` when that happens each time: a part of a list is never given for the whole.
    pub(crate) fn dump<I: IntoIterator>(
        &self,
        request: &Request,
        decode: impl Fn(&Message<'_>) -> I,
    ) -> io::Result<Result<Vec<I::Item>, Failure>> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut items = Vec::new();
            let outcomes = self.exchange(std::slice::from_ref(request), |_, message| {
                items.extend(decode(message));
            })?;
            match outcomes.into_iter().collect() {
                Err(failure) if failure.errno == libc::EINTR => {}
                outcome => return Ok(outcome.map(|()| items)),
            }
        }
        Err(io::Error::from_raw_os_error(libc::EINTR))
    }
}

/// The end of an exchange: an errno (0 for success) with the kernel's words.
pub(crate) type Answer = (i32, Option<String>);

/// What came of one request.
#[derive(Default)]
struct Answers {
    /// There will be an answer in any case.
    awaited: bool,
    /// The first message is the answer: neither an acknowledgement nor a list was asked for.
    single: bool,
    /// The list that was asked for changed while it was made.
    interrupted: bool,
    last: Option<Answer>,
}

impl Answers {
    /// Those to a request, and the flags to send it with.
    fn to(request: &Request, is_last: bool) -> (Self, u16) {
        const ACK: u16 = libc::NLM_F_ACK as u16;
        // A bit of NLM_F_DUMP alone means other things.
        const DUMP: u16 = libc::NLM_F_DUMP as u16;
        let flags = request.flags();
        let is_dump = flags & DUMP == DUMP;
        let expected = Self {
            awaited: is_last || is_dump,
            single: is_last && !is_dump && flags & ACK == 0,
            ..Self::default()
        };
        (expected, if is_last { flags } else { flags & !ACK })
    }

    fn into_result(self) -> Result<(), Failure> {
        match self.last.unwrap_or_default() {
            (0, _) if self.interrupted => Err(Failure {
                errno: libc::EINTR,
                ext_ack: None,
            }),
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
        .map_or(0, |bytes| i32::from_ne_bytes(*bytes).wrapping_neg());
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
