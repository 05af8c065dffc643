//! A network's reservations, read from all files.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use super::files::{self, Reservation};
use crate::range::{self, Span};
use crate::record::Record;

/// Every file, read.
#[derive(Default)]
pub(super) struct Listing {
    /// Who holds each address; `None` when that cannot be read, which holds it too.
    pub(super) records: BTreeMap<IpAddr, Option<Record>>,
    /// Files that a crash left behind and that reserve nothing.
    pub(super) rubbish: Vec<String>,
}

impl Listing {
    /// Reads every file, and shows each reservation to `visit`.
    pub(super) fn read(
        dir: BorrowedFd<'_>,
        mut visit: impl FnMut(IpAddr, &Reservation),
    ) -> io::Result<Self> {
        let mut listing = Self::default();
        for entry in rustix::fs::Dir::read_from(dir)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if files::is_unfinished(name) {
                listing.rubbish.push(name.to_owned());
                continue;
            }
            let Some(address) = address_of(name) else {
                continue;
            };
            let record = match Reservation::read(dir, name) {
                Ok(None) => continue,
                Ok(Some(file)) if file.record.is_none() => {
                    listing.rubbish.push(name.to_owned());
                    continue;
                }
                Ok(Some(file)) => {
                    visit(address, &file);
                    file.record
                }
                // A link or a pipe reserves nothing.
                Err(error) if files::is_rubbish(&error) => {
                    listing.rubbish.push(name.to_owned());
                    continue;
                }
                // A directory has the address's name: nobody's, and not to be given to anybody.
                Err(error) if files::is_no_file(&error) => None,
                Err(error) => return Err(error),
            };
            listing.records.insert(address, record);
        }
        Ok(listing)
    }

    pub(super) fn first_free(&self, span: Span) -> Option<IpAddr> {
        let mut free = span.first;
        for used in self
            .records
            .range(span.first..=span.last)
            .map(|entry| *entry.0)
        {
            if used != free {
                break;
            }
            free = range::next(used)?;
        }
        span.contains(free).then_some(free)
    }
}

/// The address that a file of this name reserves: the name is the address's only way of being written.
fn address_of(name: &str) -> Option<IpAddr> {
    let address: IpAddr = name.parse().ok()?;
    (address.to_canonical() == address && address.to_string() == name).then_some(address)
}
