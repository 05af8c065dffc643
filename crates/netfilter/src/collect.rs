//! Removing what belongs to attachments that are gone.

use std::collections::HashSet;
use std::time::Duration;

use linkspan_spec::{self, Error, ErrorCode};
use linkspan_state::lock::Mode;

use super::attachment::Attachment;
use super::fault::{explain, unless_unsupported};
use super::head::{Found, file_name, owner_of};
use super::owner::Owner;
use super::part::Record;
use super::part::{Kind, kinds, unique};
use super::records::Records;
use super::ruleset::Ruleset;

/// How long GC waits until no plugin is setting anything up; then there is no need to tidy.
const DEADLINE: Duration = Duration::from_secs(1);

/// Removes what `plugin` made for attachments of a network that are not in use any more: as their
/// records say, and whatever else of these kinds names one of them.
///
/// # Errors
/// All that could not be removed, in one error, after everything else was removed.
pub fn collect(
    network: &str,
    plugin: &'static str,
    kinds: &[Kind],
    valid: &[linkspan_spec::Attachment],
) -> Result<(), Error> {
    let records = Records::default();
    let valid: Vec<Owner> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname))
        .collect();
    let mut errors = Vec::new();
    for name in records.names()? {
        errors.extend(collect_record(&records, &name, network, plugin, &valid).err());
    }
    if !kinds.is_empty() {
        errors.extend(sweep(network, kinds, &valid).err());
    }
    errors.extend(tidy(&records).err());
    // Who else was a host here is nobody's concern but the disk's: it is tried again.
    let _ = linkspan_state::folder::sweep().and_then(|()| linkspan_state::lock::sweep());
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        count => {
            let all: Vec<String> = errors.iter().map(|error| error.msg.clone()).collect();
            let msg = format!(
                "{count} attachments could not be collected: {}",
                all.join("; ")
            );
            Err(Error::new(ErrorCode::INTERNAL, msg))
        }
    }
}

/// Removes what a record of the plugin says, unless its attachment is in use.
fn collect_record(
    records: &Records,
    name: &str,
    network: &str,
    plugin: &str,
    valid: &[Owner],
) -> Result<(), Error> {
    let (owner, of) = match records.head(name)? {
        Found::Record(head) => (head.owner(), head.plugin().to_owned()),
        Found::Nothing => return Ok(()),
        Found::Unreadable => match owner_of(name) {
            Some((owner, of)) => (owner, of.to_owned()),
            // All that could be asked of such a record is whether somebody has a port; what is in the kernel says itself
            // whose it is.
            None if valid.iter().any(|one| may_name(name, plugin, one)) => return Ok(()),
            None => return records.remove(name),
        },
    };
    if of == plugin && owner.network() == network && !valid.contains(&owner) {
        return Attachment::new(owner, plugin).remove();
    }
    Ok(())
}

/// Whether a name that does not tell whose it is may be that of an attachment's record.
fn may_name(name: &str, plugin: &str, owner: &Owner) -> bool {
    let (container, ifname) = (owner.container(), owner.ifname());
    name == file_name(plugin, owner) || name.starts_with(&format!("{container}:{ifname}:"))
}

/// After the last attachment with parts of a kind, what all such have needed goes too, and at last the tables: an idle
/// host has no rule and no hook of ours.
///
/// What is in the kernel decides, since records can be lost. No plugin is setting anything up meanwhile, which would find
/// that everything is there just before it goes.
pub(super) fn tidy(records: &Records) -> Result<(), Error> {
    for kind in Kind::ALL {
        kind.nature().tidy(records)?;
    }
    let Ok(_alone) = records.lock(Mode::Alone, DEADLINE) else {
        return Ok(());
    };
    let recorded: Vec<Kind> = Record::all(records)?
        .iter()
        .flat_map(|record| kinds(&record.parts))
        .collect();
    for kind in Kind::ALL {
        let is_idle = Ruleset::open()
            .and_then(|ruleset| ruleset.is_idle(kind))
            .or_else(|error| unless_unsupported(error).map(|()| true))
            .map_err(explain)?;
        if is_idle && !recorded.contains(&kind) {
            kind.nature().restore()?;
        }
    }
    let tables = Kind::ALL.iter().map(|kind| kind.nature().table());
    let tidy = || {
        let ruleset = Ruleset::open()?;
        unique(tables)
            .iter()
            .try_for_each(|table| ruleset.remove_if_empty(table))
    };
    tidy().or_else(unless_unsupported).map_err(explain)
}

fn sweep(network: &str, kinds: &[Kind], valid: &[Owner]) -> Result<(), Error> {
    let comments: HashSet<String> = valid.iter().map(Owner::to_string).collect();
    let is_stale =
        |comment: &str| Owner::is_of_network(comment, network) && !comments.contains(comment);
    Ruleset::open()
        .and_then(|ruleset| ruleset.sweep(kinds, &is_stale))
        .or_else(unless_unsupported)
        .map_err(explain)?;
    for kind in kinds {
        kind.nature().replace_former()?;
        kind.nature().collect_reference(network, valid)?;
    }
    Ok(())
}
