//! The filter tables of the newer iptables, `ip filter` and `ip6 filter`.
//!
//! The rules are written as that iptables writes them, so that `iptables -S` shows them. The generation
//! makes sure that nobody else placed them meanwhile.

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Batch, Chain, Expr, InstalledRule, Rule, Table, Verdict};
use linkspan_spec::Error;

use super::{ACCEPT_COMMENT, ADMIN_COMMENT, CHAIN, FORWARD, JUMP_COMMENT, MARK, Missing, Wanted};
use crate::fault::{explain, unless_unsupported};
use crate::iptables::Protocol;

/// How often a lost race is run again.
const ATTEMPTS: u32 = 1000;

/// Places what is missing; returns whether there was anything.
pub(super) fn ensure(wanted: &Wanted<'_>) -> Result<bool, Error> {
    let ensure = || {
        let kernel = Nftables::open()?;
        if is_intact(&kernel, wanted)? {
            return Ok(false);
        }
        place(&kernel, wanted)
    };
    ensure()
        .or_else(|error| unless_unsupported(error).map(|()| false))
        .map_err(explain)
}

/// Whether our chain is whole and something leads to it, told without reading FORWARD, which may be long:
/// the kernel counts a chain's rules together with the jumps to it.
fn is_intact(kernel: &Nftables, wanted: &Wanted<'_>) -> Result<bool, KernelError> {
    let Some(chain) = kernel.chain(&own_chain(wanted.protocol))? else {
        return Ok(false);
    };
    let rules = kernel.rules(&chain)?;
    let references = usize::try_from(chain.references.unwrap_or_default()).unwrap_or_default();
    Ok(references > rules.len() && missing_of(&rules, wanted).is_empty())
}

/// What is missing of our chain.
fn missing_of<'a>(rules: &[InstalledRule], wanted: &Wanted<'a>) -> Missing<'a> {
    let leads_to = |chain: &str| {
        rules
            .iter()
            .any(|rule| rule.target.as_deref() == Some(chain))
    };
    Missing {
        jump: false,
        admin_chains: wanted
            .admin_chains
            .iter()
            .copied()
            .filter(|chain| !leads_to(chain))
            .collect(),
        accept: !rules
            .iter()
            .any(|rule| rule.comment.as_deref() == Some(ACCEPT_COMMENT)),
    }
}

/// What is missing of all; `None` when the table does not exist.
fn missing<'a>(kernel: &Nftables, wanted: &Wanted<'a>) -> Result<Option<Missing<'a>>, KernelError> {
    let forward = kernel.chain(&forward(wanted.protocol))?;
    if forward.is_none_or(|chain| chain.base.is_none()) {
        return Ok(None);
    }
    let leads_to_us = |rule: &InstalledRule| rule.target.as_deref() == Some(CHAIN);
    let rules = kernel.rules(&self::forward(wanted.protocol))?;
    Ok(Some(Missing {
        jump: !rules.iter().any(leads_to_us),
        ..missing_of(&kernel.rules(&own_chain(wanted.protocol))?, wanted)
    }))
}

fn place(kernel: &Nftables, wanted: &Wanted<'_>) -> Result<bool, KernelError> {
    for _ in 0..ATTEMPTS {
        let generation = kernel.generation()?;
        let Some(missing) = missing(kernel, wanted)?.filter(|missing| !missing.is_empty()) else {
            return Ok(false);
        };
        let mut batch = batch(wanted.protocol, &missing);
        batch.require_generation(generation);
        match kernel.commit(&batch) {
            Ok(()) => return Ok(true),
            Err(failure) if failure.is_stale() => {}
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(KernelError::new(
        "change",
        "the filter table of iptables, which others kept changing at the same time",
        std::io::Error::from_raw_os_error(rustix::io::Errno::AGAIN.raw_os_error()),
    ))
}

fn batch(protocol: Protocol, missing: &Missing<'_>) -> Batch {
    let table = protocol.filter();
    let mut batch = Batch::new();
    batch.add(own_chain(protocol));
    for chain in &missing.admin_chains {
        batch.add(Chain::regular(&table, *chain));
        batch.insert(jump(&table, CHAIN, chain, ADMIN_COMMENT));
    }
    if missing.accept {
        let accept = Rule::new(&table, CHAIN).mark_has(MARK);
        batch.add(decide(accept, Verdict::Accept).comment(ACCEPT_COMMENT));
    }
    if missing.jump {
        batch.insert(jump(&table, FORWARD, CHAIN, JUMP_COMMENT));
    }
    batch
}

fn jump(table: &Table, from: &str, to: &str, comment: &str) -> Rule {
    decide(Rule::new(table, from), Verdict::Jump(to.to_owned())).comment(comment)
}

/// Every rule of iptables counts.
fn decide(rule: Rule, verdict: Verdict) -> Rule {
    rule.expression(Expr::Counter).verdict(verdict)
}

fn own_chain(protocol: Protocol) -> Chain {
    Chain::regular(&protocol.filter(), CHAIN)
}

fn forward(protocol: Protocol) -> Chain {
    Chain::regular(&protocol.filter(), FORWARD)
}

/// The policy of FORWARD; `None` when there is no such chain.
pub(super) fn policy(protocol: Protocol) -> Result<Option<&'static str>, Error> {
    let chain = Nftables::open()
        .and_then(|kernel| kernel.chain(&forward(protocol)))
        .or_else(|error| unless_unsupported(error).map(|()| None))
        .map_err(explain)?;
    let base = chain.and_then(|chain| chain.base);
    Ok(base.map(|base| {
        if base.drops_by_default {
            "DROP"
        } else {
            "ACCEPT"
        }
    }))
}

/// What is missing, in words.
pub(super) fn differences(wanted: &Wanted<'_>) -> Result<Vec<String>, Error> {
    let missing = Nftables::open()
        .and_then(|kernel| missing(&kernel, wanted))
        .or_else(|error| unless_unsupported(error).map(|()| None))
        .map_err(explain)?;
    let table = format!("the filter table of {}", wanted.protocol.command());
    Ok(missing.unwrap_or_default().describe(&table))
}

/// Removes our chain and what leads to it.
pub(super) fn remove(protocol: Protocol) -> Result<(), Error> {
    crate::reference::remove_chains(&protocol.filter(), FORWARD, &[CHAIN.to_owned()])
}
