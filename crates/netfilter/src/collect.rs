//! Removing what belongs to attachments that are gone.

use std::collections::HashSet;

use linkspan_spec::{self, Error, ErrorCode};

use super::attachment::Attachment;
use super::fault::{explain, unless_unsupported};
use super::owner::Owner;
use super::part::{Kind, unique};
use super::record::Records;
use super::ruleset::Ruleset;

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
    let is_valid = |owner: &Owner| {
        valid
            .iter()
            .any(|one| one.container_id == owner.container() && one.ifname == owner.ifname())
    };
    let mut errors = Vec::new();
    for record in records.all() {
        let owner = record.owner();
        if record.plugin() == plugin && owner.network() == network && !is_valid(&owner) {
            errors.extend(Attachment::new(owner, plugin).remove().err());
        }
    }
    if !kinds.is_empty() {
        errors.extend(sweep(network, kinds, valid).err());
    }
    errors.extend(tidy(&records).err());
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

/// After the last attachment, the tables go too: an idle host has no rule and no hook of ours.
pub(super) fn tidy(records: &Records) -> Result<(), Error> {
    if !records.is_empty() {
        return Ok(());
    }
    for kind in Kind::ALL {
        kind.nature().restore(records)?;
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

fn sweep(network: &str, kinds: &[Kind], valid: &[linkspan_spec::Attachment]) -> Result<(), Error> {
    let owners: Vec<Owner> = valid
        .iter()
        .map(|one| Owner::from_texts(network, &one.container_id, &one.ifname))
        .collect();
    let comments: HashSet<String> = owners.iter().map(Owner::to_string).collect();
    let is_stale =
        |comment: &str| Owner::is_of_network(comment, network) && !comments.contains(comment);
    Ruleset::open()
        .and_then(|ruleset| ruleset.sweep(kinds, &is_stale))
        .or_else(unless_unsupported)
        .map_err(explain)?;
    kinds
        .iter()
        .try_for_each(|kind| kind.nature().collect_reference(network, &owners))
}
