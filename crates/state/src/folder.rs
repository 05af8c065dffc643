//! Folders that root alone enters.
//!
//! Everything of ours that is kept lies in one: `/run/cni/linkspan`, or where /run is read-only
//! `/var/lib/cni/linkspan/BOOT`, which no later boot looks into. A folder has the modes that it is to have
//! whatever the umask was, is another's only if that is root, and is worked in by its descriptor: no link in it
//! is followed, so that whoever once could write to it cannot lead us out of it.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use linkspan_kernel::netns::Identity;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::nameless;
use crate::origin::{Boot, reason_to_exist};

/// Where folders lie: a directory of root's that others may look into, and ours in it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    root: &'static str,
    own: String,
}

/// In memory.
const RUN: &str = "/run/cni";

/// Where /run cannot be written.
const LIB: &str = "/var/lib/cni";

/// Ours in it.
const OWN: &str = "linkspan";

/// Of which the folder of each network namespace bears the identity.
const NETNS: &str = "netns-";

const PRIVATE: Mode = Mode::RWXU;
const OF_OTHERS: Mode = Mode::RWXG.union(Mode::RWXO);
const WRITTEN_BY_OTHERS: Mode = Mode::WGRP.union(Mode::WOTH);
const FILE: Mode = Mode::RUSR.union(Mode::WUSR);

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
    pub fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
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
                self.remove(name)?;
                Ok(nameless::link(&file, &self.fd, name)?)
            }
            published => Ok(published?),
        }
    }

    /// The same where the file system has no files without a name.
    fn write_named(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let half = format!("{UNFINISHED}{}", std::process::id());
        self.remove(&half)?;
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

    /// Removes a file or a link; one that is gone is as good. Where the file system has become read-only nothing can be
    /// removed, nor wait for it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> io::Result<()> {
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
    pub fn link_target(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        let status = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let target = rustix::fs::readlinkat(&self.fd, name, Vec::new()).ok()?;
        let target = std::ffi::OsString::from_vec(target.into_bytes());
        is_owner_trusted(status.st_uid).then(|| target.into())
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
        self.entries()?.collect()
    }

    /// Whether nothing is in it; however much there is, no more than its beginning is read.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_empty(&self) -> io::Result<bool> {
        Ok(self.entries()?.next().is_none())
    }

    fn entries(&self) -> io::Result<impl Iterator<Item = io::Result<String>> + use<>> {
        let is_one = |name: &str| !["", ".", ".."].contains(&name) && !name.starts_with(UNFINISHED);
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
            empty(&all, &name)?;
        }
    }
    Ok(())
}

/// Removes all that is kept for the caller's network namespace, and what concerns no single one when there is no other
/// host.
///
/// # Errors
/// When it cannot be removed.
pub fn forget_host() -> io::Result<()> {
    let Some(all) = Folder::of_all_if_there("")? else {
        return Ok(());
    };
    empty(&all, &format!("{NETNS}{}", Identity::current()?))?;
    let rest = all.names()?;
    if rest.iter().any(|name| name.starts_with(NETNS)) {
        return Ok(());
    }
    for name in rest {
        if all.remove(&name).is_err() {
            empty(&all, &name)?;
        }
    }
    std::fs::remove_dir(all.path())
}

/// Removes a folder with all that is in it.
fn empty(from: &Folder, name: &str) -> io::Result<()> {
    let Some(folder) = from.folder_if_there(name)? else {
        return Ok(());
    };
    for inside in folder.names()? {
        if folder.remove(&inside).is_err() {
            empty(&folder, &inside)?;
        }
    }
    from.remove_folder(name);
    Ok(())
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

/// How the names of files begin that are not complete.
const UNFINISHED: &str = ".new-";

fn of_host(name: &str) -> io::Result<PathBuf> {
    Ok(Path::new(&format!("{NETNS}{}", Identity::current()?)).join(name))
}

impl Base {
    /// Where what is kept lies on this host, unless /run cannot be written.
    fn run() -> Self {
        Self {
            root: RUN,
            own: OWN.to_owned(),
        }
    }

    /// Of this boot alone: what an earlier one left is as gone as if it had been in memory.
    fn lib() -> io::Result<Self> {
        Ok(Self {
            root: LIB,
            own: format!("{OWN}/{}", Boot::current()?.id()),
        })
    }

    fn path(&self, name: &Path) -> PathBuf {
        Path::new(self.root).join(&self.own).join(name)
    }

    /// Opens a folder, from the root on, and puts right what on the way others could write to; makes it, if `make`.
    fn walk(&self, name: &Path, make: bool) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = || rustix::fs::open(self.root, flags, Mode::empty());
        let mut fd = match open() {
            Err(Errno::NOENT) if make => {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o755)
                    .create(self.root)?;
                open()?
            }
            opened => opened?,
        };
        let mut path = PathBuf::from(self.root);
        trust(fd.as_fd(), WRITTEN_BY_OTHERS, &path)?;
        for part in Path::new(&self.own).join(name).components() {
            fd = enter(fd.as_fd(), part, make)?;
            path.push(part);
            trust(fd.as_fd(), OF_OTHERS, &path)?;
        }
        Ok(Folder { fd, path })
    }

    /// Opens a folder that is there: in one call, where nothing is to be put right.
    fn open(&self, name: &Path) -> io::Result<Option<Folder>> {
        let path = self.path(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = match rustix::fs::openat2(
            CWD,
            &path,
            flags,
            Mode::empty(),
            ResolveFlags::NO_SYMLINKS,
        ) {
            // Else those above it may be wrong as well.
            Ok(fd) if is_ours_alone(fd.as_fd()) => Ok(Folder { fd, path }),
            Err(Errno::NOENT) => return Ok(None),
            // No such call before Linux 5.6 and in some sandboxes; and /run itself may be a link.
            Ok(_) | Err(_) => self.walk(name, false),
        };
        match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }
}

