//! Putting back what others removed.

use std::path::PathBuf;

use linkspan_spec::Error;

use super::attachment::Attachment;
use super::part::{Kind, Record};
use super::records::Records;

/// What an attachment has, and what of it was missing or could not be put back.
pub type Reconciled = (Record, Result<Vec<String>, Error>);

/// Puts every attachment's rules and elements back as its record says, after others flushed or reloaded
/// the ruleset. One that cannot be repaired does not keep the others from being.
///
/// # Errors
/// When the records cannot be read, or what an earlier version has set up in another way cannot be replaced.
pub fn reconcile() -> Result<Vec<Reconciled>, Error> {
    let records = Records::default();
    let repair = |record: Record| {
        let differences = Attachment::recorded(&record, &records).check_and_repair();
        (record, differences)
    };
    let outcomes = Record::all(&records)?.into_iter().map(repair).collect();
    replace_former()?;
    Ok(outcomes)
}

/// Sets up anew what an earlier version has set up in another way.
pub(super) fn replace_former() -> Result<(), Error> {
    Kind::ALL
        .iter()
        .try_for_each(|kind| kind.nature().replace_former())
}

/// The files of records that are there and cannot be read: what they say of can be neither put back nor moved.
///
/// # Errors
/// When the records cannot be read at all.
pub fn unreadable_records() -> Result<Vec<PathBuf>, Error> {
    let records = Records::default();
    let Some(folder) = records.folder()? else {
        return Ok(Vec::new());
    };
    let names = Record::unreadable(&records)?.into_iter();
    Ok(names.map(|name| folder.path().join(name)).collect())
}
