//! The filter table of iptables, read without starting a program: over netlink what the newer keeps in
//! nf_tables, by socket options what the older keeps.

use std::net::IpAddr;

use linkspan_kernel::nftables::Nftables;
use linkspan_kernel::xtables;
use linkspan_nft::{Chain, InstalledRule};
use linkspan_spec::Error;

use super::program::{Program, Variant};
use super::{Existing, Protocol, locked, restore_legacy};
use crate::fault::{explain, unless_unsupported};
use crate::reference;

const FILTER: &str = "filter";
const FORWARD: &str = "FORWARD";

/// What FORWARD and one other chain have, in the variant of iptables that the host uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FilterTable {
    /// Those of the chains that are there.
    pub(crate) chains: Vec<String>,
    /// Where FORWARD leads.
    pub(crate) from_forward: Vec<String>,
    /// The rules of the chain.
    pub(crate) rules: Vec<FilterRule>,
}

/// A rule as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterRule {
    pub(crate) jump: Option<String>,
    pub(crate) source: Option<IpAddr>,
    pub(crate) destination: Option<IpAddr>,
}

impl FilterRule {
    fn is_about(&self, addresses: &[IpAddr]) -> bool {
        is_about(self.source, self.destination, addresses)
    }
}

fn is_about(source: Option<IpAddr>, destination: Option<IpAddr>, addresses: &[IpAddr]) -> bool {
    let ends = source.into_iter().chain(destination);
    ends.into_iter().any(|end| addresses.contains(&end))
}

impl FilterTable {
    /// Reads `chain`, and which of it and `others` is there.
    pub(crate) fn read(protocol: Protocol, chain: &str, others: &[&str]) -> Result<Self, Error> {
        match Program::restore(protocol, Variant::Default).is_legacy() {
            true => Self::read_legacy(protocol, chain),
            false => Self::read_nft(protocol, chain, others),
        }
    }

    fn read_nft(protocol: Protocol, chain: &str, others: &[&str]) -> Result<Self, Error> {
        let chain_of = |name: &str| Chain::regular(&protocol.filter(), name);
        let read = || {
            let kernel = Nftables::open()?;
            let mut table = Self::default();
            for name in std::iter::once(&chain).chain(others) {
                if kernel.chain(&chain_of(name))?.is_some() {
                    table.chains.push((*name).to_owned());
                }
            }
            let forward = kernel.rules(&chain_of(FORWARD))?.into_iter();
            table.from_forward = forward.filter_map(|rule| rule.target).collect();
            let rules = kernel.rules(&chain_of(chain))?.into_iter();
            table.rules = rules
                .map(|rule| FilterRule {
                    jump: rule.target,
                    source: rule.source,
                    destination: rule.destination,
                })
                .collect();
            Ok(table)
        };
        read()
            .or_else(|error| unless_unsupported(error).map(|()| Self::default()))
            .map_err(explain)
    }

    fn read_legacy(protocol: Protocol, chain: &str) -> Result<Self, Error> {
        let table = xtables::table(protocol.into(), FILTER)
            .map_err(explain)?
            .unwrap_or_default();
        let (own, others): (Vec<_>, Vec<_>) = table
            .rules
            .into_iter()
            .partition(|rule| rule.chain.as_deref() == Some(chain));
        let of_kernel = others.into_iter().filter(|rule| rule.chain.is_none());
        Ok(Self {
            chains: table.chains,
            from_forward: of_kernel.filter_map(|rule| rule.jump).collect(),
            rules: own
                .into_iter()
                .map(|rule| FilterRule {
                    jump: rule.jump,
                    source: rule.source,
                    destination: rule.destination,
                })
                .collect(),
        })
    }

    /// Whether any rule is about one of these addresses.
    pub(crate) fn is_about(&self, addresses: &[IpAddr]) -> bool {
        self.rules.iter().any(|rule| rule.is_about(addresses))
    }
}

/// Whether either iptables has a chain.
pub(crate) fn has_chain(protocol: Protocol, chain: &str) -> Result<bool, Error> {
    let is_in = |table: FilterTable| table.chains.iter().any(|one| one == chain);
    Ok(is_in(FilterTable::read_nft(protocol, chain, &[])?)
        || is_in(FilterTable::read_legacy(protocol, chain)?))
}

/// Whether either iptables has rules in a chain about one of these addresses.
pub(crate) fn has_rules_about(
    protocol: Protocol,
    chain: &str,
    addresses: &[IpAddr],
) -> Result<bool, Error> {
    Ok(
        FilterTable::read_nft(protocol, chain, &[])?.is_about(addresses)
            || FilterTable::read_legacy(protocol, chain)?.is_about(addresses),
    )
}

/// Removes a chain's rules about these addresses, whichever iptables made them.
pub(crate) fn remove_rules_about(
    protocol: Protocol,
    chain: &str,
    addresses: &[IpAddr],
) -> Result<(), Error> {
    reference::remove_rules_where(
        &Chain::regular(&protocol.filter(), chain),
        &|rule: &InstalledRule| is_about(rule.source, rule.destination, addresses),
    )?;
    if !FilterTable::read_legacy(protocol, chain)?.is_about(addresses) {
        return Ok(());
    }
    locked(|| {
        let saved = Existing::legacy(protocol)?;
        let rules: Vec<String> = saved
            .rules_about(FILTER, chain, addresses)
            .map(|rule| rule.replacen("-A", "-D", 1))
            .collect();
        match rules.is_empty() {
            true => Ok(()),
            false => restore_legacy(
                protocol,
                &format!("*filter\n{}\nCOMMIT\n", rules.join("\n")),
            ),
        }
    })
}
