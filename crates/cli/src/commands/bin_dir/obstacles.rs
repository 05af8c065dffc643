//! Why nothing could be changed in a directory of plugins, as far as it can be seen without trying.

use std::path::Path;

use rustix::fs::{
    Access, AtFlags, CWD, IFlags, Mode, OFlags, StatVfsMountFlags, StatxAttributes, StatxFlags,
};
use rustix::io::Errno;

/// What is to be changed there.
pub(in crate::commands) struct Intent<'a> {
    /// Names that are replaced or removed.
    pub(in crate::commands) changed: Vec<&'a str>,
    /// For an installation, whose plugins are run there: how many bytes are written.
    pub(in crate::commands) installed: Option<u64>,
}

/// Why that cannot be; a directory that is not there yet is as the one that it would be made in. Who has not changed anything can
/// still refuse for each of these.
pub(in crate::commands) fn obstacles(bin_dir: &Path, intent: &Intent<'_>) -> Vec<String> {
    if bin_dir.is_symlink() && !bin_dir.exists() {
        return vec![format!(
            "{} is a link that leads nowhere",
            bin_dir.display()
        )];
    }
    let Some(directory) = bin_dir.ancestors().map(or_here).find(|one| one.exists()) else {
        return Vec::new();
    };
    let shown = directory.display();
    let mut found = Vec::new();
    if !directory.is_dir() {
        return vec![format!("{shown} is no directory")];
    }
    match rustix::fs::accessat(
        CWD,
        directory,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    ) {
        Err(Errno::ROFS) => found.push(format!(
            "{shown} is on a file system that is mounted read-only"
        )),
        Err(error) => found.push(format!("{shown} cannot be written to: {error}")),
        Ok(()) => {}
    }
    if let Some(size) = intent.installed
        && let Ok(system) = rustix::fs::statvfs(directory)
    {
        if system.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            found.push(format!(
                "{shown} is on a file system that is mounted with noexec: no plugin can be run there"
            ));
        }
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        // What does not tell its size tells that nothing is free.
        if system.f_blocks > 0 && free < size {
            found.push(format!(
                "{size} bytes are needed and {free} are free below {shown}",
            ));
        }
    }
    if is_immutable(directory) {
        found.push(format!(
            "{shown} may not be changed by anybody (lsattr shows why, chattr -ia mends it)"
        ));
    }
    for name in &intent.changed {
        if is_immutable(&bin_dir.join(name)) {
            found.push(format!(
                "{name} may not be changed by anybody (lsattr shows why, chattr -ia mends it)"
            ));
        }
        if is_mounted(&bin_dir.join(name)) {
            found.push(format!(
                "{name} is mounted there by itself (umount mends it)"
            ));
        }
    }
    found
}

/// The parent of a name alone is where we are.
fn or_here(path: &Path) -> &Path {
    match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    }
}

/// Whether something is mounted at this very path, which then cannot be replaced.
pub(in crate::commands) fn is_mounted(path: &Path) -> bool {
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statx(CWD, path, flags, StatxFlags::empty());
    stat.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Whether not even root may change it, which a link cannot be.
fn is_immutable(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let flags = opened.and_then(rustix::fs::ioctl_getflags);
    flags.is_ok_and(|flags| flags.intersects(IFlags::IMMUTABLE | IFlags::APPEND))
}
