//! Putting back what others removed.

use linkspan_plugin::spec::Error;

use super::attachment::Attachment;
use super::record::{Record, Records};

/// What was wrong with an attachment before [`reconcile`] put it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repaired {
    /// Its record.
    pub record: Record,
    /// The differences, as [`Attachment::check`] tells them; empty when nothing was wrong.
    pub differences: Vec<String>,
}

/// Puts every attachment's rules and elements back as its record says, after others flushed or reloaded
/// the ruleset.
///
/// # Errors
/// The first attachment that cannot be repaired.
pub fn reconcile() -> Result<Vec<Repaired>, Error> {
    Records::default().all().map(repair).collect()
}

fn repair(record: Record) -> Result<Repaired, Error> {
    let attachment = Attachment::recorded(&record);
    let differences = attachment.check()?;
    if !differences.is_empty() {
        attachment.repair()?;
    }
    Ok(Repaired {
        record,
        differences,
    })
}
