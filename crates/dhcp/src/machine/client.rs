//! The client: its states, and what each event does in them.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::action::{
    Action, Destination, Event, Failure, Outgoing, Random, Refused, Settings, Start,
};
use super::lease::Lease;
use super::pace;
use super::request::{Head, Subject};
use super::time::Time;
use crate::message::{Kind, Message, Op};

/// How many steps one call takes at most. Two do (a lease that has expired is one, DISCOVER the next).
const STEPS: usize = 4;

/// One interface's client.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) settings: Settings,
    pub(super) state: State,
    /// What is held: the address may be used.
    pub(super) lease: Option<Lease>,
    /// When the state's next step is due.
    pub(super) next: Option<Time>,
    /// Until when answers to `xid` are awaited.
    pub(super) listening: Option<Time>,
    pub(super) xid: u32,
    /// When the first REQUEST with `xid` was sent.
    pub(super) asked: Time,
    /// How often the same was sent in this state.
    pub(super) tries: u32,
    /// When something was sent last that is answered.
    sent: Option<Time>,
    /// When the last event was.
    latest: Time,
    /// When the asking began, and for how long it had lasted at the last DISCOVER; the REQUEST that follows says the same
    /// (RFC 2131, 4.4.1).
    pub(super) began: Time,
    secs: u16,
    pub(super) search: Search,
    /// The refusal of a server that is not ours: it counts if ours is silent.
    pub(super) refusal: Option<Refused>,
}

/// RFC 2131's states (4.4), and `Probing` between REQUESTING and BOUND.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Waits until it may ask.
    Init,
    Selecting,
    Requesting(Subject),
    Probing(Box<Lease>),
    Rebooting,
    Bound,
    Renewing,
    Rebinding,
    Ended,
}

/// What has been met since an address is looked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    /// When to give up: the first time only.
    pub(super) give_up: Option<Time>,
    /// The address that the client would like to have again.
    pub(super) wanted: Option<Ipv4Addr>,
    /// How many DISCOVERs were sent.
    pub(super) sent: u32,
    /// The same since a link came up, for the back-off.
    pub(super) tries: u32,
    /// How many answers could not be used.
    pub(super) unusable: u32,
    /// How many addresses were declined.
    pub(super) declined: u32,
    /// What to say of it in the end.
    pub(super) trouble: Option<Failure>,
}

/// One call of [`Client::handle`].
pub(super) struct Turn<'a> {
    pub(super) now: Time,
    pub(super) random: Random<'a>,
    pub(super) actions: Vec<Action>,
}

impl Client {
    /// A client that has sent nothing yet: its [`wake_at`](Self::wake_at) is `now`.
    #[must_use]
    pub fn new(settings: Settings, start: Start, now: Time) -> Self {
        let (state, lease, give_up) = match start {
            Start::Discover => (State::Init, None, Some(now + settings.give_up)),
            Start::Reboot(lease) => (State::Rebooting, Some(*lease), None),
        };
        Self {
            settings,
            state,
            lease,
            next: Some(now),
            listening: None,
            xid: 0,
            asked: now,
            tries: 0,
            sent: None,
            latest: now,
            began: now,
            secs: 0,
            search: Search {
                give_up,
                ..Search::default()
            },
            refusal: None,
        }
    }

