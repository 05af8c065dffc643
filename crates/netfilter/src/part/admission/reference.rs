//! The reference plugin's rules, which do not say whose they are: they are found by the address.

use std::net::IpAddr;

use linkspan_spec::Error;

use super::firewalld::each_zone;
use super::iptables::CHAIN;
use super::{Owner, Part, addresses};
use crate::firewalld;
use crate::iptables::{Protocol, has_rules_about, remove_rules_about};
use crate::record::Record;
use crate::records::Records;

/// Whether these addresses are admitted by the rules of either iptables or by firewalld.
pub(super) fn is_there(parts: &[Part]) -> Result<bool, Error> {
    let mut are_there = true;
    for address in addresses(parts) {
        are_there &= has_rules_about(Protocol::of(address), CHAIN, &[address])?;
    }
    if !are_there && firewalld::is_running() {
        are_there = true;
        each_zone(parts, |zone, addresses| {
            are_there &= firewalld::unbound(zone, &addresses)?.is_empty();
            Ok(())
        })?;
    }
    Ok(are_there)
}

/// Removes what was made for these addresses, whichever iptables or firewalld has it, but for addresses
/// that another attachment has by now.
pub(super) fn remove(owner: &Owner, parts: &[Part]) -> Result<(), Error> {
    remove_rules(owner, &addresses(parts))?;
    if !parts.is_empty() && firewalld::is_running() {
        let taken = taken(owner);
        return each_zone(parts, |zone, mut addresses| {
            addresses.retain(|address| !taken.contains(address));
            firewalld::unbind(zone, &addresses)
        });
    }
    Ok(())
}

fn remove_rules(owner: &Owner, addresses: &[IpAddr]) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        let own = |address: &&IpAddr| Protocol::of(**address) == protocol;
        let mut own: Vec<IpAddr> = addresses.iter().filter(own).copied().collect();
        if own.is_empty() || !has_rules_about(protocol, CHAIN, &own)? {
            continue;
        }
        let taken = taken(owner);
        own.retain(|address| !taken.contains(address));
        remove_rules_about(protocol, CHAIN, &own)?;
    }
    Ok(())
}

/// The addresses of all other attachments.
fn taken(owner: &Owner) -> Vec<IpAddr> {
    let is_other = |record: &Record| record.owner() != *owner;
    let records = Record::all(&Records::default()).unwrap_or_default();
    let others = records.into_iter().filter(is_other);
    others.flat_map(|record| addresses(&record.parts)).collect()
}
