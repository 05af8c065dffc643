//! From one backend to another, and from us to the reference plugins, while the container runs.
//!
//! What is new is set up before what is old is removed, and the record says by which of the two the attachment is removed; so
//! whoever is interrupted leaves what works, and can be run again. Both at once do no harm: the kernel translates a connection
//! by the first rule that says so, and lets pass what either admits. Connections that are remembered go on as they are.

use super::{Attachment, Backend, Error, Found, Part, Record, explain, left_to_nftables};
use crate::ruleset::Ruleset;

/// What becomes of an attachment that is moved to another backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It is set up by the other backend.
    Moved,
    /// It was so before.
    Already,
    /// Its container is gone, so what it had is removed.
    Removed,
    /// It has its addresses in a zone of firewalld, as the reference plugins would have put them there.
    Firewalld,
}

impl Moved {
    /// What would become of it.
    pub(crate) fn plan(record: &Record, to: Backend) -> Self {
        let has_choice = with_choice(&record.parts).next().is_some();
        match record.backend {
            _ if record.reason_to_live().is_none() => Self::Removed,
            Backend::Firewalld => Self::Firewalld,
            from if from == to || !has_choice => Self::Already,
            _ => Self::Moved,
        }
    }
}

impl Attachment {
    /// Has `to` do what the record says that another backend does.
    pub(crate) fn move_to(&self, to: Backend) -> Result<Moved, Error> {
        let held = self.records.hold(&self.file_name())?;
        let Found::Record(mut record) = self.read()? else {
            return Ok(Moved::Removed);
        };
        let moved = Moved::plan(&record, to);
        match moved {
            Moved::Firewalld => {}
            Moved::Removed => {
                drop(held);
                Self::recorded(&record, &self.records).remove()?;
            }
            Moved::Already => {
                if !self.differences(to, &record.parts)?.is_empty() {
                    self.repair(&record)?;
                }
                self.take_down_other(to, &record.parts)?;
            }
            Moved::Moved => {
                self.set_up(to, &record.parts)?;
                record.backend = to;
                record.write(&self.records)?;
                self.take_down_other(to, &record.parts)?;
            }
        }
        Ok(moved)
    }

    fn set_up(&self, to: Backend, parts: &[Part]) -> Result<(), Error> {
        if to == Backend::Iptables {
            // Where somebody was interrupted, there are rules already.
            self.take_down_beyond(to, parts)?;
            return self.set_up_beyond(to, parts).map(drop).inspect_err(|_| {
                // The one that is told is why.
                let _ = self.take_down_beyond(to, parts);
            });
        }
        Ruleset::open()
            .and_then(|ruleset| ruleset.repair(parts, &self.owner.to_string()))
            .map_err(explain)
    }

    /// Removes what the other backend has of those parts that either can do.
    fn take_down_other(&self, than: Backend, parts: &[Part]) -> Result<(), Error> {
        match than {
            Backend::Iptables => {
                self.remove_elements(&with_choice(parts).cloned().collect::<Vec<_>>())
            }
            _ => {
                let parts: Vec<Part> = with_choice(parts).cloned().collect();
                self.take_down_beyond(Backend::Iptables, &parts)
            }
        }
    }

    /// Leaves to the reference plugins what they would have made, and forgets it; returns whether that is all of it. What they
    /// do not make, or otherwise than by rules of iptables, stays ours, and the record says so.
    pub(crate) fn hand_over(&self) -> Result<bool, Error> {
        let _held = self.records.hold(&self.file_name())?;
        let Found::Record(mut record) = self.read()? else {
            return Ok(true);
        };
        if record.backend == Backend::Nftables && with_choice(&record.parts).next().is_some() {
            return Ok(false);
        }
        let holder = self.holder();
        for part in by_iptables(&record.parts) {
            part.want().hand_over(&holder, record.backend)?;
        }
        let left = left_to_nftables(Backend::Iptables, &record.parts);
        if left.is_empty() {
            self.records.remove(&self.file_name())?;
            return Ok(true);
        }
        record.parts = left;
        record.write(&self.records)?;
        Ok(false)
    }
}

/// The parts that the reference plugins have in iptables, too.
fn by_iptables(parts: &[Part]) -> impl Iterator<Item = &Part> {
    parts
        .iter()
        .filter(|part| part.kind().beyond(Backend::Iptables).is_some())
}

/// Those of them that are elsewhere with the other backend.
fn with_choice(parts: &[Part]) -> impl Iterator<Item = &Part> {
    by_iptables(parts).filter(|part| part.kind().beyond(Backend::Nftables).is_none())
}

/// Whether nf_tables does any of a record's parts.
pub(crate) fn nftables_parts(record: &Record) -> Vec<Part> {
    left_to_nftables(record.backend, &record.parts)
}
