//! Admission by firewalld: beside what nf_tables does, since either may be in the packet's way.

use std::net::IpAddr;

use linkspan_spec::Error;

use super::{ByIptables, Owner, Part, Want, admissions};
use crate::fault::{explain, unless_unsupported};
use crate::firewalld;
use crate::part::unique;
use crate::ruleset::Ruleset;

/// Admission by firewalld.
pub(super) struct Firewalld;

impl ByIptables for Firewalld {
    fn install(&self, _owner: &Owner, parts: &[Part], _siblings: &[Part]) -> Result<(), Error> {
        each_zone(parts, |zone, addresses| firewalld::bind(zone, &addresses))
    }

    fn remove(&self, owner: &Owner, parts: &[Part], _siblings: &[Part]) -> Result<(), Error> {
        let own = held(owner, parts)?;
        each_zone(&own, |zone, addresses| firewalld::unbind(zone, &addresses))
    }

    fn differences(&self, _owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        let mut differences = Vec::new();
        each_zone(parts, |zone, addresses| {
            for address in firewalld::unbound(zone, &addresses)? {
                differences.push(format!(
                    "expected {address} in the zone {zone:?} of firewalld, found it in none or another"
                ));
            }
            Ok(())
        })?;
        Ok(differences)
    }
}

/// Those whose addresses no other attachment has by now, as the elements in nf_tables tell.
fn held(owner: &Owner, parts: &[Part]) -> Result<Vec<Part>, Error> {
    let placed: Vec<_> = admissions(parts).flat_map(|part| part.elements()).collect();
    let holders = Ruleset::open()
        .and_then(|ruleset| ruleset.holders(&placed))
        .or_else(|error| unless_unsupported(error).map(|()| vec![None; placed.len()]))
        .map_err(explain)?;
    let owner = owner.to_string();
    let is_other = |holder: Option<String>| holder.is_some_and(|holder| holder != owner);
    Ok(parts
        .iter()
        .zip(holders)
        .filter(|(_, holder)| !is_other(holder.clone()))
        .map(|(part, _)| part.clone())
        .collect())
}

/// Once for each zone, with its addresses.
pub(super) fn each_zone(
    parts: &[Part],
    mut act: impl FnMut(&str, Vec<IpAddr>) -> Result<(), Error>,
) -> Result<(), Error> {
    for zone in unique(admissions(parts).map(|part| part.zone.as_str())) {
        let own = admissions(parts).filter(|part| part.zone == zone);
        act(zone, own.map(|part| part.address).collect())?;
    }
    Ok(())
}
