//! Turns: GC has a network for itself, and an operation its container.
//!
//! Locks (flock) on empty files below `locks` in the cache's directory, beside the results: the reference's runtime
//! takes every file there for a result. Each is waited for in this order, so that nobody waits in a circle:
//!
//! 1. that of the container, which an operation has for itself: the specification wants one at a time of each;
//! 2. that of the network, which operations share and GC has for itself;
//! 3. that of the attachment, for those whose files in the cache have the same name.
//!
//! Between them the kernel knows no order of coming, so that on a busy node GC would never have a network: while it waits, for
//! [`GATE`] at most, no operation begins that would share the network.
//!
//! GC detaches attachments while it has the network, so it does not wait for a container: see [`Locks::container_if_free`].
//!
//! A plugin may embed a runtime of the same cache for the same container, as Multus does. It would wait for the operation that
//! it is run by, for ever: so plugins are told whose turns it is ([`TURN`]), and a runtime that finds its own container's lock, or
//! its network's that is GC's, there takes part in that turn. One that a plugin only asks, a daemon, is handed it
//! ([`Runtime::with_turn`](crate::Runtime::with_turn)).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use linkspan_spec::{Command, ContainerId, NetworkName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::{Cancel, Deadline, Endpoint, Error, file, orphan};

/// The variable by which a plugin is told in which container's turn it is run.
pub(crate) const TURN: &str = "LINKSPAN_TURN";

/// How long GC keeps others from beginning before its turn: longer than most plugins take, and no long time for a pod to wait
/// where one of them hangs.
const GATE: Duration = Duration::from_secs(5);

/// How many files are taken that are not there any more once they are locked: each time somebody else had a turn, but where a file
/// system knows one file by different numbers, and then for ever.
const ATTEMPTS: u32 = 10_000;

/// The locks below a cache's directory.
#[derive(Clone, Debug)]
pub(crate) struct Locks {
    cache: PathBuf,
    /// The turns of whoever this works for, where that is not who runs this process.
    pub(crate) handed: Option<OsString>,
}

/// The turn of one container, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct ContainerTurn {
    /// None where it is that of who runs this process, or there can be no locks.
    held: Option<Held>,
    /// What the network's is known by, where that is GC's.
    collection: Option<String>,
    /// The turns that this one is within.
    told: OsString,
}

impl ContainerTurn {
    /// The variable by which plugins are told of it, beside the turns that it is within: a plugin may attach another container, and a
    /// plugin of that the first one.
    pub(crate) fn variable(&self) -> Option<(&'static str, OsString)> {
        let own = self.held.as_ref().and_then(Held::mark);
        let mut told = self.told.clone();
        for mark in own.into_iter().chain(self.collection.clone()) {
            if !told.is_empty() {
                told.push(" ");
            }
            told.push(mark);
        }
        (!told.is_empty()).then_some((TURN, told))
    }
}

/// The turn of an operation on one attachment within that of its container, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    // In this order: whoever waits for the attachment's lock has the network's.
    _attachment: Option<Held>,
    network: Option<Held>,
}

/// A lock that is held. Its file goes with the last who has it, since there would be one for each attachment ever made.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
    /// By what the turn was known whose file was found: who had it was killed, since whoever ends removes it.
    left: Option<String>,
}

impl Held {
    /// Has it told from other turns, which may have the same file, and nobody be at work in the last one.
    fn begin(&self) {
        if let Some(left) = &self.left {
            orphan::end(left);
        }
        let _ = self.file.set_modified(SystemTime::now());
    }

    /// What it is known by.
    fn mark(&self) -> Option<String> {
        self.file.metadata().ok().map(|meta| mark(&meta))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Whoever has it for himself may remove it; who waits for it then sees that it is gone. A file that stays is in nobody's
        // way.
        if self.file.try_lock().is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[derive(Clone, Copy)]
enum Mode {
    Shared,
    Exclusive,
}

/// By when a turn must have come, and what gives the wait up.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'a> {
    pub(crate) deadline: Deadline,
    pub(crate) cancel: Option<&'a Cancel>,
}

impl Locks {
    pub(crate) fn new(cache: &Path) -> Self {
        Self {
            cache: cache.to_owned(),
            handed: None,
        }
    }

