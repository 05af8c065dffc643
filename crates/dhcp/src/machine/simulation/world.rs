//! The network, and what happens to those on it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;

use super::chance::Chance;
use super::host::{Grants, Host};
use super::server::Server;
use crate::machine::{Action, Destination, Event, Outgoing, Term};
use crate::message::options::{CLIENT_ID, KIND};
use crate::message::{Kind, MalformedMessage, Message, Op};

/// How long the bad times are, how soon after them each client has an address, and how long it takes until all that was
/// given before is over (the longest lease); in milliseconds.
const TROUBLE: u64 = 300_000;
const SOON: u64 = 100_000;
const OVER: u64 = 200_000;

/// How many messages a client sends in a minute: with leases of seconds, or of a minute and more.
const MOST: usize = 70;
const MOST_OF_LONG: usize = 40;

/// Something that happens at a time.
#[derive(Debug, Clone)]
enum What {
    ToHost(usize, Message, Ipv4Addr, [u8; 6]),
    ToServers(Message, Destination),
    Probed(usize, Ipv4Addr),
    Garbage(usize),
    Hostile(usize),
    LinkUp(usize),
    Sleep(usize, u64),
    Restart(usize, bool),
    Server(usize, bool),
    Forget(usize),
    Move(usize),
    Stranger(Ipv4Addr),
}

pub(super) struct World {
    chance: Chance,
    now: u64,
    queue: BTreeMap<(u64, u64), What>,
    /// How many things were ever put into the queue: the order of those at the same time.
    count: u64,
    hosts: Vec<Host>,
    servers: Vec<Server>,
    grants: Grants,
    /// Addresses that somebody has who asked nobody.
    strangers: HashSet<Ipv4Addr>,
    /// How many of a hundred packets are lost, come twice, and come late; without any the network keeps their order.
    faults: (u32, u32, u32),
    /// What was answered, for those who send it again.
    heard: Vec<Message>,
    tells: bool,
}

impl World {
    pub(super) fn new(seed: u64, tells: bool) -> Self {
        let mut chance = Chance(seed);
        let servers: Vec<_> = (1..=1 + chance.below(2) as u8)
            .map(|number| Server::new(number, &mut chance))
            .collect();
        let short = servers
            .iter()
            .any(|server| server.seconds < 60 || server.times.is_some());
        let most = if short { MOST } else { MOST_OF_LONG };
        let hosts = (0..1 + chance.below(2) as usize)
            .map(|number| Host::new(number, most, &mut chance))
            .collect();
        let faults = (chance.below(60), chance.below(30), chance.below(20));
        let mut world = Self {
            chance,
            now: 0,
            queue: BTreeMap::new(),
            count: 0,
            hosts,
            servers,
            grants: HashMap::new(),
            strangers: HashSet::new(),
            faults,
            heard: Vec::new(),
            tells,
        };
        for _ in 0..world.chance.below(25) {
            let at = u64::from(world.chance.below(TROUBLE as u32));
            let what = world.trouble(at);
            world.put(at, what);
        }
        world
    }

    /// The bad times, the good ones, and the end.
    pub(super) fn play(mut self) {
        self.run(TROUBLE);
        self.calm();
        self.run(TROUBLE + SOON);
        for host in &self.hosts {
            assert!(
                host.client.lease().is_some(),
                "no address yet: {:?}",
                host.client
            );
        }
        self.run(TROUBLE + OVER);
        let forever = self.servers.iter().any(|server| server.seconds == u32::MAX);
        for host in &self.hosts {
            let lease = host.client.lease().expect("nothing has happened any more");
            assert!(lease.term != Term::Unknown, "nobody was asked");
            let given = self.given(host);
            assert!(
                forever || given == [lease.address.addr()],
                "{given:?}, {lease:?}"
            );
        }
        for number in 0..self.hosts.len() {
            let actions = self.tell(number, Event::Release);
            assert_eq!(actions.last(), Some(&Action::Done));
            assert_eq!(self.hosts[number].client.wake_at(), None);
        }
        self.run(TROUBLE + OVER + 5000);
        for host in &self.hosts {
            assert!(
                forever || self.given(host).is_empty(),
                "given back to nobody: {:?}",
                self.given(host)
            );
        }
    }

