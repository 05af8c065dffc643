//! Requests and their answers, matched by their sequence numbers.

use std::io;
use std::slice;

use linkspan_netlink::{Attributes, HEADER_LEN, Message, Request};

use crate::Error;
use crate::socket::{Datagram, Socket};

/// How many requests travel in one send. Their answers wait in the socket's buffer, which holds those to
/// a hundred (`net.core.rmem_default`); the kernel drops what does not fit.
const WINDOW: usize = 32;

/// How often a dump is begun again because something changed meanwhile.
const DUMP_ATTEMPTS: u32 = 100;

/// How often something is asked again because its answer did not fit: whoever makes it grow may go on.
const FIT_ATTEMPTS: u32 = 10;

/// What the kernel answered to one request.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: i32,
    pub(crate) ext_ack: Option<String>,
}

impl Failure {
    pub(crate) fn of(errno: i32) -> Self {
        let ext_ack = None;
        Self { errno, ext_ack }
    }

    pub(crate) fn into_error(
        self,
        operation: impl Into<String>,
        object: impl Into<String>,
    ) -> Error {
        let source = io::Error::from_raw_os_error(self.errno);
        Error::new(operation, object, source).with_ext_ack(self.ext_ack)
    }
}

/// What a list that changed while it was made is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// Nothing: what is not in it may be there. It is made again, and `EINTR` says that it never came out whole.
    Required,
    /// What is in it was there. For those who do something about each, and nothing about what is missing.
    NotRequired,
}

impl Socket {
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
            let answered = self.exchange_part(part, &mut |position, message| {
                take(before + position, message);
            })?;
            for (request, mut answers) in part.iter().zip(answered) {
                let position = outcomes.len();
                let mut attempts = 0..FIT_ATTEMPTS;
                while answers.must_be_asked_again() && attempts.next().is_some() {
                    let again =
                        self.exchange_part(slice::from_ref(request), &mut |_, message| {
                            take(position, message);
                        })?;
                    answers = again.into_iter().next().unwrap_or_default();
                }
                outcomes.push(answers.into_result());
            }
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
        take: &mut dyn FnMut(usize, &Message<'_>),
    ) -> io::Result<Vec<Answers>> {
        let first = self.reserve(requests.len() as u32);
        let mut bytes = Vec::with_capacity(256 * requests.len());
        let mut answers = Vec::with_capacity(requests.len());
        for (position, request) in (0..).zip(requests) {
            let is_last = answers.len() + 1 == requests.len();
            let (expected, flags) = Answers::to(request, is_last);
            request.append_with(flags, &mut bytes, first.wrapping_add(position));
            answers.push(expected);
        }
        let _exchange = linkspan_spans::exchange();
        self.send(&bytes)?;
        let waiting = answers.iter().filter(|answers| answers.awaited).count();
        let mut pending = Pending {
            first,
            answers,
            waiting,
            refused_as_a_whole: self.refuses_as_a_whole(),
        };
        while pending.waiting > 0 {
            let datagram = self.receive().inspect_err(|_| self.drain())?;
            pending.read(&datagram, take);
        }
        Ok(pending.answers)
    }

    /// Runs a dump, again where it must be [`Whole`] and something changed meanwhile.
    pub(crate) fn dump<I: IntoIterator>(
        &self,
        request: &Request,
        whole: Whole,
        decode: impl Fn(&Message<'_>) -> I,
    ) -> io::Result<Result<Vec<I::Item>, Failure>> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut items = Vec::new();
            let answers = self.exchange_part(slice::from_ref(request), &mut |_, message| {
                items.extend(decode(message));
            })?;
            for answers in answers {
                let is_enough = whole == Whole::NotRequired || !answers.interrupted;
                match answers.last.unwrap_or_default() {
                    (0, _) if is_enough && !answers.cut => return Ok(Ok(items)),
                    (0 | libc::EINTR, _) => {}
                    (errno, ext_ack) => return Ok(Err(Failure { errno, ext_ack })),
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::EINTR))
    }
}

