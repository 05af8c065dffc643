//! The filter tables of the newer iptables, `ip filter` and `ip6 filter`.
//!
//! Tables, chains and rules are written as that iptables writes them, so that it lists, saves and restores them, in
//! each of its versions. Our rules keep their owner where iptables does not look.

use std::net::IpAddr;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::{CommitError, Nftables};
use linkspan_nft::{Batch, Chain, Hook, InstalledRule, Query, Rule, Table};

use super::accept::Wanted;
use super::place::{ADMIN_COMMENT, ADMITTED, FORWARD, PUBLISHED, Place};
use crate::iptables::{self, Protocol};

/// How often a lost race is run again.
const ATTEMPTS: u32 = 1000;

/// What came of placing rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// A rule of FORWARD is new.
    pub(crate) has_placed: bool,
    /// An earlier Linkspan has admitted here, in another way.
    pub(crate) has_former: bool,
}

/// Whose the filter table of a protocol is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// That of iptables, with its FORWARD.
    Iptables,
    /// Nobody's, so far; the host's iptables would make it.
    Nobody,
    /// The host's iptables is the older one.
    Legacy,
    /// A table of this name of somebody else, who forwards by it.
    Other,
}

pub(super) fn holder(kernel: &Nftables, protocol: Protocol) -> Result<Holder, KernelError> {
    if let Some(forward) = kernel.chain(&chain(protocol, FORWARD))? {
        return Ok(match forward.base {
            Some(_) => Holder::Iptables,
            None => Holder::Other,
        });
    }
    if iptables::is_legacy(protocol) {
        return Ok(Holder::Legacy);
    }
    let table = protocol.filter();
    let forwards = |one: &Chain| {
        one.table == table.name
            && one
                .base
                .as_ref()
                .is_some_and(|base| base.hook == Hook::Forward)
    };
    Ok(match kernel.chains(table.family)?.iter().any(forwards) {
        true => Holder::Other,
        false => Holder::Nobody,
    })
}

/// Whether FORWARD drops what no rule decides on.
pub(super) fn drops(kernel: &Nftables, protocol: Protocol) -> Result<bool, KernelError> {
    let forward = kernel.chain(&chain(protocol, FORWARD))?;
    let base = forward.and_then(|forward| forward.base);
    Ok(base.is_some_and(|base| base.drops_by_default))
}

/// Whether FORWARD may drop what we let pass: by its policy, or by a rule of others.
pub(super) fn filters(kernel: &Nftables, protocol: Protocol) -> Result<bool, KernelError> {
    let is_ours = |rule: &InstalledRule| is_lead(rule, &ADMITTED) || is_lead(rule, &PUBLISHED);
    let forward = kernel.rules(&chain(protocol, FORWARD))?;
    Ok(!forward.iter().all(is_ours) || drops(kernel, protocol)?)
}

/// Places the rules of an attachment, in place of others about its addresses, and what leads to them. Returns the
/// protocols whose table is that of the older iptables.
pub(super) fn ensure(
    kernel: &Nftables,
    wanted: &[Wanted<'_>],
    owner: &str,
) -> Result<(Outcome, Vec<Protocol>), KernelError> {
    for _ in 0..ATTEMPTS {
        let mut attempt = Attempt::begin(kernel, wanted)?;
        for (wanted, references) in wanted.iter().zip(attempt.references.clone()) {
            attempt.add(wanted, references, owner)?;
        }
        match attempt.commit() {
            Ok(()) => return Ok((attempt.outcome, attempt.legacy)),
            Err(failure) if failure.is_stale() => {}
            // Nobody has tables of iptables, and this kernel could not have them (nft_compat).
            Err(failure) if failure.is_not_found() && attempt.has_made_table => {
                return Ok((Outcome::default(), Vec::new()));
            }
            Err(failure) => return Err(failure.into()),
        }
    }
    Err(contended())
}

/// One transaction, and what it depends on.
struct Attempt<'k> {
    kernel: &'k Nftables,
    /// Of the chain of each wanted, how many rules are in it or lead to it.
    references: Vec<Option<u32>>,
    batch: Batch,
    outcome: Outcome,
    /// Protocols whose table is that of the older iptables.
    legacy: Vec<Protocol>,
    has_made_table: bool,
}

