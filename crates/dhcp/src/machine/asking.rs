//! From INIT to BOUND: DISCOVER, OFFER, REQUEST, ACK, and a look whether the address is free.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::action::{Action, Change, Destination, Failure, Refused};
use super::client::{Client, State, Turn};
use super::lease::{self, Lease, Unusable};
use super::request::Subject;
use crate::message::{Message, is_unicast};

/// How often a REQUEST is sent before another server is looked for.
pub(super) const REQUESTS: u32 = 4;

/// How long the answer to a probe may take.
const PROBE: Duration = Duration::from_secs(3);

/// How many addresses that are in use are declined before it is done slowly, and how slowly (RFC 2131, 3.1). RFC 5227 bears
/// with ten (2.1.1).
const QUICK_DECLINES: u32 = 3;
const SLOWLY: Duration = Duration::from_secs(10);

impl Client {
    /// INIT: asks every server.
    pub(super) fn discover(&mut self, turn: &mut Turn<'_>) {
        if !matches!(self.state, State::Selecting) {
            self.go(State::Selecting, None);
            self.listening = None;
        }
        self.search.sent = self.search.sent.saturating_add(1);
        self.search.tries = self.search.tries.saturating_add(1);
        let head = self.head(turn);
        let message = self.settings.discover(head, self.search.wanted);
        self.ask(message, Destination::Broadcast, turn);
        self.next = Some(turn.now + self.delay(self.search.tries, turn));
    }

    /// SELECTING: the first offer of an address is taken. The mask may be missing here: what counts is the ACK's.
    pub(super) fn offered(
        &mut self,
        offer: &Message,
        from: Ipv4Addr,
        mac: [u8; 6],
        turn: &mut Turn<'_>,
    ) {
        let read = || {
            let address = lease::address(offer)?;
            // One that does not say who it is: by RFC 2131 (table 3) it must, and it is asked all the same.
            let server = offer.options.server_id().unwrap_or(from);
            Ok(Subject {
                address,
                server: Some(server).filter(is_unicast),
                mac: Some(mac),
            })
        };
        match read() {
            Err(why) => self.ignore(from, why, turn),
            Ok(offer) => {
                self.go(State::Requesting(offer), None);
                self.asked = turn.now;
                self.select(offer, turn);
            }
        }
    }

    /// REQUESTING: asks for what was offered; after a few times without an answer the search begins anew.
    pub(super) fn select(&mut self, offer: Subject, turn: &mut Turn<'_>) {
        if self.tries >= REQUESTS {
            // One that answers what cannot be used is not silent.
            let answers = matches!(self.search.trouble, Some(Failure::Unusable { .. }));
            if let Some(server) = offer.server.filter(|_| !answers) {
                let address = offer.address;
                self.search.trouble = Some(Failure::NotAcknowledged { server, address });
            }
            return self.search_later(turn);
        }
        let head = self.head(turn);
        let message = self.settings.select(head, offer);
        self.ask(message, Destination::Broadcast, turn);
        self.next = Some(turn.now + self.delay(self.tries, turn));
    }

    /// An ACK: of the address that is held, or of another one, which is probed first.
    pub(super) fn accept(
        &mut self,
        ack: &Message,
        from: Ipv4Addr,
        mac: [u8; 6],
        turn: &mut Turn<'_>,
    ) {
        let lease = match Lease::from_ack(ack, mac, self.asked, self.lease.as_ref(), turn.random) {
            Ok(lease) => lease,
            Err(why) => return self.ignore(from, why, turn),
        };
        self.listening = None;
        // So late that its time is over, counted from the first REQUEST with this number: the next has another.
        if lease.is_over(turn.now) {
            return;
        }
        match &self.lease {
            Some(old) if old.address.addr() == lease.address.addr() => self.bind(lease, turn),
            _ => self.probe(lease, turn),
        }
    }

    /// Asks whether somebody has the address already.
    fn probe(&mut self, lease: Lease, turn: &mut Turn<'_>) {
        turn.actions.push(Action::Probe(lease.address.addr()));
        self.go(State::Probing(Box::new(lease)), Some(turn.now + PROBE));
    }

