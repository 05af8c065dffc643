//! All leases: what plugins, servers, the kernel and time do to them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use linkspan_kernel::link_events::LinkEvent;
use linkspan_kernel::rtnl::Rtnl;
use linkspan_spec::PluginConfig;

use super::closer::Closer;
use super::container::{Container, There};
use super::flags::Flags;
use super::holder::{Came, Holder, Waiting};
use super::journal::{log, named};
use super::store::Store;
use super::wish::Wish;
use super::{adopt, answer};
use crate::machine::{Client, Event, Lease, Start, Time};
use crate::message::Message;
use crate::rpc::CmdArgs;
use crate::rpc::server::Answer;

/// How far apart leases are confirmed when a daemon takes up many at once, so that no server is flooded.
const APART: Duration = Duration::from_millis(5);

/// Why there is nothing to keep a lease for.
const GONE: &str = "its network namespace is gone";

/// What is told to who waits for a lease that somebody else has given back.
pub(super) const MEANWHILE: &str = "the lease was given back meanwhile";

/// An answer for a plugin.
pub(super) type Answered = (Waiting, Result<Answer, String>);

/// All leases.
#[derive(Debug)]
pub(super) struct Keeper {
    flags: Flags,
    pub(super) store: Option<Store>,
    pub(super) closer: Closer,
    pub(super) holders: BTreeMap<String, Holder>,
    pub(super) answers: Vec<Answered>,
}