fn find(name: &Path) -> io::Result<Option<Folder>> {
    match Base::run().open(name)? {
        Some(folder) => Ok(Some(folder)),
        None if !Path::new(LIB).join(OWN).exists() => Ok(None),
        None => Base::lib()?.open(name),
    }
}

fn make(name: &Path) -> io::Result<Folder> {
    if let Some(folder) = Base::run().open(name)? {
        return Ok(folder);
    }
    match Base::run().walk(name, true) {
        Err(error) if is_read_only(&error) => {
            let lib = Base::lib()?;
            // What others tell of /run is what the host's owner has to know.
            lib.walk(name, true)
                .map_err(|other| if is_read_only(&other) { error } else { other })
        }
        made => made,
    }
}

fn is_read_only(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ROFS.raw_os_error())
}

/// Opens a directory in another, made if `make`, unless a link has its name.
fn enter(
    from: BorrowedFd<'_>,
    name: impl rustix::path::Arg + Copy,
    make: bool,
) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || rustix::fs::openat(from, name, flags, Mode::empty());
    match open() {
        Err(Errno::NOENT) if make => {
            match rustix::fs::mkdirat(from, name, PRIVATE) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
            open()
        }
        opened => opened,
    }
}

/// Refuses what a user has put there; takes from others what they are not to have.
fn trust(fd: BorrowedFd<'_>, withheld: Mode, path: &Path) -> io::Result<()> {
    let status = rustix::fs::fstat(fd)?;
    if !is_owner_trusted(status.st_uid) {
        let words = format!(
            "{} belongs to the user {}, not to root: look at what it is, and remove it",
            path.display(),
            status.st_uid
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, words));
    }
    withdraw(fd, Mode::from_raw_mode(status.st_mode), withheld)
}

fn mode_of(fd: BorrowedFd<'_>) -> io::Result<Mode> {
    Ok(Mode::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

/// Makes a directory with this mode, and those above it that are not there with 0755, whatever the umask lets others
/// have.
///
/// # Errors
/// When it cannot be made.
pub fn create_directory(path: &Path, mode: u32) -> io::Result<()> {
    if let Some(above) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)?;
    }
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Takes from others that they may write to a directory and to those above it, as earlier versions made them where the
/// umask was 0: up to the first that is as it should be. What is a user's stays as that one made it.
pub fn withdraw_above(path: &Path) {
    for path in path.ancestors() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(fd) = rustix::fs::open(path, flags, Mode::empty()) else {
            return;
        };
        let open = |mode: &Mode| mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX);
        match mode_of(fd.as_fd()).ok().filter(open) {
            Some(mode) if withdraw(fd.as_fd(), mode, WRITTEN_BY_OTHERS).is_ok() => {}
            _ => return,
        }
    }
}

