//! One at a time: locks that are waited for no longer than a deadline, and that nobody but root can hold.
//!
//! `flock(2)` takes no more than a descriptor, and whoever may read a file has one. So what is locked lies in
//! [folders](crate::Folder) that root alone enters, or is a file that root alone opens: never a record that others can read, nor a namespace's own
//! file, which is everybody's below `/proc`.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use linkspan_kernel::netns::{Identity, Netns};
use rustix::io::Errno;

use crate::Folder;

/// A lock; released when dropped, and when its holder dies.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// Where the file is that is there for the lock's sake and goes with it.
    made: Option<(Folder, String)>,
}

/// How a lock is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By one.
    Alone,
    /// By any number.
    Shared,
}

impl Lock {
    /// Waits until nobody holds the lock (`flock(2)`) of this open file in another way, and takes it. A file that is
    /// opened anew keeps out other threads too, copies of a descriptor do not.
    ///
    /// # Errors
    /// `ETIMEDOUT` when somebody else has held it all the time.
    pub fn take(file: File, mode: Mode, deadline: Duration) -> io::Result<Self> {
        let taken = match mode {
            Mode::Alone => file.try_lock(),
            Mode::Shared => file.try_lock_shared(),
        };
        let file = match taken {
            Ok(()) => file,
            Err(TryLockError::WouldBlock) => wait(file, mode, deadline)?,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        Ok(Self {
            _file: file,
            made: None,
        })
    }

    /// Takes the lock of the caller's network namespace: for what attachments share in it. Where no
    /// [folder](Folder::of_host) can be made for it, it is a file of the namespace that root alone opens.
    ///
    /// # Errors
    /// As [`take`](Self::take), and when there is neither.
    pub fn of_host(mode: Mode, deadline: Duration) -> io::Result<Self> {
        let file = match Folder::of_host("") {
            Ok(folder) => folder.into(),
            // Others have the folder.
            Err(error) if is_for_now(&error) => return Err(error),
            Err(_) => secret()?,
        };
        Self::take(file, mode, deadline)
    }

    /// Takes the lock of a container's network namespace, by whatever path it was opened: for work in several steps
    /// that must not be mixed with another's, such as choosing a routing table and filling it.
    ///
    /// # Errors
    /// As [`take`](Self::take), and when there is no [folder](Folder::of_all) for it.
    pub fn of_container(netns: &Netns, deadline: Duration) -> io::Result<Self> {
        let folder = Folder::of_all(CONTAINERS)?;
        take_by_name(folder, Identity::of(netns)?.to_string(), deadline)
    }
}

/// A file that each network namespace has of its own, that needs no place on a disk, and that root alone may open.
const SECRET: &str = "/proc/sys/net/ipv4/tcp_fastopen_key";

fn secret() -> io::Result<File> {
    let file = File::open(SECRET)?;
    match file.metadata()?.mode() & 0o077 {
        0 => Ok(file),
        _ => Err(io::ErrorKind::PermissionDenied.into()),
    }
}

/// Whether an error is about the machine as it is just now.
fn is_for_now(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
    )
}

/// The folder with a file for each container's lock that is held.
const CONTAINERS: &str = "locks";

/// Removes the files of locks whose holders were killed.
///
/// # Errors
/// When the folder cannot be read.
pub fn sweep() -> io::Result<()> {
    let Some(folder) = Folder::of_all_if_there(CONTAINERS)? else {
        return Ok(());
    };
    for name in folder.names()? {
        // Whoever gets it removes it.
        drop(take_by_name(folder.again()?, name, Duration::ZERO));
    }
    Ok(())
}

/// The file has the lock's name as long as it is held, so that nothing is left of a container.
fn take_by_name(folder: Folder, name: String, deadline: Duration) -> io::Result<Lock> {
    let until = Instant::now() + deadline;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let file = folder.file(&name)?;
        let mut lock = Lock::take(file, Mode::Alone, left)?;
        // Its last holder took the name from it: whoever comes next makes another file.
        if rustix::fs::fstat(&lock._file)?.st_nlink > 0 {
            lock.made = Some((folder, name));
            return Ok(lock);
        }
        if left.is_zero() {
            return Err(Errno::TIMEDOUT.into());
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((folder, name)) = &self.made {
            // What stays is swept, and locked by the next one as well.
            let _ = folder.remove(name);
        }
    }
}

/// flock has no deadline of its own: a thread waits for it. When it gets the lock too late, nobody
/// takes the file from it any more, and the lock is released with the file.
fn wait(file: File, mode: Mode, deadline: Duration) -> io::Result<File> {
    let _waiting = linkspan_spans::enter(|| "wait for a lock");
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let locked = match mode {
            Mode::Alone => file.lock(),
            Mode::Shared => file.lock_shared(),
        };
        let outcome = locked.map(|()| file);
        sender.send(outcome).is_ok()
    })?;
    match receiver.recv_timeout(deadline) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
            Err(Errno::TIMEDOUT.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[test]
    fn a_containers_lock_is_held_by_one_and_leaves_nothing() {
        linkspan_testkit::sandbox(|host| {
            let [a, b] = ["a", "b"].map(|name| Netns::open(host.netns(name).path()).unwrap());
            let held = Lock::of_container(&a, SOON).unwrap();
            let refused = Lock::of_container(&a, SOON).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(Errno::TIMEDOUT.raw_os_error()));
            Lock::of_container(&b, SOON).unwrap();
            std::thread::scope(|scope| {
                let waiting =
                    scope.spawn(|| Lock::of_container(&a, Duration::from_secs(10)).map(drop));
                std::thread::sleep(SOON);
                drop(held);
                waiting.join().unwrap().unwrap();
            });
            let folder = Folder::of_all(CONTAINERS).unwrap();
            assert_eq!(folder.names().unwrap(), [""; 0]);
            // Of one who was killed.
            drop(folder.file("1-1").unwrap());
            let held = Lock::of_container(&a, SOON).unwrap();
            sweep().unwrap();
            assert_eq!(folder.names().unwrap().len(), 1);
            drop(held);
        });
    }

    /// A file that loses its name while it is waited for is not the one that the next ones lock.
    #[test]
    fn many_who_take_turns_are_never_two() {
        linkspan_testkit::sandbox(|host| {
            let netns = host.netns("a");
            let inside = std::sync::atomic::AtomicU32::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let netns = Netns::open(netns.path()).unwrap();
                        for _ in 0..200 {
                            let _held =
                                Lock::of_container(&netns, Duration::from_secs(20)).unwrap();
                            let others = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                            assert_eq!(others, 0);
                            std::thread::yield_now();
                            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        }
                    });
                }
            });
        });
    }

    #[test]
    fn the_hosts_lock_is_shared_or_held_alone() {
        linkspan_testkit::sandbox(|_| {
            let one = Lock::of_host(Mode::Shared, SOON).unwrap();
            let other = Lock::of_host(Mode::Shared, SOON).unwrap();
            Lock::of_host(Mode::Alone, SOON).unwrap_err();
            drop((one, other));
            let _alone = Lock::of_host(Mode::Alone, SOON).unwrap();
            Lock::of_host(Mode::Shared, SOON).unwrap_err();
        });
    }
}
