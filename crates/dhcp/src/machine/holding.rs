//! From BOUND on: renewing, rebinding, the end of a lease; and the lease of before a reboot.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::action::{Action, Change, Destination, Loss, Refused};
use super::asking::REQUESTS;
use super::client::{Client, Search, State, Turn};
use super::lease::{Lease, Term};
use super::pace;
use super::request::Subject;
use crate::message::Message;

/// How long a server that gave the lease has for contradicting another server's refusal.
const CONTRADICTION: Duration = Duration::from_secs(2);

impl Lease {
    pub(super) fn subject(&self) -> Subject {
        Subject {
            address: self.address.addr(),
            server: self.server,
            mac: self.server_mac,
        }
    }
}

impl Subject {
    /// Its server, where that is known.
    fn destination(&self) -> Destination {
        match self.server {
            None => Destination::Broadcast,
            Some(server) => Destination::Unicast {
                from: self.address,
                to: server,
                mac: self.mac,
            },
        }
    }
}

impl Client {
    /// BOUND, until T1.
    pub(super) fn rest(&mut self) {
        self.listening = None;
        let next = match self.lease.as_ref().map(|lease| lease.term) {
            Some(Term::Until { renew_at, .. }) => Some(renew_at),
            _ => None,
        };
        self.go(State::Bound, next);
    }

    /// REBOOTING: asks whether the lease of before holds. Without an answer it does until its end.
    pub(super) fn reboot(&mut self, turn: &mut Turn<'_>) {
        let Some(lease) = self.lease.clone() else {
            return self.search_anew(None, turn);
        };
        if self.tries < REQUESTS {
            let head = self.head(turn);
            let message = self.settings.reboot(head, lease.address.addr());
            self.ask(message, Destination::Broadcast, turn);
            self.next = Some(turn.now + self.delay(self.tries, turn));
            return;
        }
        self.rest();
        if lease.term == Term::Unknown {
            self.go(State::Rebinding, Some(turn.now));
            self.tries = REQUESTS;
        }
        let change = Change::Kept;
        turn.actions.push(Action::Bound { lease, change });
    }

    /// RENEWING, and from T2 on REBINDING: asks for more time.
    pub(super) fn extend(&mut self, turn: &mut Turn<'_>) {
        let Some(lease) = &self.lease else {
            return self.search_anew(None, turn);
        };
        let subject = lease.subject();
        let (rebinding, term) = match lease.term {
            Term::Forever => return self.rest(),
            Term::Unknown => (true, None),
            Term::Until {
                acquired,
                rebind_at,
                expires_at,
                ..
            } => {
                let rebinding = turn.now >= rebind_at;
                let limit = if rebinding { expires_at } else { rebind_at };
                (rebinding, Some((limit, expires_at - acquired)))
            }
        };
        if !matches!(self.state, State::Renewing | State::Rebinding) {
            self.began = turn.now;
        }
        let (state, to) = match rebinding {
            false => (State::Renewing, subject.destination()),
            true => (State::Rebinding, Destination::Broadcast),
        };
        self.state = state;
        let head = self.head(turn);
        let message = self.settings.extend(head, subject.address);
        self.ask(message, to, turn);
        let next = match term {
            None => turn.now + self.delay(self.tries, turn),
            Some((limit, duration)) => limit.min(turn.now + pace::half(limit - turn.now, duration)),
        };
        self.next = Some(next.max(turn.now + pace::LEAST));
    }

    /// A NAK. In REQUESTING and RENEWING one server is asked, and others have nothing to say.
    pub(super) fn refuse(&mut self, nak: &Message, from: Ipv4Addr, turn: &mut Turn<'_>) {
        let server = nak.options.server_id();
        let mut refused = Refused {
            server: server.unwrap_or(from),
            address: Ipv4Addr::UNSPECIFIED,
            text: nak.options.text(),
        };
        if let State::Requesting(offer) = &self.state {
            refused.address = offer.address;
            return self.offer_refused(refused, turn);
        }
        let Some(lease) = &self.lease else {
            return;
        };
        refused.address = lease.address.addr();
        if lease.server.is_some() && server == lease.server {
            return self.refused(refused, turn);
        }
        if matches!(self.state, State::Renewing) && !self.is_asked(nak) {
            return;
        }
        self.refusal = Some(refused);
        self.next = self.next.map(|next| next.min(turn.now + CONTRADICTION));
    }

    /// A refusal that counts.
    pub(super) fn refused(&mut self, refused: Refused, turn: &mut Turn<'_>) {
        self.lose(Loss::Refused(refused), turn);
        self.search_anew(None, turn);
    }

    /// Whether the lease has come to its end. What is being probed at that time may take its place.
    pub(super) fn expire(&mut self, turn: &mut Turn<'_>) {
        let Some(lease) = &self.lease else {
            return;
        };
        if !lease.is_over(turn.now) {
            return;
        }
        let address = lease.address.addr();
        self.lose(Loss::Expired, turn);
        if !matches!(self.state, State::Probing(_)) {
            self.search_anew(Some(address), turn);
        }
    }

    fn lose(&mut self, loss: Loss, turn: &mut Turn<'_>) {
        if let Some(lease) = self.lease.take() {
            turn.actions.push(Action::Lost { lease, loss });
        }
    }

    /// INIT, at once, and without ever giving up.
    fn search_anew(&mut self, wanted: Option<Ipv4Addr>, turn: &mut Turn<'_>) {
        self.listening = None;
        self.began = turn.now;
        self.search = Search {
            wanted,
            ..Search::default()
        };
        self.go(State::Init, Some(turn.now));
    }

    /// The end, on request.
    pub(super) fn release(&mut self, turn: &mut Turn<'_>) {
        self.give_back(turn);
        turn.actions.push(Action::Done);
    }

    /// Gives back what is held, and what a server has given or may have given just now; ends.
    pub(super) fn give_back(&mut self, turn: &mut Turn<'_>) {
        let given = match &self.state {
            State::Requesting(offer) => Some(*offer),
            State::Probing(lease) => Some(lease.subject()),
            _ => None,
        };
        let held = self.lease.take().map(|lease| lease.subject());
        for subject in given.into_iter().chain(held) {
            let xid = (turn.random)();
            turn.send(self.settings.release(xid, subject), subject.destination());
        }
        self.listening = None;
        self.go(State::Ended, None);
    }
}