impl<'k> Attempt<'k> {
    /// It is refused, at once, when anything has changed since it began; else two who place the rules of the same attachment
    /// (its ADD, and whoever puts back what was flushed) would both find none.
    fn begin(kernel: &'k Nftables, wanted: &[Wanted<'_>]) -> Result<Self, KernelError> {
        let mut questions: Vec<Query> = wanted
            .iter()
            .map(|wanted| Query::chain(&chain(wanted.protocol, wanted.place.chain)))
            .collect();
        questions.push(Query::chain(&super::former::marker()));
        let mut found = kernel.snapshot(&questions, &[])?;
        let has_former = found.present.pop().unwrap_or_default();
        let mut batch = Batch::new();
        batch.require_generation(found.generation);
        Ok(Self {
            kernel,
            references: found.references[..wanted.len()].to_vec(),
            batch,
            outcome: Outcome {
                has_placed: false,
                has_former,
            },
            legacy: Vec::new(),
            has_made_table: false,
        })
    }

    fn add(
        &mut self,
        wanted: &Wanted<'_>,
        references: Option<u32>,
        owner: &str,
    ) -> Result<(), KernelError> {
        let rules = match references {
            Some(_) => self
                .kernel
                .rules(&chain(wanted.protocol, wanted.place.chain))?,
            None => Vec::new(),
        };
        let is_intact = lead(self.kernel, wanted, references, &rules)? == Lead::InPlace
            && missing_admin_chains(wanted, &rules).is_empty();
        if !is_intact && !self.lead(wanted, &rules)? {
            return Ok(());
        }
        for rule in rules
            .iter()
            .filter(|rule| is_admission(rule) && wanted.concerns(rule.source, rule.destination))
        {
            self.batch.delete(rule.to_delete());
        }
        let table = wanted.protocol.filter();
        for accept in &wanted.accepts {
            self.batch.add(accept.rule(&table, owner));
        }
        Ok(())
    }

    /// Has FORWARD lead to the chain, and the chain to the administrator's; returns whether this table is the one
    /// for it.
    fn lead(&mut self, wanted: &Wanted<'_>, rules: &[InstalledRule]) -> Result<bool, KernelError> {
        let Wanted {
            protocol, place, ..
        } = *wanted;
        let table = protocol.filter();
        match holder(self.kernel, protocol)? {
            Holder::Other => return Ok(false),
            Holder::Legacy => {
                self.legacy.push(protocol);
                return Ok(false);
            }
            Holder::Nobody => {
                self.batch.add(table.clone());
                // To add one that somebody has made meanwhile would change its policy.
                let forward = Chain::filter(&table, FORWARD, Hook::Forward, FILTER);
                self.batch.create(forward);
                self.has_made_table = true;
            }
            Holder::Iptables => {}
        }
        self.batch.add(chain(protocol, place.chain));
        for chain in missing_admin_chains(wanted, rules) {
            require_regular(self.kernel, protocol, chain)?;
            self.batch.add(Chain::regular(&table, chain));
            self.batch
                .insert(jump(&table, place.chain, chain, ADMIN_COMMENT));
        }
        let forward = self.kernel.rules(&chain(protocol, FORWARD))?;
        let is_jump = |rule: &InstalledRule| is_lead(rule, place);
        let lead = jump(&table, FORWARD, place.chain, place.comment);
        if !place.is_first() {
            for rule in forward.iter().filter(|rule| is_jump(rule)) {
                self.batch.delete(rule.to_delete());
            }
            self.batch.add(lead);
        } else if !forward.iter().any(is_jump) {
            self.batch.insert(lead);
        }
        self.outcome.has_placed = true;
        Ok(true)
    }

    fn commit(&self) -> Result<(), CommitError> {
        self.kernel.commit(&self.batch)
    }
}

/// The kernel's own word for a chain that none may lead to is that of one without nf_tables.
fn require_regular(kernel: &Nftables, protocol: Protocol, name: &str) -> Result<(), KernelError> {
    let found = kernel.chain(&chain(protocol, name))?;
    if found.is_none_or(|chain| chain.base.is_none()) {
        return Ok(());
    }
    let reason = "it has a hook of its own, and no chain may lead to it; choose another \"iptablesAdminChainName\"";
    Err(KernelError::new(
        "use",
        format!(
            "the chain {name} of the filter table of {}",
            protocol.command()
        ),
        std::io::Error::new(std::io::ErrorKind::InvalidInput, reason),
    ))
}

