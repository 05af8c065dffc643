//! Admission by iptables: the reference plugin's rules, three for each address in a chain for all
//! containers.
//!
//! ```text
//! -A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
//! -A CNI-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
//! -A CNI-FORWARD -d 10.22.0.2/32 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
//! -A CNI-FORWARD -d 10.22.0.2/32 -m conntrack --ctstate DNAT -j ACCEPT
//! -A CNI-FORWARD -s 10.22.0.2/32 -j ACCEPT
//! ```
//!
//! The third of them is ours: it lets connections to published ports pass.

use std::net::IpAddr;

use linkspan_spec::Error;

use super::{ByIptables, Owner, Part, addresses, admin_chains};
use crate::iptables::{
    FilterRule, FilterTable, Protocol, has_rules_about, locked, remove_rules_about, restore,
};

/// The chain of all containers.
pub(super) const CHAIN: &str = "CNI-FORWARD";

const CHAIN_COMMENT: &str = "CNI firewall plugin rules";
const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";

/// Admission by iptables.
pub(super) struct Iptables;

impl ByIptables for Iptables {
    fn install(&self, _owner: &Owner, parts: &[Part], _siblings: &[Part]) -> Result<(), Error> {
        each(parts, |wanted| {
            // Of a container that is gone: the address was given to this one since.
            if has_rules_about(wanted.protocol, CHAIN, &wanted.addresses)? {
                remove_rules_about(wanted.protocol, CHAIN, &wanted.addresses)?;
            }
            locked(|| restore(wanted.protocol, &wanted.input(&wanted.found()?)))
        })
    }

    fn remove(&self, _owner: &Owner, parts: &[Part], _siblings: &[Part]) -> Result<(), Error> {
        each(parts, |wanted| {
            remove_rules_about(wanted.protocol, CHAIN, &wanted.addresses)
        })
    }

    fn differences(&self, _owner: &Owner, parts: &[Part]) -> Result<Vec<String>, Error> {
        let mut differences = Vec::new();
        each(parts, |wanted| {
            differences.extend(wanted.differences(&wanted.found()?));
            Ok(())
        })?;
        Ok(differences)
    }
}

/// What is wanted of one protocol.
struct Wanted<'a> {
    protocol: Protocol,
    admin_chains: Vec<&'a str>,
    addresses: Vec<IpAddr>,
}

/// Once for each protocol that has addresses.
fn each<'a>(
    parts: &'a [Part],
    mut act: impl FnMut(&Wanted<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        let own = |address: &IpAddr| Protocol::of(*address) == protocol;
        let addresses: Vec<IpAddr> = addresses(parts).into_iter().filter(own).collect();
        if addresses.is_empty() {
            continue;
        }
        let chains = admin_chains(parts).into_iter();
        act(&Wanted {
            protocol,
            admin_chains: chains
                .filter(|(of, _)| *of == protocol)
                .map(|(_, chain)| chain)
                .collect(),
            addresses,
        })?;
    }
    Ok(())
}

impl Wanted<'_> {
    fn found(&self) -> Result<FilterTable, Error> {
        FilterTable::read(self.protocol, CHAIN, &self.admin_chains)
    }

    /// Naming a chain empties it, so one that is there is not named.
    fn input(&self, found: &FilterTable) -> String {
        let mut lines = vec!["*filter".to_owned()];
        for chain in std::iter::once(&CHAIN).chain(&self.admin_chains) {
            if !found.chains.iter().any(|there| there == chain) {
                lines.push(format!(":{chain} - [0:0]"));
            }
        }
        if !found.leads_to_us() {
            lines.push(jump("FORWARD", CHAIN_COMMENT, CHAIN));
        }
        for chain in self.missing_admin_chains(found) {
            lines.push(jump(CHAIN, ADMIN_COMMENT, chain));
        }
        for address in &self.addresses {
            let state =
                |state| format!("-A {CHAIN} -d {address} -m conntrack --ctstate {state} -j ACCEPT");
            lines.push(state("RELATED,ESTABLISHED"));
            lines.push(state("DNAT"));
            lines.push(format!("-A {CHAIN} -s {address} -j ACCEPT"));
        }
        lines.push("COMMIT\n".to_owned());
        lines.join("\n")
    }

    fn missing_admin_chains<'s>(&'s self, found: &FilterTable) -> impl Iterator<Item = &'s str> {
        let leads_to = |chain: &str| {
            let mut jumps = found.rules.iter().filter_map(|rule| rule.jump.as_deref());
            jumps.any(|jump| jump == chain)
        };
        let missing: Vec<&str> = self
            .admin_chains
            .iter()
            .copied()
            .filter(|chain| !leads_to(chain))
            .collect();
        missing.into_iter()
    }

    fn differences(&self, found: &FilterTable) -> Vec<String> {
        let mut missing = Vec::new();
        if !found.leads_to_us() {
            missing.push(format!("from FORWARD to {CHAIN}"));
        }
        for chain in self.missing_admin_chains(found) {
            missing.push(format!("from {CHAIN} to {chain}"));
        }
        for address in &self.addresses {
            let to = |rule: &&FilterRule| rule.destination == Some(*address);
            if !found.rules.iter().any(|rule| rule.source == Some(*address)) {
                missing.push(format!("for what {address} sends"));
            }
            // Replies, and connections to published ports.
            if found.rules.iter().filter(to).count() < 2 {
                missing.push(format!("for what is sent to {address}"));
            }
        }
        let command = self.protocol.command();
        missing
            .iter()
            .map(|rule| {
                format!("expected a rule {rule} of the filter table of {command}, found none")
            })
            .collect()
    }
}

impl FilterTable {
    fn leads_to_us(&self) -> bool {
        self.from_forward.iter().any(|chain| chain == CHAIN)
    }
}

/// Removes the rule that the reference plugin does not make, and so would not remove, where the host's policy lets pass what
/// it is about. Where that drops, the rule stays: the container's published ports are reached by it alone.
pub(super) fn hand_over(address: IpAddr) -> Result<(), Error> {
    let protocol = Protocol::of(address);
    if crate::forward::drops(protocol)? {
        return Ok(());
    }
    let rule = format!("-D {CHAIN} -d {address} -m conntrack --ctstate DNAT -j ACCEPT");
    // It is not there: nothing is to be removed.
    let _ = restore(protocol, &format!("*filter\n{rule}\nCOMMIT\n"));
    Ok(())
}

fn jump(from: &str, comment: &str, to: &str) -> String {
    format!("-I {from} 1 -m comment --comment \"{comment}\" -j {to}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_not_made_again() {
        let wanted = Wanted {
            protocol: Protocol::Ipv4,
            admin_chains: vec!["CNI-ADMIN"],
            addresses: vec!["10.22.0.2".parse().unwrap()],
        };
        let nothing = FilterTable::default();
        insta::assert_snapshot!(wanted.input(&nothing));
        assert_eq!(wanted.differences(&nothing).len(), 4);
        let all = FilterTable {
            chains: vec![CHAIN.to_owned(), "CNI-ADMIN".to_owned()],
            from_forward: vec![CHAIN.to_owned()],
            rules: vec![FilterRule {
                jump: Some("CNI-ADMIN".to_owned()),
                source: None,
                destination: None,
            }],
        };
        let again = wanted.input(&all);
        assert!(!again.contains("-I ") && !again.contains(':'), "{again}");
    }
}
