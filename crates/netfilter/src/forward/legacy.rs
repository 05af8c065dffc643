//! The filter tables of the older iptables, without nf_tables.
//!
//! They can be read at the price of a system call or two, so a program is started only when something is to be changed,
//! under a lock of ours, so that two plugins do not both find the same rule missing. These rules have no owner.

use std::net::IpAddr;

use linkspan_kernel::xtables::{self, Rule, Table};
use linkspan_spec::Error;

use super::accept::Wanted;
use super::place::{ADMIN_COMMENT, ADMITTED, FORWARD, PUBLISHED, Place};
use crate::fault::explain;
use crate::iptables::{self, Protocol, locked, restore_legacy};

const FILTER: &str = "filter";

/// Whether the table is in use.
pub(super) fn is_in_use(protocol: Protocol) -> Result<bool, Error> {
    xtables::is_in_use(protocol.into(), FILTER).map_err(explain)
}

/// Places what is missing; returns whether a rule of FORWARD is new. A table that is not in use is made.
pub(super) fn ensure(wanted: &Wanted<'_>) -> Result<bool, Error> {
    let changed = change(wanted.protocol, &|table| {
        // Which ports a rule is about is not read: they are placed anew.
        let mut lines = match wanted.place.is_first() {
            true => Vec::new(),
            false => deletions(wanted.protocol, wanted.place, table, &|address| {
                wanted.concerns(Some(address), None)
            })?,
        };
        lines.extend(additions(table, wanted));
        match lines.is_empty() {
            true => Ok(lines),
            false => Ok(declarations(table, wanted).chain(lines).collect()),
        }
    })?;
    Ok(changed.is_some_and(|table| !leads(&table, wanted.place)))
}

/// How often a table is changed anew because somebody who does not know our lock was faster.
const ATTEMPTS: u32 = 5;

/// Changes a table by such lines; returns what it was before, unless there were none.
fn change(
    protocol: Protocol,
    lines: &dyn Fn(&Table) -> Result<Vec<String>, Error>,
) -> Result<Option<Table>, Error> {
    locked(|| {
        let mut found = table(protocol)?.unwrap_or_default();
        for attempt in 1.. {
            let lines = lines(&found)?;
            if lines.is_empty() {
                break;
            }
            let Err(error) = restore_legacy(protocol, &input(&lines)) else {
                return Ok(Some(found));
            };
            let now = table(protocol)?.unwrap_or_default();
            if attempt == ATTEMPTS || now == found {
                return Err(error);
            }
            found = now;
        }
        Ok(None)
    })
}

fn table(protocol: Protocol) -> Result<Option<Table>, Error> {
    xtables::table(protocol.into(), FILTER).map_err(explain)
}

fn input(lines: &[String]) -> String {
    format!("*{FILTER}\n{}\nCOMMIT\n", lines.join("\n"))
}

/// Whether FORWARD leads to our chain by a rule of ours.
fn leads(table: &Table, place: &Place) -> bool {
    forward(table).any(|rule| is_lead(rule, place))
}

fn is_lead(rule: &Rule, place: &Place) -> bool {
    rule.jump.as_deref() == Some(place.chain) && rule.comment.as_deref() == Some(place.comment)
}

/// The rules of FORWARD, of which the last is the policy.
fn forward(table: &Table) -> impl DoubleEndedIterator<Item = &Rule> {
    table.rules.iter().filter(|rule| rule.is_of_forward)
}

/// Whether FORWARD leads to a chain.
pub(super) fn leads_to(protocol: Protocol, chain: &str) -> Result<bool, Error> {
    let table = table(protocol)?.unwrap_or_default();
    let leads_there = |rule: &Rule| rule.jump.as_deref() == Some(chain);
    Ok(forward(&table).any(leads_there))
}

/// Whether rules of others stand behind the one of FORWARD that leads to this place, which is to be the last.
pub(super) fn is_ahead(protocol: Protocol, place: &Place) -> Result<bool, Error> {
    let table = table(protocol)?.unwrap_or_default();
    let last = forward(&table).rev().nth(1);
    Ok(leads(&table, place) && !last.is_some_and(|rule| is_lead(rule, place)))
}

fn rules<'t>(table: &'t Table, chain: &'t str) -> impl Iterator<Item = &'t Rule> {
    let is_in = move |rule: &&Rule| rule.chain.as_deref() == Some(chain);
    table.rules.iter().filter(is_in)
}

/// Whether a rule can be one that admits somebody: what drops, or is about two ends, is the owner of the host's.
fn is_admission(rule: &Rule) -> bool {
    rule.accepts && !(rule.source.is_some() && rule.destination.is_some())
}

fn missing_admin_chains<'a>(table: &Table, wanted: &Wanted<'a>) -> Vec<&'a str> {
    let leads_to = |chain: &str| {
        rules(table, wanted.place.chain).any(|rule| rule.jump.as_deref() == Some(chain))
    };
    let chains = wanted.admin_chains.iter().copied();
    chains.filter(|chain| !leads_to(chain)).collect()
}

/// Naming a chain empties it, so one that is there is not named.
fn declarations(table: &Table, wanted: &Wanted<'_>) -> impl Iterator<Item = String> {
    let chains: Vec<String> = std::iter::once(&wanted.place.chain)
        .chain(&wanted.admin_chains)
        .filter(|chain| !table.chains.iter().any(|there| there == *chain))
        .map(|chain| format!(":{chain} - [0:0]"))
        .collect();
    chains.into_iter()
}

