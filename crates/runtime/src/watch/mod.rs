//! Watching a directory of configurations.

mod places;
mod reading;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use self::places::Places;
pub use self::reading::{Networks, WatchedFile};
use crate::{Cancel, Deadline, Error};

/// How long a directory has to be quiet before it is read, when nothing else is said.
const QUIET: Duration = Duration::from_millis(100);

/// How long after a first change it is read at the latest, when nothing else is said.
const AT_MOST: Duration = Duration::from_secs(1);

/// Watches a directory of configurations, and tells when the networks in it are others.
///
/// Changes are gathered: the directory is read when it has been quiet for a while, so that a file is not read while it is written,
/// and something is told only when what was read is different. A file that cannot be used keeps the network that it
/// has held before, and the [fault](WatchedFile::fault) is told beside it.
///
/// The directory need not exist. It may be made, removed, replaced by a rename, or led to by other links at any time, and so may
/// those above it and its files, as links into volumes of Kubernetes. Names that begin with a dot, and those that do not
/// end with `.conflist`, `.conf` or `.json`, are nobody's: editors and installers have them.
///
/// There is no thread of its own. Either some thread [waits](Self::wait), or goes through the [changes](Self::changes); or a loop
/// that waits for other things as well waits until this is readable, and then calls [`check`](Self::check).
///
/// What inotify does not tell is not seen: changes that another machine makes on a file system of the network, a file system
/// that is mounted over the directory, and what is written to a file by another of its names (a hard link).
///
/// # Examples
/// ```no_run
/// use linkspan_runtime::{DEFAULT_CONFIG_DIR, Watcher};
///
/// let mut watcher = Watcher::new(DEFAULT_CONFIG_DIR)?;
/// println!("{:?}", watcher.networks().default_network());
/// for networks in watcher.changes(None) {
///     println!("{:?}", networks?.default_network());
/// }
/// # Ok::<(), linkspan_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Watcher {
    directory: PathBuf,
    quiet: Duration,
    at_most: Duration,
    places: Places,
    timer: OwnedFd,
    /// Readable when one of the two is.
    ready: OwnedFd,
    /// When the first of the changes came that are not read yet.
    changed: Option<Instant>,
    networks: Arc<Networks>,
}

impl Watcher {
    /// Reads a directory and watches it from then on.
    ///
    /// # Errors
    /// [`Error::Watch`] when the kernel has no watch left. That the directory or a file cannot be read is told by
    /// [`networks`](Self::networks).
    pub fn new(directory: impl AsRef<Path>) -> Result<Self, Error> {
        let given = directory.as_ref();
        let failed = failed(given);
        let make = || {
            let directory = std::path::absolute(given)?;
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
            epoll::add(&ready, &timer, DATA, epoll::EventFlags::IN)?;
            let places = Places::new()?;
            epoll::add(&ready, &places, DATA, epoll::EventFlags::IN)?;
            Ok(Self {
                directory,
                quiet: QUIET,
                at_most: AT_MOST,
                places,
                timer,
                ready,
                changed: None,
                networks: Arc::default(),
            })
        };
        let mut watcher = make().map_err(failed)?;
        watcher.networks = Arc::new(watcher.look()?);
        Ok(watcher)
    }

    /// The same watcher with other times: how long the directory has to be quiet before it is read, and how long after a first
    /// change it is read at the latest, though it never is. Default: 100 ms and 1 s.
    #[must_use]
    pub fn with_times(mut self, quiet: Duration, at_most: Duration) -> Self {
        (self.quiet, self.at_most) = (quiet, at_most);
        self
    }

    /// The directory, as an absolute path.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The networks as they were read last.
    pub fn networks(&self) -> Arc<Networks> {
        Arc::clone(&self.networks)
    }

