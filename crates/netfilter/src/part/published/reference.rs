//! What the reference portmap made: chains of iptables, or rules of its nftables backend.

use linkspan_nft::{Chain, Table};
use linkspan_spec::Error;

use super::iptables::{is_led_to, remove_chain};
use super::{Owner, Part};
use crate::iptables::{Protocol, chain_name, remove_chains};
use crate::reference::{has_rules, remove_rules};

/// The chain of its versions before 0.8 for the way back, and the one that leads there.
const OLD_PURPOSE: &str = "SN-";
const OLD_BASE: &str = "CNI-HOSTPORT-SNAT";

/// The table of its nftables backend.
pub(super) const TABLE: &str = "cni_hostport";

/// The chains in which that has a rule for each port.
const CHAINS: [&str; 3] = ["hostports", "hostip_hostports", MASQUERADING];
const MASQUERADING: &str = "masquerading";

/// Whether the ports of an attachment lead to it by either backend.
pub(super) fn is_there(owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
    if is_led_to(owner, parts)? {
        return Ok(true);
    }
    for (_, chain) in chains() {
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
    remove_rules_of(owner.container())
}

/// Removes what its nftables backend made for a container.
pub(super) fn remove_rules_of(container: &str) -> Result<(), Error> {
    chains().try_for_each(|(_, chain)| remove_rules(&chain, &|comment| comment == container))
}

/// The chain in which its nftables backend leads ports to containers.
pub(super) fn leading_chain(protocol: Protocol) -> Chain {
    Chain::regular(&Table::new(protocol.family(), TABLE), CHAINS[0])
}

/// The same, and the one where its earlier versions did.
pub(super) fn leading_chains() -> impl Iterator<Item = (Protocol, Chain)> {
    chains().filter(|(_, chain)| chain.name != MASQUERADING)
}

fn chains() -> impl Iterator<Item = (Protocol, Chain)> {
    Protocol::BOTH.into_iter().flat_map(|protocol| {
        let table = Table::new(protocol.family(), TABLE);
        CHAINS.map(|chain| (protocol, Chain::regular(&table, chain)))
    })
}
