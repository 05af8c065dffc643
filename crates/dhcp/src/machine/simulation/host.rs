//! A client and the interface that it works for, and what must be true of both after each event.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::chance::Chance;
use crate::machine::{Action, Change, Client, Event, Lease, Settings, Start, Term, Time};
use crate::message::Kind;

/// Until when which address was given, by the last ACK that a server has sent: for the client of this number.
pub(super) type Grants = HashMap<(usize, Ipv4Addr), u64>;

pub(super) struct Host {
    pub(super) number: usize,
    pub(super) settings: Settings,
    pub(super) client: Client,
    /// The daemon does nothing until then.
    pub(super) asleep: u64,
    /// Whether a socket is open.
    listening: bool,
    /// How many messages may be sent in a minute.
    most: usize,
    /// Whether the client may still fail.
    may_fail: bool,
    sent: VecDeque<u64>,
    chance: Chance,
}

pub(super) fn time(milliseconds: u64) -> Time {
    Time(Duration::from_millis(milliseconds))
}

impl Host {
    pub(super) fn new(number: usize, most: usize, chance: &mut Chance) -> Self {
        let settings = Settings {
            client_id: format!("\0c{number}/net/eth0").into_bytes(),
            hardware: [2, 0, 0, 0, 0, number as u8],
            requested: vec![1, 3],
            provided: vec![],
            broadcast: false,
            longest_message: 1472,
            timeout: Duration::from_secs([1, 5, 10][chance.below(3) as usize]),
            resend_max: Duration::from_secs([4, 62][chance.below(2) as usize]),
            give_up: Duration::from_secs([20, 208][chance.below(2) as usize]),
        };
        Self {
            number,
            client: Client::new(settings.clone(), Start::Discover, time(0)),
            settings,
            asleep: 0,
            listening: false,
            most,
            may_fail: true,
            sent: VecDeque::new(),
            chance: Chance(u64::from(chance.next())),
        }
    }

    /// The daemon starts anew, with what it has on disk or finds on the interface.
    pub(super) fn restart(&mut self, now: u64, knows_times: bool) {
        let stored = self
            .client
            .lease()
            .map(|lease| serde_json::to_string(lease).unwrap());
        let lease = stored.map(|text| serde_json::from_str::<Lease>(&text).unwrap());
        let start = match lease {
            None => Start::Discover,
            Some(lease) if knows_times => Start::Reboot(Box::new(lease)),
            Some(lease) => Start::Reboot(Box::new(Lease::adopted(lease.address, lease.parameters))),
        };
        self.may_fail = start == Start::Discover;
        self.listening = false;
        self.sent.clear();
        self.client = Client::new(self.settings.clone(), start, time(now));
    }

    /// The address that the interface has.
    pub(super) fn address(&self) -> Option<Ipv4Addr> {
        Some(self.client.lease()?.address.addr())
    }

    /// When the daemon does something by itself.
    pub(super) fn wakes(&self) -> Option<u64> {
        let at = self.client.wake_at()?;
        // A timer that fires is never early.
        Some((at.0.as_nanos().div_ceil(1_000_000) as u64).max(self.asleep))
    }

    pub(super) fn tell(&mut self, now: u64, event: Event<'_>, grants: &Grants) -> Vec<Action> {
        let held = self.client.lease().cloned();
        let chance = &mut self.chance;
        let actions = self.client.handle(time(now), event, &mut || chance.next());
        let at = self.client.wake_at();
        assert!(
            at.is_none_or(|at| at > time(now)),
            "nothing has moved: {:?}",
            self.client
        );
        self.check_actions(now, held, &actions);
        self.check_lease(now, grants);
        actions
    }

    /// What is done in which order.
    fn check_actions(&mut self, now: u64, mut held: Option<Lease>, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Listen => assert!(!std::mem::replace(&mut self.listening, true)),
                Action::Close => assert!(std::mem::replace(&mut self.listening, false)),
                Action::Send(outgoing) => {
                    let kind = outgoing.message.options.kind();
                    let answered = [Some(Kind::Discover), Some(Kind::Request)].contains(&kind);
                    assert!(self.listening || !answered, "{kind:?} without a socket");
                    self.sent.push_back(now);
                }
                Action::Bound { lease, change } => {
                    self.may_fail = false;
                    match change {
                        Change::New => assert_eq!(held, None),
                        Change::Changed { from } => assert_eq!(held.as_ref(), Some(&**from)),
                        Change::Kept => assert_eq!(held.as_ref(), Some(lease)),
                        Change::Renewed | Change::Confirmed => {
                            assert!(held.is_some_and(|held| !held.differs(lease)));
                        }
                    }
                    held = Some(lease.clone());
                }
                Action::Lost { lease, .. } => assert_eq!(held.take().as_ref(), Some(lease)),
                Action::Failed(_) => assert!(self.may_fail, "it once held an address"),
                Action::Done => held = None,
                Action::Probe(_) | Action::Ignored { .. } => {}
            }
        }
        assert_eq!(
            held.as_ref(),
            self.client.lease(),
            "what is held is what was told"
        );
        while self.sent.front().is_some_and(|at| at + 60_000 <= now) {
            self.sent.pop_front();
        }
        assert!(
            self.sent.len() <= self.most,
            "{} messages in a minute",
            self.sent.len()
        );
    }

    /// An address is used only as long as a server has given it.
    fn check_lease(&self, now: u64, grants: &Grants) {
        assert!(
            self.client.state() != "BOUND" || !self.listening,
            "a socket that nobody needs"
        );
        let Some(lease) = self.client.lease() else {
            return;
        };
        let given = grants.get(&(self.number, lease.address.addr()));
        let given = *given.expect("the address was never given");
        match lease.term {
            Term::Until {
                acquired,
                renew_at,
                rebind_at,
                expires_at,
            } => {
                assert!(
                    acquired < renew_at && renew_at < rebind_at && rebind_at < expires_at,
                    "{lease:?}"
                );
                assert!(
                    expires_at > time(now) && expires_at <= time(given),
                    "{lease:?}, given until {given}"
                );
            }
            Term::Forever => assert_eq!(given, u64::MAX),
            Term::Unknown => {}
        }
    }
}