    /// Waits until the networks are others; none when the deadline has passed or the wait was given up.
    ///
    /// # Errors
    /// [`Error::Watch`] when the kernel has no watch left, or fails. The [networks](Self::networks) are then those of before, and
    /// whoever waits again tries it again.
    pub fn wait(
        &mut self,
        deadline: Deadline,
        cancel: Option<&Cancel>,
    ) -> Result<Option<Arc<Networks>>, Error> {
        loop {
            if let Some(networks) = self.check()? {
                return Ok(Some(networks));
            }
            let mut events = vec![PollFd::new(&self.ready, PollFlags::IN)];
            events.extend(cancel.map(|cancel| PollFd::new(cancel, PollFlags::IN)));
            let left = deadline
                .left()
                .and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut events, left.as_ref()) {
                Ok(0) => return Ok(None),
                Ok(_) if cancel.is_some_and(Cancel::take) => return Ok(None),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(failed(&self.directory)(errno.into())),
            }
        }
    }

    /// The changes from now on, until the wait for one is given up, or fails; after that they can be asked for again.
    pub fn changes<'a>(
        &'a mut self,
        cancel: Option<&'a Cancel>,
    ) -> impl Iterator<Item = Result<Arc<Networks>, Error>> + 'a {
        let mut ended = false;
        std::iter::from_fn(move || {
            if ended {
                return None;
            }
            let next = self
                .wait(Deadline::after(Duration::MAX), cancel)
                .transpose();
            ended = !matches!(next, Some(Ok(_)));
            next
        })
    }

    /// Takes what has happened, without waiting: the networks, if they are others now. To be called when the watcher is
    /// readable, which it is some time after a change as well.
    ///
    /// # Errors
    /// As those of [`wait`](Self::wait).
    pub fn check(&mut self) -> Result<Option<Arc<Networks>>, Error> {
        if !self.is_due().map_err(failed(&self.directory))? {
            return Ok(None);
        }
        let networks = match self.look() {
            Ok(networks) => networks,
            Err(error) => {
                // What has changed is still to be read, and the watches are those of before.
                self.ring_after(self.at_most)
                    .map_err(failed(&self.directory))?;
                return Err(error);
            }
        };
        self.changed = None;
        if networks.is_same(&self.networks) {
            return Ok(None);
        }
        self.networks = Arc::new(networks);
        Ok(Some(self.networks()))
    }

    /// Whether there was a change and it is quiet now.
    fn is_due(&mut self) -> io::Result<bool> {
        if self.places.have_changed()? {
            let now = Instant::now();
            let since = now.duration_since(*self.changed.get_or_insert(now));
            let rest = self.quiet.min(self.at_most.saturating_sub(since));
            self.ring_after(rest)?;
        }
        match rustix::io::read(&self.timer, &mut [0; 8]) {
            Ok(_) => Ok(self.changed.is_some()),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    fn ring_after(&self, rest: Duration) -> io::Result<()> {
        // A time of zero would stop it.
        let rest = rest.max(Duration::from_nanos(1));
        let time = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec::try_from(rest).map_err(io::Error::other)?,
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &time)?;
        Ok(())
    }

    /// Reads the directory, with watches on all that is read.
    fn look(&mut self) -> Result<Networks, Error> {
        let failed = failed(&self.directory);
        let begin = || {
            let places = Places::new()?;
            epoll::add(&self.ready, &places, DATA, epoll::EventFlags::IN)?;
            Ok(places)
        };
        let mut places = begin().map_err(failed)?;
        let networks = Networks::read(&self.directory, &self.networks, &mut places);
        let networks = networks.map_err(failed)?;
        // The watches before end here, when all of the new ones are there.
        self.places = places;
        Ok(networks)
    }
}

/// Readable when [`check`](Watcher::check) has something to do.
impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

/// Nobody asks which of them is readable.
const DATA: epoll::EventData = epoll::EventData::new_u64(0);

fn failed(directory: &Path) -> impl Fn(io::Error) -> Error + Copy + '_ {
    |source| Error::Watch {
        directory: directory.to_owned(),
        source,
    }
}
