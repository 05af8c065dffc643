//! What daemons keep on this host, for whoever has to leave it alone.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};
use linkspan_state::origin::{Boot, reason_to_exist};
use rustix::io::Errno;

use super::{BELOW_PREFIX, FOLDER, LOCK, MAX_RECORD, Record};

/// What daemons keep on this host.
#[derive(Debug, Default)]
pub struct Kept {
    /// The folders that are in use: a daemon works there, or leases are kept there.
    pub folders: Vec<PathBuf>,
    /// The leases, but those of containers that are gone.
    pub leases: Vec<KeptLease>,
    /// Whether a daemon works on any of it.
    pub is_running: bool,
}

/// A lease that a daemon keeps, or kept until it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLease {
    /// The attachment, as network, container ID and interface; of a record that cannot be read its path.
    pub attachment: String,
    /// Its address, unless the record cannot be read.
    pub address: Option<Ipv4Addr>,
}

impl Kept {
    /// What is kept for this host.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn on_host() -> io::Result<Self> {
        let mut kept = Self::default();
        let prefixed = Path::new("/").join(BELOW_PREFIX);
        let folders = [
            Folder::of_host_if_there(FOLDER)?,
            Folder::at_if_there(&prefixed)?,
        ];
        for folder in folders.into_iter().flatten() {
            kept.look_at(&folder)?;
        }
        kept.leases
            .sort_by(|one, other| one.attachment.cmp(&other.attachment));
        Ok(kept)
    }

    /// There is a folder for each daemon in it.
    fn look_at(&mut self, all: &Folder) -> io::Result<()> {
        let before = self.leases.len();
        let mut is_running = false;
        for name in all.names()? {
            let Some(folder) = all.folder_if_there(&name)? else {
                continue;
            };
            self.leases.extend(leases(&folder)?);
            is_running |= is_locked(&folder)?;
        }
        if is_running || self.leases.len() > before {
            self.folders.push(all.path().to_owned());
        }
        self.is_running |= is_running;
        Ok(())
    }
}

fn leases(folder: &Folder) -> io::Result<Vec<KeptLease>> {
    let boot = Boot::current()?;
    let mut names = folder.names()?;
    names.retain(|name| name != LOCK);
    let mut leases = Vec::new();
    for name in names {
        let bytes = folder.read(&name, MAX_RECORD)?.unwrap_or_default();
        match serde_json::from_slice::<Record>(&bytes) {
            // What nobody has any more is for nobody to keep.
            Ok(record)
                if record.boot != boot.id()
                    || reason_to_exist(record.container.identity).is_none() => {}
            Ok(Record { wish, lease, .. }) => leases.push(KeptLease {
                attachment: format!("{}/{}/{}", wish.network, wish.container_id, wish.ifname),
                address: Some(lease.address.addr()),
            }),
            Err(_) => leases.push(KeptLease {
                attachment: folder.path().join(name).display().to_string(),
                address: None,
            }),
        }
    }
    Ok(leases)
}

/// Whether a daemon works there.
fn is_locked(folder: &Folder) -> io::Result<bool> {
    let Some(file) = folder.open_to_write(LOCK)? else {
        return Ok(false);
    };
    match Lock::take(file, Mode::Shared, Duration::ZERO) {
        Ok(_lock) => Ok(false),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::TIMEDOUT) => Ok(true),
        Err(error) => Err(error),
    }
}