    /// What servers have noted down as this client's.
    fn given(&self, host: &Host) -> Vec<Ipv4Addr> {
        let all = self
            .servers
            .iter()
            .flat_map(|server| server.holders(self.now));
        all.filter(|(client, _)| *client == host.settings.client_id)
            .map(|(_, address)| address)
            .collect()
    }

    /// Something bad; what ends it again is put into the queue.
    fn trouble(&mut self, at: u64) -> What {
        let host = self.chance.below(self.hosts.len() as u32) as usize;
        let server = self.chance.below(self.servers.len() as u32) as usize;
        let span = u64::from(self.chance.below(200_000));
        match self.chance.below(10) {
            0 => What::LinkUp(host),
            1 => What::Sleep(host, at + span),
            2 => What::Restart(host, true),
            3 => What::Restart(host, false),
            4 => {
                self.put(at + span, What::Server(server, true));
                What::Server(server, false)
            }
            5 => What::Forget(server),
            6 => What::Move(server),
            7 => What::Stranger(Ipv4Addr::new(
                10,
                0,
                self.servers[server].subnet,
                1 + self.chance.below(3) as u8,
            )),
            8 => What::Garbage(host),
            _ => What::Hostile(host),
        }
    }

    /// From now on nothing is lost, and each server has room and answers everybody.
    fn calm(&mut self) {
        self.faults = (0, 0, 0);
        self.strangers.clear();
        self.queue
            .retain(|_, what| matches!(what, What::Probed(..) | What::Restart(..)));
        for server in &mut self.servers {
            server.up = true;
            server.authoritative = true;
            server.size = 20;
        }
        for host in &mut self.hosts {
            host.asleep = 0;
        }
    }

    fn put(&mut self, at: u64, what: What) {
        self.count += 1;
        self.queue.insert((at, self.count), what);
    }

    /// Lets everything happen that is due until a point in time.
    fn run(&mut self, end: u64) {
        loop {
            let wakes = self
                .hosts
                .iter()
                .filter_map(|host| Some((host.wakes()?, host.number)))
                .min();
            let next = self.queue.first_key_value().map(|((at, _), _)| *at);
            match (wakes, next) {
                (Some((at, number)), next) if at <= end && next.is_none_or(|next| at <= next) => {
                    self.now = self.now.max(at);
                    self.tell(number, Event::Wake);
                }
                (_, Some(at)) if at <= end => {
                    self.now = self.now.max(at);
                    if let Some((_, what)) = self.queue.pop_first() {
                        self.happen(what);
                    }
                }
                _ => break,
            }
            self.check_addresses();
        }
        self.now = end;
    }

    fn happen(&mut self, what: What) {
        if self.tells {
            println!("{:>8} {what:?}", self.now);
        }
        match what {
            What::ToHost(number, message, from, from_mac) => {
                self.tell(
                    number,
                    Event::Received {
                        message: &message,
                        from,
                        from_mac,
                    },
                );
            }
            What::ToServers(message, to) => self.ask_servers(&message, to),
            What::Probed(number, address) => {
                let other = |host: &&Host| host.number != number && host.address() == Some(address);
                let other = self
                    .hosts
                    .iter()
                    .find(other)
                    .map(|host| host.settings.hardware);
                let in_use = other.or(self
                    .strangers
                    .contains(&address)
                    .then_some([2, 0, 0, 9, 9, 9]));
                self.tell(number, Event::Probed { address, in_use });
            }
            What::Garbage(number) => {
                drop(self.tell(number, Event::Malformed(MalformedMessage::Cookie)))
            }
            What::Hostile(number) => self.hostile(number),
            What::LinkUp(number) => drop(self.tell(number, Event::LinkUp)),
            What::Sleep(number, until) => self.hosts[number].asleep = until,
            What::Restart(number, knows_times) => self.hosts[number].restart(self.now, knows_times),
            What::Server(number, up) => self.servers[number].up = up,
            What::Forget(number) => self.servers[number].forget(),
            What::Move(number) => {
                self.servers[number].subnet += 1;
                self.servers[number].forget();
            }
            What::Stranger(address) => {
                // Somebody who takes what is in use is another story.
                if self
                    .hosts
                    .iter()
                    .all(|host| host.address() != Some(address))
                {
                    self.strangers.insert(address);
                }
            }
        }
    }