/// The priority of filters (`NF_IP_PRI_FILTER`).
const FILTER: i32 = 0;

fn chain(protocol: Protocol, name: &str) -> Chain {
    Chain::regular(&protocol.filter(), name)
}

/// Every rule of iptables counts.
fn jump(table: &Table, from: &str, to: &str, comment: &str) -> Rule {
    Rule::new(table, from).counter().jump(to).comment(comment)
}

/// How FORWARD leads to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// By no rule of ours.
    Missing,
    /// By one that rules of others stand behind, though it is to be the last.
    Ahead,
    InPlace,
}

impl Lead {
    fn of(place: &Place, forward: &[InstalledRule]) -> Self {
        match forward.iter().rposition(|rule| is_lead(rule, place)) {
            None => Self::Missing,
            Some(at) if !place.is_first() && at + 1 < forward.len() => Self::Ahead,
            Some(_) => Self::InPlace,
        }
    }
}

/// Whether a rule of FORWARD is the one that leads to this place: others may lead there on conditions.
fn is_lead(rule: &InstalledRule, place: &Place) -> bool {
    rule.target.as_deref() == Some(place.chain) && rule.comment.as_deref() == Some(place.comment)
}

/// How FORWARD leads to the chain. That nothing does is told without reading FORWARD: the kernel counts a chain's rules together
/// with the jumps to it.
fn lead(
    kernel: &Nftables,
    wanted: &Wanted<'_>,
    references: Option<u32>,
    rules: &[InstalledRule],
) -> Result<Lead, KernelError> {
    let references = usize::try_from(references.unwrap_or_default()).unwrap_or_default();
    if references <= rules.len() {
        return Ok(Lead::Missing);
    }
    let forward = kernel.rules(&chain(wanted.protocol, FORWARD))?;
    Ok(Lead::of(wanted.place, &forward))
}

/// Whether rules of others stand behind the one of FORWARD that leads to this place, which is to be the last.
pub(super) fn is_ahead(
    kernel: &Nftables,
    protocol: Protocol,
    place: &Place,
) -> Result<bool, KernelError> {
    let forward = kernel.rules(&chain(protocol, FORWARD))?;
    Ok(Lead::of(place, &forward) == Lead::Ahead)
}

/// Whether FORWARD leads to a chain.
pub(super) fn leads_to(
    kernel: &Nftables,
    protocol: Protocol,
    to: &str,
) -> Result<bool, KernelError> {
    let forward = kernel.rules(&chain(protocol, FORWARD))?;
    Ok(forward
        .iter()
        .any(|rule| rule.target.as_deref() == Some(to)))
}

fn missing_admin_chains<'a>(wanted: &Wanted<'a>, rules: &[InstalledRule]) -> Vec<&'a str> {
    let leads_to = |chain: &str| {
        let mut targets = rules.iter().filter_map(|rule| rule.target.as_deref());
        targets.any(|target| target == chain)
    };
    let chains = wanted.admin_chains.iter().copied();
    chains.filter(|chain| !leads_to(chain)).collect()
}

/// What is not as [`ensure`] leaves it, a sentence each; `None` where the table is that of the older iptables.
pub(super) fn missing(
    kernel: &Nftables,
    wanted: &Wanted<'_>,
    owner: &str,
) -> Result<Option<Vec<String>>, KernelError> {
    let Wanted {
        protocol, place, ..
    } = *wanted;
    match holder(kernel, protocol)? {
        Holder::Iptables | Holder::Nobody => {}
        Holder::Legacy => return Ok(None),
        Holder::Other => return Ok(Some(Vec::new())),
    }
    let chain = chain(protocol, place.chain);
    let references = kernel.chain(&chain)?.and_then(|chain| chain.references);
    let rules = kernel.rules(&chain)?;
    let mut missing = Vec::new();
    if lead(kernel, wanted, references, &rules)? == Lead::Missing {
        missing.push(wanted.describe(place));
    }
    for chain in missing_admin_chains(wanted, &rules) {
        missing.push(wanted.describe(format_args!("from {} to {chain}", place.chain)));
    }
    let mut left: Vec<&InstalledRule> = rules
        .iter()
        .filter(|rule| rule.owner.as_deref().is_none_or(|other| other == owner))
        .collect();
    for accept in &wanted.accepts {
        let is_it = |rule: &&InstalledRule| {
            is_admission(rule) && accept.is_about(rule.source, rule.destination)
        };
        match left.iter().position(is_it) {
            Some(at) => drop(left.swap_remove(at)),
            None => missing.push(wanted.describe(accept)),
        }
    }
    Ok(Some(missing))
}

