//! The filter table of iptables, read without starting a program where that can be.

use std::net::IpAddr;

use linkspan_kernel::xtables;
use linkspan_nft::Chain;
use linkspan_spec::Error;

use super::{Existing, Protocol};
use crate::fault::explain;
use crate::reference;

/// Whether either iptables has a chain in its filter table.
pub(crate) fn has_chain(protocol: Protocol, chain: &str) -> Result<bool, Error> {
    if reference::has_chain(&Chain::regular(&protocol.filter(), chain))? {
        return Ok(true);
    }
    let table = xtables::table(protocol.into(), "filter").map_err(explain)?;
    Ok(table.is_some_and(|table| table.chains.iter().any(|one| one == chain)))
}

/// What has `iptables-legacy-restore` delete a chain's rules that accept what is about one of these addresses and no other.
pub(crate) fn deletions(
    protocol: Protocol,
    table: &str,
    chain: &str,
    addresses: &[IpAddr],
) -> Result<Vec<String>, Error> {
    let saved = Existing::legacy(protocol)?;
    let rules = saved.rules_about(table, chain, addresses);
    let is_admission = |rule: &&str| {
        let has = |flag: &str| rule.split(' ').any(|word| word == flag);
        rule.ends_with(" -j ACCEPT") && !(has("-s") && has("-d"))
    };
    let rules = rules.filter(is_admission);
    Ok(rules.map(|rule| rule.replacen("-A", "-D", 1)).collect())
}
