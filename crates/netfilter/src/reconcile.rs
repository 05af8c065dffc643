//! Putting back what others removed.

use linkspan_spec::Error;

use super::attachment::Attachment;
use super::record::{Record, Records};

/// Puts every attachment's rules and elements back as its record says, after others flushed or reloaded
/// the ruleset. One that cannot be repaired does not keep the others from being.
pub fn reconcile() -> Vec<(Record, Result<Vec<String>, Error>)> {
    let repair = |record: Record| {
        let differences = Attachment::recorded(&record).check_and_repair();
        (record, differences)
    };
    Records::default().all().map(repair).collect()
}