fn additions(table: &Table, wanted: &Wanted<'_>) -> Vec<String> {
    let Place { chain, .. } = *wanted.place;
    let mut lines: Vec<String> = missing_admin_chains(table, wanted)
        .into_iter()
        .map(|to| format!("-I {chain} 1 {}", jump(to, ADMIN_COMMENT)))
        .collect();
    let is_there = |accept: &super::Accept| {
        let is_it =
            |rule: &Rule| is_admission(rule) && accept.is_about(rule.source, rule.destination);
        wanted.place.is_first() && rules(table, chain).any(is_it)
    };
    let missing = wanted.accepts.iter().filter(|accept| !is_there(accept));
    lines.extend(missing.map(|accept| accept.line()));
    let lead = jump(chain, wanted.place.comment);
    match (wanted.place.is_first(), leads(table, wanted.place)) {
        (true, true) => {}
        (true, false) => lines.push(format!("-I {FORWARD} 1 {lead}")),
        // It may be there and not the last.
        (false, is_there) => {
            lines.extend(is_there.then(|| format!("-D {FORWARD} {lead}")));
            lines.push(format!("-A {FORWARD} {lead}"));
        }
    }
    lines
}

fn jump(to: &str, comment: &str) -> String {
    format!("-m comment --comment \"{comment}\" -j {to}")
}

/// What deletes the rules of a place about these addresses.
fn deletions(
    protocol: Protocol,
    place: &Place,
    table: &Table,
    is_stale: &dyn Fn(IpAddr) -> bool,
) -> Result<Vec<String>, Error> {
    let mut stale: Vec<IpAddr> = rules(table, place.chain)
        .filter(|rule| is_admission(rule))
        .flat_map(|rule| rule.source.into_iter().chain(rule.destination))
        .filter(|address| is_stale(*address))
        .collect();
    stale.dedup();
    match stale.is_empty() {
        true => Ok(Vec::new()),
        false => iptables::deletions(protocol, FILTER, place.chain, &stale),
    }
}

/// What is not as [`ensure`] leaves it, a sentence each.
pub(super) fn missing(wanted: &Wanted<'_>) -> Result<Vec<String>, Error> {
    let table = table(wanted.protocol)?.unwrap_or_default();
    let Place { chain, .. } = *wanted.place;
    let mut missing = Vec::new();
    if !leads(&table, wanted.place) {
        missing.push(wanted.describe(wanted.place));
    }
    for to in missing_admin_chains(&table, wanted) {
        missing.push(wanted.describe(format_args!("from {chain} to {to}")));
    }
    let mut left: Vec<&Rule> = rules(&table, chain).collect();
    for accept in &wanted.accepts {
        let is_it =
            |rule: &&Rule| is_admission(rule) && accept.is_about(rule.source, rule.destination);
        match left.iter().position(is_it) {
            Some(at) => drop(left.swap_remove(at)),
            None => missing.push(wanted.describe(accept)),
        }
    }
    Ok(missing)
}

/// Removes the rules of these places about addresses that `is_stale` accepts.
pub(super) fn remove(places: &[&Place], is_stale: &dyn Fn(IpAddr) -> bool) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        let concerns = |table: &Table| {
            let mut rules = places.iter().flat_map(|place| rules(table, place.chain));
            rules.any(|rule| {
                let mut ends = rule.source.into_iter().chain(rule.destination);
                is_admission(rule) && ends.any(is_stale)
            })
        };
        if table(protocol)?.filter(concerns).is_none() {
            continue;
        }
        change(protocol, &|table| {
            let mut lines = Vec::new();
            for place in places {
                lines.extend(deletions(protocol, place, table, is_stale)?);
            }
            Ok(lines)
        })?;
    }
    Ok(())
}

/// Removes those of our chains that accept nothing, and what leads to them.
pub(super) fn tidy() -> Result<(), Error> {
    for place in [&ADMITTED, &PUBLISHED] {
        let is_administrators =
            |rule: &Rule| rule.jump.is_some() && rule.comment.as_deref() == Some(ADMIN_COMMENT);
        remove_chain(place.chain, &is_administrators, place.comment)?;
    }
    Ok(())
}

/// Removes a chain that has no rules but such, and the rules of FORWARD with this comment that lead to it. Where others lead
/// there, it stays.
pub(super) fn remove_chain(
    chain: &str,
    is_idle: &dyn Fn(&Rule) -> bool,
    comment: &str,
) -> Result<(), Error> {
    // The last of a chain's rules is the kernel's own: back to where it was led from.
    let is_such = |table: &Table| {
        let rules: Vec<&Rule> = rules(table, chain).collect();
        let own = rules.split_last().map(|(_, own)| own);
        own.is_some_and(|own| own.iter().all(|rule| is_idle(rule)))
    };
    for protocol in Protocol::BOTH {
        if table(protocol)?.filter(is_such).is_none() {
            continue;
        }
        change(protocol, &|table| {
            if !is_such(table) {
                return Ok(Vec::new());
            }
            let leads_there = |rule: &&Rule| rule.jump.as_deref() == Some(chain);
            let (own, others): (Vec<&Rule>, Vec<&Rule>) =
                table.rules.iter().filter(leads_there).partition(|rule| {
                    rule.is_of_forward && rule.comment.as_deref() == Some(comment)
                });
            let jumps = own.iter();
            let jumps = jumps.map(|_| format!("-D {FORWARD} {}", jump(chain, comment)));
            let mut lines: Vec<String> = jumps.collect();
            if others.is_empty() {
                lines.extend([format!("-F {chain}"), format!("-X {chain}")]);
            }
            Ok(lines)
        })?;
    }
    Ok(())
}
