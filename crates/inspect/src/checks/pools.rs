//! Pools that are full or will be, and what in them belongs to nobody.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Check, listed, quoted};
use crate::audit::{Item, Kind};
use crate::finding::Finding;
use crate::pool::{Pool, Set};
use crate::repair::Repair;
use crate::{Host, System};

/// From how many of a hundred addresses in use a pool is nearly full.
const NEARLY: u64 = 90;

/// The smallest set of which that is said: of fewer, a few are many of a hundred.
const SMALLEST: u64 = 10;

pub(super) const FULL: Check = Check {
    id: "pool-full",
    title: "every pool has free addresses",
    looks_at: "the reservations of host-local and the ranges of the configurations",
    find: full,
};

fn full(host: &Host, _: &System) -> Vec<Finding> {
    let is_full = |set: &Set| set.used >= set.size;
    let finding = |(pool, set): (&Pool, &Set)| {
        let what = format!(
            "all {} addresses of {} are in use in {}",
            set.size,
            set.ranges,
            pool.directory.display()
        );
        // One that has a single address has one for a single container.
        let finding = match set.size {
            0 | 1 => FULL.note(format!("pool {}", pool.network), what),
            _ => FULL.error(format!("pool {}", pool.network), what),
        };
        roomier(finding, host, pool).why("The next container that wants one cannot be attached.")
    };
    sets(host)
        .filter(|(_, set)| is_full(set))
        .map(finding)
        .collect()
}

pub(super) const NEARLY_FULL: Check = Check {
    id: "pool-nearly-full",
    title: "no pool is nearly full",
    looks_at: "the same: nine of ten addresses in use, of ten or more",
    find: nearly_full,
};

fn nearly_full(host: &Host, _: &System) -> Vec<Finding> {
    let is_nearly = |set: &Set| {
        let used = set.used.saturating_mul(100);
        set.size >= SMALLEST && set.used < set.size && used >= set.size.saturating_mul(NEARLY)
    };
    let finding = |(pool, set): (&Pool, &Set)| {
        let what = format!(
            "{} of {} addresses of {} are in use",
            set.used, set.size, set.ranges
        );
        let finding = NEARLY_FULL.warning(format!("pool {}", pool.network), what);
        roomier(finding, host, pool).why("Soon no container can be attached to the network.")
    };
    sets(host)
        .filter(|(_, set)| is_nearly(set))
        .map(finding)
        .collect()
}

/// The sets that containers get addresses of.
fn sets(host: &Host) -> impl Iterator<Item = (&Pool, &Set)> {
    let pools = host.pools.iter();
    pools.flat_map(|pool| pool.sets.iter().map(move |set| (pool, set)))
}

/// What makes room in a pool.
fn roomier(finding: Finding, host: &Host, pool: &Pool) -> Finding {
    let gone = host.stale().filter(|one| one.network == pool.network);
    let leaked = gone.map(|one| one.reserved.len()).sum::<usize>();
    match leaked {
        0 => finding.advise(format!(
            "Add a range to the configuration of network {}, or detach what is not needed.",
            pool.network
        )),
        _ => finding.advise(format!(
            "{leaked} of them belong to containers that are gone: what {} and {} tell gives them back.",
            super::attachments::STALE.id,
            LEAKED.id
        )),
    }
}

pub(super) const LEAKED: Check = Check {
    id: "address-leaked",
    title: "every reserved address belongs to a container",
    looks_at: "reservations without a kept result, whose container is certainly gone: of an earlier boot, or its network \
               namespace is",
    find: leaked,
};

fn leaked(host: &Host, system: &System) -> Vec<Finding> {
    let why = "Nobody will give them back, and the pool runs out of them.";
    // What a runtime has kept is detached by the runtime's means, which give the address back.
    let is_kept = |item: &Item| {
        let mut stale = host.stale().filter(|one| one.is_kept());
        stale.any(|one| {
            one.network == item.network && Some(&one.container) == item.container.as_ref()
        })
    };
    let leaked = items(system, Kind::Leaked).filter(|item| !is_kept(item));
    of_pools(leaked, |pool, items| {
        freed(
            LEAKED.warning(pool, told(&items, "reserved for containers that are gone")),
            why,
            items,
        )
    })
}

pub(super) const LEFTOVERS: Check = Check {
    id: "pool-leftovers",
    title: "pools hold nothing but reservations",
    looks_at: "files of a pool that are empty, were not finished, or are no files",
    find: leftovers,
};

fn leftovers(_: &Host, system: &System) -> Vec<Finding> {
    let why = "A plugin of the reference that is killed leaves an empty file, and takes its address for given ever after.";
    of_pools(items(system, Kind::Leftover), |pool, items| {
        freed(
            LEFTOVERS.warning(pool, told(&items, "left over by a crash")),
            why,
            items,
        )
    })
}