    /// No answer to a probe: nobody is asked for ever. But whoever slept meanwhile could not hear one, and looks again.
    pub(super) fn unprobed(&mut self, turn: &mut Turn<'_>) {
        let slept = self.next.is_some_and(|next| turn.now - next > PROBE);
        match &self.state {
            State::Probing(lease) if slept && !lease.is_over(turn.now) => {
                self.probe((**lease).clone(), turn)
            }
            _ => self.take(turn),
        }
    }

    /// The answer to a probe.
    pub(super) fn probed(
        &mut self,
        address: Ipv4Addr,
        in_use: Option<[u8; 6]>,
        turn: &mut Turn<'_>,
    ) {
        let State::Probing(lease) = &self.state else {
            return;
        };
        if lease.address.addr() != address {
            return;
        }
        match in_use {
            None => self.take(turn),
            Some(by) => {
                let subject = lease.subject();
                self.decline(subject, by, turn);
            }
        }
    }

    /// Nobody has the address, as far as anybody knows.
    pub(super) fn take(&mut self, turn: &mut Turn<'_>) {
        if let State::Probing(lease) = std::mem::replace(&mut self.state, State::Init) {
            if lease.is_over(turn.now) {
                return self.search_later(turn);
            }
            self.bind(*lease, turn);
        }
    }

    fn decline(&mut self, subject: Subject, by: [u8; 6], turn: &mut Turn<'_>) {
        let xid = (turn.random)();
        turn.send(self.settings.decline(xid, subject), Destination::Broadcast);
        self.search.declined = self.search.declined.saturating_add(1);
        self.search.wanted = None;
        let address = subject.address;
        self.search.trouble = Some(Failure::InUse { address, by });
        if self.lease.is_some() {
            return self.go(State::Rebinding, Some(turn.now + SLOWLY));
        }
        let pause = if self.search.declined < QUICK_DECLINES {
            Duration::ZERO
        } else {
            SLOWLY
        };
        self.go(State::Init, Some(turn.now + pause));
    }

    /// A NAK for what was offered.
    pub(super) fn offer_refused(&mut self, refused: Refused, turn: &mut Turn<'_>) {
        self.search.trouble = Some(Failure::Refused(refused));
        self.search.wanted = None;
        self.search_later(turn);
    }

    /// INIT after a failure, with the back-off of before.
    fn search_later(&mut self, turn: &mut Turn<'_>) {
        self.listening = None;
        let delay = self.delay(self.search.tries, turn);
        self.go(State::Init, Some(turn.now + delay));
    }

    /// An answer that is of no use.
    fn ignore(&mut self, from: Ipv4Addr, why: Unusable, turn: &mut Turn<'_>) {
        self.unusable(&why.to_string());
        turn.actions.push(Action::Ignored { from, why });
    }

    /// Remembers what was wrong with an answer, for whoever is told that nothing came of it.
    pub(super) fn unusable(&mut self, why: &str) {
        self.search.unusable = self.search.unusable.saturating_add(1);
        if matches!(self.search.trouble, None | Some(Failure::Unusable { .. })) {
            self.search.trouble = Some(Failure::Unusable {
                count: self.search.unusable,
                why: why.to_owned(),
            });
        }
    }

    /// The end of the first acquisition. What a server may have given meanwhile goes back.
    pub(super) fn fail(&mut self, turn: &mut Turn<'_>) {
        let failure = self.search.trouble.take().unwrap_or(Failure::NoAnswer {
            sent: self.search.sent,
            waited: turn.now - self.began,
        });
        self.give_back(turn);
        turn.actions.push(Action::Failed(failure));
    }

    /// BOUND.
    fn bind(&mut self, lease: Lease, turn: &mut Turn<'_>) {
        let change = match &self.lease {
            None => Change::New,
            Some(old) if old.differs(&lease) => Change::Changed {
                from: Box::new(old.clone()),
            },
            Some(_) if matches!(self.state, State::Rebooting) => Change::Confirmed,
            Some(_) => Change::Renewed,
        };
        self.search = super::client::Search::default();
        self.lease = Some(lease.clone());
        self.rest();
        turn.actions.push(Action::Bound { lease, change });
    }
}
