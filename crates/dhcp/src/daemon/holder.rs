//! One attachment's lease: the client that holds it, and the sockets that are open while it speaks.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use linkspan_kernel::netns::Netns;
use linkspan_kernel::packet::{BROADCAST, PacketSocket, Packets};

use super::closer::Closer;
use super::container::{Container, There};
use super::frame;
use super::journal::log;
use super::wish::Wish;
use crate::machine::{Client, Destination, Lease, Outgoing, Time};
use crate::message::{CLIENT_PORT, Kind, Message};
use crate::rpc::Method;

/// How often an address is probed, and how far apart. Whoever has it is on the same link and answers in less than a
/// millisecond, unless it sleeps; nobody is to wait for a container longer than needed (RFC 5227 would take seven seconds).
const PROBES: u32 = 3;
const PROBE_EVERY: Duration = Duration::from_millis(10);

/// Packets that are read in one go, so that a flood for one container does not keep all others waiting.
const AT_ONCE: usize = 16;

/// How far apart what others can cause is logged.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How far apart a lease is given back that could not be, at first and at most.
const FIRST_AGAIN: Duration = Duration::from_secs(1);
const LAST_AGAIN: Duration = Duration::from_secs(60);

/// A lease, or one that is to be.
#[derive(Debug)]
pub(super) struct Holder {
    /// For which attachment, and with which options.
    pub(super) wish: Wish,
    /// Where its interface is.
    pub(super) container: Container,
    /// The client.
    pub(super) client: Client,
    /// Who waits for its first lease.
    pub(super) waiting: Vec<Waiting>,
    /// A plugin was told of its lease once: what is new from then on is for the daemon to put into effect.
    pub(super) is_told: bool,
    /// Its container is gone: what is still to be sent goes by the host's side.
    pub(super) is_orphan: bool,
    /// Nothing is sent before.
    pub(super) not_before: Time,
    /// Whether the link was up when it was looked at last.
    pub(super) carries_traffic: bool,
    /// What must not be used any more and could not be taken from the interface yet.
    pub(super) stale: Option<Lease>,
    /// What was held when it was to be given back.
    pub(super) last: Option<Lease>,
    /// What was to be sent to give it back, and could not be.
    pub(super) unsent: Option<Outgoing>,
    /// It is sent again until it can be.
    pub(super) leaving: Option<Leaving>,
    /// What others can cause is not logged before.
    quiet_until: Time,
    /// While answers are awaited.
    exchange: Option<PacketSocket>,
    probing: Option<Probing>,
}

/// A plugin that waits for an answer.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// The connection's number.
    pub(super) peer: u64,
    /// The request's.
    pub(super) seq: u64,
    /// What was asked.
    pub(super) method: Method,
}

/// A lease that is still to be given back.
#[derive(Debug)]
pub(super) struct Leaving {
    outgoing: Outgoing,
    /// When the server takes it back by itself.
    until: Option<Time>,
    next: Time,
    delay: Duration,
}

/// What has come of giving a lease back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It is not time to try again.
    NotYet,
    /// It was sent.
    Sent,
    /// It has ended by itself.
    Ended,
}

impl Leaving {
    /// One that could not be given back just now.
    pub(super) fn new(outgoing: Outgoing, lease: &Lease, now: Time) -> Self {
        Self {
            outgoing,
            until: lease.expires_at(),
            next: now + FIRST_AGAIN,
            delay: FIRST_AGAIN,
        }
    }
}

#[derive(Debug)]
struct Probing {
    socket: PacketSocket,
    address: Ipv4Addr,
    sent: u32,
    next: Time,
}

/// Something that came from the network.
#[derive(Debug)]
pub(super) enum Came {
    /// A message.
    Message {
        /// What is in it.
        bytes: Vec<u8>,
        /// The source of the packet.
        from: Ipv4Addr,
        /// The source of the frame.
        from_mac: [u8; 6],
    },
    /// The outcome of a probe.
    Probed {
        /// The address.
        address: Ipv4Addr,
        /// Who has it.
        in_use: Option<[u8; 6]>,
    },
}

impl Holder {
    /// One that has sent nothing yet.
    pub(super) fn new(wish: Wish, container: Container, client: Client) -> Self {
        Self {
            wish,
            container,
            client,
            waiting: Vec::new(),
            is_told: false,
            is_orphan: false,
            not_before: Time::default(),
            carries_traffic: true,
            stale: None,
            last: None,
            unsent: None,
            leaving: None,
            quiet_until: Time::default(),
            exchange: None,
            probing: None,
        }
    }

    /// Logs what others can cause as often as they like, once in a while.
    pub(super) fn complain(&mut self, why: &str, now: Time) {
        if now >= self.quiet_until {
            self.quiet_until = now + LOG_EVERY;
            log(&format!("{}: {why}", self.wish));
        }
    }

    /// When it has something to do by itself.
    pub(super) fn wake_at(&self) -> Option<Time> {
        let client = self.client.wake_at().map(|at| at.max(self.not_before));
        let probing = self.probing.as_ref().map(|probing| probing.next);
        let leaving = self.leaving.as_ref().map(|leaving| leaving.next);
        client.into_iter().chain(probing).chain(leaving).min()
    }

