//! Folders that root alone enters.
//!
//! Everything of ours that is kept lies in one: `/run/cni/linkspan`, or where /run is read-only
//! `/var/lib/cni/linkspan/BOOT`, which no later boot looks into. A folder has the modes that it is to have
//! whatever the umask was, is another's only if that is root, and is worked in by its descriptor: no link in it
//! is followed, so that whoever once could write to it cannot lead us out of it.

mod place;
#[cfg(test)]
mod tests;
mod trust;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use linkspan_kernel::netns::Identity;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use place::{NETNS, append_in_memory, enter, find, find_in_memory, make, make_in_memory, of_host};
use trust::{FILE, OF_OTHERS, is_owner_trusted, mode_of, size_if_ours_alone, trust};

pub use trust::{create_directory, withdraw_above};

use crate::nameless;
use crate::origin::reason_to_exist;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// The folder of this name for what concerns the caller's network namespace, made if need be. Hosts of several
    /// namespaces can share one /run.
    ///
    /// # Errors
    /// When it cannot be made, or belongs to a user.
    pub fn of_host(name: &str) -> io::Result<Self> {
        make(&of_host(name)?)
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be opened, or belongs to a user.
    pub fn of_host_if_there(name: &str) -> io::Result<Option<Self>> {
        find(&of_host(name)?)
    }

    /// The folder of this name for what concerns the caller's network namespace and is worth no place on a disk: below /run
    /// or nowhere, made if need be.
    ///
    /// # Errors
    /// As [`of_host`](Self::of_host).
    pub fn of_host_in_memory(name: &str) -> io::Result<Self> {
        make_in_memory(&of_host(name)?)
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// As [`of_host_if_there`](Self::of_host_if_there).
    pub fn of_host_in_memory_if_there(name: &str) -> io::Result<Option<Self>> {
        find_in_memory(&of_host(name)?)
    }

    /// A file in such a folder of this host, as [`append`](Self::append) opens it, by its path: whatever the folders are, the file
    /// is root's alone. `None` unless it is there.
    pub fn append_of_host(host: Identity, name: &str) -> Option<(File, u64)> {
        append_in_memory(host, name)
    }

    /// The folder of this name for what concerns no single network namespace, made if need be.
    ///
    /// # Errors
    /// As [`of_host`](Self::of_host).
    pub fn of_all(name: &str) -> io::Result<Self> {
        make(Path::new(name))
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// As [`of_host_if_there`](Self::of_host_if_there).
    pub fn of_all_if_there(name: &str) -> io::Result<Option<Self>> {
        find(Path::new(name))
    }

    /// A directory anywhere, which is made with this mode if need be, as those above it are with 0755.
    ///
    /// # Errors
    /// When it cannot be made or opened.
    pub fn at(path: &Path, mode: u32) -> io::Result<Self> {
        if let Some(there) = Self::at_if_there(path)? {
            return Ok(there);
        }
        create_directory(path, mode)?;
        Self::at_if_there(path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn at_if_there(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => fd,
            // What is too long for a name is the name of nothing.
            Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if mode_of(fd.as_fd())?.contains(Mode::WOTH) {
            withdraw_above(path);
        }
        let path = path.to_owned();
        Ok(Some(Self { fd, path }))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of this name in it, made if need be.
    ///
    /// # Errors
    /// As [`of_host`](Self::of_host).
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        let path = self.path.join(name);
        let fd = enter(self.fd.as_fd(), name, true)?;
        trust(fd.as_fd(), OF_OTHERS, &path)?;
        Ok(Self { fd, path })
    }

    /// The same; `None` when there is none.
    ///
    /// # Errors
    /// As [`of_host_if_there`](Self::of_host_if_there).
    pub fn folder_if_there(&self, name: &str) -> io::Result<Option<Self>> {
        let path = self.path.join(name);
        match enter(self.fd.as_fd(), name, false) {
            Ok(fd) => {
                trust(fd.as_fd(), OF_OTHERS, &path)?;
                Ok(Some(Self { fd, path }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opened anew: a lock of one is not that of the other.
    ///
    /// # Errors
    /// When the process has no descriptor left.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self {
            fd: enter(self.fd.as_fd(), ".", false)?,
            path: self.path.clone(),
        })
    }

    /// Whether there is something of this name.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn has(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// What a file holds, no more than `limit` bytes of it; `None` when there is no such file, or one that a user
    /// has put there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.open(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Opens a file for reading, as [`read`](Self::read) does.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, name: &str) -> io::Result<Option<File>> {
        self.open_by(name, OFlags::RDONLY)
    }

    /// The same for reading and writing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open_to_write(&self, name: &str) -> io::Result<Option<File>> {
        self.open_by(name, OFlags::RDWR)
    }

    /// The file of this name, made if need be, to be appended to, and its size; `None` when a user has put something there,
    /// or it is no file.
    ///
    /// # Errors
    /// When it cannot be opened. `ESTALE`: somebody has removed it meanwhile, and there may be another.
    pub fn append(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE;
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, FILE) {
            // A link, a pipe that nobody reads, a directory.
            Err(Errno::LOOP | Errno::NXIO | Errno::ISDIR) => return Ok(None),
            opened => opened?,
        };
        match size_if_ours_alone(fd.as_fd()) {
            // It was removed after it was opened.
            None if rustix::fs::fstat(&fd)?.st_nlink == 0 => Err(Errno::STALE.into()),
            size => Ok(size.map(|size| (fd.into(), size))),
        }
    }

    fn open_by(&self, name: &str, flags: OFlags) -> io::Result<Option<File>> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) if is_owner_trusted(rustix::fs::fstat(&fd)?.st_uid) => Ok(Some(fd.into())),
            Ok(_) | Err(Errno::NOENT | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a file that appears under its name, or in the place of the one that had it, when it is complete: a kill
    /// leaves all of it or nothing. Only one plugin at a time works on an attachment, so the name is not contended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let Some(mut file) = nameless::create(&self.fd, ".", FILE)? else {
            return self.write_named(name, bytes);
        };
        file.write_all(bytes)?;
        match nameless::link(&file, &self.fd, name) {
            Err(Errno::EXIST) => {
                let half = unfinished(name);
                self.unlink(&half)?;
                nameless::link(&file, &self.fd, half.as_str())?;
                Ok(rustix::fs::renameat(&self.fd, &half, &self.fd, name)?)
            }
            published => Ok(published?),
        }
    }

    /// The same where the file system has no files without a name.
    fn write_named(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let half = unfinished(name);
        self.unlink(&half)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, half.as_str(), flags, FILE)?;
        File::from(fd).write_all(bytes)?;
        Ok(rustix::fs::renameat(&self.fd, &half, &self.fd, name)?)
    }

    /// The file of this name, made if need be, to be read, written and locked.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&self.fd, name, flags, FILE)?.into())
    }

    /// Removes a file or a link, and what a writer that was killed had not finished for its place; what is gone is as good.
    /// Where the file system has become read-only nothing can be removed, nor wait for it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        self.unlink(&unfinished(name))?;
        self.unlink(name)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT | Errno::ROFS | Errno::NAMETOOLONG) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a folder in it; whether that was empty, and so is gone.
    pub fn remove_folder(&self, name: &str) -> bool {
        let removed = rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
        matches!(removed, Ok(()) | Err(Errno::NOENT))
    }

    /// Removes a folder in it with all that is in that.
    ///
    /// # Errors
    /// When it cannot be looked into.
    pub fn remove_all(&self, name: &str) -> io::Result<()> {
        let Some(folder) = self.folder_if_there(name)? else {
            return Ok(());
        };
        folder.clear(&[])?;
        self.remove_folder(name);
        Ok(())
    }

    /// Removes all that is in it, but what has one of these names.
    fn clear(&self, spared: &[&str]) -> io::Result<()> {
        let mut names = self.all_names()?;
        names.retain(|name| !spared.contains(&name.as_str()));
        for name in names {
            if self.remove(&name).is_err() {
                self.remove_all(&name)?;
            }
        }
        Ok(())
    }

    /// Makes a link to `target`, in the place of one that has the name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn link(&self, name: &str, target: impl AsRef<Path>) -> io::Result<()> {
        let target = target.as_ref();
        match rustix::fs::symlinkat(target, &self.fd, name) {
            Err(Errno::EXIST) => {
                self.remove(name)?;
                Ok(rustix::fs::symlinkat(target, &self.fd, name)?)
            }
            made => Ok(made?),
        }
    }

    /// What a link says, which is never followed; `None` when there is no such link, or one that a user has put there.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn link_target(&self, name: &str) -> io::Result<Option<PathBuf>> {
        use std::os::unix::ffi::OsStringExt;
        let read = || -> rustix::io::Result<_> {
            let status = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((
                status.st_uid,
                rustix::fs::readlinkat(&self.fd, name, Vec::new())?,
            ))
        };
        match read() {
            Ok((owner, target)) => {
                let target = std::ffi::OsString::from_vec(target.into_bytes());
                Ok(is_owner_trusted(owner).then(|| target.into()))
            }
            // What is no link is an invalid argument.
            Err(Errno::NOENT | Errno::NAMETOOLONG | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves a file or a folder to another folder, under another name.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.fd, name, &to.fd, new)?)
    }

    /// The names of all that is in it. A name that is not UTF-8 is nobody's.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.all_names()?;
        names.retain(|name| !name.starts_with(UNFINISHED));
        Ok(names)
    }

    /// The same, and what was not finished when its writer was killed.
    fn all_names(&self) -> io::Result<Vec<String>> {
        self.entries()?.collect()
    }

    /// Removes what writers that were killed have not finished; for whoever is the only one to write here.
    ///
    /// # Errors
    /// When it cannot be read, or removed.
    pub fn sweep(&self) -> io::Result<()> {
        let names = self.all_names()?.into_iter();
        let mut unfinished = names.filter(|name| name.starts_with(UNFINISHED));
        unfinished.try_for_each(|name| self.unlink(&name))
    }

    /// Whether nothing is in it; however much there is, no more than its beginning is read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_empty(&self) -> io::Result<bool> {
        let is_one = |name: &io::Result<String>| {
            name.as_ref()
                .map_or(true, |name| !name.starts_with(UNFINISHED))
        };
        Ok(!self.entries()?.any(|name| is_one(&name)))
    }

    fn entries(&self) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        let is_one = |name: &str| !["", ".", ".."].contains(&name);
        let entries = rustix::fs::Dir::read_from(&self.fd)?;
        Ok(entries.filter_map(move |entry| match entry {
            Ok(entry) => {
                let name = entry.file_name().to_str().unwrap_or_default();
                is_one(name).then(|| Ok(name.to_owned()))
            }
            Err(error) => Some(Err(error.into())),
        }))
    }
}