    /// What is held, if anything.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The name of the state, as in RFC 2131.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Init => "INIT",
            State::Selecting => "SELECTING",
            State::Requesting(_) => "REQUESTING",
            State::Probing(_) => "PROBING",
            State::Rebooting => "REBOOTING",
            State::Bound => "BOUND",
            State::Renewing => "RENEWING",
            State::Rebinding => "REBINDING",
            State::Ended => "ENDED",
        }
    }

    /// When [`handle`](Self::handle) is to be called with [`Event::Wake`] at the latest; `None` when nothing happens by
    /// itself. After a call it is later than that call's `now`.
    #[must_use]
    pub fn wake_at(&self) -> Option<Time> {
        let expires = self.lease.as_ref().and_then(Lease::expires_at);
        [self.next, self.listening, self.gives_up_at(), expires]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes up what happened, and what is due; gives what to do, in order. A `now` before that of an earlier call counts as
    /// that one.
    pub fn handle(&mut self, now: Time, event: Event<'_>, random: Random<'_>) -> Vec<Action> {
        let listened = self.listening.is_some();
        let now = self.latest.max(now);
        self.latest = now;
        let mut turn = Turn {
            now,
            random,
            actions: Vec::new(),
        };
        self.expire(&mut turn);
        self.take_up(event, &mut turn);
        for _ in 0..STEPS {
            if self.wake_at().is_none_or(|at| at > now) {
                break;
            }
            self.step(&mut turn);
        }
        let ends = matches!(turn.actions.last(), Some(Action::Done | Action::Failed(_)));
        match (listened, self.listening.is_some()) {
            (false, true) => turn.actions.insert(0, Action::Listen),
            (true, false) => turn
                .actions
                .insert(turn.actions.len() - usize::from(ends), Action::Close),
            _ => {}
        }
        turn.actions
    }

    fn take_up(&mut self, event: Event<'_>, turn: &mut Turn<'_>) {
        match event {
            Event::Wake => {}
            Event::Received {
                message,
                from,
                from_mac,
            } => self.receive(message, from, from_mac, turn),
            Event::Malformed(why) => {
                if self.listening.is_some() {
                    self.unusable(&why.to_string());
                }
            }
            Event::LinkUp => self.link_up(turn.now),
            Event::Probed { address, in_use } => self.probed(address, in_use, turn),
            Event::Release => self.release(turn),
        }
    }

    /// Whatever is due first.
    fn step(&mut self, turn: &mut Turn<'_>) {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= turn.now);
        if due(self.listening) {
            self.listening = None;
        }
        if due(self.gives_up_at()) {
            return self.fail(turn);
        }
        if !due(self.next) {
            return self.expire(turn);
        }
        if let Some(refused) = self.refusal.take() {
            return self.refused(refused, turn);
        }
        match self.state {
            State::Init | State::Selecting => self.discover(turn),
            State::Requesting(offer) => self.select(offer, turn),
            State::Probing(_) => self.unprobed(turn),
            State::Rebooting => self.reboot(turn),
            State::Bound | State::Renewing | State::Rebinding => self.extend(turn),
            State::Ended => self.next = None,
        }
    }

    /// A message, if it is an answer to what was asked: by xid, hardware address and client identifier, which newer
    /// servers repeat (RFC 6842).
    fn receive(&mut self, message: &Message, from: Ipv4Addr, mac: [u8; 6], turn: &mut Turn<'_>) {
        let identifier = message.options.get(crate::message::options::CLIENT_ID);
        let ours = message.op == Op::Reply
            && self.listening.is_some()
            && message.xid == self.xid
            && message.chaddr == self.settings.hardware
            && identifier.is_none_or(|identifier| identifier == self.settings.identifier());
        let Some(kind) = message.options.kind().filter(|_| ours) else {
            return;
        };
        let holding = matches!(
            self.state,
            State::Rebooting | State::Renewing | State::Rebinding
        );
        match (kind, &self.state) {
            (Kind::Offer, State::Selecting) => self.offered(message, from, mac, turn),
            (Kind::Ack, State::Requesting(_)) if self.is_asked(message) => {
                self.accept(message, from, mac, turn)
            }
            (Kind::Nak, State::Requesting(_)) if self.is_asked(message) => {
                self.refuse(message, from, turn)
            }
            (Kind::Ack, State::Renewing) if !self.is_asked(message) => {}
            (Kind::Ack, _) if holding => self.accept(message, from, mac, turn),
            (Kind::Nak, _) if holding => self.refuse(message, from, turn),
            _ => {}
        }
    }

    /// Whether a message is from the server that was asked; one that does not say who it is may be.
    pub(super) fn is_asked(&self, message: &Message) -> bool {
        let asked = match &self.state {
            State::Requesting(offer) => offer.server,
            _ => self.lease.as_ref().and_then(|lease| lease.server),
        };
        let says = message.options.server_id();
        asked.is_none() || says.is_none() || says == asked
    }

    /// Whoever waits for the next try has a reason to try again.
    fn link_up(&mut self, now: Time) {
        let waits = !matches!(self.state, State::Bound | State::Probing(_) | State::Ended);
        if waits {
            self.tries = 0;
            self.search.tries = 0;
            let soon = self.sent.map_or(now, |sent| sent + pace::LEAST).max(now);
            self.next = self.next.map(|next| next.min(soon));
        }
    }

    /// Sends what is answered, and listens.
    pub(super) fn ask(&mut self, message: Message, to: Destination, turn: &mut Turn<'_>) {
        self.listening = Some(turn.now + self.settings.timeout);
        self.sent = Some(turn.now);
        self.tries = self.tries.saturating_add(1);
        turn.send(message, to);
    }

    /// The head of a REQUEST: the number of what is being asked, or, where answers were no longer awaited, a new one.
    pub(super) fn head(&mut self, turn: &mut Turn<'_>) -> Head {
        if self.listening.is_none() {
            self.xid = (turn.random)();
            self.asked = turn.now;
        }
        if !matches!(self.state, State::Requesting(_)) {
            self.secs = u16::try_from((turn.now - self.began).as_secs()).unwrap_or(u16::MAX);
        }
        Head {
            xid: self.xid,
            secs: self.secs,
        }
    }

    /// Goes to another state, and on from there at `next`.
    pub(super) fn go(&mut self, state: State, next: Option<Time>) {
        self.state = state;
        self.next = next;
        self.tries = 0;
        self.refusal = None;
    }

    fn gives_up_at(&self) -> Option<Time> {
        let asks = matches!(
            self.state,
            State::Init | State::Selecting | State::Requesting(_)
        );
        self.search.give_up.filter(|_| asks)
    }

    pub(super) fn delay(&self, tries: u32, turn: &mut Turn<'_>) -> Duration {
        pace::resend(tries, self.settings.resend_max, turn.random)
    }
}

impl Turn<'_> {
    pub(super) fn send(&mut self, message: Message, to: Destination) {
        self.actions.push(Action::Send(Outgoing { message, to }));
    }
}
