//! The reference plugin's rules, which do not say whose they are: they are found by the address.

use linkspan_spec::Error;

use super::filter::{dismiss, missing};
use super::firewalld::each_zone;
use super::{Owner, Part};
use crate::firewalld;
use crate::part::passage::Taken;
use crate::records::Records;

/// Whether these addresses are admitted by rules of anybody's, or by firewalld.
pub(super) fn is_there(owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
    let mut are_there = missing(owner, parts)?.is_empty();
    if !are_there && firewalld::is_running()? {
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
    if !parts.is_empty() && firewalld::is_running()? {
        let records = Records::default();
        let taken = Taken::but_by(owner, &records);
        each_zone(parts, |zone, mut addresses| {
            addresses.retain(|address| !taken.has(*address));
            firewalld::unbind(zone, &addresses)
        })?;
        return taken.finish();
    }
    Ok(())
}
