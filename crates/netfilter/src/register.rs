//! Who has what only some can have: links beside the records, each to the record of the attachment that has it.
//!
//! `ports/tcp-8080/0.0.0.0` is a link to the record of the attachment that has the port. So it holds as long as
//! that record is there, and `ls -l` shows whose it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_spec::Error;
use linkspan_state::Folder;
use linkspan_state::lock::{Lock, Mode};

use super::head::UP;
use super::records::{Records, failed};

/// How long to wait for others who work on the same register, which takes microseconds.
const LOCK_DEADLINE: Duration = Duration::from_secs(10);

/// One of them, locked.
pub(super) struct Register<'r> {
    folder: Folder,
    records: &'r Records,
    _lock: Lock,
}

/// What one thing is had by: links of any names.
pub(super) struct Holders<'r> {
    folder: Folder,
    records: &'r Records,
}

impl<'r> Register<'r> {
    /// Opens and locks the one of this name, made if need be.
    pub(super) fn open(records: &'r Records, name: &str) -> Result<Self, Error> {
        let beside = records.made()?;
        let folder = beside.folder(name);
        Self::lock(
            folder.map_err(|error| failed("make", &beside.path().join(name), &error))?,
            records,
        )
    }

    /// The same; `None` when there is none.
    pub(super) fn open_if_there(records: &'r Records, name: &str) -> Result<Option<Self>, Error> {
        let Some(beside) = records.folder()? else {
            return Ok(None);
        };
        let folder = beside
            .folder_if_there(name)
            .map_err(|error| failed("open", &beside.path().join(name), &error))?;
        folder.map(|folder| Self::lock(folder, records)).transpose()
    }

    fn lock(folder: Folder, records: &'r Records) -> Result<Self, Error> {
        let lock = || Lock::take(folder.again()?.into(), Mode::Alone, LOCK_DEADLINE);
        let lock = lock().map_err(|error| failed("lock", folder.path(), &error))?;
        Ok(Self {
            folder,
            records,
            _lock: lock,
        })
    }

    /// Who has a thing, with room for one more.
    pub(super) fn holders(&self, thing: &str) -> Result<Holders<'r>, Error> {
        let folder = self.folder.folder(thing);
        Ok(Holders {
            folder: folder.map_err(|error| failed("make", &self.path(thing), &error))?,
            records: self.records,
        })
    }

    /// Who has a thing, if anybody has or had it.
    pub(super) fn holders_if_any(&self, thing: &str) -> Result<Option<Holders<'r>>, Error> {
        let folder = self.folder.folder_if_there(thing);
        let folder = folder.map_err(|error| failed("open", &self.path(thing), &error))?;
        Ok(folder.map(|folder| Holders {
            folder,
            records: self.records,
        }))
    }

    /// Forgets a thing that nobody has.
    pub(super) fn forget(&self, thing: &str) {
        // It stays as long as somebody has it.
        self.folder.remove_folder(thing);
    }

    /// Every thing that somebody has or had.
    pub(super) fn things(&self) -> Result<Vec<String>, Error> {
        let names = self.folder.names();
        names.map_err(|error| failed("read", self.folder.path(), &error))
    }

    fn path(&self, thing: &str) -> PathBuf {
        self.folder.path().join(thing)
    }
}

impl Holders<'_> {
    /// The name of the record that a link leads to.
    pub(super) fn record_of(&self, link: &str) -> Result<Option<String>, Error> {
        let target = self.target(link)?;
        let record = target
            .as_deref()
            .and_then(|target| target.strip_prefix(UP).ok());
        Ok(record.and_then(Path::to_str).map(str::to_owned))
    }

    fn target(&self, link: &str) -> Result<Option<PathBuf>, Error> {
        let target = self.folder.link_target(link);
        target.map_err(|error| self.failed("read", link, &error))
    }

    /// Notes that the attachment with this record has it.
    pub(super) fn add(&self, link: &str, record: &str) -> Result<(), Error> {
        let target = Path::new(UP).join(record);
        if self.target(link)?.as_deref() == Some(&target) {
            return Ok(());
        }
        let made = self.folder.link(link, target);
        made.map_err(|error| self.failed("create", link, &error))
    }

    /// Removes a link.
    pub(super) fn remove(&self, link: &str) -> Result<(), Error> {
        let removed = self.folder.remove(link);
        removed.map_err(|error| self.failed("remove", link, &error))
    }

    /// Removes a link if it leads to this record.
    pub(super) fn remove_own(&self, link: &str, record: &str) -> Result<(), Error> {
        match self.record_of(link)?.as_deref() == Some(record) {
            true => self.remove(link),
            false => Ok(()),
        }
    }

    /// The names of the links.
    pub(super) fn links(&self) -> Result<Vec<String>, Error> {
        let names = self.folder.names();
        names.map_err(|error| failed("read", self.folder.path(), &error))
    }

    /// Whether nobody has it.
    pub(super) fn is_empty(&self) -> Result<bool, Error> {
        let is_empty = self.folder.is_empty();
        is_empty.map_err(|error| failed("read", self.folder.path(), &error))
    }

    /// Removes the links that lead to no record; whether there is none left.
    pub(super) fn sweep(&self) -> Result<bool, Error> {
        let mut is_empty = true;
        for link in self.links()? {
            let record = self.record_of(&link)?;
            match record.map(|record| self.records.has(&record)).transpose()? {
                Some(true) => is_empty = false,
                _ => self.remove(&link)?,
            }
        }
        Ok(is_empty)
    }

    fn failed(&self, verb: &str, link: &str, error: &io::Error) -> Error {
        failed(verb, &self.folder.path().join(link), error)
    }
}