pub(super) const OUTSIDE: Check = Check {
    id: "address-outside",
    title: "reserved addresses are in the ranges of their network",
    looks_at: "the reservations of host-local and the ranges of the configurations",
    find: outside,
};

fn outside(_: &Host, system: &System) -> Vec<Finding> {
    of_pools(items(system, Kind::OutsideRanges), |pool, items| {
        OUTSIDE
            .note(pool, told(&items, "in no range of the configuration"))
            .why("The configuration was changed while these were in use. They go on to work.")
            .advise(Kind::OutsideRanges.next())
    })
}

pub(super) const UNREADABLE: Check = Check {
    id: "reservation-unreadable",
    title: "every reservation says who holds it",
    looks_at: "what the files of the pools hold",
    find: unreadable,
};

fn unreadable(_: &Host, system: &System) -> Vec<Finding> {
    of_pools(items(system, Kind::Unreadable), |pool, items| {
        UNREADABLE
            .warning(
                pool,
                told(&items, "reserved, and it cannot be read for whom"),
            )
            .why("Their addresses are given to nobody, and nobody gives them back.")
            .advise(Kind::Unreadable.next())
    })
}

pub(super) const UNRESERVED: Check = Check {
    id: "address-unreserved",
    title: "running containers hold their addresses",
    looks_at: "the addresses of running containers that are in a range of their network, and its reservations",
    find: unreserved,
};

fn unreserved(_: &Host, system: &System) -> Vec<Finding> {
    of_pools(items(system, Kind::Unreserved), |pool, items| {
        UNRESERVED
            .error(
                pool,
                told(&items, "in use by running containers and not reserved"),
            )
            .why("The next container may get the address of one that runs.")
            .advise(Kind::Unreserved.next())
    })
}

pub(super) const DUPLICATE: Check = Check {
    id: "address-duplicate",
    title: "no two running containers on one link have the same address",
    looks_at: "the addresses of running containers, and the bridges that they are on",
    find: duplicate,
};

fn duplicate(host: &Host, _: &System) -> Vec<Finding> {
    let mut seen: BTreeMap<(&str, IpAddr), Vec<String>> = BTreeMap::new();
    for one in host.attachments.iter().filter(|one| one.life.is_alive()) {
        // On links that never meet, each may have its own.
        let Some(link) = one.bridge.as_deref() else {
            continue;
        };
        for net in &one.addresses {
            seen.entry((link, net.addr()))
                .or_default()
                .push(one.label());
        }
    }
    let finding = |((link, address), holders): ((&str, IpAddr), Vec<String>)| {
        let what = format!("{} all have {address} on {link}", holders.join(", "));
        DUPLICATE
            .error(address.to_string(), what)
            .why("Each gets some of the packets that are meant for the other.")
            .advise(Kind::Duplicate.next())
    };
    let several = seen.into_iter().filter(|(_, holders)| holders.len() > 1);
    several.map(finding).collect()
}

/// What the audit of the pools says of a kind.
fn items(system: &System, kind: Kind) -> impl Iterator<Item = Item> {
    let items = system.audit.iter();
    items.filter(move |item| item.kind == kind).cloned()
}

/// One finding for each network that has any.
fn of_pools(
    items: impl Iterator<Item = Item>,
    finding: impl Fn(String, Vec<Item>) -> Finding,
) -> Vec<Finding> {
    let mut pools: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for item in items {
        pools.entry(item.network.clone()).or_default().push(item);
    }
    let pools = pools.into_iter();
    pools
        .map(|(network, items)| finding(format!("pool {network}"), items))
        .collect()
}

/// What these are, in words.
fn told(items: &[Item], what: &str) -> String {
    let name = |item: &Item| match item.address {
        Some(address) => address.to_string(),
        None => item.file.display().to_string(),
    };
    let names: Vec<String> = items.iter().map(name).collect();
    match names.len() {
        1 => format!("1 address is {what}: {}", names[0]),
        many => format!("{many} addresses are {what}: {}", listed(&names)),
    }
}

/// The finding of what `ipam free` gives back.
fn freed(finding: Finding, why: &str, items: Vec<Item>) -> Finding {
    let known = items
        .first()
        .map(|item| item.why.clone())
        .unwrap_or_default();
    let network = items
        .first()
        .map(|item| quoted(&item.network))
        .unwrap_or_default();
    finding
        .why(format!("{why} Known of the first: {known}."))
        .run(format!(
            "linkspan ipam check {network} --report leaks.json; linkspan ipam free --from-report leaks.json"
        ))
        .repaired_by(items.into_iter().map(Repair::Free))
}
