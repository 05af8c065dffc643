//! One exchange after another, played by hand.

mod asking;
mod holding;
mod rebooting;
mod terms;

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::message::options::*;
use crate::message::{Kind, Message, Op, Options};

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const OTHER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);
const SOMEBODY: [u8; 6] = [2, 0, 0, 0, 0, 9];
const HOUR: u32 = 3600;

/// When every client here begins.
const BEGIN: Time = Time(Duration::from_secs(1000));

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn settings() -> Settings {
    Settings {
        client_id: b"\0c1/net/eth0".to_vec(),
        hardware: HARDWARE,
        requested: vec![SUBNET_MASK, ROUTERS],
        provided: vec![(12, b"web".to_vec())],
        broadcast: false,
        longest_message: 1472,
        timeout: seconds(10),
        resend_max: seconds(62),
        give_up: seconds(208),
    }
}

/// A client and a clock. Chance is always in the middle, but for message numbers.
struct Lab {
    client: Client,
    now: Time,
    chance: u32,
    /// What was sent, when and where to; the last one last.
    sent: Vec<(Time, Message, Destination)>,
}

impl Lab {
    fn new(start: Start) -> Self {
        Self::with(settings(), start)
    }

    fn with(settings: Settings, start: Start) -> Self {
        let client = Client::new(settings, start, BEGIN);
        assert_eq!(client.wake_at(), Some(BEGIN));
        Self {
            client,
            now: BEGIN,
            chance: u32::MAX / 2,
            sent: Vec::new(),
        }
    }

    /// Bound for an hour.
    fn bound() -> Self {
        let mut lab = Self::new(Start::Discover);
        lab.tell(Event::Wake);
        lab.give(|_| {});
        assert_eq!(lab.client.state(), "BOUND");
        lab
    }

    /// Offer, ACK and a free address, with changes in offer and ACK.
    fn give(&mut self, change: impl Fn(&mut Message)) -> Vec<Action> {
        self.answer(Kind::Offer, &change);
        self.answer(Kind::Ack, &change);
        self.tell(Event::Probed {
            address: ADDRESS,
            in_use: None,
        })
    }

    fn tell(&mut self, event: Event<'_>) -> Vec<Action> {
        let chance = &mut self.chance;
        let mut random = || {
            *chance += 1;
            *chance
        };
        let actions = self.client.handle(self.now, event, &mut random);
        let wake = self.client.wake_at();
        assert!(wake.is_none_or(|at| at > self.now), "{:?}", self.client);
        for action in &actions {
            if let Action::Send(Outgoing { message, to }) = action {
                self.sent.push((self.now, message.clone(), *to));
            }
        }
        actions
    }

    fn receive(&mut self, message: &Message) -> Vec<Action> {
        self.tell(Event::Received {
            message,
            from: SERVER,
            from_mac: SERVER_MAC,
        })
    }

    /// An answer to what was sent last.
    fn answer(&mut self, kind: Kind, change: impl Fn(&mut Message)) -> Vec<Action> {
        let mut message = answer(kind, self.last());
        change(&mut message);
        self.receive(&message)
    }

    fn last(&self) -> &Message {
        &self.sent.last().unwrap().1
    }

    /// Lets time pass up to a point, with all that is due until then; gives what was to be done.
    fn until(&mut self, end: Time) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(at) = self.client.wake_at().filter(|at| *at <= end) {
            self.now = at;
            actions.extend(self.tell(Event::Wake));
        }
        self.now = end;
        actions
    }

    fn after(&mut self, duration: Duration) -> Vec<Action> {
        self.until(self.now + duration)
    }

    /// Goes to the next point at which something is due.
    fn wake(&mut self) -> Vec<Action> {
        self.now = self.client.wake_at().unwrap();
        self.tell(Event::Wake)
    }

    /// What of a kind was sent: after how many whole seconds from the beginning.
    fn times(&self, kind: Kind) -> Vec<u64> {
        let of_kind = self
            .sent
            .iter()
            .filter(|(_, message, _)| message.options.kind() == Some(kind));
        of_kind
            .map(|(at, ..)| (*at - BEGIN).as_secs_f64().round() as u64)
            .collect()
    }
}

/// What is done to an answer before it is sent.
type Alter = fn(&mut Message);

/// A server's answer, which an interface can be configured from.
fn answer(kind: Kind, to: &Message) -> Message {
    let mut message = Message::request(kind, to.xid, to.chaddr);
    message.op = Op::Reply;
    if kind != Kind::Nak {
        message.yiaddr = ADDRESS;
        message.options.set(SUBNET_MASK, &[255, 255, 255, 0]);
        message.options.set(ROUTERS, &SERVER.octets());
        message.options.set(LEASE_TIME, &HOUR.to_be_bytes());
    }
    message.options.set(SERVER_ID, &SERVER.octets());
    message
}

/// Codes and bytes of all options.
fn options(message: &Message) -> Vec<(u8, &[u8])> {
    message.options.iter().collect()
}

fn lost(actions: &[Action]) -> Option<&Loss> {
    actions.iter().find_map(|action| match action {
        Action::Lost { loss, .. } => Some(loss),
        _ => None,
    })
}

fn change(actions: &[Action]) -> Option<&Change> {
    actions.iter().find_map(|action| match action {
        Action::Bound { change, .. } => Some(change),
        _ => None,
    })
}

fn failure(actions: &[Action]) -> Option<String> {
    actions.iter().find_map(|action| match action {
        Action::Failed(failure) => Some(failure.to_string()),
        _ => None,
    })
}

fn renewal(lab: &Lab) -> (&Message, Destination) {
    let (_, message, to) = lab.sent.last().unwrap();
    (message, *to)
}

/// A lab in this state, with the lease of an hour of [`Lab::bound`].
fn in_state(state: &str) -> Lab {
    let mut lab = Lab::bound();
    match state {
        "BOUND" => {}
        "RENEWING" => drop(lab.wake()),
        "REBINDING" => {
            let Term::Until { rebind_at, .. } = lab.client.lease().unwrap().term else {
                unreachable!()
            };
            lab.until(rebind_at);
        }
        "REBOOTING" => {
            lab.client = Client::new(
                settings(),
                Start::Reboot(Box::new(lab.client.lease().unwrap().clone())),
                lab.now,
            );
            lab.tell(Event::Wake);
        }
        _ => unreachable!(),
    }
    assert_eq!(lab.client.state(), state);
    lab
}
