//! The reference plugin's rules, which do not say whose they are: they are found by the address.

use linkspan_spec::Error;

use super::filter::dismiss;
use super::firewalld::each_zone;
use super::{Owner, Part, addresses, admin_chains};
use crate::part::passage::taken;
use crate::records::Records;
use crate::{firewalld, forward};

/// Whether these addresses are admitted by rules of anybody's, or by firewalld.
pub(super) fn is_there(owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
    let missing = forward::missing_admissions(owner, &addresses(parts), &admin_chains(parts))?;
    let mut are_there = missing.is_empty();
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
    dismiss(owner, parts)?;
    if !parts.is_empty() && firewalld::is_running() {
        let taken = taken(owner, &Records::default());
        return each_zone(parts, |zone, mut addresses| {
            addresses.retain(|address| !taken.contains(address));
            firewalld::unbind(zone, &addresses)
        });
    }
    Ok(())
}