    /// Tells a client something, unless its daemon sleeps, and does what it says.
    fn tell(&mut self, number: usize, event: Event<'_>) -> Vec<Action> {
        if self.hosts[number].asleep > self.now {
            return Vec::new();
        }
        let actions = self.hosts[number].tell(self.now, event, &self.grants);
        if self.tells {
            println!(
                "{:>8} {number} {} {actions:?}",
                self.now,
                self.hosts[number].client.state()
            );
        }
        for action in &actions {
            match action {
                Action::Send(Outgoing { message, to }) => {
                    self.carry(What::ToServers(message.clone(), *to));
                }
                Action::Probe(address) => self.put(self.now + 250, What::Probed(number, *address)),
                // Whoever wants the container tries again.
                Action::Failed(_) => self.put(self.now + 5000, What::Restart(number, true)),
                _ => {}
            }
        }
        actions
    }

    /// Sends a packet through the network.
    fn carry(&mut self, what: What) {
        let (lost, twice, late) = self.faults;
        for _ in 0..1 + u32::from(self.chance.often(twice)) {
            if self.chance.often(lost) {
                continue;
            }
            let delay = match (self.faults, self.chance.often(late)) {
                ((0, 0, 0), _) => 100,
                (_, false) => 1 + self.chance.below(300),
                (_, true) => 1 + self.chance.below(30_000),
            };
            self.put(self.now + u64::from(delay), what.clone());
        }
    }

    fn ask_servers(&mut self, message: &Message, to: Destination) {
        for number in 0..self.servers.len() {
            let server = &mut self.servers[number];
            let reached = match to {
                Destination::Broadcast => true,
                Destination::Unicast { to, .. } => to == server.id,
            };
            if !server.up || !reached {
                continue;
            }
            let Some(reply) = server.answer(message, self.now) else {
                continue;
            };
            let client = message.options.get(CLIENT_ID).unwrap_or_default().to_vec();
            let (from, mac) = (server.id, server.mac);
            let Some(host) = self
                .hosts
                .iter()
                .position(|host| host.settings.client_id == client)
            else {
                continue;
            };
            if reply.options.kind() == Some(Kind::Ack) {
                let (address, end) = server.leases[&client];
                self.grants.insert((host, address), end);
            }
            self.heard.push(reply.clone());
            self.carry(What::ToHost(host, reply, from, mac));
        }
    }

    /// What others say: to somebody else, to what was asked long ago, or making things up without having heard the question.
    fn hostile(&mut self, number: usize) {
        let Some(mut message) = self
            .heard
            .get(self.chance.below(self.heard.len() as u32) as usize)
            .cloned()
        else {
            return;
        };
        match self.chance.below(5) {
            0 => {}
            1 => message.xid ^= 1 << self.chance.below(32),
            2 => message.op = Op::Request,
            3 => message.chaddr[5] ^= 0x80,
            _ => message.options.set(CLIENT_ID, b"\0somebody else"),
        }
        if !self.heard.contains(&message) {
            let kinds = [Kind::Offer, Kind::Ack, Kind::Nak, Kind::Request];
            message
                .options
                .set(KIND, &[kinds[self.chance.below(4) as usize] as u8]);
            message.yiaddr = Ipv4Addr::new(10, 66, 66, 66);
        }
        let from = Ipv4Addr::new(10, 66, 66, 1);
        self.put(
            self.now,
            What::ToHost(number, message, from, [2, 6, 6, 6, 6, 6]),
        );
    }

    /// No two have the same address.
    fn check_addresses(&self) {
        for (number, host) in self.hosts.iter().enumerate() {
            let address = host.address();
            let twice = address.is_some()
                && self.hosts[..number]
                    .iter()
                    .any(|other| other.address() == address);
            assert!(!twice, "{address:?} is used by two");
        }
    }
}
