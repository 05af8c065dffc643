//! Admission in the filter tables of iptables.

use linkspan_spec::Error;

use super::{Beyond, Owner, Part, addresses, admin_chains};
use crate::forward::{self, former};
use crate::head::{Found, file_name};
use crate::part::Record;
use crate::part::{Holder, passage};
use crate::records::Records;

/// Admission in the filter tables.
pub(super) struct Filter;

impl Beyond for Filter {
    fn install(
        &self,
        owner: &Owner,
        parts: &[Part],
        _siblings: &[Part],
    ) -> Result<Vec<String>, Error> {
        let outcome = forward::admit(owner, &addresses(parts), &admin_chains(parts))?;
        if outcome.has_former {
            replace_former(owner)?;
        } else if outcome.has_placed {
            // Who took the rule of FORWARD has taken those of the others, too.
            admit_others(owner)?;
        }
        // To look at all chains costs more, the more there are.
        match outcome.has_placed {
            true => forward::obstacles(),
            false => Ok(Vec::new()),
        }
    }

    fn remove(&self, owner: &Owner, parts: &[Part], _siblings: &[Part]) -> Result<(), Error> {
        dismiss(owner, parts)
    }

    fn differences(&self, owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        forward::missing_admissions(owner, &addresses(parts), &admin_chains(parts))
    }
}

/// Removes the rules of an attachment.
pub(super) fn dismiss(owner: &Owner, parts: &[Part]) -> Result<(), Error> {
    let is_taken = |address| passage::taken(owner, &Records::default()).contains(&address);
    forward::dismiss(owner, &addresses(parts), &is_taken)
}

/// Admits those anew whom an earlier Linkspan has admitted in another way, all but this one.
fn replace_former(owner: &Owner) -> Result<(), Error> {
    admit_others(owner)?;
    former::remove()
}

/// The same where that has not been done yet, for whoever it concerns.
pub(super) fn replace_former_if_any() -> Result<(), Error> {
    match former::is_there()? {
        true => replace_former(&Owner::from_texts("", "", "")),
        false => Ok(()),
    }
}

/// Puts back what is missing of all attachments but this one.
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
    let (addresses, admin_chains) = (addresses(&record.parts), admin_chains(&record.parts));
    if !forward::missing_admissions(owner, &addresses, &admin_chains)?.is_empty() {
        forward::admit(owner, &addresses, &admin_chains)?;
    }
    let holder = Holder {
        owner,
        record: name,
        records,
    };
    match passage::differences(&holder, &record.parts)?.is_empty() {
        true => Ok(()),
        false => passage::open(&holder, &record.parts),
    }
}
