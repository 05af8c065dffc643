//! Configurations that are broken, shadowed, or at odds.

use super::promise::pools;
use super::{Check, quoted};
use crate::finding::Finding;
use crate::network::Network;
use crate::{Host, System};

pub(super) const BROKEN: Check = Check {
    id: "config-broken",
    title: "every configuration can be used",
    looks_at: "the files of the configuration directories",
    find: broken,
};

fn broken(host: &Host, _: &System) -> Vec<Finding> {
    let finding = |network: &Network| {
        let problem = network.problem.as_ref()?;
        let file = network.file.display();
        let mut reasons = vec![problem.what.as_str()];
        reasons.extend(problem.why.iter().map(String::as_str));
        let advice = match &problem.next {
            Some(next) => next.clone(),
            None => format!(
                "Correct the file, or take it out of the search: `mv {} {}`.",
                quoted(&file),
                quoted(format!("{file}.off"))
            ),
        };
        let why = "Its network cannot be used, and a search by name ends here.";
        Some(
            BROKEN
                .error(file.to_string(), reasons.join(": "))
                .why(why)
                .advise(advice),
        )
    };
    host.networks.iter().filter_map(finding).collect()
}

pub(super) const SHADOWED: Check = Check {
    id: "config-shadowed",
    title: "every network has one configuration",
    looks_at: "the names of networks in each configuration directory",
    find: shadowed,
};

fn shadowed(host: &Host, _: &System) -> Vec<Finding> {
    let finding = |network: &Network| {
        let (name, first) = (network.name.as_ref()?, network.shadowed_by.as_ref()?);
        let file = network.file.display();
        let what = format!(
            "network {name} is configured in {} already",
            first.display()
        );
        let finding = SHADOWED
            .warning(file.to_string(), what)
            .why("Runtimes take the first of the name; what stands here has no effect.");
        Some(finding.advise(format!(
            "Give one of the two another \"name\", or remove the one that is not meant: `rm {}`.",
            quoted(file)
        )))
    };
    host.networks.iter().filter_map(finding).collect()
}

pub(super) const OVERLAP: Check = Check {
    id: "pools-overlap",
    title: "no two networks give the same addresses",
    looks_at: "the ranges of the networks that are in force",
    find: overlap,
};

fn overlap(host: &Host, _: &System) -> Vec<Finding> {
    let names = || {
        let networks = host.networks.iter().filter(|one| one.is_in_force());
        networks.filter_map(|network| network.name.as_deref())
    };
    let mut findings = Vec::new();
    for (index, one) in names().enumerate() {
        for other in names().skip(index + 1).filter(|other| *other != one) {
            let sets = pools(host, one).flat_map(|pool| &pool.sets);
            let common = sets
                .flat_map(|set| {
                    let others = pools(host, other).flat_map(|pool| &pool.sets);
                    others.map(move |other| (set, other))
                })
                .find(|(set, other)| set.addresses.overlaps(&other.addresses));
            let Some((set, second)) = common else {
                continue;
            };
            let what = format!(
                "networks {one} ({}) and {other} ({}) have addresses in common",
                set.ranges, second.ranges
            );
            let finding = OVERLAP
                .warning(format!("network {other}"), what)
                .why("Each keeps its own account: both may give one address to two containers.");
            findings.push(finding.advise(
                "Give the two ranges that have nothing in common, unless they can never meet.",
            ));
        }
    }
    findings
}
