//! Moving all attachments of the host to another backend, and leaving the host to the reference plugins.

use std::path::Path;

use linkspan_spec::Error;

use super::attachment::{Attachment, Moved, nftables_parts};
use super::backend::Backend;
use super::collect::tidy;
use super::fault::{explain, unless_unsupported};
use super::iptables;
use super::part::Record;
use super::part::{Kind, kinds, unique};
use super::reconcile::replace_former;
use super::records::{Records, failed};
use super::ruleset::Ruleset;

/// All that is kept on this host beside what the reference plugins keep.
const DIRECTORY: &str = "/run/cni/linkspan";

/// What would become of each attachment if [`migrate`] were called. Changes nothing.
///
/// # Errors
/// When the records cannot be read.
pub fn plan_migration(to: Backend) -> Result<Vec<(Record, Moved)>, Error> {
    let plan = |record: Record| {
        let moved = Moved::plan(&record, to);
        (record, moved)
    };
    let all = sorted(&Records::default())?.into_iter();
    Ok(all.map(plan).collect())
}

/// All records, those of an attachment together.
fn sorted(records: &Records) -> Result<Vec<Record>, Error> {
    let mut all = Record::all(records)?;
    all.sort_by_cached_key(|record| (record.owner(), record.plugin().to_owned()));
    Ok(all)
}

/// An attachment, and what came of moving it.
pub type Migration = (Record, Result<Moved, Error>);

/// Has `to` do for every attachment what another backend does, while its container runs. With [`Backend::Iptables`], the
/// attachments then have the chains of the reference plugins, whose DEL removes them. One that cannot be moved does not keep
/// the others from being; it stays as it is. Can be repeated, also after it was interrupted.
///
/// # Errors
/// When the commands of iptables are needed and missing, or what nobody uses any more cannot be removed.
pub fn migrate(to: Backend) -> Result<Vec<Migration>, Error> {
    let records = Records::default();
    let all = sorted(&records)?;
    if to == Backend::Iptables && !all.is_empty() {
        iptables::probe()?;
    }
    replace_former()?;
    let migrated = all
        .into_iter()
        .map(|record| {
            let moved = Attachment::recorded(&record, &records).move_to(to);
            (record, moved)
        })
        .collect();
    withdraw(&records)?;
    Ok(migrated)
}

/// Removes the tables of which no attachment has a part in nf_tables, and what led packets to them.
fn withdraw(records: &Records) -> Result<(), Error> {
    let recorded = Record::all(records)?;
    let used = unique(
        recorded
            .iter()
            .flat_map(|record| kinds(&nftables_parts(record))),
    );
    let tables = |kinds: &[Kind]| unique(kinds.iter().map(|kind| kind.nature().table()));
    let in_use = tables(&used);
    let unused = tables(&Kind::ALL)
        .into_iter()
        .filter(|table| !in_use.contains(table));
    let remove = || {
        let ruleset = Ruleset::open()?;
        unused
            .into_iter()
            .try_for_each(|table| ruleset.remove_if_empty(&table))
    };
    remove().or_else(unless_unsupported).map_err(explain)
}

/// What came of leaving the host to the reference plugins.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// The attachments that are theirs now.
    pub left: Vec<Record>,
    /// Those that still have something of ours, which the reference plugins do not know, or that could not be moved.
    pub kept: Vec<Record>,
}

/// Leaves what [`migrate`] has moved to iptables to the reference plugins, and forgets it. When nothing of ours is left then,
/// removes our tables and all that we kept on this host, but the [folders](linkspan_state::Folder::of_host) of the names in
/// `spared`, which somebody else needs.
///
/// # Errors
/// What could not be removed.
pub fn hand_over(spared: &[&str]) -> Result<HandedOver, Error> {
    let records = Records::default();
    let mut outcome = HandedOver::default();
    for record in sorted(&records)? {
        match Attachment::recorded(&record, &records).hand_over()? {
            true => outcome.left.push(record),
            false => outcome.kept.push(record),
        }
    }
    withdraw(&records)?;
    tidy(&records)?;
    if records.names()?.is_empty() {
        let forgotten = linkspan_state::folder::forget_host(spared);
        forgotten.map_err(|error| failed("remove", Path::new(DIRECTORY), &error))?;
    }
    Ok(outcome)
}
