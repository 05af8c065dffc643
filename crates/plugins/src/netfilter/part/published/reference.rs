//! What the reference portmap made: chains of iptables, or rules of its nftables backend.

use linkspan_nft::{Chain, Family, Table};
use linkspan_plugin::spec::Error;

use super::Owner;
use super::iptables::remove_chain;
use crate::netfilter::iptables::{chain_name, remove_chains};
use crate::netfilter::reference::remove_rules;

/// The chain of its versions before 0.8 for the way back, and the one that leads there.
const OLD_PURPOSE: &str = "SN-";
const OLD_BASE: &str = "CNI-HOSTPORT-SNAT";

/// The chains in which its nftables backend has a rule for each port.
const CHAINS: [&str; 3] = ["hostports", "hostip_hostports", "masquerading"];

/// Removes all that it made for an attachment.
///
/// Its nftables backend tells containers apart, not their attachments.
pub(super) fn remove(owner: &Owner) -> Result<(), Error> {
    remove_chain(owner)?;
    remove_chains(OLD_BASE, &[chain_name(OLD_PURPOSE, owner)])?;
    for family in [Family::Ip, Family::Ip6] {
        let table = Table::new(family, "cni_hostport");
        for chain in CHAINS {
            let is_own = |comment: &str| comment == owner.container();
            remove_rules(&Chain::regular(&table, chain), &is_own)?;
        }
    }
    Ok(())
}
