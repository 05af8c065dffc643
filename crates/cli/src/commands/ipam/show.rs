//! `ipam show`.

use std::net::IpAddr;

use linkspan_inspect::life::Life;
use linkspan_inspect::pool::{Pool, Reservation, Set};
use linkspan_inspect::{Host, Places};
use linkspan_ipam::range::next;
use linkspan_spec::Value;

use crate::args::IpamShow;
use crate::draw::{age, bar, percent, strip};
use crate::failure::{Failure, Kind};
use crate::style::Style;
use crate::text::short_id;
use crate::ui::{Ui, object, table};

/// Parts of a set that are shown side by side.
const PARTS: u64 = 64;

/// Blocks of addresses in use that are named.
const BLOCKS: usize = 8;

/// Shows all pools, one, or who holds an address.
pub(crate) fn show(ui: Ui, args: &IpamShow) -> Result<(), Failure> {
    let places = args.look.places();
    let host = ui.look(&places);
    if let Some(address) = args.ip {
        return owner(ui, &host, address);
    }
    let wanted = |pool: &&Pool| {
        args.network
            .as_ref()
            .is_none_or(|name| pool.network == *name)
    };
    let pools: Vec<&Pool> = host.pools.iter().filter(wanted).collect();
    if let (Some(name), true) = (&args.network, pools.is_empty()) {
        return Err(no_pool(&host, &places, name));
    }
    if ui.json {
        let told: Vec<Value> = pools
            .iter()
            .map(|pool| ui.value(pool))
            .collect::<Result<_, _>>()?;
        return ui.print_json(&object([("pools", told.into())]));
    }
    match args.network {
        Some(_) => pools
            .into_iter()
            .try_for_each(|pool| ui.print(&page(ui.style(), pool))),
        None => ui.print(&overview(ui.style(), &pools)),
    }
}

fn no_pool(host: &Host, places: &Places, name: &str) -> Failure {
    let words = format!("network {name} has no pool of addresses on this host");
    let failure = Failure::new(Kind::Network, words);
    let names: Vec<_> = host
        .pools
        .iter()
        .map(|pool| pool.network.as_str())
        .collect();
    if let Some(network) = host.network(name) {
        let ipam = network.ipam.join(", ");
        return failure.advise(match ipam.is_empty() {
            true => "Its plugins ask no IPAM plugin for addresses.".to_owned(),
            false => format!("Its addresses come from {ipam}, which keeps none here."),
        });
    }
    match names.is_empty() {
        true => {
            let directories: Vec<_> = places
                .pool_dirs
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            failure.advise(format!(
                "There is no pool at all in {}.",
                directories.join(", ")
            ))
        }
        false => failure.advise(format!("There are pools of: {}.", names.join(", "))),
    }
}

