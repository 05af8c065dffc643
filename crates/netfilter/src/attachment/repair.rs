//! Setting up anew what is missing of an attachment.

use linkspan_spec::Error;
use linkspan_state::lock::Mode;

use super::{Attachment, SHARE_DEADLINE, left_to_nftables};
use crate::fault::explain;
use crate::head::Found;
use crate::part::{Record, passage, unique};
use crate::ruleset::Ruleset;

impl Attachment {
    /// Sets up anew what [`check`](Self::check) finds missing, and tells what that was; nothing when the
    /// attachment has been removed meanwhile, or its namespace is gone: what it had is GC's then.
    pub(crate) fn check_and_repair(&self) -> Result<Vec<String>, Error> {
        let _held = self.records.hold(&self.file_name())?;
        let Found::Record(record) = self.read()? else {
            return Ok(Vec::new());
        };
        let mut differences = self.check()?;
        differences.extend(passage::outdated(&self.holder(), &record.parts)?);
        let mut differences = unique(differences.into_iter());
        if differences.is_empty() || record.reason_to_live().is_none() {
            return Ok(Vec::new());
        }
        differences.extend(self.repair(&record)?);
        Ok(differences)
    }

    /// What others lack is for whoever holds their records.
    pub(super) fn repair(&self, record: &Record) -> Result<Vec<String>, Error> {
        let _shared = self.records.lock(Mode::Shared, SHARE_DEADLINE).ok();
        let backend = record.backend;
        self.take_down_beyond(backend, &record.parts)?;
        let parts = self.reserve()?;
        if parts != record.parts && !record.is_partial() {
            self.record(backend, &parts)?;
        }
        self.clear_way(&parts)?;
        let notices = self.set_up_beyond(backend, &parts)?.notices;
        let by_nftables = left_to_nftables(backend, &parts);
        if !by_nftables.is_empty() {
            Ruleset::open()
                .and_then(|ruleset| ruleset.repair(&by_nftables, &self.owner.to_string()))
                .map_err(explain)?;
        }
        self.settle(&parts)?;
        Ok(notices)
    }

    pub(super) fn inherit(&self) -> Result<(), Error> {
        let _held = self.records.hold(&self.file_name())?;
        match self.read()? {
            Found::Record(record) if !record.is_partial() => {
                let heir = Self::recorded(&record, &self.records);
                heir.repair(&record).map(|_notices| ())
            }
            _ => Ok(()),
        }
    }
}
