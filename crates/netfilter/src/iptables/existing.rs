//! What iptables has set up already.

use std::net::IpAddr;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::nftables::Nftables;
use linkspan_nft::{Chain, Table};
use linkspan_spec::Error;

use super::program::{Program, Variant};
use super::{NAT, Protocol};
use crate::fault::{explain, is_absence};

/// The tables of one protocol, whichever iptables keeps them: in nf_tables, asked over netlink, or as the
/// text that `iptables-save` prints.
pub(crate) struct Existing {
    protocol: Protocol,
    kernel: Option<Nftables>,
    saved: String,
}

impl Existing {
    /// What either variant has.
    pub(crate) fn anywhere(protocol: Protocol) -> Result<Self, Error> {
        let kernel = match Nftables::open() {
            Err(error) if is_absence(&error) => None,
            opened => Some(opened.map_err(explain)?),
        };
        let saved = match protocol.is_legacy_in_use(NAT)? {
            true => Self::legacy(protocol)?.saved,
            false => String::new(),
        };
        Ok(Self {
            protocol,
            kernel,
            saved,
        })
    }

    /// What the older variant has.
    pub(super) fn legacy(protocol: Protocol) -> Result<Self, Error> {
        Ok(Self {
            protocol,
            kernel: None,
            saved: Program::save(protocol, Variant::Legacy).run("")?,
        })
    }

    /// What the variant has that the host uses. Where the older one has no tables, this starts no process.
    pub(crate) fn of_default(protocol: Protocol) -> Result<Self, Error> {
        match protocol.is_legacy_in_use(NAT)? {
            false => Self::anywhere(protocol),
            true => Self::as_saved(protocol),
        }
    }

    /// The same, as the host's own `iptables-save` tells it.
    pub(crate) fn as_saved(protocol: Protocol) -> Result<Self, Error> {
        Ok(Self {
            protocol,
            kernel: None,
            saved: Program::save(protocol, Variant::Default).run("")?,
        })
    }

    /// The text, as it was saved.
    pub(super) fn into_text(self) -> String {
        self.saved
    }

    /// Whether a table has a chain.
    pub(crate) fn has_chain(&self, table: &str, chain: &str) -> Result<bool, Error> {
        let declared = format!(":{chain} ");
        if self.lines(table).any(|line| line.starts_with(&declared)) {
            return Ok(true);
        }
        let found = self.ask(|kernel| kernel.chain(&self.chain(table, chain)))?;
        Ok(found.flatten().is_some())
    }

    /// Whether a rule of a chain leads to another.
    pub(crate) fn leads(&self, table: &str, from: &str, to: &str) -> Result<bool, Error> {
        if self.saved_rules(table, from, to).next().is_some() {
            return Ok(true);
        }
        let rules = self.ask(|kernel| kernel.rules(&self.chain(table, from)))?;
        let mut rules = rules.into_iter().flatten();
        Ok(rules.any(|rule| rule.target.as_deref() == Some(to)))
    }

    /// The saved rules of a chain that lead to another.
    pub(super) fn saved_rules<'e>(
        &'e self,
        table: &'e str,
        from: &'e str,
        to: &'e str,
    ) -> impl Iterator<Item = &'e str> {
        self.lines(table).filter(move |line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(&["-A", from]) && words.ends_with(&["-j", to])
        })
    }

    /// The saved rules of a chain about one of these addresses.
    pub(super) fn rules_about<'e>(
        &'e self,
        table: &'e str,
        chain: &'e str,
        addresses: &'e [IpAddr],
    ) -> impl Iterator<Item = &'e str> {
        let is_one = |word: &str| {
            let address = word.rsplit_once('/').map_or(word, |(address, _)| address);
            address
                .parse()
                .is_ok_and(|address| addresses.contains(&address))
        };
        self.lines(table).filter(move |line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let names = |pair: &[&str]| ["-s", "-d"].contains(&pair[0]) && is_one(pair[1]);
            words.starts_with(&["-A", chain]) && words.windows(2).any(names)
        })
    }

    /// The lines of one table.
    fn lines<'e>(&'e self, table: &'e str) -> impl Iterator<Item = &'e str> {
        let is_other = move |line: &&str| line.strip_prefix('*') != Some(table);
        self.saved
            .lines()
            .skip_while(is_other)
            .skip(1)
            .take_while(|line| !line.starts_with('*'))
    }

    fn chain(&self, table: &str, name: &str) -> Chain {
        Chain::regular(&Table::new(self.protocol.family(), table), name)
    }

    /// Asks nf_tables, if that is to be asked and there is one.
    fn ask<T>(
        &self,
        question: impl FnOnce(&Nftables) -> Result<T, KernelError>,
    ) -> Result<Option<T>, Error> {
        match self.kernel.as_ref().map(question).transpose() {
            Err(error) if is_absence(&error) => Ok(None),
            answer => answer.map_err(explain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "\
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -j CNI-x
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:CNI-x - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j CNI-y
-A CNI-y -s 10.0.0.1/32 -j CNI-x
COMMIT
";

    #[test]
    fn what_is_saved_is_found_in_its_own_table() {
        let existing = Existing {
            protocol: Protocol::Ipv4,
            kernel: None,
            saved: SAVED.to_owned(),
        };
        assert!(existing.has_chain("nat", "CNI-x").unwrap());
        assert!(!existing.has_chain("raw", "CNI-x").unwrap());
        assert!(!existing.has_chain("nat", "CNI").unwrap());
        assert!(existing.leads("nat", "PREROUTING", "CNI-y").unwrap());
        assert!(existing.leads("raw", "PREROUTING", "CNI-x").unwrap());
        assert!(!existing.leads("nat", "PREROUTING", "CNI-x").unwrap());
        assert!(!existing.leads("filter", "PREROUTING", "CNI-x").unwrap());
    }
}
