//! What the reference plugins made for an attachment, so that a node can be upgraded with containers
//! running: their chains and rules are found by their names and comments, and removed over netlink.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Batch, Chain, Family, InstalledRule, Table};
use linkspan_plugin::spec::Error;

use super::fault::{explain, unless_unsupported};
use super::iptables::{self, Protocol};
use super::owner::{Owner, hex_sha512};
use super::part::Kind;

/// Hexadecimal digits of the hashes in the comments of their masquerading rules.
const HASH_DIGITS: usize = 16;

/// Removes what the reference plugins made for an attachment, of these kinds.
pub(super) fn remove(owner: &Owner, kinds: &[Kind]) -> Result<(), Error> {
    for kind in kinds {
        match kind {
            Kind::Masquerade => {
                remove_iptables_masquerade(owner)?;
                remove_nftables_masquerade(&|comment| {
                    comment.starts_with(&attachment_hash(owner))
                })?;
            }
            Kind::SpoofGuard => tolerate(remove_spoof_guard(owner))?,
        }
    }
    Ok(())
}

/// Removes the masquerading of a network's attachments other than these.
pub(super) fn collect(network: &str, valid: &[Owner]) -> Result<(), Error> {
    let network = network_hash(network);
    let valid: Vec<String> = valid.iter().map(attachment_hash).collect();
    remove_nftables_masquerade(&|comment| {
        comment.starts_with(&network) && !valid.iter().any(|hash| comment.starts_with(hash))
    })
}

/// Removes a container's chain, which iptables made, whoever called it: there is one name for both.
pub(super) fn remove_iptables_masquerade(owner: &Owner) -> Result<(), Error> {
    let chain = iptables::chain_name(owner);
    for protocol in Protocol::BOTH {
        let name = std::slice::from_ref(&chain);
        tolerate(remove_chains(&nat(protocol), "POSTROUTING", name))?;
        iptables::remove_legacy_chain(protocol, &chain)?;
    }
    Ok(())
}

/// Whether a container's chain is there and led to, for IPv4 or IPv6.
pub(super) fn has_iptables_masquerade(owner: &Owner, protocol: Protocol) -> Result<bool, Error> {
    let name = iptables::chain_name(owner);
    let table = nat(protocol);
    let rules = Nftables::open()
        .and_then(|kernel| kernel.rules(&Chain::regular(&table, "POSTROUTING")))
        .map_err(explain)?;
    if rules.iter().any(|rule| rule.target.as_ref() == Some(&name)) {
        return Ok(true);
    }
    iptables::has_legacy_chain(protocol, &name)
}

fn nat(protocol: Protocol) -> Table {
    let family = match protocol {
        Protocol::Ipv4 => Family::Ip,
        Protocol::Ipv6 => Family::Ip6,
    };
    Table::new(family, "nat")
}

fn remove_nftables_masquerade(is_stale: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    let table = Table::new(Family::Inet, "cni_plugins_masquerade");
    let chain = Chain::regular(&table, "masq_checks");
    let remove = || -> Result<(), KernelError> {
        let kernel = Nftables::open()?;
        let mut batch = Batch::new();
        for rule in kernel.rules(&chain)? {
            if rule.comment.as_deref().is_some_and(is_stale) {
                batch.delete(rule.to_delete());
            }
        }
        commit_removal(&kernel, &batch)
    };
    tolerate(remove())
}

fn remove_spoof_guard(owner: &Owner) -> Result<(), KernelError> {
    let interface = format!("cni-br-iface-{}-{}", owner.container(), owner.ifname());
    let address = format!("{interface}-mac");
    let table = Table::new(Family::Bridge, "nat");
    remove_chains(&table, "PREROUTING", &[interface, address])
}

/// Removes the rules of `base` that lead to the first of the chains, and the chains, each of which may
/// lead to the next. One request tells when there is nothing to remove.
fn remove_chains(table: &Table, base: &str, names: &[String]) -> Result<(), KernelError> {
    let kernel = Nftables::open()?;
    let mut chains = Vec::new();
    for name in names {
        chains.extend(kernel.chain(&Chain::regular(table, name.clone()))?);
    }
    if chains.is_empty() {
        return Ok(());
    }
    let leads_there = |rule: &InstalledRule| {
        let target = rule.target.as_ref();
        target.is_some_and(|target| names.contains(target))
    };
    let mut batch = Batch::new();
    for rule in kernel.rules(&Chain::regular(table, base))? {
        if leads_there(&rule) {
            batch.delete(rule.to_delete());
        }
    }
    for chain in &chains {
        batch.flush_chain(chain.clone());
    }
    for chain in chains {
        batch.delete(chain);
    }
    commit_removal(&kernel, &batch)
}

/// Commits a removal; that somebody else was faster is no error.
fn commit_removal(kernel: &Nftables, batch: &Batch) -> Result<(), KernelError> {
    match kernel.commit(batch) {
        Err(failure) if !failure.is_not_found() => Err(failure.into()),
        _ => Ok(()),
    }
}

/// A kernel without nf_tables has none of it.
fn tolerate(removed: Result<(), KernelError>) -> Result<(), Error> {
    removed.or_else(unless_unsupported).map_err(explain)
}

fn network_hash(network: &str) -> String {
    hex_sha512(network)[..HASH_DIGITS].to_owned()
}

fn attachment_hash(owner: &Owner) -> String {
    let attachment = hex_sha512(&format!("{}:{}", owner.ifname(), owner.container()));
    let network = network_hash(owner.network());
    format!("{network}-{}", &attachment[..HASH_DIGITS])
}
