//! Masquerading by iptables: a chain for each container in each network.

use std::collections::BTreeSet;

use ipnet::IpNet;
use linkspan_spec::Error;

use super::{Beyond, Installed, Owner, Part, addresses};
use crate::iptables::{Existing, NAT, Protocol, chain_name, remove_chains, restore};

pub(super) const POSTROUTING: &str = "POSTROUTING";

/// Masquerading by iptables.
pub(super) struct Iptables;

impl Beyond for Iptables {
    fn install(
        &self,
        owner: &Owner,
        parts: &[Part],
        siblings: &[Part],
    ) -> Result<Installed, Error> {
        masquerade(owner, &addresses(parts), &addresses(siblings))?;
        Ok(Installed::default())
    }

    fn remove(&self, owner: &Owner, _parts: &[Part], siblings: &[Part]) -> Result<(), Error> {
        remove_chain(owner)?;
        masquerade(owner, &addresses(siblings), &[])
    }

    fn differences(&self, owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        let addresses = addresses(parts);
        let chain = chain(owner);
        let mut differences = Vec::new();
        for protocol in Protocol::BOTH {
            if of_protocol(&addresses, protocol).is_empty() {
                continue;
            }
            let existing = Existing::anywhere(protocol)?;
            if !existing.leads(NAT, POSTROUTING, &chain)? {
                differences.push(format!(
                    "expected a rule of the nat table of {} that leads from {POSTROUTING} to {chain}, \
                     found none",
                    protocol.command()
                ));
            }
        }
        Ok(differences)
    }
}

pub(super) fn chain(owner: &Owner) -> String {
    chain_name("", owner)
}

/// Removes a container's chain, whoever called iptables: there is one name for both.
pub(super) fn remove_chain(owner: &Owner) -> Result<(), Error> {
    remove_chains(POSTROUTING, &[chain(owner)])
}

/// Masquerades these addresses, and keeps masquerading those that the container has in the network by
/// its other attachments.
fn masquerade(owner: &Owner, addresses: &[IpNet], others: &[IpNet]) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        let own = of_protocol(addresses, protocol);
        if !own.is_empty() {
            let others = of_protocol(others, protocol);
            restore(protocol, &input(owner, protocol, &own, &others))?;
        }
    }
    Ok(())
}

fn of_protocol(addresses: &[IpNet], protocol: Protocol) -> Vec<IpNet> {
    let is_such = |address: &&IpNet| Protocol::of(address.addr()) == protocol;
    addresses.iter().filter(is_such).copied().collect()
}

/// The comment of a container's rules, with its quotes escaped.
fn comment(owner: &Owner) -> String {
    let (network, container) = (owner.network(), owner.container());
    format!(r#""name: \"{network}\" id: \"{container}\"""#)
}

fn input(owner: &Owner, protocol: Protocol, addresses: &[IpNet], others: &[IpNet]) -> String {
    let (chain, comment) = (chain(owner), comment(owner));
    let about = format!("-m comment --comment {comment}");
    // Naming the chain creates it, or empties it.
    let mut lines = vec!["*nat".to_owned(), format!(":{chain} - [0:0]")];
    for subnet in addresses
        .iter()
        .chain(others)
        .map(|address| address.trunc())
        .collect::<BTreeSet<_>>()
    {
        lines.push(format!("-A {chain} -d {subnet} {about} -j ACCEPT"));
    }
    let multicast = protocol.multicast();
    lines.push(format!("-A {chain} ! -d {multicast} {about} -j MASQUERADE"));
    for host in addresses
        .iter()
        .map(|address| address.addr())
        .collect::<BTreeSet<_>>()
    {
        lines.push(format!("-A {POSTROUTING} -s {host} {about} -j {chain}"));
    }
    lines.push("COMMIT\n".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_of_iptables_restore() {
        let owner = Owner::from_texts("mynet", "c1", "eth0");
        let addresses: Vec<IpNet> = ["10.22.0.2/16", "10.22.0.3/16"]
            .map(|address| address.parse().expect("an address"))
            .into();
        insta::assert_snapshot!(input(&owner, Protocol::Ipv4, &addresses, &[]));
    }
}
