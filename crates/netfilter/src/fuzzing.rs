//! What reads files and the output of other programs, for a fuzzer.

use crate::part::{Part, published_in};
use crate::record::Record;

/// Reads `bytes` as a record. What could be read whole is read again as it was when it is written.
///
/// # Panics
/// When it is not: that is what is looked for.
pub fn record(bytes: &[u8]) {
    let Some(record) = Record::<Part>::parse(bytes).filter(|record| !record.is_partial()) else {
        return;
    };
    let written = serde_json::to_vec(&record).unwrap_or_default();
    assert_eq!(
        Record::parse(&written),
        Some(record),
        "of a record that was written"
    );
}

/// Reads `saved` as what `iptables-save` prints.
pub fn saved(saved: &str) {
    published_in(saved);
}