/// The answers that are still to come.
struct Pending {
    /// The number of the first request.
    first: u32,
    answers: Vec<Answers>,
    /// To how many requests there will be one in any case.
    waiting: usize,
    refused_as_a_whole: bool,
}

impl Pending {
    fn read(&mut self, datagram: &Datagram, take: &mut dyn FnMut(usize, &Message<'_>)) {
        if let Some(sequence) = datagram.cut_answer_to() {
            self.cut(sequence);
            return;
        }
        for message in datagram.messages() {
            let Some((position, answers)) = self.to(message.sequence) else {
                continue;
            };
            // The message that ends a dump may be the only one to say so.
            answers.interrupted |= message.flags & libc::NLM_F_DUMP_INTR as u16 != 0;
            match error_of(&message) {
                Some(answer) => self.end(position, answer),
                None => {
                    let is_single = answers.single;
                    take(position, &message);
                    if is_single {
                        self.end(position, Answer::default());
                    }
                }
            }
        }
    }

    /// The answers to the request with this number.
    fn to(&mut self, sequence: u32) -> Option<(usize, &mut Answers)> {
        let position = sequence.wrapping_sub(self.first) as usize;
        Some((position, self.answers.get_mut(position)?))
    }

    /// An answer did not fit.
    fn cut(&mut self, sequence: u32) {
        let Some((position, answers)) = self.to(sequence) else {
            return;
        };
        answers.cut = true;
        if answers.single {
            self.end(position, Answer::default());
        }
    }

    fn end(&mut self, position: usize, answer: Answer) {
        let is_refused = self.refused_as_a_whole && position == 0 && answer.0 == libc::EPERM;
        let ended = if is_refused {
            self.answers.len()
        } else {
            position + 1
        };
        for answers in &mut self.answers[position..ended] {
            if answers.last.is_none() {
                answers.last = Some(answer.clone());
                self.waiting -= usize::from(answers.awaited);
            }
        }
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
    /// It asks for the echo of a change, which must not be made twice.
    echoes: bool,
    /// The list that was asked for changed while it was made.
    interrupted: bool,
    /// One of them did not fit.
    cut: bool,
    last: Option<Answer>,
}

impl Answers {
    /// Those to a request, and the flags to send it with.
    fn to(request: &Request, is_last: bool) -> (Self, u16) {
        const ACK: u16 = libc::NLM_F_ACK as u16;
        const ECHO: u16 = libc::NLM_F_ECHO as u16;
        // A bit of NLM_F_DUMP alone means other things.
        const DUMP: u16 = libc::NLM_F_DUMP as u16;
        let flags = request.flags();
        let is_dump = flags & DUMP == DUMP;
        let expected = Self {
            awaited: is_last || is_dump,
            single: is_last && !is_dump && flags & ACK == 0,
            echoes: flags & ECHO != 0,
            ..Self::default()
        };
        (expected, if is_last { flags } else { flags & !ACK })
    }

    /// Acknowledgements fit, and nothing but questions has longer answers. An echo that did not fit is as good as none.
    fn must_be_asked_again(&self) -> bool {
        let was_answered = self.last.as_ref().is_none_or(|(errno, _)| *errno == 0);
        self.cut && was_answered && !self.echoes
    }

    fn into_result(self) -> Result<(), Failure> {
        let is_missing = self.must_be_asked_again();
        match self.last.unwrap_or_default() {
            (0, _) if self.interrupted => Err(Failure::of(libc::EINTR)),
            (0, _) if is_missing => Err(Failure::of(libc::EMSGSIZE)),
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

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use linkspan_nft::Query;
    use linkspan_testkit::sandbox;
    use rustix::io::Errno;
    use rustix::net::netlink::{self, SocketAddrNetlink};
    use rustix::net::{
        AddressFamily, Protocol, SendFlags, SocketType, connect_unspec, getsockname, sendto, socket,
    };
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    /// Sends as anybody with CAP_NET_ADMIN in the namespace can, to a port or to a group.
    fn forge(protocol: Option<Protocol>, to: SocketAddrNetlink, bytes: &[u8]) -> Result<(), Errno> {
        let forger = socket(AddressFamily::NETLINK, SocketType::RAW, protocol)?;
        sendto(&forger, bytes, SendFlags::empty(), &to).map(|_| ())
    }

    fn address(socket: &Socket) -> SocketAddrNetlink {
        getsockname(socket).unwrap().try_into().unwrap()
    }

    /// A request that this protocol's part of the kernel answers with one message and an acknowledgement.
    fn question(protocol: Option<Protocol>) -> Request {
        let mut request = match protocol {
            Some(_) => Query::generation().request().clone(),
            None => {
                let mut request = Request::new(libc::RTM_GETLINK, libc::NLM_F_REQUEST as u16);
                request.header(&[0; 16]).string(libc::IFLA_IFNAME, "lo");
                request
            }
        };
        request.add_flags(libc::NLM_F_ACK as u16);
        request
    }

    /// What a forger sends: another answer, then a refusal.
    fn forged_answers(sequence: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut answer = Request::new(libc::RTM_NEWLINK, 0);
        answer.header(&[0; 16]).string(libc::IFLA_IFNAME, "forged");
        answer.append_to(&mut bytes, sequence);
        let mut refusal = Request::new(libc::NLMSG_ERROR as u16, 0);
        refusal.header(&(-libc::EEXIST).to_ne_bytes());
        refusal.header(&[0; HEADER_LEN]);
        refusal.append_to(&mut bytes, sequence);
        bytes
    }

    #[test]
    fn nobody_but_the_kernel_answers() {
        sandbox(|_| {
            for protocol in [None, Some(netlink::NETFILTER)] {
                let socket = Socket::open(protocol).unwrap();
                let forged = forged_answers(0);
                let refused = forge(protocol, address(&socket), &forged);
                assert_eq!(refused, Err(Errno::CONNREFUSED));

                // As long as it has a port and is not connected yet, anything may come in.
                connect_unspec(&socket).unwrap();
                let next = socket.reserve(1).wrapping_add(1);
                for sequence in (0..20).map(|later| next.wrapping_add(later)) {
                    forge(protocol, address(&socket), &forged_answers(sequence)).unwrap();
                }
                for _ in 0..2 {
                    let mut answers = Vec::new();
                    let take = |_, message: &Message<'_>| answers.push(message.payload.to_vec());
                    let outcomes = socket.exchange(&[question(protocol)], take).unwrap();
                    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
                    assert_eq!(answers.len(), 1);
                    let is_forged = answers[0].windows(6).any(|bytes| bytes == b"forged");
                    assert!(!is_forged, "{answers:?}");
                }
            }
        });
    }

    #[test]
    fn what_others_have_sent_is_not_received_in_any_way() {
        sandbox(|_| {
            let link_events = 1;
            let socket = Socket::listen(link_events).unwrap();
            let timed_out = |outcome: io::Result<Datagram>| {
                let error = outcome.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT), "{error}");
            };
            let group = SocketAddrNetlink::new(0, link_events);
            for _ in 0..3 {
                forge(None, group, &forged_answers(0)).unwrap();
            }
            timed_out(socket.receive_queued());
            forge(None, group, &forged_answers(0)).unwrap();
            timed_out(socket.receive_before(Instant::now() + SOON));
        });
    }

    /// `nfnetlink_rcv` looks at the rights once for each datagram.
    #[test]
    fn a_datagram_that_is_refused_as_a_whole_is_answered_for_all() {
        sandbox(|_| {
            let outcomes = thread::spawn(|| {
                let socket = Socket::open(netlink::NETFILTER).unwrap();
                let mut own = capabilities(None).unwrap();
                own.effective.remove(CapabilitySet::NET_ADMIN);
                set_capabilities(None, own).unwrap();
                let begun = Instant::now();
                let requests = vec![question(Some(netlink::NETFILTER)); 40];
                let outcomes = socket.exchange(&requests, |_, _| ()).unwrap();
                assert!(begun.elapsed() < Duration::from_secs(10));
                outcomes
            });
            let outcomes = outcomes.join().unwrap();
            assert_eq!(outcomes.len(), 40);
            for outcome in outcomes {
                assert_eq!(outcome.unwrap_err().errno, libc::EPERM);
            }
        });
    }
}
