//! Where it is decided whether a packet is forwarded, and by which rules.

use std::collections::BTreeMap;
use std::fmt;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables;
use linkspan_nft::{Action, Chain, ChainKind, Family, Hook, Outline, Table};
use linkspan_spec::Error;

use crate::fault::{explain, unless_unsupported};
use crate::iptables::Protocol;

/// A chain that every forwarded packet meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Who keeps it.
    pub keeper: Keeper,
    /// Its table.
    pub table: String,
    /// Its name.
    pub chain: String,
    /// It sees IPv6 alone, or IPv4.
    pub is_ipv6: Option<bool>,
    /// A packet that no rule decided on is thrown away.
    pub drops_by_default: bool,
    /// The rules of this chain, and those of the chains that it leads to; `None` where there are too many to be read.
    pub rules: Option<BTreeMap<String, Vec<Outline>>>,
}

/// Who keeps a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// The newer iptables, in nf_tables.
    Iptables,
    /// The older iptables.
    Legacy,
    /// nf_tables itself: whoever has made the table, of this family.
    Nftables(Family),
}

/// The most chains that are read of one filter, and the most rules.
const MAX_CHAINS: usize = 256;
const MAX_RULES: usize = 20_000;

/// The chains that decide on what is forwarded, of both iptables and of others.
///
/// # Errors
/// When the kernel does not tell.
pub fn filters() -> Result<Vec<Filter>, Error> {
    let mut found = Nftables::open()
        .and_then(|kernel| in_nftables(&kernel))
        .or_else(|error| unless_unsupported(error).map(|()| Vec::new()))
        .map_err(explain)?;
    for protocol in Protocol::BOTH {
        let table = xtables::table(protocol.into(), "filter").map_err(explain)?;
        found.extend(table.map(|table| of_legacy(protocol, table)));
    }
    Ok(found)
}

fn in_nftables(kernel: &Nftables) -> Result<Vec<Filter>, KernelError> {
    let mut found = Vec::new();
    for family in [Family::Inet, Family::Ip, Family::Ip6] {
        for chain in kernel.chains(family)? {
            let Some(base) = &chain.base else { continue };
            if base.hook != Hook::Forward || base.kind != ChainKind::Filter {
                continue;
            }
            let is_iptables =
                family != Family::Inet && chain.table == "filter" && chain.name == "FORWARD";
            found.push(Filter {
                keeper: match is_iptables {
                    true => Keeper::Iptables,
                    false => Keeper::Nftables(family),
                },
                is_ipv6: match family {
                    Family::Ip => Some(false),
                    Family::Ip6 => Some(true),
                    _ => None,
                },
                drops_by_default: base.drops_by_default,
                rules: rules_from(kernel, &chain)?,
                table: chain.table,
                chain: chain.name,
            });
        }
    }
    Ok(found)
}

/// The rules of a chain and of those that it leads to.
fn rules_from(
    kernel: &Nftables,
    first: &Chain,
) -> Result<Option<BTreeMap<String, Vec<Outline>>>, KernelError> {
    let table = Table::new(first.family, first.table.clone());
    let mut found = BTreeMap::new();
    let mut wanted = vec![first.name.clone()];
    let mut count = 0;
    while let Some(name) = wanted.pop() {
        if found.contains_key(&name) {
            continue;
        }
        // The kernel tells how many there are before they are asked for.
        let chain = kernel.chain(&Chain::regular(&table, name.clone()))?;
        let references = chain.and_then(|chain| chain.references).unwrap_or_default();
        count += usize::try_from(references).unwrap_or(usize::MAX);
        if found.len() == MAX_CHAINS || count > MAX_RULES {
            return Ok(None);
        }
        let rules = kernel.outlines(&Chain::regular(&table, name.clone()))?;
        let targets = rules.iter().filter_map(|rule| match &rule.action {
            Action::Jump(to) | Action::Goto(to) => Some(to.clone()),
            _ => None,
        });
        wanted.extend(targets);
        found.insert(name, rules);
    }
    Ok(Some(found))
}

fn of_legacy(protocol: Protocol, table: xtables::Table) -> Filter {
    const FORWARD: &str = "FORWARD";
    let mut rules: BTreeMap<String, Vec<Outline>> = BTreeMap::new();
    for rule in table.rules {
        let chain = match (rule.is_of_forward, rule.chain) {
            (true, _) => FORWARD.to_owned(),
            (false, Some(chain)) => chain,
            (false, None) => continue,
        };
        rules.entry(chain).or_default().push(rule.outline);
    }
    // The last rule of FORWARD is the policy, without conditions.
    let policy = rules.get_mut(FORWARD).and_then(Vec::pop);
    Filter {
        keeper: Keeper::Legacy,
        table: "filter".to_owned(),
        chain: FORWARD.to_owned(),
        is_ipv6: Some(protocol == Protocol::Ipv6),
        drops_by_default: policy.is_some_and(|policy| policy.action == Action::Drop),
        rules: Some(rules),
    }
}

/// As it stands behind "the chain".
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command = match self.is_ipv6 {
            Some(true) => Protocol::Ipv6.command(),
            _ => Protocol::Ipv4.command(),
        };
        match self.keeper {
            Keeper::Iptables => write!(f, "{} of {command}", self.chain),
            Keeper::Legacy => write!(f, "{} of {command}-legacy", self.chain),
            Keeper::Nftables(family) => write!(f, "{family} {} {}", self.table, self.chain),
        }
    }
}
