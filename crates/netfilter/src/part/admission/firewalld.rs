//! Admission by firewalld: beside what is said in the filter tables of iptables, since either may be in the packet's way.

use std::net::IpAddr;

use linkspan_spec::Error;

use super::filter::Filter;
use super::{Beyond, Installed, Owner, Part, admissions};
use crate::part::unique;
use crate::{firewalld, forward};

/// Admission by firewalld.
pub(super) struct Firewalld;

impl Beyond for Firewalld {
    fn install(
        &self,
        owner: &Owner,
        parts: &[Part],
        siblings: &[Part],
    ) -> Result<Installed, Error> {
        each_zone(parts, |zone, addresses| firewalld::bind(zone, &addresses))?;
        Filter.install(owner, parts, siblings)
    }

    fn remove(&self, owner: &Owner, parts: &[Part], siblings: &[Part]) -> Result<(), Error> {
        let name = owner.to_string();
        each_zone(parts, |zone, addresses| {
            let mut own = Vec::new();
            for address in addresses {
                // Another attachment may have it by now.
                if forward::owner_of(address)?.is_none_or(|holder| holder == name) {
                    own.push(address);
                }
            }
            firewalld::unbind(zone, &own)
        })?;
        Filter.remove(owner, parts, siblings)
    }

    fn differences(&self, owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        let mut differences = Filter.differences(owner, parts)?;
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