/// All pools, a line for each of their sets.
fn overview(style: Style, pools: &[&Pool]) -> String {
    if pools.is_empty() {
        return "No pools of addresses.\n".to_owned();
    }
    let mut rows = vec![
        ["NETWORK", "RANGES", "USED", "", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    for pool in pools {
        // Of one that cannot be read it is not known how full it is.
        for set in pool.sets.iter().filter(|_| pool.problem.is_none()) {
            rows.push(vec![
                pool.network.clone(),
                set.ranges.clone(),
                bar(style, set.used, set.size),
                usage(set),
                remarks(pool),
            ]);
        }
        if pool.problem.is_some() {
            let cells = [pool.network.as_str(), "cannot be read", "", ""].map(str::to_owned);
            rows.push([cells.as_slice(), &[remarks(pool)]].concat());
        } else if pool.sets.is_empty() {
            let used = format!("{} in use", pool.reservations.len());
            let without = "no configuration leads here".to_owned();
            rows.push(vec![
                pool.network.clone(),
                without,
                String::new(),
                used,
                remarks(pool),
            ]);
        }
    }
    table(style, &rows)
}

fn usage(set: &Set) -> String {
    let percent = percent(set.used, set.size);
    format!("{} of {} ({percent} %)", set.used, size(set))
}

/// How many addresses a set has, where that is a number that a person reads.
fn size(set: &Set) -> String {
    match set.size {
        size if size >= 1 << 40 => format!(
            "about 2^{}",
            size.ilog2() + u32::from(size.count_ones() > 1)
        ),
        size => size.to_string(),
    }
}

fn remarks(pool: &Pool) -> String {
    if let Some(problem) = &pool.problem {
        return problem.to_string();
    }
    let gone = pool
        .reservations
        .iter()
        .filter(|held| held.life.is_gone())
        .count();
    let unread = pool
        .reservations
        .iter()
        .filter(|held| held.container.is_none())
        .count();
    let remarks = [(gone, "leaked"), (unread, "unreadable")];
    let remarks = remarks.iter().filter(|(count, _)| *count > 0);
    let remarks: Vec<_> = remarks
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    remarks.join(", ")
}

/// One pool: how full its sets are and where, and who holds what.
fn page(style: Style, pool: &Pool) -> String {
    let directory = pool.directory.display().to_string();
    let mut text = format!("{}  {}\n", style.bold(&pool.network), style.dim(&directory));
    if pool.sets.is_empty() {
        text.push_str("  no configuration leads here\n");
    }
    for set in &pool.sets {
        text.push_str(&format!(
            "\n  {}\n  {} {}\n",
            set.ranges,
            bar(style, set.used, set.size),
            usage(set)
        ));
        text.push_str(&format!("  {}\n", style.dim(&strip(parts(set, pool)))));
        let blocks = blocks(
            pool.reservations
                .iter()
                .map(|held| held.address)
                .filter(|address| set.addresses.contains(*address)),
        );
        let shown: Vec<_> = blocks.iter().take(BLOCKS).map(Block::to_string).collect();
        if !shown.is_empty() {
            let more = match blocks.len().saturating_sub(BLOCKS) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let holes = blocks.len() - 1;
            text.push_str(&format!(
                "  in use: {}{more}; {holes} holes between\n",
                shown.join(", ")
            ));
        }
    }
    if let Some(problem) = &pool.problem {
        text.push_str(&format!("\n  {}\n", style.bad(&problem.to_string())));
    }
    text.push('\n');
    text + &holders(style, &pool.reservations)
}

fn holders(style: Style, reservations: &[Reservation]) -> String {
    if reservations.is_empty() {
        return "Nobody holds an address.\n".to_owned();
    }
    let heading = ["ADDRESS", "CONTAINER", "INTERFACE", "SINCE", "STATE"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(reservations.iter().map(|held| {
        vec![
            held.address.to_string(),
            label(style, held),
            held.ifname.clone().unwrap_or_default(),
            held.since.map(age).unwrap_or_default(),
            state(style, held),
        ]
    }));
    table(style, &rows)
}

fn label(style: Style, held: &Reservation) -> String {
    match (&held.name, &held.container) {
        (Some(name), _) => name.to_string(),
        (None, Some(container)) => short_id(style, container),
        (None, None) => "?".to_owned(),
    }
}

fn state(style: Style, held: &Reservation) -> String {
    let outside = match held.in_range {
        Some(false) => "; outside the ranges",
        Some(true) | None => "",
    };
    let life = match &held.life {
        Life::Alive => "alive".to_owned(),
        Life::Gone(why) => format!("{}: {why}", style.bad("leaked")),
        Life::Unknown(why) => format!("unknown: {why}"),
    };
    life + outside
}

/// Equal parts of a set, each with how many of its addresses are reserved and how many there are.
fn parts(set: &Set, pool: &Pool) -> Vec<(u64, u64)> {
    let count = set.size.clamp(1, PARTS);
    let size = set.size / count;
    let mut parts: Vec<(u64, u64)> = (0..count).map(|_| (0, size.max(1))).collect();
    let mut before = 0u128;
    for span in set.addresses.order(None) {
        let held = pool
            .reservations
            .iter()
            .filter(|held| span.contains(held.address));
        for held in held {
            let offset = before.saturating_add(span.offset(held.address));
            let part = (offset / u128::from(size.max(1))).min(u128::from(count - 1));
            parts[part as usize].0 += 1;
        }
        before = before.saturating_add(span.size());
    }
    parts
}

/// Addresses one after another.
#[derive(Debug, PartialEq)]
struct Block {
    first: IpAddr,
    last: IpAddr,
    count: usize,
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            1 => self.first.fmt(f),
            count => write!(f, "{}-{} ({count})", self.first, self.last),
        }
    }
}

fn blocks(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for address in addresses {
        match blocks.last_mut() {
            Some(last) if next(last.last) == Some(address) => {
                last.last = address;
                last.count += 1;
            }
            _ => blocks.push(Block {
                first: address,
                last: address,
                count: 1,
            }),
        }
    }
    blocks
}

/// Tells who holds an address.
fn owner(ui: Ui, host: &Host, address: IpAddr) -> Result<(), Failure> {
    let held: Vec<_> = host
        .pools
        .iter()
        .filter_map(|pool| Some((pool, pool.reservation(address)?)))
        .collect();
    let having: Vec<_> = host
        .attachments
        .iter()
        .filter(|one| one.addresses.iter().any(|net| net.addr() == address))
        .collect();
    let in_range: Vec<_> = host
        .pools
        .iter()
        .filter(|pool| pool.sets.iter().any(|set| set.addresses.contains(address)))
        .map(|pool| pool.network.as_str())
        .collect();
    if ui.json {
        let held = held.iter().map(|(pool, held)| {
            let mut told = ui.value(held)?;
            told["network"] = pool.network.as_str().into();
            Ok(told)
        });
        let having = having.iter().map(|one| ui.value(one));
        return ui.print_json(&object([
            ("address", address.to_string().into()),
            (
                "reserved",
                held.collect::<Result<Vec<_>, Failure>>()?.into(),
            ),
            (
                "attachments",
                having.collect::<Result<Vec<_>, Failure>>()?.into(),
            ),
            ("inRangeOf", in_range.into()),
        ]));
    }
    let style = ui.style();
    let mut text = String::new();
    for (pool, held) in &held {
        let since = held.since.map(|since| format!(" for {}", age(since)));
        let ifname = held
            .ifname
            .as_ref()
            .map(|name| format!(", interface {name}"));
        text.push_str(&format!(
            "{address} is held by {}{} of network {}{}: {}\n",
            label(style, held),
            ifname.unwrap_or_default(),
            pool.network,
            since.unwrap_or_default(),
            state(style, held)
        ));
    }
    for one in having.iter().filter(|one| !one.reserved.contains(&address)) {
        text.push_str(&format!(
            "{} on network {} has {address}, and does not hold it\n",
            one.label(),
            one.network
        ));
    }
    if text.is_empty() {
        text = match in_range.is_empty() {
            true => format!("{address} is held by nobody, and is in no range of a network here\n"),
            false => format!("{address} is free, in a range of {}\n", in_range.join(", ")),
        };
    }
    ui.print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_each_other_is_one_block() {
        let addresses = ["10.1.0.2", "10.1.0.3", "10.1.0.7", "fd00::1", "fd00::2"];
        let blocks = blocks(addresses.map(|address| address.parse().unwrap()));
        let told: Vec<_> = blocks.iter().map(Block::to_string).collect();
        assert_eq!(
            told,
            ["10.1.0.2-10.1.0.3 (2)", "10.1.0.7", "fd00::1-fd00::2 (2)"]
        );
    }
}
