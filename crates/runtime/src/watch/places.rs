//! Which files and directories are watched for a configuration directory, and which of their events matter.
//!
//! A watch is on an inode, and a path may lead to another one tomorrow: by a rename of any directory on the way, by a symbolic
//! link that is replaced, by a directory that is made. So each step of a path is watched for what would lead elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

/// How many symbolic links a path may lead through, as for the kernel.
const MAX_LINKS: usize = 40;

/// How often events are read before something else is looked at: somebody may write without end. The rest is told the next time.
const MAX_READS: usize = 16;

/// That a path leads elsewhere.
const ITSELF: WatchFlags = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF);

/// That a name of a directory is another file.
const NAMES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO);

/// That a file is another, or may be read now. What is written is told while it is, so that a slow writer is waited for.
const CONTENTS: WatchFlags = WatchFlags::ATTRIB
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE);

/// The watches of one look at a directory. Whoever looks again makes them anew, and so cannot forget one.
#[derive(Debug)]
pub(super) struct Places {
    inotify: OwnedFd,
    interests: BTreeMap<i32, Interest>,
}

/// Which events of a watch matter. Those without a name always do: they are of what is watched itself.
#[derive(Debug, Default)]
struct Interest {
    /// Files whose names end so.
    extensions: BTreeSet<&'static str>,
    names: BTreeSet<OsString>,
}

impl Places {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            inotify: inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?,
            interests: BTreeMap::new(),
        })
    }

    /// Watches the way to a directory, and in it the names with these extensions.
    pub(super) fn directory(&mut self, path: &Path, extensions: &[&'static str]) -> io::Result<()> {
        let Some(there) = self.way(path)? else {
            return Ok(());
        };
        let flags = ITSELF | NAMES | CONTENTS | WatchFlags::ONLYDIR;
        if let Some(interest) = self.watch(&there, flags)? {
            interest.extensions.extend(extensions);
        }
        Ok(())
    }

    /// Watches the way to a file, and what it holds.
    pub(super) fn file(&mut self, path: &Path) -> io::Result<()> {
        if let Some(there) = self.way(path)? {
            self.watch(&there, ITSELF | CONTENTS)?;
        }
        Ok(())
    }

    /// Watches each step of a path for what would have it lead elsewhere: where it leads now, without links, if it does.
    fn way(&mut self, path: &Path) -> io::Result<Option<PathBuf>> {
        let mut here = PathBuf::from("/");
        let mut ahead = steps(path);
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            // Watched before it is looked at, so that nothing happens in between.
            let stays = self.watch(
                &next,
                ITSELF | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW,
            )?;
            let is_last = ahead.is_empty();
            if stays.is_some() {
                here = next;
                continue;
            }
            // What may not be watched now may be some time later, which its attributes tell.
            let flags = NAMES | WatchFlags::ATTRIB | WatchFlags::ONLYDIR;
            if let Some(interest) = self.watch(&here, flags)? {
                interest.names.insert(name.clone());
            }
            match fs::symlink_metadata(&next) {
                Ok(meta) if meta.is_symlink() && links < MAX_LINKS => {
                    links += 1;
                    let target = fs::read_link(&next).unwrap_or_default();
                    if target.is_absolute() {
                        here = PathBuf::from("/");
                    }
                    ahead.extend(steps(&target));
                }
                Ok(meta) if meta.is_dir() => here = next,
                Ok(meta) if is_last && !meta.is_symlink() => return Ok(Some(next)),
                _ => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    /// Watches what is there; nothing when it is not, or is not ours to watch.
    fn watch(&mut self, path: &Path, flags: WatchFlags) -> io::Result<Option<&mut Interest>> {
        match inotify::add_watch(&self.inotify, path, flags | WatchFlags::MASK_ADD) {
            Ok(watch) => Ok(Some(self.interests.entry(watch).or_default())),
            Err(
                Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS | Errno::NAMETOOLONG,
            ) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes what has happened since: whether anything of it matters.
    pub(super) fn have_changed(&self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(&self.inotify, &mut buffer);
        let mut changed = false;
        let mut reads = 0;
        loop {
            if events.is_buffer_empty() {
                reads += 1;
                if reads > MAX_READS {
                    return Ok(changed);
                }
            }
            match events.next() {
                Ok(event) => {
                    let name = event
                        .file_name()
                        .map(|name| OsStr::from_bytes(name.to_bytes()));
                    changed |= self.matters(event.wd(), event.events(), name);
                }
                Err(Errno::AGAIN) => return Ok(changed),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    fn matters(&self, watch: i32, events: ReadFlags, name: Option<&OsStr>) -> bool {
        let Some(name) = name else {
            // That a watch has ended was told by the event before. An overflow is of none.
            return !events.contains(ReadFlags::IGNORED);
        };
        let Some(interest) = self.interests.get(&watch) else {
            return false;
        };
        let extension = Path::new(name).extension().and_then(OsStr::to_str);
        let is_file = extension.is_some_and(|extension| interest.extensions.contains(extension));
        is_file && !is_hidden(name) || interest.names.contains(name)
    }
}

/// Readable once something has happened.
impl AsFd for Places {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

/// Whether a name is one of those that editors and installers make beside a file.
pub(super) fn is_hidden(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".")
}

/// The names of a path, the last first.
fn steps(path: &Path) -> Vec<OsString> {
    let step = |component: Component<'_>| match component {
        Component::Normal(_) | Component::ParentDir => Some(component.as_os_str().to_owned()),
        _ => None,
    };
    path.components().rev().filter_map(step).collect()
}