/// Whether a rule can be one that admits somebody: what drops, or is about two ends, is the owner of the host's.
pub(super) fn is_admission(rule: &InstalledRule) -> bool {
    rule.accepts && !(rule.source.is_some() && rule.destination.is_some())
}

/// Whose the rules about an address are.
pub(super) fn owner_of(
    kernel: &Nftables,
    protocol: Protocol,
    address: IpAddr,
) -> Result<Option<String>, KernelError> {
    let rules = kernel.rules(&chain(protocol, ADMITTED.chain))?.into_iter();
    let is_about = |rule: &InstalledRule| [rule.source, rule.destination].contains(&Some(address));
    Ok(rules.filter(is_about).find_map(|rule| rule.owner))
}

/// Removes those rules of these places that `is_stale` accepts; returns whether an earlier Linkspan has admitted
/// here in another way.
pub(super) fn remove(
    kernel: &Nftables,
    places: &[&Place],
    is_stale: &dyn Fn(&InstalledRule) -> bool,
) -> Result<bool, KernelError> {
    let of_place = |place: &&Place| Protocol::BOTH.map(|protocol| chain(protocol, place.chain));
    let chains: Vec<Chain> = places.iter().flat_map(of_place).collect();
    let mut questions: Vec<Query> = chains.iter().map(Query::chain).collect();
    questions.push(Query::chain(&super::former::marker()));
    for _ in 0..ATTEMPTS {
        let found = kernel.snapshot(&questions, &[])?;
        let mut batch = Batch::new();
        for (chain, _) in chains
            .iter()
            .zip(&found.present)
            .filter(|(_, is_there)| **is_there)
        {
            for rule in kernel.rules(chain)?.iter().filter(|rule| is_stale(rule)) {
                batch.delete(rule.to_delete());
            }
        }
        match kernel.commit(&batch) {
            Err(failure) if failure.is_not_found() => {}
            Err(failure) => return Err(failure.into()),
            Ok(()) => return Ok(found.present.last().copied().unwrap_or_default()),
        }
    }
    Err(contended())
}

/// Removes those of our chains that accept nothing, and what leads to them. The administrator's chains and the
/// tables stay, as those of iptables do.
pub(super) fn tidy(kernel: &Nftables) -> Result<(), KernelError> {
    let generation = kernel.generation()?;
    let mut batch = Batch::new();
    batch.require_generation(generation);
    for protocol in Protocol::BOTH {
        for place in [&ADMITTED, &PUBLISHED] {
            tidy_place(kernel, protocol, place, &mut batch)?;
        }
    }
    match kernel.commit(&batch) {
        // Whoever was faster has an attachment; or has a use for the chain.
        Err(failure) if failure.is_stale() || failure.is_exists() => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// A chain with rules of others stays; and where others lead to it, it stays, too.
fn tidy_place(
    kernel: &Nftables,
    protocol: Protocol,
    place: &Place,
    batch: &mut Batch,
) -> Result<(), KernelError> {
    let chain = chain(protocol, place.chain);
    let Some(found) = kernel.chain(&chain)? else {
        return Ok(());
    };
    let rules = kernel.rules(&chain)?;
    let is_administrators = |rule: &InstalledRule| {
        rule.target.is_some() && rule.comment.as_deref() == Some(ADMIN_COMMENT)
    };
    if !rules.iter().all(is_administrators) {
        return Ok(());
    }
    let mut forward = kernel.rules(&self::chain(protocol, FORWARD))?;
    forward.retain(|rule| is_lead(rule, place));
    for rule in &forward {
        batch.delete(rule.to_delete());
    }
    let known = rules.len() + forward.len();
    if usize::try_from(found.references.unwrap_or_default()).unwrap_or_default() <= known {
        batch.flush_chain(chain.clone()).delete(chain);
    }
    Ok(())
}

fn contended() -> KernelError {
    KernelError::new(
        "change",
        "the filter table of iptables, which others kept changing at the same time",
        std::io::Error::from_raw_os_error(rustix::io::Errno::AGAIN.raw_os_error()),
    )
}