    /// The turns that what is done here is within.
    fn told(&self) -> OsString {
        let handed = self.handed.clone();
        handed
            .or_else(|| std::env::var_os(TURN))
            .unwrap_or_default()
    }

    /// The turn of no container, within GC of a network.
    pub(crate) fn within(&self, collection: &Turn) -> ContainerTurn {
        ContainerTurn {
            held: None,
            collection: collection.network.as_ref().and_then(Held::mark),
            told: self.told(),
        }
    }

    /// The turn of a container. ADD, which makes what GC could take for nobody's, needs it; CHECK and DEL go on where there can
    /// be no locks, since then there was no ADD.
    pub(crate) fn container(
        &self,
        command: Command,
        container: &ContainerId,
        patience: Patience<'_>,
    ) -> Result<ContainerTurn, Error> {
        let path = self.container_file(container);
        let told = self.told();
        if self.can_do_without(command) || is_inherited(&path, &told) {
            return Ok(ContainerTurn {
                told,
                ..ContainerTurn::default()
            });
        }
        let held = held(&path, Mode::Exclusive, patience);
        let held = unless_dispensable(held, command == Command::Add)?;
        held.iter().for_each(Held::begin);
        Ok(ContainerTurn {
            held,
            collection: None,
            told,
        })
    }

    /// The turn of a container within GC of a network, none while an operation on the container has it. Such a one may wait for
    /// the network, so that both would wait for ever; and a container that is being worked on is in use.
    pub(crate) fn container_if_free(
        &self,
        container: &ContainerId,
        collection: &Turn,
    ) -> Result<Option<ContainerTurn>, Error> {
        let at_once = Patience {
            deadline: Deadline::after(Duration::ZERO),
            cancel: None,
        };
        match self.container(Command::Gc, container, at_once) {
            Err(Error::Busy { .. }) => Ok(None),
            turn => turn.map(|turn| {
                let held = turn.held;
                Some(ContainerTurn {
                    held,
                    ..self.within(collection)
                })
            }),
        }
    }

    /// The turn of an operation on one attachment, by who has that of its container.
    pub(crate) fn attachment(
        &self,
        command: Command,
        network: &NetworkName,
        endpoint: &Endpoint,
        patience: Patience<'_>,
    ) -> Result<Turn, Error> {
        if self.can_do_without(command) {
            return Ok(Turn::default());
        }
        let is_needed = command == Command::Add;
        let network_file = self.network_file(network);
        let network_lock = match is_inherited(&network_file, &self.told()) {
            true => None,
            false => {
                self.pass_gate(network, patience)?;
                unless_dispensable(held(&network_file, Mode::Shared, patience), is_needed)?
            }
        };
        // As the cached result is named: what shares that waits for each other as well.
        let name = format!("{network}-{}-{}", endpoint.container_id, endpoint.ifname);
        let path = self.cache.join("locks/attachments").join(name);
        let attachment = held(&path, Mode::Exclusive, patience);
        Ok(Turn {
            _attachment: unless_dispensable(attachment, is_needed)?,
            network: network_lock,
        })
    }

    fn can_do_without(&self, command: Command) -> bool {
        command != Command::Add && !self.cache.is_dir()
    }

    /// The turn of GC.
    pub(crate) fn network(
        &self,
        network: &NetworkName,
        patience: Patience<'_>,
    ) -> Result<Turn, Error> {
        let path = self.network_file(network);
        if is_inherited(&path, &self.told()) {
            return Ok(Turn::default());
        }
        let gate = held(&self.gate_file(network), Mode::Exclusive, patience)?;
        let brief = Patience {
            deadline: Deadline::after(patience.deadline.left().map_or(GATE, |left| left.min(GATE))),
            ..patience
        };
        let lock = match held(&path, Mode::Exclusive, brief) {
            Err(NoLock::Taken(Error::Busy {
                cancelled: false, ..
            })) => {
                drop(gate);
                held(&path, Mode::Exclusive, patience)
            }
            lock => lock,
        }?;
        lock.begin();
        Ok(Turn {
            _attachment: None,
            network: Some(lock),
        })
    }

