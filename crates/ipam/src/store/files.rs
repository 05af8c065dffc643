//! The files of a network's directory: how each is read and written.

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use linkspan_state::lock::{self, Lock};
use linkspan_state::nameless;
use linkspan_state::origin::{self, Origin, Provenance};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, XattrFlags};
use rustix::io::Errno;

use crate::record::Record;

/// The file whose lock (flock) guards the directory.
pub(super) const LOCK: &str = "lock";

/// How long it is waited for.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// What the names of the files begin with that hold the address reserved last in each set.
const LAST_RESERVED: &str = "last_reserved_ip.";

/// What the names of files begin with that are written before they get their own name, where the file
/// system has no files without a name. To the reference such a file is one more of the same container,
/// so that its DEL removes it too.
const UNFINISHED: &str = ".linkspan-";

/// Whether a file of this name is what host-local keeps beside the reservations.
pub(super) fn is_own(name: &str) -> bool {
    name == LOCK
        || [LAST_RESERVED, UNFINISHED]
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// The largest reservation file that is read, in bytes.
const MAX_RECORD: usize = 64 << 10;

/// Enough for nearly every reservation file, in bytes.
const USUAL_RECORD: usize = 4 << 10;

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A file that is open, with the text that it holds.
pub(super) struct Reservation {
    file: File,
    /// Who holds the address; `None` in an empty file, which is left by a crash of the reference.
    pub(super) record: Option<Record>,
}

impl Reservation {
    /// Reads the reservation of an address, `None` when there is none.
    pub(super) fn read(dir: BorrowedFd<'_>, name: &str) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let record = Record::parse(&String::from_utf8_lossy(&contents(&file)?));
        Ok(Some(Self { file, record }))
    }

    /// When and for what it was written.
    pub(super) fn provenance(&self) -> io::Result<Provenance> {
        let metadata = self.file.metadata()?;
        let mut value = [0; origin::MAX_XATTR];
        let origin = rustix::fs::fgetxattr(&self.file, origin::XATTR, &mut value)
            .ok()
            .and_then(|size| value.get(..size))
            .and_then(|value| Origin::parse(&String::from_utf8_lossy(value)));
        Ok(Provenance {
            written: metadata.modified()?,
            origin,
        })
    }
}

/// Whether something else than a file was found: a link, a directory, a socket, a pipe. Any other failure tells nothing
/// of what is there.
pub(super) fn is_no_file(error: &io::Error) -> bool {
    let found = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        found,
        Some(Errno::LOOP | Errno::ISDIR | Errno::NXIO | Errno::SPIPE)
    )
}

/// Whether that can be removed as any file can.
pub(super) fn is_rubbish(error: &io::Error) -> bool {
    is_no_file(error) && error.kind() != io::ErrorKind::IsADirectory
}

/// A file's text from its beginning, to the limit. One read will do for a usual one.
fn contents(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; USUAL_RECORD];
    let mut size = file.read_at(&mut bytes, 0)?;
    if size == bytes.len() {
        bytes.resize(MAX_RECORD, 0);
        while size < MAX_RECORD {
            match file.read_at(&mut bytes[size..], size as u64)? {
                0 => break,
                more => size += more,
            }
        }
    }
    bytes.truncate(size);
    Ok(bytes)
}

/// Makes a reservation file appear, whole, under its name; `false` when there is one already.
///
/// There is no moment at which it exists without its text: a crash leaves all of it or nothing. Not
/// synced to disk: what a power failure takes with it was made for a container that it takes too.
pub(super) fn publish(
    dir: BorrowedFd<'_>,
    name: &str,
    record: &Record,
    origin: Option<&Origin>,
) -> io::Result<bool> {
    let Some(file) = nameless::create(dir, ".", PRIVATE)? else {
        return publish_named(dir, name, record, origin);
    };
    fill(&file, record, origin)?;
    is_new(nameless::link(&file, dir, name))
}

