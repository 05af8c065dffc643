//! Turns: GC has a network for itself, and an operation its attachment.
//!
//! Locks (flock) on empty files below `locks` in the cache's directory, beside the results: the reference's runtime
//! takes every file there for a result. Operations on one attachment share the lock of their network, which GC has for
//! itself, and have that of their attachment for themselves.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use linkspan_spec::{Command, NetworkName};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use crate::{Cancel, Deadline, Endpoint, Error, file};

/// The locks below a cache's directory.
#[derive(Clone, Debug)]
pub(crate) struct Locks {
    cache: PathBuf,
}

/// The turn of an operation, until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    // In this order: whoever waits for the attachment's lock has the network's.
    _attachment: Option<Held>,
    _network: Option<Held>,
}

/// A lock that is held. Its file goes with the last who has it, since there would be one for each attachment ever made.
#[derive(Debug)]
struct Held {
    path: PathBuf,
    file: File,
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
        }
    }

    /// The turn of an operation on one attachment. ADD, which makes what GC could take for nobody's, needs it; CHECK
    /// and DEL go on where there can be no locks, since then there was no ADD.
    pub(crate) fn attachment(
        &self,
        command: Command,
        network: &NetworkName,
        endpoint: &Endpoint,
        patience: Patience<'_>,
    ) -> Result<Turn, Error> {
        let is_needed = command == Command::Add;
        if !is_needed && !self.cache.is_dir() {
            return Ok(Turn::default());
        }
        let network_lock = held(&self.network_file(network), Mode::Shared, patience);
        let network_lock = unless_dispensable(network_lock, is_needed)?;
        // As the cached result is named: what shares that waits for each other as well.
        let name = format!("{network}-{}-{}", endpoint.container_id, endpoint.ifname);
        let path = self.cache.join("locks/attachments").join(name);
        let attachment = held(&path, Mode::Exclusive, patience);
        Ok(Turn {
            _attachment: unless_dispensable(attachment, is_needed)?,
            _network: network_lock,
        })
    }

    /// The turn of GC.
    pub(crate) fn network(
        &self,
        network: &NetworkName,
        patience: Patience<'_>,
    ) -> Result<Turn, Error> {
        let lock = held(&self.network_file(network), Mode::Exclusive, patience)?;
        Ok(Turn {
            _attachment: None,
            _network: Some(lock),
        })
    }

    fn network_file(&self, network: &NetworkName) -> PathBuf {
        let name = format!("{network}.lock");
        self.cache.join("locks/networks").join(name)
    }
}

/// Waits for a lock, on the file that is there then: who had it before may have removed it.
fn held(path: &Path, mode: Mode, patience: Patience<'_>) -> Result<Held, Error> {
    loop {
        let file = lock(path, mode, patience)?;
        if is_at(&file, path) {
            return Ok(Held {
                path: path.to_owned(),
                file,
            });
        }
    }
}

fn lock(path: &Path, mode: Mode, patience: Patience<'_>) -> Result<File, Error> {
    let failed = |source| Error::Lock {
        path: path.to_owned(),
        source,
    };
    let file = open(path).map_err(failed)?;
    let tried = match mode {
        Mode::Shared => file.try_lock_shared(),
        Mode::Exclusive => file.try_lock(),
    };
    match tried {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => wait(file, path, mode, patience),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A lock that was had, or that cannot be had and need not be.
fn unless_dispensable<T>(locked: Result<T, Error>, is_needed: bool) -> Result<Option<T>, Error> {
    match locked {
        Err(Error::Lock { .. }) if !is_needed => Ok(None),
        locked => locked.map(Some),
    }
}

/// Opens a lock's file, which is made if need be.
fn open(path: &Path) -> io::Result<File> {
    let open = || {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        options.mode(0o600).open(path)
    };
    match (open(), path.parent()) {
        (Err(error), Some(folder)) if error.kind() == ErrorKind::NotFound => {
            file::create_directory(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(locked), Ok(there)) => identity(locked) == identity(there),
        _ => false,
    }
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
        let locked = match mode {
            Mode::Shared => file.lock_shared(),
            Mode::Exclusive => file.lock(),
        };
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
