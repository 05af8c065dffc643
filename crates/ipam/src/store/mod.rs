//! The directory of a network: `<dataDir>/<network>`, in the reference's format and under its lock.
//!
//! - `<address>` holds the text of the [`Record`] that has the address.
//! - `last_reserved_ip.<set>` holds the address that was reserved last in a set.
//! - `lock` is locked (flock) by whoever reads or changes any of it.

mod files;
mod glance;
mod header;
mod index;
mod listing;
mod look;
#[cfg(test)]
mod map_tests;
mod reservations;
#[cfg(test)]
mod tests;
mod unused;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use linkspan_state::Folder;
use linkspan_state::folder::create_directory;
use linkspan_state::lock::Lock;
use linkspan_state::origin::{Boot, Origin, Provenance};

use crate::range::Span;
use crate::record::Record;
pub use glance::Glance;
pub use look::{Entry, Look, look};
pub use reservations::Reservations;
pub use unused::remove_unused;

use files::{LastReserved, Reservation, State};
use index::Index;
use listing::Listing;

/// Up to this many reservations the files themselves are read, and there is no index.
const FEW: usize = 8;

/// The mode of a network's directory, as the reference makes it.
const MODE: u32 = 0o755;

/// What is attempted where `/proc`, not the directory, is at fault.
pub(crate) const READ_BOOT_ID: &str = "read the boot ID for";

/// Why the directory could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}", path.display())]
pub struct StoreError {
    /// What was attempted.
    pub operation: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// A reservation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The address.
    pub address: IpAddr,
    /// Who holds it.
    pub record: Record,
}

/// A network's directory, locked until it is dropped.
pub struct Directory {
    path: PathBuf,
    fd: OwnedFd,
    /// `None` where the kernel does not tell: without /proc. What was reserved is released all the same.
    boot: Option<Boot>,
    /// As it was when it was locked.
    state: State,
    contents: Option<Contents>,
    last_reserved: Option<(usize, LastReserved)>,
    /// Whether there is an index file, valid or not.
    indexed: bool,
    changed: bool,
    _lock: Lock,
}

/// What is known of the reservations.
enum Contents {
    Index(Index),
    Listing(Listing),
}

