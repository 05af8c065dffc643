//! A glance at a network's directory by somebody who asks which address would be given: nothing is reserved.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use linkspan_state::origin::{Boot, Origin, Provenance};

use super::files::LastReserved;
use super::listing::Listing;
use super::{Holding, READ_BOOT_ID, Reservations, StoreError, failed};
use crate::range::{RangeSet, Span};
use crate::record::Record;

/// The reservations as they were when it was looked; what is reserved and released since is so in here alone.
pub struct Glance {
    path: PathBuf,
    /// `None` when there is none.
    directory: Option<fs::File>,
    listing: Listing,
    provenances: BTreeMap<IpAddr, Provenance>,
    last_reserved: BTreeMap<usize, IpAddr>,
}

impl Glance {
    /// Looks at the directory at `path`, which need not exist, without its lock.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn at(path: &Path) -> Result<Self, StoreError> {
        let mut glance = Self {
            path: path.to_owned(),
            directory: None,
            listing: Listing::default(),
            provenances: BTreeMap::new(),
            last_reserved: BTreeMap::new(),
        };
        let failed = || failed("read", path);
        let directory = match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(glance),
            directory => directory.map_err(failed())?,
        };
        let listing = Listing::read(directory.as_fd(), |address, file| {
            let known = file.provenance().ok().map(|known| (address, known));
            glance.provenances.extend(known);
        });
        glance.listing = listing.map_err(failed())?;
        glance.directory = Some(directory);
        Ok(glance)
    }

    /// How many addresses of a set are reserved.
    pub fn reserved(&self, set: &RangeSet) -> usize {
        let addresses = self.listing.records.keys();
        addresses.filter(|address| set.contains(**address)).count()
    }
}

impl Reservations for Glance {
    fn boot(&self) -> Result<Boot, StoreError> {
        Boot::current().map_err(failed(READ_BOOT_ID, &self.path))
    }

    fn holdings_of(&mut self, record: &Record) -> Result<Vec<Holding>, StoreError> {
        let own = self.listing.records.iter();
        let own = own.filter(|(_, holder)| holder.as_ref() == Some(record));
        let holding = |(address, _): (&IpAddr, _)| Holding {
            address: *address,
            record: record.clone(),
        };
        Ok(own.map(holding).collect())
    }

    fn holder(&self, address: IpAddr) -> Result<Option<(Record, Provenance)>, StoreError> {
        let record = self.listing.records.get(&address).cloned().flatten();
        Ok(record.zip(self.provenances.get(&address).cloned()))
    }

    fn survey(&mut self) -> Result<Vec<(Holding, Provenance)>, StoreError> {
        let known = |(address, record): (&IpAddr, &Option<Record>)| {
            let (address, record) = (*address, record.clone()?);
            let provenance = self.provenances.get(&address)?.clone();
            Some((Holding { address, record }, provenance))
        };
        Ok(self.listing.records.iter().filter_map(known).collect())
    }

    fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, StoreError> {
        Ok(self.listing.first_free(span))
    }

    fn reserve(
        &mut self,
        address: IpAddr,
        record: &Record,
        _origin: &Origin,
    ) -> Result<bool, StoreError> {
        if self.listing.records.contains_key(&address) {
            return Ok(false);
        }
        let record = Some(record.clone());
        self.listing.records.insert(address, record);
        Ok(true)
    }

    fn release(&mut self, address: IpAddr, _record: &Record) -> Result<(), StoreError> {
        self.listing.records.remove(&address);
        Ok(())
    }

    fn last_reserved(&mut self, set: usize) -> Result<Option<IpAddr>, StoreError> {
        if let Some(last) = self.last_reserved.get(&set) {
            return Ok(Some(*last));
        }
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        LastReserved::peek(directory.as_fd(), set)
            .map_err(failed("read the last reserved address in", &self.path))
    }

    fn set_last_reserved(&mut self, set: usize, address: IpAddr) -> Result<(), StoreError> {
        self.last_reserved.insert(set, address);
        Ok(())
    }
}
