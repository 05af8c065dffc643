//! One exchange after another, played by hand.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::*;
use crate::message::options::*;
use crate::message::{Kind, Message, Op};

const HARDWARE: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 50);

fn settings() -> Settings {
    Settings {
        client_id: b"\0c1/net/eth0".to_vec(),
        hardware: HARDWARE,
        requested: vec![SUBNET_MASK, ROUTERS],
        provided: vec![(12, b"web".to_vec())],
        broadcast: false,
        longest_message: 1472,
        timeout: Duration::from_secs(10),
        resend_max: Duration::from_secs(62),
        give_up: Duration::from_secs(208),
    }
}

/// A client and a clock. Chance is always in the middle.
struct Lab {
    client: Client,
    now: Time,
}

impl Lab {
    fn new(start: Start) -> Self {
        let now = Time(Duration::from_secs(1000));
        Self {
            client: Client::new(settings(), start, now),
            now,
        }
    }

    fn tell(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut xid = 0x7fff_fff0;
        let mut random = || {
            xid += 1;
            xid
        };
        let actions = self.client.handle(self.now, event, &mut random);
        assert!(
            self.client.wake_at().is_none_or(|at| at > self.now),
            "{:?}",
            self.client
        );
        actions
    }

    fn receive(&mut self, message: &Message) -> Vec<Action> {
        self.tell(Event::Received {
            message,
            from: SERVER,
            from_mac: SERVER_MAC,
        })
    }
}

fn answer(kind: Kind, to: &Message) -> Message {
    let mut message = Message::request(kind, to.xid, to.chaddr);
    message.op = Op::Reply;
    message.yiaddr = ADDRESS;
    message.options.set(SERVER_ID, &SERVER.octets());
    message.options.set(SUBNET_MASK, &[255, 255, 255, 0]);
    message.options.set(ROUTERS, &SERVER.octets());
    message.options.set(LEASE_TIME, &3600_u32.to_be_bytes());
    message
}

fn sent(actions: &[Action]) -> Vec<Message> {
    let message = |action: &Action| match action {
        Action::Send(outgoing) => Some(outgoing.message.clone()),
        _ => None,
    };
    actions.iter().filter_map(message).collect()
}

#[test]
fn an_address_is_asked_for_probed_and_held() {
    let mut lab = Lab::new(Start::Discover);
    let actions = lab.tell(Event::Wake);
    assert_eq!(actions[0], Action::Listen);
    let discover = &sent(&actions)[0];
    assert_eq!(discover.options.kind(), Some(Kind::Discover));
    let request = &sent(&lab.receive(&answer(Kind::Offer, discover)))[0];
    assert_eq!(request.options.kind(), Some(Kind::Request));
    let actions = lab.receive(&answer(Kind::Ack, request));
    assert_eq!(actions, [Action::Probe(ADDRESS), Action::Close]);
    let actions = lab.tell(Event::Probed {
        address: ADDRESS,
        in_use: None,
    });
    let [
        Action::Bound {
            lease,
            change: Change::New,
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(lease.address.to_string(), "10.0.0.50/24");
    assert_eq!(lab.client.lease(), Some(lease));
}
