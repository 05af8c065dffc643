//! The reference plugins' masquerading: the chain of iptables that ours makes too, or with their nftables
//! backend one rule for each address.

use linkspan_nft::{Chain, Family, Table};
use linkspan_spec::Error;

use super::iptables::{Iptables, POSTROUTING, chain as own_chain, remove_chain};
use super::{Beyond, Owner, Part};
use crate::iptables::{Protocol, SavedRule, saved_where_led_from};
use crate::owner::hex_sha512;
use crate::reference::{has_rules, remove_rules};

/// Hexadecimal digits of the hashes in the comments of the rules.
const HASH_DIGITS: usize = 16;

/// Whether an attachment is masqueraded by either backend.
pub(super) fn is_there(owner: &Owner, parts: &[Part]) -> Result<bool, Error> {
    let hash = attachment_hash(owner);
    Ok(Iptables.differences(owner, parts)?.is_empty()
        || has_rules(&chain(), &|comment| comment.starts_with(&hash))?)
}

/// Removes an attachment's masquerading by either backend.
pub(super) fn remove(owner: &Owner) -> Result<(), Error> {
    remove_chain(owner)?;
    let hash = attachment_hash(owner);
    remove_rules(&chain(), &|comment| comment.starts_with(&hash))
}

/// Removes the masquerading of a network's attachments other than these.
pub(super) fn collect(network: &str, valid: &[Owner]) -> Result<(), Error> {
    collect_chains(network, valid)?;
    let network = network_hash(network);
    let valid: Vec<String> = valid.iter().map(attachment_hash).collect();
    remove_rules(&chain(), &|comment| {
        comment.starts_with(&network) && !valid.iter().any(|hash| comment.starts_with(hash))
    })
}

/// Their chains tell containers apart, not attachments.
fn collect_chains(network: &str, valid: &[Owner]) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        for saved in saved_where_led_from(protocol, POSTROUTING)? {
            for rule in SavedRule::of_chain(&saved, POSTROUTING) {
                let Some((of, container)) = rule.label("") else {
                    continue;
                };
                let owner = Owner::from_texts(of, container, "");
                let is_valid = valid.iter().any(|one| one.container() == container);
                if of == network && !is_valid && rule.value("-j") == Some(&own_chain(&owner)) {
                    remove_chain(&owner)?;
                }
            }
        }
    }
    Ok(())
}

fn chain() -> Chain {
    let table = Table::new(Family::Inet, "cni_plugins_masquerade");
    Chain::regular(&table, "masq_checks")
}

fn network_hash(network: &str) -> String {
    hex_sha512(network)[..HASH_DIGITS].to_owned()
}

fn attachment_hash(owner: &Owner) -> String {
    let attachment = hex_sha512(&format!("{}:{}", owner.ifname(), owner.container()));
    let network = network_hash(owner.network());
    format!("{network}-{}", &attachment[..HASH_DIGITS])
}
