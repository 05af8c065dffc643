//! The loop: whatever comes is taken in turn, and nothing is waited for in between.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use linkspan_kernel::link_events::LinkEvents;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime,
    timerfd_create, timerfd_settime,
};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::flags::Flags;
use super::holder::Waiting;
use super::journal::log;
use super::keeper::Keeper;
use super::listener::Listener;
use super::peer::{Heard, Peer};
use super::store::Store;
use crate::machine::Time;
use crate::rpc::Method;
use crate::rpc::server::{Answer, Request};

/// How many plugins may be connected at once; more wait at the socket.
const PEERS: usize = 1024;

/// How long plugins wait when there are no descriptors for them.
const SOON: Duration = Duration::from_secs(1);

/// The daemon.
#[derive(Debug)]
pub(super) struct Daemon {
    keeper: Keeper,
    listener: Listener,
    links: LinkEvents,
    /// Readable once a signal has come.
    signals: UnixStream,
    /// Readable when something is due, also after the machine was suspended.
    timer: OwnedFd,
    peers: BTreeMap<u64, Peer>,
    next_peer: u64,
    /// Plugins are not looked for before.
    accept_from: Time,
}

/// Where something has come from.
#[derive(Clone, Debug)]
enum Source {
    Signal,
    Timer,
    Plugins,
    Kernel,
    Peer(u64),
    Lease(String),
}

impl Daemon {
    /// One that has its sockets.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub(super) fn new(flags: Flags, listener: Listener, store: Option<Store>) -> io::Result<Self> {
        let (signals, raised) = UnixStream::pair()?;
        raised.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT] {
            signal_hook::low_level::pipe::register(signal, raised.try_clone()?)?;
        }
        let links = LinkEvents::open().map_err(io::Error::other)?;
        if let Some(error) = links.refused() {
            log(&format!(
                "{error}; what becomes of them is noticed at the next renewal; CAP_NET_BROADCAST is needed"
            ));
        }
        let flags_of_timer = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self {
            keeper: Keeper::new(flags, store),
            listener,
            links,
            signals,
            timer: timerfd_create(TimerfdClockId::Boottime, flags_of_timer)?,
            peers: BTreeMap::new(),
            next_peer: 0,
            accept_from: Time::default(),
        })
    }

    /// Goes on with the leases of the daemon before.
    pub(super) fn take_up(&mut self) {
        self.keeper.take_up(now());
    }

    /// Keeps leases until a signal comes.
    ///
    /// # Errors
    /// When nothing can be waited for any more.
    pub(super) fn run(&mut self) -> io::Result<()> {
        loop {
            for source in self.wait()? {
                match source {
                    Source::Signal => {
                        self.keeper.end(now());
                        self.answer();
                        return Ok(());
                    }
                    Source::Timer => {}
                    Source::Plugins => self.accept(),
                    Source::Kernel => self.hear_of_links(),
                    Source::Peer(number) => self.hear(number),
                    Source::Lease(key) => self.keeper.came(&key, now()),
                }
            }
            self.keeper.wake(now());
            self.answer();
            self.give_up_silent();
        }
    }

    /// Waits until something has come or is due.
    fn wait(&self) -> io::Result<Vec<Source>> {
        let deadlines = self.peers.values().filter_map(Peer::deadline);
        let accept = Some(self.accept_from).filter(|from| *from > now());
        let due = deadlines.chain(self.keeper.wake_at()).chain(accept);
        self.set_timer(due.min())?;
        let mut sources = vec![Source::Signal, Source::Timer, Source::Kernel];
        let mut fds = vec![
            PollFd::new(&self.signals, PollFlags::IN),
            PollFd::new(&self.timer, PollFlags::IN),
            PollFd::new(&self.links, PollFlags::IN),
        ];
        if self.peers.len() < PEERS && self.accept_from <= now() {
            sources.push(Source::Plugins);
            fds.push(PollFd::new(&self.listener, PollFlags::IN));
        }
        for (number, peer) in &self.peers {
            let wanted = if peer.is_behind() {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            };
            sources.push(Source::Peer(*number));
            fds.push(PollFd::new(peer, wanted));
        }
        for (key, holder) in self.keeper.holders() {
            for socket in holder.sockets() {
                sources.push(Source::Lease(key.clone()));
                fds.push(PollFd::from_borrowed_fd(socket, PollFlags::IN));
            }
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = fds
            .iter()
            .zip(sources)
            .filter(|(fd, _)| !fd.revents().is_empty());
        Ok(ready.map(|(_, source)| source).collect())
    }

    fn set_timer(&self, at: Option<Time>) -> io::Result<()> {
        // Zero would switch it off.
        let at = at.map_or(Duration::ZERO, |at| at.0.max(Duration::from_nanos(1)));
        let it_value = Timespec::try_from(at).unwrap_or(Timespec {
            tv_sec: i64::MAX,
            tv_nsec: 0,
        });
        let once = Itimerspec {
            it_interval: Timespec::default(),
            it_value,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        Ok(())
    }

    fn accept(&mut self) {
        while self.peers.len() < PEERS {
            match self.listener.accept() {
                Ok(Some(stream)) => {
                    self.peers.insert(self.next_peer, Peer::new(stream, now()));
                    self.next_peer += 1;
                }
                Ok(None) => return,
                Err(error) => {
                    self.accept_from = now() + SOON;
                    return log(&format!("cannot take a plugin's connection: {error}"));
                }
            }
        }
    }

    fn hear_of_links(&mut self) {
        match self.links.take() {
            Ok(events) => self.keeper.heard(&events, now()),
            Err(error) => log(&error.to_string()),
        }
    }

    fn hear(&mut self, number: u64) {
        let Some(peer) = self.peers.get_mut(&number) else {
            return;
        };
        peer.flush();
        match peer.hear(now()) {
            Heard::Requests(requests) => {
                for request in requests {
                    self.take(number, &request);
                }
            }
            Heard::Over(why) => {
                if let Some(why) = why {
                    log(&format!("a plugin's connection is closed: {why}"));
                }
                self.peers.remove(&number);
                self.keeper.abandon(number, now());
            }
        }
    }

    fn take(&mut self, number: u64, request: &Request) {
        let now = now();
        let outcome = match &request.method {
            Method::Allocate => {
                let waiting = Waiting {
                    peer: number,
                    seq: request.seq,
                    method: request.method.clone(),
                };
                return self.keeper.allocate(&request.arguments, waiting, now);
            }
            Method::Release => self.keeper.release(&request.arguments, now),
            Method::Collect => self.keeper.collect(&request.arguments, now),
            Method::Other(_) => {
                if let Some(peer) = self.peers.get_mut(&number) {
                    peer.answer_unknown(request, now);
                }
                return;
            }
        };
        if let Some(peer) = self.peers.get_mut(&number) {
            peer.answer(
                request.seq,
                &request.method,
                outcome.map(|()| Answer::Nothing),
                now,
            );
        }
    }

    fn answer(&mut self) {
        for (waiting, answer) in self.keeper.answers() {
            if let Some(peer) = self.peers.get_mut(&waiting.peer) {
                peer.answer(waiting.seq, &waiting.method, answer, now());
            }
        }
    }

    fn give_up_silent(&mut self) {
        let now = now();
        self.peers
            .retain(|_, peer| peer.deadline().is_none_or(|deadline| deadline > now));
    }
}

/// The time since the machine was started, that of suspension among it, as leases' servers count it.
fn now() -> Time {
    let now = clock_gettime(ClockId::Boottime);
    Time(Duration::try_from(now).unwrap_or_default())
}
