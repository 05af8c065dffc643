//! What of an attachment is not as it was left.

use linkspan_kernel::nftables::Nftables;
use linkspan_spec::Error;

use super::{Attachment, left_to_nftables, of_kind};
use crate::backend::Backend;
use crate::fault::explain;
use crate::head::Found;
use crate::part::{Part, Record, kinds, passage};
use crate::ruleset::Ruleset;

/// How often is looked again where others go on changing the ruleset.
const LOOKS: u32 = 100;

impl Attachment {
    /// What is not as [`install`](Self::install) leaves it: a sentence each, with what was expected and
    /// what was found. An attachment without a record may be of the reference plugins, whose rules do as well.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub fn check(&self) -> Result<Vec<String>, Error> {
        let mut differences = self.look()?;
        // Several answers may be of several states of the ruleset, between which others have placed rules. What is missing is
        // missing when nobody has changed anything while it was looked for.
        for _ in 0..LOOKS {
            if differences.is_empty() {
                break;
            }
            let before = generation();
            differences = self.look()?;
            if generation() == before {
                break;
            }
        }
        Ok(differences)
    }

    /// The same at a glance, in which the ruleset may have changed.
    fn look(&self) -> Result<Vec<String>, Error> {
        match self.read()? {
            Found::Record(record) => {
                let mut differences = self.unreserved(&record)?;
                differences.extend(self.differences(record.backend, &self.as_recorded(&record))?);
                Ok(differences)
            }
            Found::Unreadable => self.differences(self.backend.unwrap_or_default(), &self.parts),
            Found::Nothing => {
                let backend = self.backend.unwrap_or_default();
                self.differences(backend, &self.not_of_reference()?)
            }
        }
    }

    /// What is wanted and was left to other attachments of the container, none of which has it any more.
    fn unreserved(&self, record: &Record) -> Result<Vec<String>, Error> {
        let mut sentences = Vec::new();
        let is_left = |part: &&Part| !record.parts.contains(part);
        for part in record.wanted().iter().filter(is_left) {
            sentences.extend(part.want().unreserved(&self.holder())?);
        }
        Ok(sentences)
    }

    /// Without those of the parts that the reference plugins made.
    fn not_of_reference(&self) -> Result<Vec<Part>, Error> {
        let mut own = Vec::new();
        for kind in kinds(&self.parts) {
            let parts = of_kind(&self.parts, kind);
            if !kind.nature().has_reference(&self.owner, &parts)? {
                own.extend(parts);
            }
        }
        Ok(own)
    }

    pub(super) fn differences(
        &self,
        backend: Backend,
        parts: &[Part],
    ) -> Result<Vec<String>, Error> {
        let mut differences = Vec::new();
        for kind in kinds(parts) {
            if let Some(beyond) = kind.beyond(backend) {
                differences.extend(beyond.differences(&self.owner, &of_kind(parts, kind))?);
            }
        }
        let by_nftables = left_to_nftables(backend, parts);
        if !by_nftables.is_empty() {
            let found = Ruleset::open()
                .and_then(|ruleset| ruleset.differences(&by_nftables, &self.owner.to_string()))
                .map_err(explain)?;
            differences.extend(found);
        }
        for part in parts {
            differences.extend(part.want().unsettled());
            differences.extend(part.want().obstacles(&self.holder())?);
        }
        differences.extend(passage::differences(&self.holder(), parts)?);
        Ok(differences)
    }

    /// What is wanted, of the kinds that other attachments of the container can have a part in no more
    /// than was set up.
    fn as_recorded(&self, record: &Record) -> Vec<Part> {
        let is_shared = |part: &&Part| part.kind().nature().is_shared_within_container();
        let recorded = record.parts.iter().filter(is_shared);
        let wanted = self.parts.iter().filter(|part| !is_shared(part));
        wanted.chain(recorded).cloned().collect()
    }
}

/// Of the ruleset; none on a kernel without nf_tables.
fn generation() -> Option<u32> {
    Nftables::open().and_then(|kernel| kernel.generation()).ok()
}
