//! Giving leaked addresses back.

use linkspan_ipam::store::{Directory, StoreError};

use super::{Item, Kind, Report};
use crate::pool::{Pool, Reservation};
use crate::{Host, Problem};

/// What has become of something that a report names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freed {
    /// It was given back, or would be.
    Yes,
    /// Somebody was faster.
    Already,
    /// It was left alone, for a reason.
    No(String),
    /// It could not be given back.
    Failed(Problem),
}

/// Gives back those items of a report that are still as it says, by a fresh look at the host, and by the pool's own files
/// under its lock. With `dry_run` nothing is changed.
pub fn free(items: &[Item], host: &Host, dry_run: bool) -> Vec<(Item, Freed)> {
    let now = Report::of(host);
    items
        .iter()
        .map(|item| (item.clone(), free_one(item, &now, host, dry_run)))
        .collect()
}

fn free_one(item: &Item, now: &Report, host: &Host, dry_run: bool) -> Freed {
    if !item.kind.is_freed() {
        return Freed::No(format!("it is {}. {}", item.kind.words(), item.kind.next()));
    }
    let Some(pool) = host
        .pools
        .iter()
        .find(|pool| item.file.parent() == Some(pool.directory.as_path()))
    else {
        return Freed::No("there is no such pool on this host".to_owned());
    };
    // When it was made and how it is known may differ in words; whose it is may not.
    let same = |other: &&Item| {
        (
            other.kind,
            &other.file,
            &other.container,
            &other.ifname,
            other.since,
        ) == (
            item.kind,
            &item.file,
            &item.container,
            &item.ifname,
            item.since,
        )
    };
    if !now.items.iter().any(|other| same(&other)) {
        return changed(item, pool);
    }
    if dry_run {
        return Freed::Yes;
    }
    let freed = match item.kind {
        Kind::Leaked => release(item, pool),
        _ => remove_leftover(item, pool),
    };
    freed.unwrap_or_else(|error| {
        Freed::Failed(Problem::new("it cannot be given back", &error).at(&item.file))
    })
}

/// Why something that a report names is not as it says any more.
fn changed(item: &Item, pool: &Pool) -> Freed {
    let mut held = pool.reservations.iter();
    match held.find(|held| Some(held.address) == item.address) {
        None => Freed::Already,
        Some(held) if held.container != item.container || held.ifname != item.ifname => {
            Freed::No("somebody else holds it by now".to_owned())
        }
        Some(held) if held.since != item.since => {
            Freed::No("it was reserved anew since".to_owned())
        }
        Some(_) => Freed::No("its container may be there".to_owned()),
    }
}

/// Releases a reservation, unless its file has been replaced since it was looked at.
fn release(item: &Item, pool: &Pool) -> Result<Freed, StoreError> {
    let mut seen = pool.reservations.iter();
    let seen = seen.find(|held| Some(held.address) == item.address);
    let (Some(seen), Some(mut directory)) = (seen, Directory::open(&pool.directory)?) else {
        return Ok(Freed::Already);
    };
    let Some((record, provenance)) = directory.holder(seen.address)? else {
        return Ok(Freed::Already);
    };
    let is_same = Some(&record.container_id) == seen.container.as_ref()
        && record.ifname == seen.ifname
        && seen.was_written(provenance.written);
    if !is_same {
        return Ok(Freed::No("somebody else holds it by now".to_owned()));
    }
    directory.release(seen.address, &record)?;
    Ok(Freed::Yes)
}

fn remove_leftover(item: &Item, pool: &Pool) -> Result<Freed, StoreError> {
    let Some(mut directory) = Directory::open(&pool.directory)? else {
        return Ok(Freed::Already);
    };
    directory.sweep_those(|name| item.file.file_name().is_some_and(|file| file == name))?;
    Ok(Freed::Yes)
}

impl Reservation {
    /// Whether the file is the one that was looked at.
    fn was_written(&self, written: std::time::SystemTime) -> bool {
        self.provenance
            .as_ref()
            .is_some_and(|provenance| provenance.written == written)
    }
}
