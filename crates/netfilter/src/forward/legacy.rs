//! The filter tables of the older iptables, without nf_tables.
//!
//! They can be read at the price of a system call or two, so a program is started only when something is
//! missing: one `iptables-legacy-restore`, under a lock of ours, so that two plugins do not both find the
//! same rule missing.

use linkspan_kernel::xtables::{self, Rule, Table};
use linkspan_spec::Error;

use super::{ACCEPT_COMMENT, ADMIN_COMMENT, CHAIN, FORWARD, JUMP_COMMENT, MARK, Missing, Wanted};
use crate::iptables::{Protocol, locked, restore_legacy};

const FILTER: &str = "filter";

/// Places what is missing; returns whether there was anything.
pub(super) fn ensure(wanted: &Wanted<'_>) -> Result<bool, Error> {
    let is_missing = |missing: &Missing<'_>| !missing.is_empty();
    if missing(wanted)?.filter(is_missing).is_none() {
        return Ok(false);
    }
    locked(|| {
        let Some(table) = table(wanted.protocol)? else {
            return Ok(false);
        };
        let missing = missing_of(&table.rules, wanted);
        if missing.is_empty() {
            return Ok(false);
        }
        restore_legacy(wanted.protocol, &input(&table, &missing)).map(|()| true)
    })
}

/// Whether the table is in use.
pub(super) fn is_in_use(protocol: Protocol) -> bool {
    xtables::is_in_use(protocol.into(), FILTER)
}

/// What is missing, in words.
pub(super) fn differences(wanted: &Wanted<'_>) -> Result<Vec<String>, Error> {
    let table = format!("the filter table of {}-legacy", wanted.protocol.command());
    Ok(missing(wanted)?.unwrap_or_default().describe(&table))
}

/// What is missing; `None` when the table is not in use.
fn missing<'a>(wanted: &Wanted<'a>) -> Result<Option<Missing<'a>>, Error> {
    Ok(table(wanted.protocol)?.map(|table| missing_of(&table.rules, wanted)))
}

fn table(protocol: Protocol) -> Result<Option<Table>, Error> {
    xtables::table(protocol.into(), FILTER).map_err(crate::fault::explain)
}

fn missing_of<'a>(rules: &[Rule], wanted: &Wanted<'a>) -> Missing<'a> {
    let is_ours = |rule: &&Rule| rule.chain.as_deref() == Some(CHAIN);
    let leads_to = |chain: &str| {
        let jumps = |rule: &Rule| rule.jump.as_deref() == Some(chain);
        rules.iter().filter(is_ours).any(jumps)
    };
    let accepts = |rule: &Rule| rule.comment.as_deref() == Some(ACCEPT_COMMENT);
    Missing {
        jump: !rules
            .iter()
            .any(|rule| rule.chain.is_none() && rule.jump.as_deref() == Some(CHAIN)),
        admin_chains: wanted
            .admin_chains
            .iter()
            .copied()
            .filter(|chain| !leads_to(chain))
            .collect(),
        accept: !rules.iter().filter(is_ours).any(accepts),
    }
}

/// Naming a chain empties it, so one that is there is not named.
fn input(table: &Table, missing: &Missing<'_>) -> String {
    let mut lines = vec!["*filter".to_owned()];
    for chain in std::iter::once(&CHAIN).chain(&missing.admin_chains) {
        if !table.chains.iter().any(|there| there == chain) {
            lines.push(format!(":{chain} - [0:0]"));
        }
    }
    for chain in &missing.admin_chains {
        lines.push(format!(
            "-I {CHAIN} 1 -m comment --comment \"{ADMIN_COMMENT}\" -j {chain}"
        ));
    }
    if missing.accept {
        lines.push(format!(
            "-A {CHAIN} -m mark --mark {MARK:#x}/{MARK:#x} -m comment --comment \"{ACCEPT_COMMENT}\" -j ACCEPT"
        ));
    }
    if missing.jump {
        lines.push(format!(
            "-I {FORWARD} 1 -m comment --comment \"{JUMP_COMMENT}\" -j {CHAIN}"
        ));
    }
    lines.push("COMMIT\n".to_owned());
    lines.join("\n")
}

/// Removes our chain and what leads to it.
pub(super) fn remove(protocol: Protocol) -> Result<(), Error> {
    let has_ours = |table: &Table| table.chains.iter().any(|chain| chain == CHAIN);
    if table(protocol)?.filter(has_ours).is_none() {
        return Ok(());
    }
    locked(|| match table(protocol)?.filter(has_ours) {
        Some(table) => restore_legacy(protocol, &removal_input(&table)),
        None => Ok(()),
    })
}

fn removal_input(table: &Table) -> String {
    let jumps = |rule: &&Rule| rule.chain.is_none() && rule.jump.as_deref() == Some(CHAIN);
    let mut lines = vec!["*filter".to_owned()];
    for _ in table.rules.iter().filter(jumps) {
        lines.push(format!(
            "-D {FORWARD} -m comment --comment \"{JUMP_COMMENT}\" -j {CHAIN}"
        ));
    }
    lines.push(format!("-F {CHAIN}\n-X {CHAIN}\nCOMMIT\n"));
    lines.join("\n")
}
