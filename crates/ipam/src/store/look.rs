//! A look at a network's directory by somebody who only wants to know.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;

use linkspan_state::origin::Provenance;

use super::listing::Listing;
use super::{StoreError, failed};
use crate::record::Record;

/// What a directory holds.
#[derive(Debug, Default)]
pub struct Look {
    /// The reservations, in the order of their addresses.
    pub entries: Vec<Entry>,
    /// Files that a crash left behind and that reserve nothing.
    pub leftovers: Vec<String>,
}

/// An address that is given to nobody else.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The address.
    pub address: IpAddr,
    /// Who holds it; `None` when that cannot be read.
    pub record: Option<Record>,
    /// When and for which namespace it was reserved, as far as that is known.
    pub provenance: Option<Provenance>,
}

/// Looks at the directory at `path` without its lock, so that nobody waits for it: what comes or goes meanwhile may be
/// in it or not. `None` when there is no directory.
///
/// # Errors
/// When it cannot be read.
pub fn look(path: &Path) -> Result<Option<Look>, StoreError> {
    // Reading leaves a directory as it is, whoever may write to it.
    let failed = || failed("read", path);
    match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        looked => looked.map_err(failed())?,
    };
    let directory = std::fs::File::open(path).map_err(failed())?;
    let mut provenances = std::collections::BTreeMap::new();
    let listing = Listing::read(directory.as_fd(), |address, file| {
        provenances.extend(file.provenance().ok().map(|known| (address, known)));
    });
    let listing = listing.map_err(failed())?;
    let entry = |(address, record)| Entry {
        address,
        record,
        provenance: provenances.remove(&address),
    };
    Ok(Some(Look {
        leftovers: listing.rubbish,
        entries: listing.records.into_iter().map(entry).collect(),
    }))
}
