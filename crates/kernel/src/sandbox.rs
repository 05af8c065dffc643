//! A place apart, for what must not touch the machine: namespaces of its own and private directories.
//!
//! The process leaves the machine's namespaces itself. Running again through `unshare(1)` would come to
//! the same, but needs a program that a container's image or a small distribution lacks, loses the
//! error number, and makes everything before it happen twice.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_bind_recursive,
    mount_change, mount_remount, move_mount, open_tree,
};
use rustix::process::{getgid, getuid};
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities, unshare_unsafe};

use crate::Error;

/// Where a private directory shows what it covers.
const COVERED: &str = ".covered";

/// A process that has left the machine's network and mounts. Nothing that it mounts, and no interface
/// that it makes, is seen outside; when its last process ends, however that happens, all of it is gone.
#[derive(Debug)]
pub struct Sandbox {
    user_namespace: bool,
}

impl Sandbox {
    /// Takes the process into network and mount namespaces of its own, and, when it may not make those
    /// by itself, into a user namespace around them in which its user is root. `/sys` then tells of the
    /// new network.
    ///
    /// To be called before the process has a second thread: others would stay where they are.
    ///
    /// # Errors
    /// `EPERM`, `EACCES` and `ENOSPC`: this machine lets its user make no namespaces. `EINVAL`: the
    /// process has several threads.
    pub fn enter() -> Result<Self, Error> {
        let failed = |error| Error::new("create", "namespaces apart from the machine's", error);
        let user_namespace = !may_make_namespaces();
        let (user, group) = (getuid(), getgid());
        let mut namespaces = UnshareFlags::NEWNET | UnshareFlags::NEWNS;
        namespaces.set(UnshareFlags::NEWUSER, user_namespace);
        leave_namespaces(namespaces).map_err(failed)?;
        if user_namespace {
            // A user who could give up groups could get past what is denied to them (user_namespaces(7)).
            write_map("setgroups", "deny".to_owned())?;
            write_map("uid_map", format!("0 {} 1", user.as_raw()))?;
            write_map("gid_map", format!("0 {} 1", group.as_raw()))?;
        }
        // As root the new mounts are still peers of the machine's.
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )
        .map_err(|error| failed_to("make private", "/", error.into()))?;
        // Inside a container that hides parts of /sys the kernel does not allow it; then /sys goes on
        // to show the machine's interfaces, which is only misleading.
        let _ = mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None);
        Ok(Self { user_namespace })
    }

    /// Whether it needed a user namespace: its root is then an ordinary user of the machine.
    pub fn has_user_namespace(&self) -> bool {
        self.user_namespace
    }

    /// Makes `dir` an empty, private directory, whether the machine has it or not.
    ///
    /// # Errors
    /// When it cannot be mounted; or when it would be a new directory in `/` itself.
    pub fn empty(&self, dir: &Path) -> Result<(), Error> {
        if !dir.is_dir() {
            let mut above = dir.ancestors().skip(1);
            match above.find(|dir| dir.is_dir()) {
                Some(above) if above.parent().is_some() => cover(above)?,
                _ => {
                    return Err(failed_to(
                        "create",
                        dir,
                        io::ErrorKind::PermissionDenied.into(),
                    ));
                }
            }
            fs::create_dir_all(dir).map_err(|error| failed_to("create", dir, error))?;
        }
        mount_tmpfs(dir)
    }

    /// Shows the directory `source` at `target` too.
    ///
    /// # Errors
    /// When either is not there.
    pub fn show(&self, source: &Path, target: &Path) -> Result<(), Error> {
        mount_bind_recursive(source, target)
            .map_err(|error| failed_to("show", source, error.into()))
    }
}

/// Whether namespaces need no user namespace around them.
fn may_make_namespaces() -> bool {
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Moves the calling thread into new namespaces.
pub(crate) fn leave_namespaces(namespaces: UnshareFlags) -> io::Result<()> {
    // SAFETY: what is unsafe is that a thread gets a table of descriptors of its own while others count
    // on them, and that flag is taken away.
    unsafe { unshare_unsafe(namespaces.difference(UnshareFlags::FILES)) }?;
    Ok(())
}

fn write_map(name: &str, text: String) -> Result<(), Error> {
    let path = format!("/proc/self/{name}");
    fs::write(&path, text).map_err(|error| failed_to("write", path, error))
}

/// Replaces a directory by a private one that shows the same entries, and where new ones can be made.
///
/// An overlay would do the same, but one that an ordinary user mounts cannot hold new entries in a
/// directory of root.
fn cover(dir: &Path) -> Result<(), Error> {
    let clone = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let below = open_tree(rustix::fs::CWD, dir, clone)
        .map_err(|error| failed_to("cover", dir, error.into()))?;
    mount_tmpfs(dir)?;
    let covered = dir.join(COVERED);
    let show = || {
        fs::create_dir(&covered)?;
        move_mount(
            &below,
            "",
            rustix::fs::CWD,
            &covered,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )?;
        // Root could write through the links; whoever is root only in here may not remount either.
        let _ = mount_remount(&covered, MountFlags::BIND | MountFlags::RDONLY, "");
        for entry in fs::read_dir(&covered)? {
            let name = entry?.file_name();
            symlink(Path::new(COVERED).join(&name), dir.join(&name))?;
        }
        Ok(())
    };
    show().map_err(|error| failed_to("cover", dir, error))
}

fn mount_tmpfs(dir: &Path) -> Result<(), Error> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", dir, "tmpfs", flags, Some(c"mode=755"))
        .map_err(|error| failed_to("mount a private directory at", dir, error.into()))
}

fn failed_to(operation: &str, path: impl AsRef<Path>, error: io::Error) -> Error {
    Error::new(operation, path.as_ref().display().to_string(), error)
}
