//! A server, as RFC 2131 has it (4.3), without I/O and without a clock too.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::chance::Chance;
use crate::message::options::{
    CLIENT_ID, LEASE_TIME, REBINDING_TIME, RENEWAL_TIME, REQUESTED_ADDRESS, SERVER_ID, SUBNET_MASK,
};
use crate::message::{Kind, Message, Op};

/// For how long an offer is kept for whoever got it, in milliseconds, and for how long nobody gets what was declined.
const OFFERED: u64 = 20_000;
const DECLINED: u64 = 300_000;

/// Until when an address is whose, by client identifier.
type Given = HashMap<Vec<u8>, (Ipv4Addr, u64)>;

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) id: Ipv4Addr,
    pub(super) mac: [u8; 6],
    /// The third octet of the pool's subnet, the size of the pool, and how long its leases are in seconds.
    pub(super) subnet: u8,
    pub(super) size: u8,
    pub(super) seconds: u32,
    /// What it says of T1 and T2, which need not make sense.
    pub(super) times: Option<(u32, u32)>,
    /// Refuses what it knows nothing of. Others are silent then.
    pub(super) authoritative: bool,
    pub(super) up: bool,
    pub(super) leases: Given,
    offers: Given,
    declined: HashMap<Ipv4Addr, u64>,
}

impl Server {
    pub(super) fn new(number: u8, chance: &mut Chance) -> Self {
        let seconds =
            [4, 10, 30, 60, 60, 60, 60, 120, 120, 120, 120, u32::MAX][chance.below(12) as usize];
        let some = seconds.min(1000);
        let times = chance
            .often(30)
            .then(|| (chance.below(some), chance.below(some)));
        Self {
            id: Ipv4Addr::new(10, 0, 0, number),
            mac: [2, 0, 0, 1, 0, number],
            subnet: number * 10,
            size: 1 + chance.below(6) as u8,
            seconds,
            times,
            authoritative: chance.often(50),
            up: true,
            leases: HashMap::new(),
            offers: HashMap::new(),
            declined: HashMap::new(),
        }
    }

    /// Loses what it knew, as with a lost lease file.
    pub(super) fn forget(&mut self) {
        self.leases.clear();
        self.offers.clear();
        self.declined.clear();
    }

    /// Who has a lease of it at this time.
    pub(super) fn holders(&self, now: u64) -> impl Iterator<Item = (&[u8], Ipv4Addr)> {
        let alive = self.leases.iter().filter(move |(_, (_, end))| *end > now);
        alive.map(|(client, (address, _))| (client.as_slice(), *address))
    }

    /// What it answers to a message.
    pub(super) fn answer(&mut self, message: &Message, now: u64) -> Option<Message> {
        let client = message.options.get(CLIENT_ID)?.to_vec();
        match message.options.kind()? {
            Kind::Discover => self.offer(message, client, now),
            Kind::Request => self.request(message, client, now),
            Kind::Release if message.options.server_id() == Some(self.id) => {
                if self
                    .leases
                    .get(&client)
                    .is_some_and(|(address, _)| *address == message.ciaddr)
                {
                    self.leases.remove(&client);
                }
                None
            }
            Kind::Decline if message.options.server_id() == Some(self.id) => {
                self.declined.insert(requested(message)?, now + DECLINED);
                self.leases.remove(&client);
                None
            }
            _ => None,
        }
    }

    fn offer(&mut self, message: &Message, client: Vec<u8>, now: u64) -> Option<Message> {
        let known = [self.leases.get(&client), self.offers.get(&client)];
        let known = known.into_iter().flatten().map(|(address, _)| *address);
        let pool = (1..=self.size).map(|host| Ipv4Addr::new(10, 0, self.subnet, host));
        let all = known.chain(requested(message)).chain(pool);
        let address = all
            .into_iter()
            .find(|address| self.may_have(&client, *address, now))?;
        self.offers.insert(client, (address, now + OFFERED));
        Some(self.reply(Kind::Offer, message, address))
    }

    fn request(&mut self, message: &Message, client: Vec<u8>, now: u64) -> Option<Message> {
        let address = requested(message).unwrap_or(message.ciaddr);
        let chosen = message.options.server_id();
        if chosen.is_some_and(|id| id != self.id) {
            self.offers.remove(&client);
            return None;
        }
        let known = self
            .leases
            .get(&client)
            .is_some_and(|(held, _)| *held == address);
        if !(known || chosen.is_some() || self.authoritative) {
            return None;
        }
        if !self.may_have(&client, address, now) {
            return Some(self.reply(Kind::Nak, message, Ipv4Addr::UNSPECIFIED));
        }
        self.offers.remove(&client);
        let end = match self.seconds {
            u32::MAX => u64::MAX,
            seconds => now + u64::from(seconds) * 1000,
        };
        self.leases.insert(client, (address, end));
        Some(self.reply(Kind::Ack, message, address))
    }

    /// Whether an address is of the pool and nobody else's.
    fn may_have(&self, client: &[u8], address: Ipv4Addr, now: u64) -> bool {
        let [a, b, subnet, host] = address.octets();
        let others = |given: &Given| {
            given
                .iter()
                .any(|(other, (held, end))| other != client && *held == address && *end > now)
        };
        (a, b, subnet) == (10, 0, self.subnet)
            && (1..=self.size).contains(&host)
            && !others(&self.leases)
            && !others(&self.offers)
            && self.declined.get(&address).is_none_or(|end| *end <= now)
    }

    fn reply(&self, kind: Kind, to: &Message, address: Ipv4Addr) -> Message {
        let mut message = Message::request(kind, to.xid, to.chaddr);
        message.op = Op::Reply;
        message.yiaddr = address;
        let options = &mut message.options;
        options.set(SERVER_ID, &self.id.octets());
        if kind != Kind::Nak {
            options.set(SUBNET_MASK, &[255, 255, 255, 0]);
            options.set(LEASE_TIME, &self.seconds.to_be_bytes());
            if let Some((t1, t2)) = self.times {
                options.set(RENEWAL_TIME, &t1.to_be_bytes());
                options.set(REBINDING_TIME, &t2.to_be_bytes());
            }
        }
        message
    }
}

fn requested(message: &Message) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = message.options.get(REQUESTED_ADDRESS)?.try_into().ok()?;
    Some(octets.into())
}