fn withdraw(fd: BorrowedFd<'_>, mode: Mode, withheld: Mode) -> io::Result<()> {
    if !mode.intersects(withheld) {
        return Ok(());
    }
    match rustix::fs::fchmod(fd, mode.difference(withheld)) {
        // What cannot be put right any more cannot be written to either.
        Ok(()) | Err(Errno::ROFS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_ours_alone(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|status| {
        is_owner_trusted(status.st_uid)
            && !Mode::from_raw_mode(status.st_mode).intersects(OF_OTHERS)
    })
}

/// Root, or whoever this process is for want of root.
fn is_owner_trusted(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use linkspan_testkit::sandbox;

    use super::*;

    fn mode(path: impl AsRef<Path>) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn modes_are_the_same_whatever_the_umask() {
        for umask in [0, 0o022, 0o027] {
            sandbox(|_| {
                rustix::process::umask(Mode::from_raw_mode(umask));
                let folder = Folder::of_host("a").unwrap();
                folder.write("file", b"text").unwrap();
                folder.write_named("other", b"text").unwrap();
                drop(folder.file("lock").unwrap());
                folder.folder("b").unwrap();
                let own = folder.path().parent().unwrap().to_owned();
                for ours in [
                    Path::new("/run/cni/linkspan"),
                    &own,
                    folder.path(),
                    &folder.path().join("b"),
                ] {
                    assert_eq!(mode(ours), 0o700, "{}", ours.display());
                }
                assert_eq!(mode("/run/cni"), 0o755 & !umask);
                for file in ["file", "other", "lock"] {
                    assert_eq!(mode(folder.path().join(file)), 0o600, "{file}");
                }
                let elsewhere = Path::new("/run/elsewhere/data");
                Folder::at(elsewhere, 0o700).unwrap();
                assert_eq!(mode(elsewhere), 0o700);
                assert_eq!(mode("/run/elsewhere"), 0o755 & !umask);
            });
        }
    }

    /// As earlier versions left them with a umask of 0.
    #[test]
    fn what_others_could_write_to_is_put_right() {
        sandbox(|host| {
            host.run("umask 0; mkdir -p /run/cni/linkspan/a /run/cni/networks/net; chmod 755 /run");
            Folder::of_all("a").unwrap();
            let modes = ["/run/cni", "/run/cni/linkspan", "/run/cni/linkspan/a"].map(mode);
            assert_eq!(modes, [0o755, 0o700, 0o700]);
            Folder::at(Path::new("/run/cni/networks/net"), 0o755).unwrap();
            for directory in ["/run/cni/networks", "/run/cni/networks/net"] {
                assert_eq!(mode(directory), 0o755, "{directory}");
            }
            // Everybody's on purpose.
            host.run("mkdir -m 1777 /run/shared; mkdir -m 777 /run/shared/net");
            Folder::at(Path::new("/run/shared/net"), 0o755).unwrap();
            assert_eq!(
                (mode("/run/shared"), mode("/run/shared/net")),
                (0o1777, 0o755)
            );
        });
    }

    #[test]
    fn no_link_is_followed() {
        sandbox(|host| {
            host.run("mkdir -p /run/cni /run/theirs/a; echo theirs > /run/theirs/file");
            symlink("/run/theirs", "/run/cni/linkspan").unwrap();
            Folder::of_all("a").unwrap_err();
            Folder::of_all_if_there("a").unwrap_err();
            host.run("rm /run/cni/linkspan");

            let folder = Folder::of_all("a").unwrap();
            for name in ["file", "sub"] {
                symlink("/run/theirs/file", folder.path().join(name)).unwrap();
            }
            assert_eq!(folder.read("file", 100).unwrap(), None);
            folder.folder("sub").unwrap_err();
            folder.folder_if_there("sub").unwrap_err();
            folder.file("file").unwrap_err();
            assert_eq!(
                folder.link_target("file").unwrap(),
                Path::new("/run/theirs/file")
            );
            folder.write("file", b"ours").unwrap();
            folder.remove("sub").unwrap();
            assert_eq!(folder.read("file", 100).unwrap().unwrap(), b"ours");
            assert_eq!(fs::read_to_string("/run/theirs/file").unwrap(), "theirs\n");
            assert_eq!(folder.names().unwrap(), ["file"]);
        });
    }

    #[test]
    fn where_run_is_read_only_a_folder_of_this_boot_takes_its_place() {
        sandbox(|host| {
            host.run("mkdir -p /run/cni; mount -t tmpfs -o ro none /run/cni");
            assert!(Folder::of_host_if_there("a").unwrap().is_none());
            let boot = Boot::current().unwrap();
            let folder = Folder::of_host("a").unwrap();
            let base = Path::new("/var/lib/cni/linkspan").join(boot.id());
            assert!(folder.path().starts_with(&base), "{folder:?}");
            folder.write("file", b"text").unwrap();
            let again = Folder::of_host_if_there("a").unwrap().unwrap();
            assert_eq!(again.read("file", 100).unwrap().unwrap(), b"text");
            host.run("rm -r /var/lib/cni/linkspan; mount -t tmpfs -o ro none /var/lib/cni");
            let error = Folder::of_host("a").unwrap_err();
            assert!(is_read_only(&error), "{error}");
            assert!(Folder::of_host_if_there("a").unwrap().is_none());
        });
    }

    /// A file system that was writable when it was written to.
    #[test]
    fn what_cannot_be_removed_any_more_is_no_obstacle() {
        sandbox(|host| {
            host.run("mkdir -p /run/cni; mount -t tmpfs none /run/cni");
            let folder = Folder::of_host("a").unwrap();
            folder.write("file", b"text").unwrap();
            host.run("mount -o remount,ro /run/cni");
            let folder = Folder::of_host_if_there("a").unwrap().unwrap();
            folder.remove("file").unwrap();
            folder.write("other", b"text").unwrap_err();
        });
    }
}
