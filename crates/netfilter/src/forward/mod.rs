//! Forwarding on hosts that forward nothing by default.
//!
//! A packet is forwarded when every table lets it pass: an accept of ours does not override the drop of
//! another table, such as that of iptables after Docker set the policy of FORWARD to DROP. So our table
//! marks the packets that may pass ([`MARK`]), and one constant rule in the other table accepts what is
//! marked:
//!
//! ```text
//! -A FORWARD -m comment --comment "containers attached by Linkspan" -j LINKSPAN-FORWARD
//! -A LINKSPAN-FORWARD -m comment --comment "CNI firewall plugin admin overrides" -j CNI-ADMIN
//! -A LINKSPAN-FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT
//! ```
//!
//! As with the reference plugins, the administrator's chain sees every forwarded packet first.
//!
//! `nft` places the rules where the newer iptables keeps its filter tables, over netlink; `legacy` where
//! the older one does. Tables that neither owns (`inet filter` of a distribution) are their author's
//! alone: [`others`] says which of them drop, and the rule that lets containers through.
//!
//! A table that does not exist is not made. When it comes into being later, the next ADD or
//! `linkspan reconcile` places the rules.

mod legacy;
mod nft;
mod others;

use linkspan_spec::Error;

use super::iptables::Protocol;
use super::part::unique;
use others::{Dropping, dropping};

/// The bit of a packet's mark that says that it may pass.
///
/// Nobody else's: Kubernetes has 0x4000 and 0x8000, portmap of the reference 0x2000, Calico and Cilium the
/// upper 16 bits, Cilium 0x0f00 too, AWS 0x80; low numbers and 0xca6c (WireGuard) stand in people's
/// routing rules. Cilium's encryption counts keys in 0xf000, so the bit is set and cleared within one hook,
/// forward: nothing before or after it (routing, postrouting, tunnels, queueing) ever sees it.
pub(super) const MARK: u32 = 0x1000;

/// Our chain in the filter tables of iptables.
const CHAIN: &str = "LINKSPAN-FORWARD";

const FORWARD: &str = "FORWARD";

/// The comments of the three rules.
const JUMP_COMMENT: &str = "containers attached by Linkspan";
const ADMIN_COMMENT: &str = "CNI firewall plugin admin overrides";
const ACCEPT_COMMENT: &str = "admitted by table inet linkspan";

/// The filter table of iptables that our rules stand in, and what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted<'a> {
    protocol: Protocol,
    /// The administrator's chains that are jumped to first.
    admin_chains: &'a [&'a str],
}

/// What is missing of the three kinds of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Missing<'a> {
    jump: bool,
    admin_chains: Vec<&'a str>,
    accept: bool,
}

impl Missing<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is missing, in words, from the table called `table`.
    fn describe(&self, table: &str) -> Vec<String> {
        let mut rules = Vec::new();
        if self.jump {
            rules.push(format!("from {FORWARD} to {CHAIN}"));
        }
        for chain in &self.admin_chains {
            rules.push(format!("from {CHAIN} to {chain}"));
        }
        if self.accept {
            rules.push(format!("in {CHAIN} that accepts the mark {MARK:#x}"));
        }
        rules
            .iter()
            .map(|rule| format!("expected a rule {rule} of {table}, found none"))
            .collect()
    }
}

/// Has every filter table of iptables accept what is marked, after what these chains of administrators
/// decide. Asks no more than whether it is so already, most times. Tells what it has placed, a sentence each.
pub(super) fn ensure(admin_chains: &[(Protocol, &str)]) -> Result<Vec<String>, Error> {
    let mut notices = Vec::new();
    each(admin_chains, |wanted| {
        for (variant, is_new) in [
            ("nf_tables", nft::ensure(wanted)?),
            ("legacy", legacy::ensure(wanted)?),
        ] {
            if is_new {
                let command = wanted.protocol.command();
                notices.push(format!(
                    "placed rules in FORWARD of {command} ({variant}) that accept what is admitted"
                ));
            }
        }
        Ok(())
    })?;
    // Only when something changed: to look at all chains costs more, the more there are.
    if !notices.is_empty() {
        let dropping = dropping().unwrap_or_default();
        notices.extend(dropping.iter().map(Dropping::advice));
    }
    Ok(notices)
}

/// How forwarding is filtered on this host, and what is done about it: a sentence for each table.
///
/// # Errors
/// When it cannot be found out.
pub fn describe() -> Result<Vec<String>, Error> {
    let mut lines = Vec::new();
    for protocol in Protocol::BOTH {
        let command = protocol.command();
        if let Some(policy) = nft::policy(protocol)? {
            lines.push(format!(
                "FORWARD of {command} (nf_tables) has the policy {policy}; a rule there accepts what is admitted"
            ));
        }
        if legacy::is_in_use(protocol) {
            lines.push(format!(
                "the filter table of {command}-legacy is in use; a rule there accepts what is admitted"
            ));
        }
    }
    lines.extend(dropping()?.iter().map(|table| table.advice()));
    if lines.is_empty() {
        lines.push("no table of others filters what is forwarded".to_owned());
    }
    Ok(lines)
}

/// What [`ensure`] would place, in words.
pub(super) fn differences(admin_chains: &[(Protocol, &str)]) -> Result<Vec<String>, Error> {
    let mut differences = Vec::new();
    each(admin_chains, |wanted| {
        differences.extend(nft::differences(wanted)?);
        differences.extend(legacy::differences(wanted)?);
        Ok(())
    })?;
    Ok(differences)
}

/// Removes the rules, when the last attachment is gone. The administrator's chains stay.
pub(super) fn remove() -> Result<(), Error> {
    for protocol in Protocol::BOTH {
        nft::remove(protocol)?;
        legacy::remove(protocol)?;
    }
    Ok(())
}

/// Whether iptables drops by default what is forwarded.
pub(super) fn drops(protocol: Protocol) -> Result<bool, Error> {
    Ok(nft::policy(protocol)? == Some("DROP"))
}

/// Once for each protocol.
fn each(
    admin_chains: &[(Protocol, &str)],
    mut act: impl FnMut(&Wanted<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    for protocol in unique(admin_chains.iter().map(|(protocol, _)| *protocol)) {
        let chains: Vec<&str> = admin_chains
            .iter()
            .filter(|(of, _)| *of == protocol)
            .map(|(_, chain)| *chain)
            .collect();
        act(&Wanted {
            protocol,
            admin_chains: &chains,
        })?;
    }
    Ok(())
}
