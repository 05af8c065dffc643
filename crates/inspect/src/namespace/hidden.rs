//! Network namespaces that no process is in as a whole and that no file here keeps: those of single threads, of open descriptors,
//! and of mounts in other mount namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

use super::{inode_of, mounted};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    /// Places by which each can be opened, by its inode.
    pub(super) places: BTreeMap<u64, Vec<PathBuf>>,
    /// Processes are there that may not be looked at.
    pub(super) incomplete: bool,
}

/// The device and the inode of what is open, without asking a file system that may be far away.
fn look(path: &Path) -> Option<((u32, u32), u64)> {
    let flags = AtFlags::STATX_DONT_SYNC;
    let told = statx(CWD, path, flags, StatxFlags::INO).ok()?;
    Some(((told.stx_dev_major, told.stx_dev_minor), told.stx_ino))
}

/// The inode of an open namespace, whose file system has our own as well.
fn opened(descriptor: &Path, own: Option<((u32, u32), u64)>) -> Option<u64> {
    let (device, inode) = look(descriptor)?;
    (device == own?.0).then_some(inode)
}

impl Hidden {
    /// Looks for all but the known ones.
    pub(super) fn read(known: &BTreeSet<u64>) -> Self {
        let mut hidden = Self::default();
        let mut mount_namespaces = BTreeSet::new();
        let own = look(Path::new(super::OWN));
        for process in hidden.list(Path::new("/proc")) {
            let is_process = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if !process.file_name().is_some_and(is_process) {
                continue;
            }
            for thread in hidden.list(&process.join("task")) {
                hidden.note_link(known, thread.join("ns/net"));
            }
            for descriptor in hidden.list(&process.join("fd")) {
                // One that was opened by a file's path is called so.
                match hidden.link(&descriptor) {
                    Some(link) if link.is_absolute() => {
                        if let Some(inode) = opened(&descriptor, own) {
                            hidden.note(known, inode, descriptor);
                        }
                    }
                    _ => hidden.note_link(known, descriptor),
                }
            }
            let mounts = hidden.link(&process.join("ns/mnt"));
            if mounts.is_some_and(|mounts| mount_namespaces.insert(mounts)) {
                hidden.note_mounts(known, &process);
            }
        }
        hidden
    }

    fn note_link(&mut self, known: &BTreeSet<u64>, place: PathBuf) {
        let inode = self
            .link(&place)
            .and_then(|link| inode_of(link.to_str().unwrap_or_default()));
        if let Some(inode) = inode {
            self.note(known, inode, place);
        }
    }

    /// What is mounted where a process is, by a path that leads there from here.
    fn note_mounts(&mut self, known: &BTreeSet<u64>, process: &Path) {
        let Some(mounts) = self.seen(fs::read_to_string(process.join("mountinfo"))) else {
            return;
        };
        let root = process.join("root");
        for (inode, point) in mounts.lines().filter_map(mounted) {
            let point = point.strip_prefix("/").unwrap_or(&point);
            self.note(known, inode, root.join(point));
        }
    }

    fn note(&mut self, known: &BTreeSet<u64>, inode: u64, place: PathBuf) {
        if !known.contains(&inode) {
            self.places.entry(inode).or_default().push(place);
        }
    }

    fn list(&mut self, directory: &Path) -> Vec<PathBuf> {
        let entries = self.seen(fs::read_dir(directory));
        let entries = entries.into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }

    fn link(&mut self, path: &Path) -> Option<PathBuf> {
        self.seen(fs::read_link(path))
    }

    /// What a look at a process has told. One that has ended keeps nothing.
    fn seen<T>(&mut self, told: io::Result<T>) -> Option<T> {
        let is_denied = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        self.incomplete |= told.as_ref().is_err_and(is_denied);
        told.ok()
    }
}
