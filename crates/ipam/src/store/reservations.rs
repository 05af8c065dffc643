//! What an attachment's addresses are chosen from and kept in.

use std::net::IpAddr;

use linkspan_state::origin::{Boot, Origin, Provenance};

use super::{Directory, Holding, StoreError};
use crate::range::Span;
use crate::record::Record;

/// The reservations of a network, as whoever gives addresses sees and changes them: a [`Directory`], or a [`Glance`](super::Glance) at one,
/// in which changes are not made.
pub trait Reservations {
    /// As [`Directory::boot`].
    ///
    /// # Errors
    /// When /proc does not tell.
    fn boot(&self) -> Result<Boot, StoreError>;

    /// As [`Directory::holdings_of`].
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn holdings_of(&mut self, record: &Record) -> Result<Vec<Holding>, StoreError>;

    /// As [`Directory::holder`].
    ///
    /// # Errors
    /// When its file cannot be read.
    fn holder(&self, address: IpAddr) -> Result<Option<(Record, Provenance)>, StoreError>;

    /// As [`Directory::survey`].
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn survey(&mut self) -> Result<Vec<(Holding, Provenance)>, StoreError>;

    /// As [`Directory::first_free`].
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, StoreError>;

    /// As [`Directory::reserve`].
    ///
    /// # Errors
    /// When the file cannot be made.
    fn reserve(
        &mut self,
        address: IpAddr,
        record: &Record,
        origin: &Origin,
    ) -> Result<bool, StoreError>;

    /// As [`Directory::release`].
    ///
    /// # Errors
    /// When the file cannot be removed.
    fn release(&mut self, address: IpAddr, record: &Record) -> Result<(), StoreError>;

    /// As [`Directory::last_reserved`].
    ///
    /// # Errors
    /// When its file cannot be read.
    fn last_reserved(&mut self, set: usize) -> Result<Option<IpAddr>, StoreError>;

    /// As [`Directory::set_last_reserved`].
    ///
    /// # Errors
    /// When its file cannot be written.
    fn set_last_reserved(&mut self, set: usize, address: IpAddr) -> Result<(), StoreError>;
}

impl Reservations for Directory {
    fn boot(&self) -> Result<Boot, StoreError> {
        Self::boot(self)
    }

    fn holdings_of(&mut self, record: &Record) -> Result<Vec<Holding>, StoreError> {
        Self::holdings_of(self, record)
    }

    fn holder(&self, address: IpAddr) -> Result<Option<(Record, Provenance)>, StoreError> {
        Self::holder(self, address)
    }

    fn survey(&mut self) -> Result<Vec<(Holding, Provenance)>, StoreError> {
        Self::survey(self)
    }

    fn first_free(&mut self, span: Span) -> Result<Option<IpAddr>, StoreError> {
        Self::first_free(self, span)
    }

    fn reserve(
        &mut self,
        address: IpAddr,
        record: &Record,
        origin: &Origin,
    ) -> Result<bool, StoreError> {
        Self::reserve(self, address, record, origin)
    }

    fn release(&mut self, address: IpAddr, record: &Record) -> Result<(), StoreError> {
        Self::release(self, address, record)
    }

    fn last_reserved(&mut self, set: usize) -> Result<Option<IpAddr>, StoreError> {
        Self::last_reserved(self, set)
    }

    fn set_last_reserved(&mut self, set: usize, address: IpAddr) -> Result<(), StoreError> {
        Self::set_last_reserved(self, set, address)
    }
}
