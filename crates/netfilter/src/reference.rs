//! What the reference plugins made for an attachment, so that a node can be upgraded with containers
//! running: their chains and rules are found by their names and comments, and removed over netlink.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Batch, Chain, InstalledRule, Table, Translation};
use linkspan_spec::Error;

use super::fault::{ask, explain, unless_unsupported};

/// Whether a chain has rules whose comment `is_own` accepts.
pub(super) fn has_rules(chain: &Chain, is_own: &dyn Fn(&str) -> bool) -> Result<bool, Error> {
    let is_own = |rule: &InstalledRule| rule.comment.as_deref().is_some_and(is_own);
    ask(|kernel| Ok(kernel.rules(chain)?.iter().any(is_own)))
}

/// The rules of a chain that lead ports elsewhere.
pub(super) fn translations(chain: &Chain) -> Result<Vec<(InstalledRule, Translation)>, Error> {
    Nftables::open()
        .and_then(|kernel| kernel.translations(chain))
        .or_else(|error| unless_unsupported(error).map(|()| Vec::new()))
        .map_err(explain)
}

/// Whether a chain has rules.
pub(super) fn has_any_rule(chain: &Chain) -> Result<bool, Error> {
    ask(|kernel| Ok(!kernel.rules(chain)?.is_empty()))
}

/// Whether there is a chain.
pub(super) fn has_chain(chain: &Chain) -> Result<bool, Error> {
    ask(|kernel| Ok(kernel.chain(chain)?.is_some()))
}

/// Removes those rules of a chain whose comment `is_stale` accepts.
pub(super) fn remove_rules(chain: &Chain, is_stale: &dyn Fn(&str) -> bool) -> Result<(), Error> {
    remove_rules_where(chain, &|rule| rule.comment.as_deref().is_some_and(is_stale))
}

/// Removes those rules of a chain that `is_stale` accepts.
pub(super) fn remove_rules_where(
    chain: &Chain,
    is_stale: &dyn Fn(&InstalledRule) -> bool,
) -> Result<(), Error> {
    let remove = || -> Result<(), KernelError> {
        let kernel = Nftables::open()?;
        let mut batch = Batch::new();
        for rule in kernel.rules(chain)? {
            if is_stale(&rule) {
                batch.delete(rule.to_delete());
            }
        }
        commit_removal(&kernel, &batch)
    };
    tolerate(remove())
}

/// Removes the rules of `base` that lead to any of the chains, and the chains, each of which may lead to
/// the next. One request tells when there is nothing to remove.
pub(super) fn remove_chains(table: &Table, base: &str, names: &[String]) -> Result<(), Error> {
    tolerate(try_to_remove_chains(table, base, names))
}

fn try_to_remove_chains(table: &Table, base: &str, names: &[String]) -> Result<(), KernelError> {
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
