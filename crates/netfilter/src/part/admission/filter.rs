//! Admission in the filter tables of iptables.

use linkspan_spec::Error;

use super::{Beyond, Installed, Owner, Part, addresses, admin_chains};
use crate::forward::{self, former};
use crate::head::{Found, file_name};
use crate::part::Holder;
use crate::part::Record;
use crate::part::passage::{self, Taken};
use crate::records::Records;

/// Admission in the filter tables.
pub(super) struct Filter;

impl Beyond for Filter {
    fn install(
        &self,
        owner: &Owner,
        parts: &[Part],
        _siblings: &[Part],
    ) -> Result<Installed, Error> {
        let outcome = forward::admit(owner, &addresses(parts), &admin_chains(parts))?;
        Ok(Installed {
            // To look at all chains costs more, the more there are.
            notices: match outcome.has_placed {
                true => forward::obstacles()?,
                false => Vec::new(),
            },
            // Who took the rule of FORWARD has taken those of the others, too.
            others_lack: outcome.has_placed || outcome.has_former,
        })
    }

    fn remove(&self, owner: &Owner, parts: &[Part], _siblings: &[Part]) -> Result<(), Error> {
        dismiss(owner, parts)
    }

    fn differences(&self, owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        let missing = missing(owner, parts)?;
        match missing.is_empty() || former::admits(owner, &addresses(parts))? {
            true => Ok(Vec::new()),
            false => Ok(missing),
        }
    }
}

/// What is not there of what admits these, a sentence each.
pub(crate) fn missing(owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
    forward::missing_admissions(owner, &addresses(parts), &admin_chains(parts))
}

/// Removes the rules of an attachment.
pub(super) fn dismiss(owner: &Owner, parts: &[Part]) -> Result<(), Error> {
    let records = Records::default();
    let taken = Taken::but_by(owner, &records);
    forward::dismiss(owner, &addresses(parts), &|address| taken.has(address))?;
    taken.finish()
}

/// Puts back what is missing of all attachments but this one, whichever way an earlier version has admitted them.
pub(super) fn restore_others(owner: &Owner) -> Result<(), Error> {
    admit_others(owner)?;
    match former::is_there()? {
        true => former::remove(),
        false => Ok(()),
    }
}

/// Admits those anew whom an earlier version has admitted in another way.
pub(super) fn replace_former() -> Result<(), Error> {
    match former::is_there()? {
        true => restore_others(&Owner::from_texts("", "", "")),
        false => Ok(()),
    }
}

fn admit_others(owner: &Owner) -> Result<(), Error> {
    let records = Records::default();
    for record in Record::all(&records)? {
        if record.owner() == *owner || addresses(&record.parts).is_empty() {
            continue;
        }
        let name = file_name(record.plugin(), &record.owner());
        // Else it could be put back what is just being removed.
        let _held = records.hold(&name)?;
        if let Found::Record(record) = Record::read(&records, &name)? {
            admit_again(&record, name, &records)?;
        }
    }
    Ok(())
}

fn admit_again(record: &Record, name: String, records: &Records) -> Result<(), Error> {
    let owner = &record.owner();
    if !missing(owner, &record.parts)?.is_empty() {
        let (addresses, admin_chains) = (addresses(&record.parts), admin_chains(&record.parts));
        forward::admit(owner, &addresses, &admin_chains)?;
    }
    let holder = Holder {
        owner,
        record: name,
        records,
    };
    match passage::missing(&holder, &record.parts)?.is_empty() {
        true => Ok(()),
        false => passage::open(&holder, &record.parts),
    }
}
