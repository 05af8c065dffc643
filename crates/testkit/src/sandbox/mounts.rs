//! Private directories over those that plugins and runtimes write to.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::mount::{MountFlags, mount, mount_bind_recursive, mount_remount};
use rustix::process::geteuid;

/// Directories that a test finds empty, and may fill.
const EMPTY: [&str; 3] = ["/var/lib/cni", "/etc/cni", "/opt/cni"];

/// Where what a private directory covers is still to be seen.
const COVERED: &str = "/run/covered";

/// Temporary files go here, so that a killed test leaves none; `/tmp` itself stays, for it may hold the test's executable.
const TEMPORARY: &str = "/run/tmp";

pub(super) fn lay_private_directories() {
    let laid = lay();
    if let Err((path, error)) = laid {
        panic!("the sandbox cannot mount {path}: {error}");
    }
}

/// The variable for `Command`s and for this process; a process can set it for itself only by an unsafe call.
pub(super) const TMPDIR: (&str, &str) = ("TMPDIR", TEMPORARY);

type Failure = (String, io::Error);

fn lay() -> Result<(), Failure> {
    tmpfs("/run")?;
    for dir in ["/run/netns", "/run/lock", TEMPORARY, COVERED] {
        make_dir(Path::new(dir))?;
    }
    // What `/sys/class/net` shows belongs to the namespace of whoever mounted it.
    mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None)
        .map_err(|e| ("/sys".to_owned(), e.into()))?;
    EMPTY.iter().try_for_each(|dir| empty(Path::new(dir)))
}

fn tmpfs(path: &str) -> Result<(), Failure> {
    mount(
        "tmpfs",
        path,
        "tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        None,
    )
    .map_err(|e| (path.to_owned(), e.into()))
}

/// Makes `dir` an empty directory of the sandbox.
fn empty(dir: &Path) -> Result<(), Failure> {
    if !dir.is_dir() {
        let Some(parent) = dir.parent().filter(|parent| parent.is_dir()) else {
            return Ok(());
        };
        cover(parent)?;
        make_dir(dir)?;
    }
    tmpfs(&dir.to_string_lossy())
}

/// Replaces a directory that we cannot or must not write to by a private one that shows the same entries.
///
/// An overlay would do the same, but one that an ordinary user mounts cannot hold new entries in a directory of root.
fn cover(dir: &Path) -> Result<(), Failure> {
    let behind = Path::new(COVERED).join(dir.strip_prefix("/").unwrap_or(dir));
    let failed = |error: io::Error| (dir.display().to_string(), error);
    make_dir(&behind)?;
    mount_bind_recursive(dir, &behind).map_err(|e| failed(e.into()))?;
    if geteuid().is_root() {
        // Root could write through the links; whoever is root only in here cannot, and may not remount either.
        let _ = mount_remount(&behind, MountFlags::BIND | MountFlags::RDONLY, "");
    }
    tmpfs(&dir.to_string_lossy())?;
    for entry in fs::read_dir(&behind).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        symlink(entry.path(), dir.join(entry.file_name())).map_err(failed)?;
    }
    Ok(())
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::create_dir_all(dir).map_err(|error| (dir.display().to_string(), error))
}