/// Removes what is kept for hosts whose network namespaces are gone.
///
/// # Errors
/// When it cannot be looked at; what cannot be removed waits for the next time.
pub fn sweep() -> io::Result<()> {
    let Some(all) = Folder::of_all_if_there("")? else {
        return Ok(());
    };
    let own = Identity::current()?;
    for name in all.names()? {
        let netns = name.strip_prefix(NETNS).map(str::parse::<Identity>);
        if let Some(Ok(netns)) = netns
            && netns != own
            && reason_to_exist(netns).is_none()
        {
            all.remove_all(&name)?;
        }
    }
    Ok(())
}

/// Removes all that is kept for the caller's network namespace, but the [folders](Folder::of_host) of these names; and what
/// concerns no single one when there is no other host.
///
/// # Errors
/// When it cannot be removed.
pub fn forget_host(spared: &[&str]) -> io::Result<()> {
    let Some(all) = Folder::of_all_if_there("")? else {
        return Ok(());
    };
    let own = format!("{NETNS}{}", Identity::current()?);
    if let Some(host) = all.folder_if_there(&own)? {
        host.clear(spared)?;
    }
    // It stays when something was spared.
    let is_gone = all.remove_folder(&own);
    let is_other = |name: &String| name.starts_with(NETNS) && *name != own;
    if all.names()?.iter().any(is_other) {
        return Ok(());
    }
    all.clear(&[&own])?;
    match is_gone {
        true => std::fs::remove_dir(all.path()),
        false => Ok(()),
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Folder> for OwnedFd {
    fn from(folder: Folder) -> Self {
        folder.fd
    }
}

/// The folder's descriptor, to be locked.
impl From<Folder> for File {
    fn from(folder: Folder) -> Self {
        folder.fd.into()
    }
}

/// How the names of files begin that are not complete, or do not have their name yet.
const UNFINISHED: &str = ".new-";

/// What a file is called before it takes the place of the one with this name: the same each time, so that whoever removes
/// that finds what a kill has left.
fn unfinished(name: &str) -> String {
    format!("{UNFINISHED}{name}")
}