impl Keeper {
    /// One without leases.
    pub(super) fn new(flags: Flags, store: Option<Store>) -> Self {
        Self {
            flags,
            store,
            closer: Closer::new(),
            holders: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// Answers that have come up since the last call.
    pub(super) fn answers(&mut self) -> Vec<Answered> {
        std::mem::take(&mut self.answers)
    }

    /// The leases, with the names that [`came`](Self::came) knows them by.
    pub(super) fn holders(&self) -> impl Iterator<Item = (&String, &Holder)> {
        self.holders.iter()
    }

    /// The names of the leases that are so.
    fn keys(&self, is_so: impl Fn(&Holder) -> bool) -> Vec<String> {
        let found = self.holders.iter().filter(|(_, holder)| is_so(holder));
        found.map(|(key, _)| key.clone()).collect()
    }

    /// When something is to be done by itself.
    pub(super) fn wake_at(&self) -> Option<Time> {
        self.holders.values().filter_map(Holder::wake_at).min()
    }

    /// Goes on with what the daemon before kept, and with what the reference's daemon held for attachments of this host.
    pub(super) fn take_up(&mut self, now: Time) {
        let kept = match self.store.as_ref().map(Store::all) {
            Some(Ok(kept)) => kept,
            Some(Err(error)) => {
                log(&format!("cannot read the leases that were kept: {error}"));
                Vec::new()
            }
            None => Vec::new(),
        };
        for record in kept {
            match record {
                Ok(record) => {
                    let key = record.wish.to_string();
                    self.resume(record.wish, record.container, record.lease, now);
                    if record.is_leaving {
                        self.give_back(&key, now);
                    }
                }
                Err(why) => log(&format!("a lease that was kept is left alone: {why}")),
            }
        }
        for adopted in adopt::leases(&self.flags) {
            if !self.holders.contains_key(&adopted.wish.to_string()) {
                log(&format!(
                    "{}: taken over from another daemon: {}",
                    adopted.wish, adopted.lease.address
                ));
                self.resume(adopted.wish, adopted.container, adopted.lease, now);
            }
        }
    }

    /// Goes on with one lease, whose server is asked whether it still holds.
    fn resume(&mut self, wish: Wish, container: Container, lease: Lease, now: Time) {
        let key = wish.to_string();
        let settings = wish.settings(&container, &self.flags);
        let client = Client::new(settings, Start::Reboot(Box::new(lease)), now);
        let mut holder = Holder::new(wish, container, client);
        holder.is_told = true;
        holder.not_before = now + APART * u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
        self.holders.insert(key.clone(), holder);
        self.look_after(&key, now);
    }

    /// Gives an attachment its lease: the one that it has, or a new one, for which the plugin waits.
    pub(super) fn allocate(&mut self, arguments: &CmdArgs, waiting: Waiting, now: Time) {
        if let Err(error) = self.try_allocate(arguments, &waiting, now) {
            log(&format!("{}: {error}", named(arguments)));
            self.answers.push((waiting, Err(error)));
        }
    }

    fn try_allocate(
        &mut self,
        arguments: &CmdArgs,
        waiting: &Waiting,
        now: Time,
    ) -> Result<(), String> {
        let wish = Wish::read(arguments)?;
        let path = PathBuf::from(format!("{}{}", self.flags.host_prefix, arguments.netns));
        let is_own_meant = !arguments.netns_override.is_empty();
        let container = Container::find(&path, &wish.ifname, is_own_meant)?;
        container.switch_on()?;
        let key = wish.to_string();
        if let Some(holder) = self.holders.get_mut(&key)
            && holder.leaving.is_none()
        {
            let is_same_place = holder.container.identity == container.identity;
            if is_same_place && holder.container.link == container.link {
                match holder.client.lease() {
                    Some(lease) => {
                        let lease = answer::result(lease, holder.wish.priority);
                        self.answers
                            .push((waiting.clone(), Ok(Answer::Lease(lease))));
                    }
                    None if holder.is_told => {
                        return Err(format!(
                            "its lease was lost, and no DHCP server has given another one yet ({})",
                            holder.client.state()
                        ));
                    }
                    None => holder.waiting.push(waiting.clone()),
                }
                return Ok(());
            }
            if is_same_place && holder.container.has_link() {
                return Err(format!(
                    "{:?} is another link than the one that the lease is for, which is still there",
                    holder.wish.ifname
                ));
            }
        }
        // The server knows both by the same name, so what the one before had is given to this one.
        self.drop_holder(&key, "another container has taken its place");
        log(&format!("{key}: acquiring lease"));
        let client = Client::new(wish.settings(&container, &self.flags), Start::Discover, now);
        let mut holder = Holder::new(wish, container, client);
        holder.waiting.push(waiting.clone());
        self.holders.insert(key.clone(), holder);
        self.handle(&key, Event::Wake, now);
        Ok(())
    }

    /// Gives an attachment's lease back; there may be none.
    ///
    /// # Errors
    /// When the configuration cannot be read, in words.
    pub(super) fn release(&mut self, arguments: &CmdArgs, now: Time) -> Result<(), String> {
        let key = Wish::read(arguments)?.to_string();
        self.give_back(&key, now);
        Ok(())
    }

    /// Gives back every lease of a network whose attachment is not in use.
    ///
    /// # Errors
    /// When the configuration cannot be read, in words.
    pub(super) fn collect(&mut self, arguments: &CmdArgs, now: Time) -> Result<(), String> {
        let config =
            PluginConfig::parse(&arguments.stdin_data).map_err(|error| error.to_string())?;
        let network = config.name().map_err(|error| error.to_string())?;
        let valid = config
            .valid_attachments()
            .map_err(|error| error.to_string())?;
        let is_stale = |wish: &Wish| {
            let is_valid = valid
                .iter()
                .any(|one| one.container_id == wish.container_id && one.ifname == wish.ifname);
            wish.network == network.as_str() && !is_valid
        };
        for key in self.keys(|holder| is_stale(&holder.wish)) {
            log(&format!("{key}: not in use any more"));
            self.give_back(&key, now);
        }
        Ok(())
    }

    /// A plugin has gone, and nobody will take what it waited for.
    pub(super) fn abandon(&mut self, peer: u64, now: Time) {
        let mut abandoned = Vec::new();
        for (key, holder) in &mut self.holders {
            let before = holder.waiting.len();
            holder.waiting.retain(|waiting| waiting.peer != peer);
            if holder.waiting.is_empty() && before > 0 {
                abandoned.push(key.clone());
            }
        }
        for key in abandoned {
            log(&format!("{key}: the plugin that asked for a lease is gone"));
            self.give_back(&key, now);
        }
    }

    /// Ends: what is being asked for is nobody's, since no plugin will hear of it. What is held is on disk.
    pub(super) fn end(&mut self, now: Time) {
        for key in self.keys(|holder| !holder.is_told) {
            self.refuse(&key, "the daemon ends");
            self.give_back(&key, now);
        }
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Time) {
        let is_due = |holder: &Holder| holder.wake_at().is_some_and(|at| at <= now);
        for key in self.keys(is_due) {
            self.withdraw(&key);
            self.go_on_leaving(&key, now);
            self.came(&key, now);
            let is_due = |holder: &Holder| {
                let wake = holder.client.wake_at().map(|at| at.max(holder.not_before));
                wake.is_some_and(|at| at <= now)
            };
            if self.holders.get(&key).is_some_and(is_due) {
                self.handle(&key, Event::Wake, now);
            }
        }
    }

    /// Takes what has come for a lease.
    pub(super) fn came(&mut self, key: &str, now: Time) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        match holder.take(now, &self.closer) {
            Ok(came) => came.into_iter().for_each(|one| self.take(key, &one, now)),
            // A link that went off says so once; the socket works again when it is back.
            Err(why) => {
                holder.complain(&why, now);
                self.look_after(key, now);
            }
        }
    }

    fn take(&mut self, key: &str, came: &Came, now: Time) {
        match came {
            Came::Message {
                bytes,
                from,
                from_mac,
            } => match Message::parse(bytes) {
                Ok(message) => {
                    let event = Event::Received {
                        message: &message,
                        from: *from,
                        from_mac: *from_mac,
                    };
                    self.handle(key, event, now);
                }
                Err(malformed) => self.handle(key, Event::Malformed(malformed), now),
            },
            Came::Probed { address, in_use } => {
                let event = Event::Probed {
                    address: *address,
                    in_use: *in_use,
                };
                self.handle(key, event, now);
            }
        }
    }

    /// Takes what the kernel told.
    pub(super) fn heard(&mut self, events: &[LinkEvent], now: Time) {
        let concerns = |holder: &Holder| {
            let container = &holder.container;
            events.iter().any(|event| match event {
                LinkEvent::Link { netns, index } => {
                    *netns == container.number && *index == container.link
                }
                LinkEvent::NamespaceGone(_) => false,
                LinkEvent::Lost => true,
            })
        };
        let is_ended = |holder: &Holder| {
            let number = holder.container.number;
            let ended =
                number.is_some_and(|number| events.contains(&LinkEvent::NamespaceGone(number)));
            // A number that has ended may be another's by now, or was another's then.
            ended && !matches!(holder.container.look(), There::Yes(_))
        };
        for key in self.keys(concerns) {
            self.look_after(&key, now);
        }
        for key in self.keys(is_ended) {
            self.orphan(&key, GONE, now);
        }
    }

    /// Looks whether a lease's interface is still there, and whether it has come up.
    fn look_after(&mut self, key: &str, now: Time) {
        let Some(holder) = self.holders.get_mut(key) else {
            return;
        };
        let link = match holder.container.look() {
            There::Yes(netns) => {
                Rtnl::open_in(&netns).and_then(|rtnl| rtnl.link_at(holder.container.link))
            }
            There::Gone => return self.orphan(key, GONE, now),
            There::Unseen(why) => return log(&format!("{key}: {why}")),
        };
        match link {
            Ok(link) => {
                let came_up = link.carries_traffic() && !holder.carries_traffic;
                holder.carries_traffic = link.carries_traffic();
                if came_up && now >= holder.not_before {
                    self.handle(key, Event::LinkUp, now);
                }
            }
            Err(error) if error.is_not_found() => self.orphan(key, "its interface is gone", now),
            Err(error) => log(&format!("{key}: {error}")),
        }
    }

    /// Gives back what a container had that is no more.
    fn orphan(&mut self, key: &str, why: &str, now: Time) {
        if let Some(holder) = self.holders.get_mut(key)
            && !holder.is_orphan
        {
            log(&format!("{key}: {why}"));
            holder.close_all(&self.closer);
            holder.is_orphan = true;
            self.refuse(key, why);
            self.give_back(key, now);
        }
    }

    pub(super) fn refuse(&mut self, key: &str, why: &str) {
        let waiting = self
            .holders
            .get_mut(key)
            .map(|holder| std::mem::take(&mut holder.waiting));
        let refused = waiting.unwrap_or_default().into_iter();
        self.answers
            .extend(refused.map(|waiting| (waiting, Err(why.to_owned()))));
    }

    pub(super) fn drop_holder(&mut self, key: &str, why: &str) {
        self.refuse(key, why);
        if let Some(mut holder) = self.holders.remove(key) {
            holder.close_all(&self.closer);
            if let Some(Err(error)) = self.store.as_ref().map(|store| store.forget(&holder.wish)) {
                log(&format!("{key}: cannot forget the lease on disk: {error}"));
            }
        }
    }
}