impl Directory {
    /// Opens and locks a directory, made if need be.
    ///
    /// # Errors
    /// When it cannot be made, opened or locked.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        if let Some(directory) = Self::open(path)? {
            return Ok(directory);
        }
        create_directory(path, MODE).map_err(failed("make the directory", path))?;
        Self::open(path)?.ok_or_else(|| failed("open", path)(io::ErrorKind::NotFound.into()))
    }

    /// Opens and locks a directory, `None` when there is none and so nothing is reserved.
    ///
    /// # Errors
    /// When it cannot be opened or locked.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        let Some(folder) = Folder::at_if_there(path).map_err(failed("open", path))? else {
            return Ok(None);
        };
        let fd = OwnedFd::from(folder);
        let lock = files::lock(fd.as_fd()).map_err(failed("lock", &path.join(files::LOCK)))?;
        let boot = Boot::current().ok();
        let state = State::of(fd.as_fd()).map_err(failed("look at", path))?;
        // An index of which it is not known from which boot it is may be one that is wrong.
        let (index, indexed) = match &boot {
            Some(boot) => Index::open(state, boot),
            None => (None, true),
        };
        Ok(Some(Self {
            path: path.to_owned(),
            fd,
            boot,
            state,
            contents: index.map(Contents::Index),
            last_reserved: None,
            indexed,
            changed: false,
            _lock: lock,
        }))
    }

    /// The boot that the machine is in.
    ///
    /// # Errors
    /// When /proc does not tell.
    pub fn boot(&self) -> Result<Boot, StoreError> {
        let boot = self.boot.clone().map_or_else(Boot::current, Ok);
        boot.map_err(failed(READ_BOOT_ID, &self.path))
    }

    /// Whether a reservation could be made in the directory at `path`, which need not exist. Changes
    /// nothing.
    ///
    /// # Errors
    /// Why not.
    pub fn probe(path: &Path) -> Result<(), StoreError> {
        for path in path.ancestors() {
            if let Some(folder) = Folder::at_if_there(path).map_err(failed("open", path))? {
                return files::probe(folder.as_fd()).map_err(failed("write to", path));
            }
        }
        Err(failed("open", path)(io::ErrorKind::NotFound.into()))
    }

    /// What an attachment holds; when that is nothing, what an older file gives to its container.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn holdings_of(&mut self, record: &Record) -> Result<Vec<Holding>, StoreError> {
        for record in [record, &record.without_ifname()] {
            let addresses = self.held_by(record)?;
            if !addresses.is_empty() {
                let holding = |address| Holding {
                    address,
                    record: record.clone(),
                };
                return Ok(addresses.into_iter().map(holding).collect());
            }
        }
        Ok(Vec::new())
    }

    fn held_by(&mut self, record: &Record) -> Result<Vec<IpAddr>, StoreError> {
        if let Some(Contents::Index(index)) = &mut self.contents {
            let found = index.lookup(record);
            let found = found.and_then(|found| self.confirm(record, found));
            match found {
                Ok(Some(found)) => return Ok(found),
                Ok(None) | Err(_) => self.contents = None,
            }
        }
        let listing = self.listing()?;
        let held = listing
            .records
            .iter()
            .filter(|(_, holder)| holder.as_ref() == Some(record));
        Ok(held.map(|(address, _)| *address).collect())
    }

    /// The addresses that the index gives to a record; `None` when a file says otherwise.
    fn confirm(&self, record: &Record, found: Vec<IpAddr>) -> io::Result<Option<Vec<IpAddr>>> {
        for address in &found {
            let file = Reservation::read(self.fd.as_fd(), &address.to_string())?;
            if file.is_none_or(|file| file.record.as_ref() != Some(record)) {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    /// Who holds an address, and when and for what it was reserved.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn holder(&self, address: IpAddr) -> Result<Option<(Record, Provenance)>, StoreError> {
        let name = address.to_string();
        let read = || {
            let file = match Reservation::read(self.fd.as_fd(), &name) {
                Err(error) if files::is_rubbish(&error) => None,
                file => file?,
            };
            let Some(file) = file else { return Ok(None) };
            let provenance = file.provenance()?;
            Ok(file.record.map(|record| (record, provenance)))
        };
        read().map_err(failed("read", &self.path.join(&name)))
    }

    /// Every reservation whose holder is known, read from the files.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn holdings(&mut self) -> Result<Vec<Holding>, StoreError> {
        self.contents = None;
        let known = |(address, record): (&IpAddr, &Option<Record>)| {
            let (address, record) = (*address, record.clone()?);
            Some(Holding { address, record })
        };
        Ok(self.listing()?.records.iter().filter_map(known).collect())
    }

    /// Every reservation whose holder is known, with when and for what it was made, read from the files.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn survey(&mut self) -> Result<Vec<(Holding, Provenance)>, StoreError> {
        let mut found = Vec::new();
        let listing = Listing::read(self.fd.as_fd(), |address, file| {
            if let (Some(record), Ok(provenance)) = (file.record.clone(), file.provenance()) {
                found.push((Holding { address, record }, provenance));
            }
        });
        self.contents = Some(Contents::Listing(
            listing.map_err(failed("read", &self.path))?,
        ));
        Ok(found)
    }

    /// The first address of a span that nobody is known to hold.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, StoreError> {
        if let Some(Contents::Index(index)) = &mut self.contents {
            match index.first_free(span) {
                Ok(free) => return Ok(free),
                Err(_) => self.contents = None,
            }
        }
        Ok(self.listing()?.first_free(span))
    }

    /// Reserves an address; `false` when somebody holds it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn reserve(
        &mut self,
        address: IpAddr,
        record: &Record,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        let name = address.to_string();
        let path = self.path.join(&name);
        let publish = |fd| files::publish(fd, &name, record, Some(origin));
        let mut published = publish(self.fd.as_fd()).map_err(failed("reserve", &path))?;
        if !published && matches!(self.holder(address), Ok(None)) {
            // An empty file: a crash of the reference between making and writing it. Nobody can be
            // there now, because it does both under the lock that we hold. Or no file at all.
            files::remove(self.fd.as_fd(), &name).map_err(failed("remove the empty", &path))?;
            published = publish(self.fd.as_fd()).map_err(failed("reserve", &path))?;
        }
        if !published {
            self.distrust_if_free(address);
            return Ok(false);
        }
        self.changed = true;
        let noted = match &mut self.contents {
            Some(Contents::Index(index)) => index.insert(record, address),
            Some(Contents::Listing(listing)) => {
                listing.records.insert(address, Some(record.clone()));
                listing.rubbish.retain(|rubbish| *rubbish != name);
                Ok(())
            }
            None => Ok(()),
        };
        if noted.is_err() {
            self.contents = None;
        }
        Ok(true)
    }

    /// Forgets what is known when it takes an address for free that is not.
    fn distrust_if_free(&mut self, address: IpAddr) {
        let wrong = match &mut self.contents {
            Some(Contents::Index(index)) => {
                let alone = Span {
                    first: address,
                    last: address,
                };
                index.first_free(alone).map_or(true, |free| free.is_some())
            }
            Some(Contents::Listing(listing)) => !listing.records.contains_key(&address),
            None => false,
        };
        if wrong {
            self.contents = None;
        }
    }

    /// Releases an address that `record` holds; one that is free is as good.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn release(&mut self, address: IpAddr, record: &Record) -> Result<(), StoreError> {
        let name = address.to_string();
        files::remove(self.fd.as_fd(), &name).map_err(failed("release", &self.path.join(&name)))?;
        self.changed = true;
        let noted = match &mut self.contents {
            Some(Contents::Index(index)) => index.remove_entry(record, address),
            Some(Contents::Listing(listing)) => {
                listing.records.remove(&address);
                Ok(())
            }
            None => Ok(()),
        };
        if noted.is_err() {
            self.contents = None;
        }
        Ok(())
    }

    /// The address that was reserved last in a set.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn last_reserved(&mut self, set: usize) -> Result<Option<IpAddr>, StoreError> {
        let mut read = || {
            let mut file = LastReserved::open(self.fd.as_fd(), set)?;
            let address = file.read(self.fd.as_fd())?;
            self.last_reserved = Some((set, file));
            Ok(address)
        };
        read().map_err(failed("read the last reserved address in", &self.path))
    }

    /// Notes the address that was reserved last in a set.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn set_last_reserved(&mut self, set: usize, address: IpAddr) -> Result<(), StoreError> {
        if self.last_reserved.as_ref().is_none_or(|last| last.0 != set) {
            self.last_reserved(set)?;
        }
        self.changed = true;
        let fd = self.fd.as_fd();
        let file = self.last_reserved.as_mut().map(|last| &mut last.1);
        file.map_or(Ok(()), |file| file.write(fd, address))
            .map_err(failed("write the last reserved address in", &self.path))
    }

    /// Removes what a crash left and what reserves nothing.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file cannot be removed.
    pub fn sweep(&mut self) -> Result<(), StoreError> {
        self.sweep_those(|_| true)
    }

    /// Removes those of the files that a crash left and that reserve nothing whose name `is_meant` accepts.
    ///
    /// # Errors
    /// When the directory cannot be read, or a file cannot be removed.
    pub fn sweep_those(&mut self, is_meant: impl Fn(&str) -> bool) -> Result<(), StoreError> {
        let listing = self.listing()?;
        let rubbish = std::mem::take(&mut listing.rubbish);
        let (meant, spared): (Vec<_>, Vec<_>) =
            rubbish.into_iter().partition(|name| is_meant(name));
        listing.rubbish = spared;
        for name in meant {
            self.changed = true;
            files::remove(self.fd.as_fd(), &name)
                .map_err(failed("remove", &self.path.join(&name)))?;
        }
        Ok(())
    }

    fn listing(&mut self) -> Result<&mut Listing, StoreError> {
        let listing = match self.contents.take() {
            Some(Contents::Listing(listing)) => listing,
            _ => Listing::read(self.fd.as_fd(), |_, _| ()).map_err(failed("read", &self.path))?,
        };
        match self.contents.insert(Contents::Listing(listing)) {
            Contents::Listing(listing) => Ok(listing),
            Contents::Index(_) => Err(failed("read", &self.path)(io::ErrorKind::Other.into())),
        }
    }

    /// Leaves an index for the next one who comes, where it pays. Without one the next is slower; that
    /// is all, so nothing here is an error.
    fn settle(&mut self) -> io::Result<()> {
        if self.changed && matches!(self.contents, Some(Contents::Listing(_))) {
            self.sweep().map_err(|error| error.source)?;
        }
        let Some(boot) = &self.boot else {
            Index::remove(self.state);
            return Ok(());
        };
        let mut index = match self.contents.take() {
            Some(Contents::Index(_)) if !self.changed => return Ok(()),
            Some(Contents::Index(index)) if !index.is_empty() => index,
            Some(Contents::Listing(listing)) if listing.records.len() > FEW => {
                self.indexed = true;
                Index::create(self.state, listing.records.iter())?
            }
            _ if self.indexed => {
                Index::remove(self.state);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let state = self.state.mark(self.fd.as_fd())?;
        index.seal(state, boot)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.settle().is_err() {
            Index::remove(self.state);
        }
    }
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError {
        operation,
        path: path.clone(),
        source,
    }
}