    /// The sockets from which something may come.
    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let probing = self.probing.as_ref().map(|probing| probing.socket.as_fd());
        let exchange = self.exchange.as_ref().map(AsFd::as_fd);
        exchange.into_iter().chain(probing)
    }

    /// Opens what answers come to.
    ///
    /// # Errors
    /// When the container cannot be reached, in words.
    pub(super) fn listen(&mut self) -> Result<(), String> {
        if self.exchange.is_none() {
            self.exchange = Some(self.open(Packets::Udp(CLIENT_PORT))?);
        }
        Ok(())
    }

    /// Closes it.
    pub(super) fn close(&mut self, closer: &Closer) {
        closer.close(self.exchange.take());
    }

    /// Closes all that is open.
    pub(super) fn close_all(&mut self, closer: &Closer) {
        closer.close(self.exchange.take());
        closer.close(self.probing.take().map(|probing| probing.socket));
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When it cannot be sent, in words.
    pub(super) fn send(&mut self, outgoing: &Outgoing, closer: &Closer) -> Result<(), String> {
        let bytes = outgoing.message.to_bytes();
        let (packet, to) = match outgoing.to {
            Destination::Broadcast => {
                let packet = frame::datagram(outgoing.message.ciaddr, Ipv4Addr::BROADCAST, &bytes);
                (packet, BROADCAST)
            }
            Destination::Unicast { from, to, mac } => {
                (frame::datagram(from, to, &bytes), mac.unwrap_or(BROADCAST))
            }
        };
        if self.is_orphan {
            return self.container.send_from_host(to, &packet, closer);
        }
        if is_answered(&outgoing.message) {
            // Where it could not be opened before it may be by now.
            self.listen()?;
        }
        if let Some(exchange) = &self.exchange {
            return exchange
                .send(to, &packet)
                .map_err(|error| error.to_string());
        }
        let sent = self.open(Packets::Udp(CLIENT_PORT)).and_then(|socket| {
            let sent = socket.send(to, &packet).map_err(|error| error.to_string());
            closer.close(Some(socket));
            sent
        });
        // What is only given back may come from elsewhere.
        sent.or_else(|_| self.container.send_from_host(to, &packet, closer))
    }

    /// Gives back what could not be given back before, if it is time for that.
    pub(super) fn leave(&mut self, now: Time, closer: &Closer) -> Left {
        let Some(mut leaving) = self.leaving.take_if(|leaving| leaving.next <= now) else {
            return Left::NotYet;
        };
        if self.send(&leaving.outgoing, closer).is_ok() {
            return Left::Sent;
        }
        if leaving.until.is_some_and(|until| until <= now) {
            return Left::Ended;
        }
        leaving.delay = (leaving.delay * 2).min(LAST_AGAIN);
        leaving.next = now + leaving.delay;
        self.leaving = Some(leaving);
        Left::NotYet
    }

    /// Begins to probe an address.
    ///
    /// # Errors
    /// When the container cannot be reached, in words.
    pub(super) fn probe(&mut self, address: Ipv4Addr, now: Time) -> Result<(), String> {
        self.probing = Some(Probing {
            socket: self.open(Packets::Arp)?,
            address,
            sent: 0,
            next: now,
        });
        Ok(())
    }

    /// What has come, and what is due of a probe.
    ///
    /// # Errors
    /// That the sockets do not work any more, in words.
    pub(super) fn take(&mut self, now: Time, closer: &Closer) -> Result<Vec<Came>, String> {
        let mut came = Vec::new();
        if let Some(exchange) = &self.exchange {
            for _ in 0..AT_ONCE {
                let Some(packet) = exchange.receive().map_err(|error| error.to_string())? else {
                    break;
                };
                if let Some(datagram) = frame::parse(&packet.bytes) {
                    came.push(Came::Message {
                        bytes: datagram.message.to_vec(),
                        from: datagram.from,
                        from_mac: packet.from,
                    });
                }
            }
        }
        if let Some(verdict) = self.go_on_probing(now)? {
            closer.close(self.probing.take().map(|probing| probing.socket));
            came.push(verdict);
        }
        Ok(came)
    }

    fn go_on_probing(&mut self, now: Time) -> Result<Option<Came>, String> {
        let Some(probing) = &mut self.probing else {
            return Ok(None);
        };
        let (mac, address) = (self.container.mac, probing.address);
        for _ in 0..AT_ONCE {
            let received = probing.socket.receive();
            let Some(packet) = received.map_err(|error| error.to_string())? else {
                break;
            };
            if let Some(rival) = frame::rival(&packet.bytes, mac, address) {
                return Ok(Some(Came::Probed {
                    address,
                    in_use: Some(rival),
                }));
            }
        }
        if now < probing.next {
            return Ok(None);
        }
        if probing.sent == PROBES {
            return Ok(Some(Came::Probed {
                address,
                in_use: None,
            }));
        }
        // One that cannot be sent counts as well: the link may be off for good.
        probing.sent += 1;
        probing.next = now + PROBE_EVERY;
        let sent = probing.socket.send(BROADCAST, &frame::probe(mac, address));
        sent.map(|()| None).map_err(|error| error.to_string())
    }

    /// Ends a probe, should there be one: nobody waits for its outcome any more.
    pub(super) fn end_probe(&mut self, closer: &Closer) {
        closer.close(self.probing.take().map(|probing| probing.socket));
    }

    fn open(&self, packets: Packets) -> Result<PacketSocket, String> {
        let netns = self.netns()?;
        PacketSocket::open_in(&netns, self.container.link, packets)
            .map_err(|error| error.to_string())
    }

    /// The container's namespace.
    ///
    /// # Errors
    /// When it cannot be entered, in words.
    pub(super) fn netns(&self) -> Result<Netns, String> {
        match self.container.look() {
            There::Yes(netns) => Ok(netns),
            There::Gone => Err("its network namespace is gone".to_owned()),
            There::Unseen(why) => Err(why),
        }
    }
}

/// Whether a server says something to it.
fn is_answered(message: &Message) -> bool {
    !matches!(message.options.kind(), Some(Kind::Release | Kind::Decline))
}
