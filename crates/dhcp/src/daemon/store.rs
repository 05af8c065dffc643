//! Leases on disk: what a daemon that is started again, after whatever end of the one before, goes on with.

mod kept;

use std::io;
use std::path::Path;
use std::time::Duration;

use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};
use linkspan_state::origin::Boot;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::container::Container;
use super::holder::Holder;
use super::wish::Wish;
use crate::machine::Lease;

pub use kept::{Kept, KeptLease};

/// The [folder](Folder::of_host) of this host in which each daemon has its own.
pub const FOLDER: &str = "dhcp";

/// The same for a daemon that sees the host below a prefix.
const BELOW_PREFIX: &str = "run/cni/linkspan-dhcp";

/// The form of records that this code writes, and the only one that it reads.
const VERSION: u32 = 1;

/// Bytes of the largest record that is read.
const MAX_RECORD: u64 = 256 * 1024;

/// The file that the daemon that works here has locked. A record's name is longer.
const LOCK: &str = "lock";

/// What is kept of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    version: u32,
    /// The boot that the lease's times count from.
    boot: String,
    /// For which attachment it is, and with which options it is asked for.
    pub(super) wish: Wish,
    /// Where the interface is.
    pub(super) container: Container,
    /// What is held.
    pub(super) lease: Lease,
    /// It is to be given back, and could not be yet.
    pub(super) is_leaving: bool,
}

/// The leases of one daemon.
#[derive(Debug)]
pub(super) struct Store {
    folder: Folder,
    boot: String,
    _lock: Lock,
}

/// Why leases cannot be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// Another daemon keeps its leases there.
    #[error(
        "another daemon for the same socket keeps its leases in {0}; stop that one first, or choose another path with -socketpath"
    )]
    Taken(String),
    /// Nothing can be written where they would be kept.
    #[error("cannot keep leases: {0}")]
    NoPlace(io::Error),
    /// It failed, and may not the next time.
    #[error(
        "cannot read the leases that are kept, so that it does not begin without them; start it again: {0}"
    )]
    Io(io::Error),
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded => Self::NoPlace(error),
            _ => Self::Io(error),
        }
    }
}

impl Store {
    /// Those of the daemon that listens at this path, for this host. There is one at a time.
    ///
    /// # Errors
    /// When another daemon has them, there is no place for them, or those that are there cannot be read.
    pub(super) fn open(prefix: &str, socket: &Path) -> Result<Self, StoreError> {
        let all = if prefix.is_empty() {
            Folder::of_host(FOLDER)?
        } else {
            Folder::at(&Path::new(prefix).join(BELOW_PREFIX), 0o700)?
        };
        let folder = all.folder(&hash(socket.as_os_str().as_encoded_bytes()))?;
        let lock =
            Lock::take(folder.file(LOCK)?, Mode::Alone, Duration::ZERO).map_err(|error| {
                let is_held =
                    error.raw_os_error() == Some(rustix::io::Errno::TIMEDOUT.raw_os_error());
                let path = folder.path().display().to_string();
                if is_held {
                    StoreError::Taken(path)
                } else {
                    error.into()
                }
            })?;
        folder.sweep()?;
        let store = Self {
            folder,
            boot: Boot::current()?.id().to_owned(),
            _lock: lock,
        };
        store.all()?;
        Ok(store)
    }

    /// Keeps a lease.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&self, holder: &Holder, lease: &Lease) -> io::Result<()> {
        let record = Record {
            version: VERSION,
            boot: self.boot.clone(),
            wish: holder.wish.clone(),
            container: holder.container.clone(),
            lease: lease.clone(),
            is_leaving: holder.leaving.is_some(),
        };
        self.folder
            .write(&name(&holder.wish), &serde_json::to_vec(&record)?)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn forget(&self, wish: &Wish) -> io::Result<()> {
        self.folder.remove(&name(wish))
    }

    /// All that are kept, and for those that cannot be understood why. What is of an earlier boot is forgotten: so are the
    /// containers that it was for.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub(super) fn all(&self) -> io::Result<Vec<Result<Record, String>>> {
        let mut names = self.folder.names()?;
        names.retain(|name| name != LOCK);
        let mut all = Vec::new();
        for name in names {
            let path = self.folder.path().join(&name);
            let bytes = match self.folder.read(&name, MAX_RECORD) {
                Err(error) if error.kind() != io::ErrorKind::IsADirectory => {
                    let words = format!("{}: {error}", path.display());
                    return Err(io::Error::new(error.kind(), words));
                }
                bytes => bytes.ok().flatten(),
            };
            match Self::parse(bytes) {
                Ok(record) if record.boot != self.boot => {
                    let _ = self.folder.remove(&name);
                }
                Ok(record) => all.push(Ok(record)),
                Err(why) => all.push(Err(format!("{}: {why}", path.display()))),
            }
        }
        Ok(all)
    }

    fn parse(bytes: Option<Vec<u8>>) -> Result<Record, String> {
        let bytes = bytes.ok_or("it is no file of root's")?;
        #[derive(Deserialize)]
        struct Form {
            version: u32,
        }
        let form: Form = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if form.version != VERSION {
            return Err(format!(
                "it has the form {}, and this daemon knows the form {VERSION} alone",
                form.version
            ));
        }
        serde_json::from_slice(&bytes).map_err(|error| error.to_string())
    }
}

/// A record's file: made from the attachment, whatever letters that has.
fn name(wish: &Wish) -> String {
    hash(wish.to_string().as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    const BYTES: usize = 16;
    Sha256::digest(bytes)[..BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