    /// Removes what killed operations have left here, plugins included, by who has a network for itself: what is never operated on
    /// again would have a file for ever. Whatever somebody has stays, and what cannot be removed is in nobody's way.
    pub(crate) fn sweep(&self) {
        let at_once = Patience {
            deadline: Deadline::after(Duration::ZERO),
            cancel: None,
        };
        for folder in ["locks/containers", "locks/attachments"] {
            let entries = fs::read_dir(self.cache.join(folder));
            for entry in entries.into_iter().flatten().flatten() {
                if let Ok(left) = held(&entry.path(), Mode::Exclusive, at_once) {
                    left.begin();
                }
            }
        }
    }

    fn container_file(&self, container: &ContainerId) -> PathBuf {
        self.cache.join("locks/containers").join(container.as_str())
    }

    /// Waits while GC does for its turn. What is run in somebody's turn does not: it is that which GC waits for.
    fn pass_gate(&self, network: &NetworkName, patience: Patience<'_>) -> Result<(), Error> {
        let gate = self.gate_file(network);
        if !gate.exists() || !self.told().is_empty() {
            return Ok(());
        }
        // Where it cannot be locked nobody is kept from anything.
        unless_dispensable(held(&gate, Mode::Shared, patience), false).map(drop)
    }

    fn gate_file(&self, network: &NetworkName) -> PathBuf {
        let name = format!("{network}.gate");
        self.cache.join("locks/networks").join(name)
    }

    fn network_file(&self, network: &NetworkName) -> PathBuf {
        let name = format!("{network}.lock");
        self.cache.join("locks/networks").join(name)
    }
}

/// What a turn is known by: the lock's file, and when it was taken.
fn mark(meta: &fs::Metadata) -> String {
    let (device, inode) = (meta.dev(), meta.ino());
    format!("{device}:{inode}@{}.{:09}", meta.mtime(), meta.mtime_nsec())
}

/// Whether the turn of a container, or GC's of a network, is one of those that were told. A turn that is over is not, though a
/// process that was left behind is still told of it.
fn is_inherited(path: &Path, told: &OsStr) -> bool {
    let Some(file) = File::open(path).ok().filter(|_| !told.is_empty()) else {
        return false;
    };
    let is_told = |mark: String| told.to_string_lossy().split(' ').any(|one| one == mark);
    file.metadata().is_ok_and(|meta| is_told(mark(&meta)))
        && matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Why there is no lock.
enum NoLock {
    /// There can be none.
    Impossible(Error),
    /// Somebody has it.
    Taken(Error),
}

impl From<NoLock> for Error {
    fn from((NoLock::Impossible(error) | NoLock::Taken(error)): NoLock) -> Self {
        error
    }
}

/// Waits for a lock, on the file that is there then: who had it before may have removed it.
fn held(path: &Path, mode: Mode, patience: Patience<'_>) -> Result<Held, NoLock> {
    for _ in 0..ATTEMPTS {
        let (file, was_there) = lock(path, mode, patience)?;
        let found = at_path(&file, path).map_err(impossible(path))?;
        if let Some(meta) = found {
            return Ok(Held {
                path: path.to_owned(),
                left: was_there.then(|| mark(&meta)),
                file,
            });
        }
    }
    Err(impossible(path)(Errno::STALE.into()))
}

/// That there can be no lock, for this reason.
fn impossible(path: &Path) -> impl FnOnce(io::Error) -> NoLock {
    |source| {
        NoLock::Impossible(Error::Lock {
            path: path.to_owned(),
            source,
        })
    }
}

/// The file, and whether it was there before.
fn lock(path: &Path, mode: Mode, patience: Patience<'_>) -> Result<(File, bool), NoLock> {
    let (file, was_there) = open(path).map_err(impossible(path))?;
    let tried = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match tried {
        Ok(()) => Ok((file, was_there)),
        Err(TryLockError::WouldBlock) if patience.deadline.has_passed() => {
            Err(NoLock::Taken(busy(path, false)))
        }
        Err(TryLockError::WouldBlock) => match wait(file, path, mode, patience) {
            Ok(file) => Ok((file, true)),
            Err(error) => Err(NoLock::Taken(error)),
        },
        Err(TryLockError::Error(error)) => Err(impossible(path)(error)),
    }
}

/// A lock that was had, or that cannot be had and need not be.
fn unless_dispensable<T>(locked: Result<T, NoLock>, is_needed: bool) -> Result<Option<T>, Error> {
    match locked {
        Err(NoLock::Impossible(_)) if !is_needed => Ok(None),
        locked => Ok(Some(locked?)),
    }
}

/// Opens a lock's file, which is made if need be, and tells whether it was there.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let open = || -> io::Result<_> {
        let mut options = File::options();
        options.read(true).write(true).mode(0o600);
        match options.clone().create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let there = options.create(true).truncate(false).open(path)?;
                Ok((there, true))
            }
            made => Ok((made?, false)),
        }
    };
    match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            file::create_directory(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

/// What is known of a lock's file, where it is the one at the path.
fn at_path(file: &File, path: &Path) -> io::Result<Option<fs::Metadata>> {
    let locked = file.metadata()?;
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        there => there?,
    };
    let identity = |meta: &fs::Metadata| (meta.dev(), meta.ino());
    Ok((identity(&locked) == identity(&there)).then_some(locked))
}