/// As [`publish`], in a file that has a name from its beginning.
pub(super) fn publish_named(
    dir: BorrowedFd<'_>,
    name: &str,
    record: &Record,
    origin: Option<&Origin>,
) -> io::Result<bool> {
    let flags =
        OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let unfinished = format!("{UNFINISHED}{name}");
    let file = File::from(rustix::fs::openat(
        dir,
        unfinished.as_str(),
        flags,
        PRIVATE,
    )?);
    let published = fill(&file, record, origin).and_then(|()| {
        is_new(rustix::fs::linkat(
            dir,
            &unfinished,
            dir,
            name,
            AtFlags::empty(),
        ))
    });
    remove(dir, &unfinished)?;
    published
}

/// `false` when the new name exists.
fn is_new(linked: rustix::io::Result<()>) -> io::Result<bool> {
    match linked {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn fill(mut file: &File, record: &Record, origin: Option<&Origin>) -> io::Result<()> {
    file.write_all(record.to_text().as_bytes())?;
    let Some(origin) = origin else { return Ok(()) };
    let text = origin.to_text();
    match rustix::fs::fsetxattr(file, origin::XATTR, text.as_bytes(), XattrFlags::empty()) {
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => Ok(()),
        // No room beside the file is no reason to refuse an address: then the file's time must do.
        Err(Errno::NOSPC | Errno::DQUOT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes a file; one that is gone is as good.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &str) -> io::Result<()> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Opens the lock file, made if need be, and waits for its lock.
///
/// # Errors
/// `ETIMEDOUT` when somebody else has held it all the time.
pub(super) fn lock(dir: BorrowedFd<'_>) -> io::Result<Lock> {
    let file = match open_lock(dir)? {
        Some(file) => file,
        None => replace_lock(dir)?,
    };
    Lock::take(file, lock::Mode::Alone, LOCK_DEADLINE)
}

/// `None` when that is no lock of ours: an earlier release, under a umask of 0, left directories in which everybody
/// could put a pipe in its place, or a file that he holds.
fn open_lock(dir: BorrowedFd<'_>) -> io::Result<Option<File>> {
    let flags =
        OFlags::CREATE | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // As the reference makes it: the directory is everybody's to enter, the lock is not.
    let mode = Mode::RWXU | Mode::RGRP | Mode::XGRP;
    let fd = match rustix::fs::openat(dir, LOCK, flags, mode).map_err(io::Error::from) {
        Ok(fd) => fd,
        Err(error) if is_no_file(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = rustix::fs::fstat(&fd)?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    let is_trusted = found.st_uid == 0 || found.st_uid == rustix::process::geteuid().as_raw();
    Ok((is_file && is_trusted).then(|| File::from(fd)))
}

/// Puts a lock in the place of what is none. One at a time, under the lock of the directory itself: nobody removes the
/// lock that another has just made and holds.
fn replace_lock(dir: BorrowedFd<'_>) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let own = File::from(rustix::fs::openat(dir, ".", flags, Mode::empty())?);
    let _turn = Lock::take(own, lock::Mode::Alone, LOCK_DEADLINE)?;
    if let Some(file) = open_lock(dir)? {
        return Ok(file);
    }
    match remove(dir, LOCK) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            rustix::fs::unlinkat(dir, LOCK, AtFlags::REMOVEDIR)?;
        }
        removed => removed?,
    }
    open_lock(dir)?.ok_or_else(|| Errno::EXIST.into())
}

/// Makes a file in the directory, writes to it and removes it.
pub(super) fn probe(dir: BorrowedFd<'_>) -> io::Result<()> {
    if let Some(mut file) = nameless::create(dir, ".", PRIVATE)? {
        return file.write_all(b"\n");
    }
    let name = format!("{UNFINISHED}probe-{}", std::process::id());
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(dir, name.as_str(), flags, PRIVATE)?;
    let written = File::from(fd).write_all(b"\n");
    remove(dir, &name)?;
    written
}

/// Whether a file of this name was left unfinished by a crash.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.starts_with(UNFINISHED)
}

/// The file that holds the address reserved last in a set.
///
/// It is changed in place. A kill between two of its system calls can leave the beginning of an
/// address, which is another address or none: the search then starts there or at the range's
/// beginning, and no address is given twice for it.
pub(super) struct LastReserved {
    name: String,
    /// `None` when there is no such file yet.
    file: Option<File>,
    size: usize,
}

impl LastReserved {
    /// Opens the file of the set with this number.
    pub(super) fn open(dir: BorrowedFd<'_>, set: usize) -> io::Result<Self> {
        let name = format!("{LAST_RESERVED}{set}");
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = rustix::fs::openat(dir, name.as_str(), flags, Mode::empty());
        let file = match opened.map_err(io::Error::from) {
            Ok(fd) => Some(File::from(fd)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // A link, a socket: nobody's who may write here.
            Err(error) if is_rubbish(&error) => remove(dir, &name).map(|()| None)?,
            Err(error) => return Err(error),
        };
        Ok(Self {
            name,
            file,
            size: 0,
        })
    }

    /// The address; `None` when there is none, or something that is no address.
    pub(super) fn read(&mut self, dir: BorrowedFd<'_>) -> io::Result<Option<IpAddr>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let mut bytes = [0; 64];
        self.size = match file.read_at(&mut bytes, 0) {
            // A pipe can be opened.
            Err(error) if is_rubbish(&error) => {
                self.file = None;
                return remove(dir, &self.name).map(|()| None);
            }
            read => read?,
        };
        let text = std::str::from_utf8(&bytes[..self.size]).unwrap_or_default();
        Ok(text.parse().ok())
    }

    /// The address of the set with this number, for who only looks.
    pub(super) fn peek(dir: BorrowedFd<'_>, set: usize) -> io::Result<Option<IpAddr>> {
        let name = format!("{LAST_RESERVED}{set}");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(dir, name.as_str(), flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            opened => opened.map_err(io::Error::from).map(File::from),
        };
        let mut bytes = [0; 64];
        let size = match file.and_then(|file| file.read_at(&mut bytes, 0)) {
            Err(error) if is_rubbish(&error) => return Ok(None),
            size => size?,
        };
        let text = std::str::from_utf8(&bytes[..size]).unwrap_or_default();
        Ok(text.parse().ok())
    }

    /// Writes the address.
    pub(super) fn write(&mut self, dir: BorrowedFd<'_>, address: IpAddr) -> io::Result<()> {
        let text = address.to_string();
        if self.file.is_none() {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let fd = rustix::fs::openat(dir, self.name.as_str(), flags, PRIVATE)?;
            self.file = Some(File::from(fd));
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        if text.len() < self.size {
            file.set_len(text.len() as u64)?;
        }
        file.write_all_at(text.as_bytes(), 0)?;
        self.size = text.len();
        Ok(())
    }
}

/// What tells one state of a directory from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// The file system's device and the directory's inode.
    pub(super) identity: (u64, u64),
    /// The time of the last change of an entry, in nanoseconds since 1970.
    pub(super) changed: u64,
}

impl State {
    /// The directory as it is.
    pub(super) fn of(dir: BorrowedFd<'_>) -> io::Result<Self> {
        let stat = rustix::fs::fstat(dir)?;
        let seconds = Duration::from_secs(stat.st_mtime.try_into().unwrap_or_default());
        let fraction = Duration::from_nanos(stat.st_mtime_nsec);
        Ok(Self {
            identity: (stat.st_dev, stat.st_ino),
            changed: nanoseconds(seconds + fraction),
        })
    }

    /// Marks the directory with the present moment, and gives the state that it then has.
    ///
    /// The kernel's own marks are coarse: two changes within some milliseconds can bear the same. This
    /// one is to the nanosecond, so that whoever changes the directory next, however soon, leaves
    /// another one.
    pub(super) fn mark(self, dir: BorrowedFd<'_>) -> io::Result<Self> {
        let time = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: time.as_secs().try_into().unwrap_or_default(),
                tv_nsec: time.subsec_nanos().into(),
            },
        };
        rustix::fs::futimens(dir, &times)?;
        Ok(Self {
            changed: nanoseconds(time),
            ..self
        })
    }
}

fn nanoseconds(since_1970: Duration) -> u64 {
    since_1970.as_nanos().try_into().unwrap_or(u64::MAX)
}
