//! The folder of the records: what each attachment has in netfilter, kept where the kernel's own state is, in memory.
//!
//! A record is written before the first change and removed after the last, so whatever an interrupted
//! plugin left behind has a record. With it, DEL needs neither the previous result nor the container's
//! namespace, removes exactly what was made by the backend that made it, and does nothing at all where
//! there is none. It lies below /run, so that it is gone after a boot, like the ruleset; each network namespace
//! that is a host has a folder of its own, since each has a ruleset of its own.
//!
//! Here is where they are. What every one says first is [`Head`]; the rest is [`record`](super::record)'s business.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use linkspan_spec::{Error, ErrorCode};
use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};

use super::earlier;
use super::head::{ENDING, FOLDER, Found, Head, bytes};

/// How long to wait for others who work on the same, which takes microseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// The folder of the records. It is opened once, when it is first needed.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    folder: OnceLock<Arc<Folder>>,
}

impl Records {
    /// Those in another folder.
    #[cfg(test)]
    pub(super) fn at(folder: Folder) -> Self {
        Self {
            folder: OnceLock::from(Arc::new(folder)),
        }
    }

    /// Those that there are, left as they are: what an earlier version has kept is not taken over. `None` where there are none.
    pub(super) fn if_there() -> Result<Option<Self>, Error> {
        let records = Self::default();
        let there = records.open(|| Folder::of_host_if_there(FOLDER))?;
        Ok(there.map(|_| records))
    }

    /// The folder; `None` where there is none, and so no record.
    pub(super) fn folder(&self) -> Result<Option<Arc<Folder>>, Error> {
        self.open(|| {
            earlier::adopt()?;
            Folder::of_host_if_there(FOLDER)
        })
    }

    /// The folder, made if need be.
    pub(super) fn made(&self) -> Result<Arc<Folder>, Error> {
        if let Some(there) = self.folder()? {
            return Ok(there);
        }
        let made = self.open(|| Folder::of_host(FOLDER).map(Some))?;
        made.ok_or_else(|| failed("make", Path::new(FOLDER), &io::ErrorKind::NotFound.into()))
    }

    fn open(
        &self,
        open: impl FnOnce() -> io::Result<Option<Folder>>,
    ) -> Result<Option<Arc<Folder>>, Error> {
        if let Some(folder) = self.folder.get() {
            return Ok(Some(Arc::clone(folder)));
        }
        let opened = open().map_err(|error| {
            let msg = format!("cannot open the folder {FOLDER:?} below /run/cni/linkspan: {error}");
            Error::new(ErrorCode::IO_FAILURE, msg).with_details(ADVICE)
        })?;
        Ok(opened.map(|folder| Arc::clone(self.folder.get_or_init(|| Arc::new(folder)))))
    }

    /// Writes a record, all of it or nothing.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let folder = self.made()?;
        let written = folder.write(name, bytes);
        written.map_err(|error| failed("write", &folder.path().join(name), &error))
    }

    /// What the record of this name holds.
    pub(super) fn bytes(&self, name: &str) -> Result<Found<Vec<u8>>, Error> {
        Ok(match self.folder()? {
            Some(folder) => bytes(&folder, name)
                .map_err(|error| failed("read", &folder.path().join(name), &error))?,
            None => Found::Nothing,
        })
    }

    /// What the record of this name says first.
    pub(super) fn head(&self, name: &str) -> Result<Found<Head>, Error> {
        let found = self.bytes(name)?;
        Ok(found.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Whether there is a record of this name.
    pub(super) fn has(&self, name: &str) -> Result<bool, Error> {
        let Some(folder) = self.folder()? else {
            return Ok(false);
        };
        let has = folder.has(name);
        has.map_err(|error| failed("look at", &folder.path().join(name), &error))
    }

    /// Keeps others from removing, or putting back, what the record says; `None` when there is no record.
    pub(super) fn hold(&self, name: &str) -> Result<Option<Lock>, Error> {
        let Some(folder) = self.folder()? else {
            return Ok(None);
        };
        let hold = || match folder.open(name)? {
            Some(file) => Lock::take(file, Mode::Alone, LOCK_DEADLINE).map(Some),
            None => Ok(None),
        };
        hold().map_err(|error| failed("lock", &folder.path().join(name), &error))
    }

    /// Forgets a record; it need not be there.
    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let Some(folder) = self.folder()? else {
            return Ok(());
        };
        let removed = folder.remove(name);
        removed.map_err(|error| failed("remove", &folder.path().join(name), &error))
    }

    /// The names of all records, in alphabetical order.
    pub(super) fn names(&self) -> Result<Vec<String>, Error> {
        let Some(folder) = self.folder()? else {
            return Ok(Vec::new());
        };
        let mut names = folder
            .names()
            .map_err(|error| failed("read", folder.path(), &error))?;
        names.retain(|name| name.ends_with(ENDING));
        names.sort_unstable();
        Ok(names)
    }

    /// Those who are setting something up hold it together, and whoever removes what all of them need holds it alone.
    pub(super) fn lock(&self, mode: Mode, deadline: Duration) -> Result<Lock, Error> {
        let folder = self.made()?;
        let lock = || Lock::take(File::from(folder.again()?), mode, deadline);
        lock().map_err(|error| failed("lock", folder.path(), &error))
    }
}

const ADVICE: &str = "it records what DEL removes; /run must be writable and have space, or /var/lib/cni where /run is \
                      read-only";

/// Something in the records' folder could not be done.
pub(super) fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    let msg = format!("cannot {verb} {}: {error}", path.display());
    Error::new(ErrorCode::IO_FAILURE, msg).with_details(ADVICE)
}
