//! What attachments should have in netfilter, and do not.
//!
//! To compare each with the kernel as CHECK does would read the chains that all share as often as there are attachments. So it is
//! looked at once who has what, by the names that stand there, and what all of a shape share is compared for one of them.

use std::collections::{BTreeMap, HashSet};

use linkspan_spec::Error;

use super::{Recorded, Trace};
use crate::attachment::{Attachment, is_in_use};
use crate::backend::Backend;
use crate::iptables::Protocol;
use crate::part::{Part, Record, elements, groups};
use crate::reconcile::Reconciled;
use crate::records::Records;

/// How many of those whose names are missing are compared in full: where they lack nothing all the same, as where another table takes
/// the place of the one that is looked at, the others lack nothing either.
const COMPARED: usize = 8;

/// What [`reconcile`](crate::reconcile()) would put back of these records, a sentence each, or why that cannot be told; `traces` is what
/// the kernel has. Those of which nothing is missing are left out.
///
/// # Errors
/// When the records cannot be opened.
pub fn missing(recorded: &[Recorded], traces: &[Trace]) -> Result<Vec<Reconciled>, Error> {
    let Some(records) = Records::if_there()? else {
        return Ok(Vec::new());
    };
    let there: HashSet<(&str, &str)> = traces
        .iter()
        .map(|trace| (trace.label.as_str(), trace.place.as_str()))
        .collect();
    let mut shapes: BTreeMap<String, Vec<&Record>> = BTreeMap::new();
    for record in recorded.iter().filter_map(|one| one.record.as_ref()) {
        shapes.entry(shape(record)).or_default().push(record);
    }
    let mut found = Vec::new();
    for alike in shapes.into_values() {
        let (named, nameless): (Vec<&Record>, Vec<&Record>) = alike
            .into_iter()
            .partition(|record| has_names(record, &there));
        found.extend(of_named(&named, &records));
        found.extend(of_nameless(&nameless, &records));
    }
    Ok(found)
}

/// Of those whose names are there one tells what all of them share.
fn of_named(alike: &[&Record], records: &Records) -> Vec<Reconciled> {
    let compare = |record: &&Record| Attachment::recorded(record, records).missing(record);
    let missing = match alike.first().map(compare) {
        Some(Ok(missing)) => missing,
        Some(Err(error)) => return vec![(alike[0].clone(), Err(error))],
        None => return Vec::new(),
    };
    let concerned = alike
        .iter()
        .filter(|record| !missing.is_empty() && is_in_use(record));
    concerned
        .map(|record| ((*record).clone(), Ok(missing.clone())))
        .collect()
}

/// Of those whose names are not there some are compared in full.
fn of_nameless(alike: &[&Record], records: &Records) -> Vec<Reconciled> {
    let (compared, others) = alike.split_at(alike.len().min(COMPARED));
    let mut found = Vec::new();
    for record in compared {
        match Attachment::recorded(record, records).missing(record) {
            Ok(missing) if missing.is_empty() => {}
            missing => found.push(((*record).clone(), missing)),
        }
    }
    if !found.is_empty() {
        let sentence = || vec!["expected elements and rules with its name, found fewer".to_owned()];
        let lacking = others.iter().filter(|record| is_in_use(record));
        found.extend(lacking.map(|record| ((*record).clone(), Ok(sentence()))));
    }
    found
}

/// What it has in common with others whose shared rules are the same.
fn shape(record: &Record) -> String {
    let groups = groups(&record.parts);
    let markers: Vec<String> = groups
        .iter()
        .map(|group| format!("{:?}", group.marker))
        .collect();
    let families: Vec<_> = record
        .addresses()
        .iter()
        .map(|address| Protocol::of(*address).command())
        .collect();
    let (plugin, backend) = (record.plugin(), record.backend);
    format!("{plugin} {backend} {markers:?} {families:?}")
}

/// Whether all that bears its name is there, as far as that can be told by names.
fn has_names(record: &Record, there: &HashSet<(&str, &str)>) -> bool {
    let label = record.owner().to_string();
    let is_there = |place: String| there.contains(&(label.as_str(), place.as_str()));
    if record.backend == Backend::Iptables {
        return false;
    }
    let placed = elements(&record.parts);
    let mut sets = placed
        .iter()
        .filter(|placed| !placed.is_shared())
        .map(|placed| {
            let set = &placed.set;
            format!("set {} {} {}", set.family, set.table, set.name)
        });
    let mut chains = record.parts.iter().filter_map(|part| match part {
        Part::Admission(part) => {
            let family = Protocol::of(part.address).family();
            Some(format!("chain {family} filter CNI-FORWARD"))
        }
        _ => None,
    });
    sets.all(&is_there) && chains.all(&is_there)
}