/// Waits for a lock that somebody has. The kernel knows no wait for one with an end: a thread waits, which gives the lock
/// back at once when nobody wants it any more.
fn wait(file: File, path: &Path, mode: Mode, patience: Patience<'_>) -> Result<File, Error> {
    let _waiting = linkspan_spans::enter(|| "wait for another operation");
    let failed = |source: io::Error| Error::Lock {
        path: path.to_owned(),
        source,
    };
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let (sender, receiver) = mpsc::channel();
    let wait = move || {
        let wait = || match mode {
            Mode::Shared => file.lock_shared(),
            Mode::Exclusive => file.lock(),
        };
        let mut locked = wait();
        // By a signal to this program, whose handler does not have system calls go on (SA_RESTART).
        while matches!(&locked, Err(error) if error.kind() == ErrorKind::Interrupted) {
            locked = wait();
        }
        // Nobody receives it when the wait was given up; then it is dropped here.
        let _ = sender.send(locked.map(|()| file));
        drop(writer);
    };
    thread::Builder::new().spawn(wait).map_err(failed)?;
    let mut events = vec![PollFd::new(&reader, PollFlags::IN)];
    events.extend(
        patience
            .cancel
            .map(|cancel| PollFd::new(cancel, PollFlags::IN)),
    );
    loop {
        let left = patience.deadline.left();
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut events, timeout.as_ref()) {
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno.into())),
            Ok(0) => return Err(busy(path, false)),
            Ok(_) if !events[0].revents().is_empty() => return received(&receiver, failed),
            Ok(_) if patience.cancel.is_some_and(Cancel::take) => return Err(busy(path, true)),
            Ok(_) => {}
        }
    }
}

fn received(
    receiver: &Receiver<io::Result<File>>,
    failed: impl FnOnce(io::Error) -> Error,
) -> Result<File, Error> {
    let gone = |_| Err(io::Error::other("what waited for it has ended"));
    receiver.recv().unwrap_or_else(gone).map_err(failed)
}

fn busy(path: &Path, cancelled: bool) -> Error {
    Error::Busy {
        path: path.to_owned(),
        cancelled,
    }
}
