//! What attachments have in netfilter, and what is there of none.

use std::collections::BTreeMap;

use super::promise::promises;
use super::{Check, listed, short};
use crate::attachment::Attachment;
use crate::finding::Finding;
use crate::repair::Repair;
use crate::{Host, Seen, System};

pub(super) const MISSING: Check = Check {
    id: "rules-missing",
    title: "netfilter has what running containers need",
    looks_at: "the records of Linkspan in /run/cni/linkspan, and rules and elements of the kernel",
    find: missing,
};

fn missing(_: &Host, system: &System) -> Vec<Finding> {
    let missing = &system.firewall.missing;
    let Some(first) = missing.first() else {
        return Vec::new();
    };
    let mut containers: Vec<String> = missing
        .iter()
        .map(|one| format!("{} on {}", short(&one.container), one.network))
        .collect();
    containers.dedup();
    let what = format!(
        "netfilter has lost what {} needed: {}",
        match containers.len() {
            1 => "1 container".to_owned(),
            many => format!("{many} containers"),
        },
        listed(&containers)
    );
    let why = format!(
        "A firewall that is reloaded, or a ruleset that is flushed, takes masquerading, published ports and admissions along. The \
         first that {} finds: {}.",
        first.plugin,
        first.sentences.first().cloned().unwrap_or_default()
    );
    vec![
        MISSING
            .error("netfilter", what)
            .why(why)
            .run("linkspan reconcile")
            .repaired_by([Repair::Reconcile]),
    ]
}

pub(super) const UNREADABLE: Check = Check {
    id: "record-unreadable",
    title: "every record of netfilter can be read",
    looks_at: "the records of Linkspan in /run/cni/linkspan",
    find: unreadable,
};

fn unreadable(host: &Host, _: &System) -> Vec<Finding> {
    let records = host.netfilter.records.iter();
    let unreadable = records.filter(|one| one.record.is_none());
    let finding = |one: &linkspan_netfilter::Recorded| {
        let path = one.path.display().to_string();
        UNREADABLE
            .warning(&path, format!("{path} cannot be read"))
            .why("What it says of can neither be put back after a flush, nor moved to another backend. Removing it still works.")
            .advise("Restart the container, whose name is in the file's: that writes the record anew.")
    };
    unreadable.map(finding).collect()
}

pub(super) const STALE: Check = Check {
    id: "rules-stale",
    title: "netfilter has nothing of containers that are gone",
    looks_at: "elements, rules and chains that say whose they are, Linkspan's and the reference's, of containers that nothing else tells \
               of and that are certainly gone",
    find: stale,
};

fn stale(host: &Host, _: &System) -> Vec<Finding> {
    // What is kept or reserved is told as such: detaching it removes its rules, too.
    let is_left = |one: &&Attachment| one.seen.iter().all(is_of_netfilter);
    let mut by_network: BTreeMap<&str, Vec<&Attachment>> = BTreeMap::new();
    for one in host.stale().filter(is_left) {
        by_network.entry(&one.network).or_default().push(one);
    }
    let finding = |(network, gone): (&str, Vec<&Attachment>)| {
        let names: Vec<String> = gone.iter().map(|one| short(&one.container)).collect();
        let places = gone[0].seen.iter().map(ToString::to_string);
        let repairs = gone.iter().map(|one| Repair::Forget {
            network: one.network.clone(),
            container: one.container.clone(),
            ifname: one.ifname.clone(),
        });
        STALE
            .warning(
                format!("network {network}"),
                format!(
                    "netfilter still has rules of containers of network {network} that are gone: {}",
                    listed(&names)
                ),
            )
            .why(format!(
                "Whoever gets their addresses gets their published ports. Of the first: {}; {}.",
                listed(&places.collect::<Vec<_>>()),
                gone[0].life.why().unwrap_or_default()
            ))
            .run(format!("linkspan doctor --fix --yes --check {}", STALE.id))
            .repaired_by(repairs)
    };
    by_network.into_iter().map(finding).collect()
}

fn is_of_netfilter(seen: &Seen) -> bool {
    matches!(seen, Seen::Netfilter(_) | Seen::Record(_))
}

pub(super) const BOTH: Check = Check {
    id: "iptables-both",
    title: "one iptables is in charge",
    looks_at: "the filter and nat tables of the older iptables and of the newer one",
    find: both,
};

fn both(_: &Host, system: &System) -> Vec<Finding> {
    if system.firewall.in_use != [true; 2] {
        return Vec::new();
    }
    vec![
        BOTH.warning("iptables", "iptables-legacy and iptables of nf_tables both have rules")
            .why("A packet has to pass both, and each command shows but its own: what one accepts the other may drop.")
            .advise(
                "Decide on one: `iptables-legacy-save` shows what the older one has; move it with `iptables-legacy-save | \
                 iptables-nft-restore --noflush`, then empty the older one.",
            ),
    ]
}

pub(super) const UNUSABLE: Check = Check {
    id: "netfilter-unusable",
    title: "netfilter can be used where networks need it",
    looks_at: "nf_tables, and the commands of iptables where the kernel has none",
    find: unusable,
};

/// The plugins that need it.
const NEED: [&str; 2] = ["portmap", "firewall"];

fn unusable(host: &Host, system: &System) -> Vec<Finding> {
    let Some(problem) = &system.firewall.unusable else {
        return Vec::new();
    };
    let needs = promises(host)
        .filter(|promise| promise.masquerades || NEED.iter().any(|plugin| promise.has(plugin)));
    let names: Vec<String> = needs.map(|promise| promise.name.to_owned()).collect();
    if names.is_empty() {
        return Vec::new();
    }
    vec![
        UNUSABLE
            .error("netfilter", problem.to_string())
            .why(format!(
                "Masquerading, published ports and admissions do not work, so that nothing is attached to {}.",
                listed(&names)
            ))
            .advise(
                "Load the modules nf_tables, nft_chain_nat, nft_masq and nft_fib_inet (`modprobe`), or install iptables where this kernel \
                 has no nf_tables.",
            ),
    ]
}
