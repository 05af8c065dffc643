//! What the reference portmap made: chains of iptables, or rules of its nftables backend.

use linkspan_nft::{Chain, Family, Table};
use linkspan_spec::Error;

use super::iptables::{is_led_to, remove_chain};
use super::{Owner, Part};
use crate::iptables::{chain_name, remove_chains};
use crate::reference::{has_rules, remove_rules};

/// The chain of its versions before 0.8 for the way back, and the one that leads there.
const OLD_PURPOSE: &str = "SN-";
const OLD_BASE: &str = "CNI-HOSTPORT-SNAT";

/// The chains in which its nftables backend has a rule for each port.
const CHAINS: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];

/// Whether the ports of an attachment lead to it by either backend.
pub(super) fn is_there(owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
    if is_led_to(owner, parts)? {
        return Ok(true);
    }
    for chain in chains() {
        if has_rules(&chain, &|comment| comment == owner.container())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes all that it made for an attachment.
///
/// Its nftables backend tells containers apart, not their attachments.
pub(super) fn remove(owner: &Owner) -> Result<(), Error> {
    remove_chain(owner)?;
    remove_chains(OLD_BASE, &[chain_name(OLD_PURPOSE, owner)])?;
    chains().try_for_each(|chain| remove_rules(&chain, &|comment| comment == owner.container()))
}

fn chains() -> impl Iterator<Item = Chain> {
    [Family::Ip, Family::Ip6].into_iter().flat_map(|family| {
        let table = Table::new(family, "cni_hostport");
        CHAINS.map(|chain| Chain::regular(&table, chain))
    })
}
