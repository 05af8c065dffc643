//! Removing what an attachment has.

use linkspan_spans::during;

use super::{
    Attachment, Error, Found, Head, Kind, Part, Record, elements, explain, kinds, left_to_nftables,
    of_kind, unique, unless_unsupported,
};
use crate::ruleset::Ruleset;

impl Attachment {
    /// Removes all that this plugin made for this attachment, as its record says; without a record what
    /// is described here, or expected, or made by the reference plugins. What belongs to another
    /// attachment by now stays. Can be repeated. Nothing is asked of the kernel when there is no record
    /// and nothing described or expected.
    ///
    /// # Errors
    /// What could not be removed and why; the record stays then.
    pub fn remove(&self) -> Result<(), Error> {
        during(|| "remove from netfilter", || self.remove_held())
    }

    fn remove_held(&self) -> Result<(), Error> {
        // Else `reconcile` could put back what is just being removed.
        let held = self.records.hold(&self.file_name())?;
        let heirs = match self.read()? {
            Found::Record(record) => self.remove_recorded(&record)?,
            Found::Unreadable => self
                .remove_unknown(&self.possible_kinds())
                .map(|()| Vec::new())?,
            Found::Nothing => self.remove_described()?,
        };
        self.records.remove(&self.file_name())?;
        drop(held);
        self.bequeath(&heirs);
        Ok(())
    }

    fn remove_recorded(&self, record: &Record) -> Result<Vec<Head>, Error> {
        self.take_down_beyond(record.backend, &record.parts)?;
        self.remove_elements(&left_to_nftables(record.backend, &record.parts))?;
        if record.is_partial() {
            self.remove_unknown(&self.possible_kinds())?;
        }
        self.leave(record.wanted())
    }

    pub(super) fn remove_elements(&self, parts: &[Part]) -> Result<(), Error> {
        if parts.is_empty() {
            return Ok(());
        }
        let comment = self.owner.to_string();
        Ruleset::open()
            .and_then(|ruleset| ruleset.remove(&elements(parts), &comment))
            .or_else(unless_unsupported)
            .map_err(explain)
    }

    /// Removes whatever names this attachment, and what the reference plugins made for it.
    fn remove_unknown(&self, kinds: &[Kind]) -> Result<(), Error> {
        if kinds.is_empty() {
            return Ok(());
        }
        let comment = self.owner.to_string();
        Ruleset::open()
            .and_then(|ruleset| ruleset.sweep(kinds, &|holder| holder == comment))
            .or_else(unless_unsupported)
            .map_err(explain)?;
        self.remove_reference(kinds)
    }

    fn remove_reference(&self, kinds: &[Kind]) -> Result<(), Error> {
        kinds.iter().try_for_each(|kind| {
            let parts = of_kind(&self.parts, *kind);
            kind.nature().remove_reference(&self.owner, &parts)
        })
    }

    fn remove_described(&self) -> Result<Vec<Head>, Error> {
        let described = kinds(&self.parts);
        let expected = unique(self.expected.iter().copied());
        let searched: Vec<Kind> = expected
            .into_iter()
            .filter(|kind| !described.contains(kind))
            .collect();
        self.remove_elements(&self.parts)?;
        self.remove_reference(&described)?;
        self.remove_unknown(&searched)?;
        self.leave(&self.parts)
    }
}
