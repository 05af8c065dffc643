//! The backend that calls iptables, with the chains and comments of the reference plugins.
//!
//! One `iptables-restore` for each address family and attachment; so an attachment that was made here can
//! be removed by the reference plugins, and the other way round.

mod existing;
mod filter;
mod lock;
mod program;
mod saved;

use std::net::IpAddr;

use linkspan_kernel::xtables;
use linkspan_nft::{Chain, Family, Table};
use linkspan_spec::Error;

pub(super) use existing::Existing;
pub(super) use filter::{deletions, has_chain};
pub(super) use lock::locked;
use program::{Program, Variant};
pub(super) use saved::SavedRule;

use super::fault::explain;
use super::owner::{Owner, hex_sha512};
use super::reference;

/// IPv4 or IPv6, as far as iptables tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Ipv4,
    Ipv6,
}

impl Protocol {
    pub(super) const BOTH: [Self; 2] = [Self::Ipv4, Self::Ipv6];

    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    pub(super) fn command(self) -> &'static str {
        match self {
            Self::Ipv4 => "iptables",
            Self::Ipv6 => "ip6tables",
        }
    }

    pub(super) fn multicast(self) -> &'static str {
        match self {
            Self::Ipv4 => "224.0.0.0/4",
            Self::Ipv6 => "ff00::/8",
        }
    }

    /// The family of its tables, as the newer iptables keeps them in nf_tables.
    pub(super) fn family(self) -> Family {
        match self {
            Self::Ipv4 => Family::Ip,
            Self::Ipv6 => Family::Ip6,
        }
    }

    /// The table that filters.
    pub(super) fn filter(self) -> Table {
        Table::new(self.family(), "filter")
    }

    /// Whether the older iptables has this table here.
    pub(super) fn is_legacy_in_use(self, table: &str) -> Result<bool, Error> {
        xtables::is_in_use(self.into(), table).map_err(explain)
    }
}

impl From<Protocol> for xtables::Protocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Ipv4 => Self::Ipv4,
            Protocol::Ipv6 => Self::Ipv6,
        }
    }
}

/// The table that translates addresses.
pub(super) const NAT: &str = "nat";

/// The name of a container's chain; `purpose` comes before the hash in it.
pub(super) fn chain_name(purpose: &str, owner: &Owner) -> String {
    const LENGTH: usize = 28;
    let hash = hex_sha512(&format!("{}{}", owner.network(), owner.container()));
    let mut name = format!("CNI-{purpose}{hash}");
    name.truncate(LENGTH);
    name
}

/// Removes chains of the nat table, whichever iptables made them, and the rules of `base` that lead to
/// them.
pub(super) fn remove_chains(base: &str, chains: &[String]) -> Result<(), Error> {
    remove_chains_of(NAT, base, chains)
}

/// The same in another table.
pub(super) fn remove_chains_of(table: &str, base: &str, chains: &[String]) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        reference::remove_chains(&Table::new(protocol.family(), table), base, chains)?;
        if protocol.is_legacy_in_use(table)? {
            remove_legacy_chains(protocol, table, base, chains)?;
        }
    }
    Ok(())
}

/// What `iptables-save` prints where a chain of the nat table has rules; for each iptables that has it.
pub(super) fn saved_where_led_from(protocol: Protocol, chain: &str) -> Result<Vec<String>, Error> {
    let table = Table::new(protocol.family(), NAT);
    let mut saved = Vec::new();
    if reference::has_any_rule(&Chain::regular(&table, chain))? {
        saved.push(Existing::as_saved(protocol)?.into_text());
    }
    if protocol.is_legacy_in_use(NAT)? {
        saved.push(Existing::legacy(protocol)?.into_text());
    }
    Ok(saved)
}

/// Whether the older iptables translates addresses on this host.
pub(super) fn is_legacy_in_use() -> Result<bool, Error> {
    let mut is_in_use = false;
    for protocol in Protocol::BOTH {
        is_in_use |= protocol.is_legacy_in_use(NAT)?;
    }
    Ok(is_in_use)
}

/// Whether the host's own iptables is the older one.
pub(super) fn is_legacy(protocol: Protocol) -> bool {
    Program::restore(protocol, Variant::Default).is_legacy()
}

/// Whether the commands are there.
pub(super) fn probe() -> Result<(), Error> {
    Program::version(Protocol::Ipv4).run("").map(|_| ())
}

/// Has `iptables-restore` read this, in the variant that the host uses.
pub(super) fn restore(protocol: Protocol, input: &str) -> Result<(), Error> {
    Program::restore(protocol, Variant::Default)
        .run(input)
        .map(|_| ())
}

/// Has `iptables-legacy-restore` read this.
pub(super) fn restore_legacy(protocol: Protocol, input: &str) -> Result<(), Error> {
    Program::restore_legacy(protocol).run(input).map(|_| ())
}

fn remove_legacy_chains(
    protocol: Protocol,
    table: &str,
    base: &str,
    chains: &[String],
) -> Result<(), Error> {
    let existing = Existing::legacy(protocol)?;
    for chain in chains {
        if existing.has_chain(table, chain)? {
            let rules: Vec<&str> = existing.saved_rules(table, base, chain).collect();
            let input = removal_input(table, &rules, chain);
            Program::restore(protocol, Variant::Legacy).run(&input)?;
        }
    }
    Ok(())
}

fn removal_input(table: &str, rules: &[&str], chain: &str) -> String {
    let mut input = format!("*{table}\n");
    for rule in rules {
        input += &rule.replacen("-A", "-D", 1);
        input.push('\n');
    }
    input + &format!("-F {chain}\n-X {chain}\nCOMMIT\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the reference plugins' own tests expect it for the name "test" and the ID "1234".
    #[test]
    fn chains_are_named_as_the_reference_names_them() {
        let owner = Owner::from_texts("test", "1234", "eth0");
        assert_eq!(chain_name("", &owner), "CNI-2bbe0c48b91a7d1b8a6753a8");
    }

    #[test]
    fn the_input_of_a_removal() {
        let rules = ["-A POSTROUTING -s 10.22.0.2/32 -j CNI-x"];
        assert_eq!(
            removal_input(NAT, &rules, "CNI-x"),
            "*nat\n-D POSTROUTING -s 10.22.0.2/32 -j CNI-x\n-F CNI-x\n-X CNI-x\nCOMMIT\n"
        );
    }
}
