//! Many containers at a time.

use std::collections::BTreeSet;

use linkspan_spec::{Value, Version};

use super::{ANY, add::warmed, only_if, some_of};
use crate::bench::Bench;
use crate::check::{Check, Level, Stop, Verdict};
use crate::kind::Kind;
use crate::result::addresses;
use crate::section::Section;

/// How many at a time.
const MANY: usize = 20;

pub(super) const CHECKS: &[Check] = &[Check {
    id: "at-a-time",
    section: Section::Lifecycle,
    level: Level::Must,
    since: Version::V0_1_0,
    of: ANY,
    asks: "ADD of 20 containers at a time, their addresses, DEL at a time, and what is left",
    says: "plugins handle being executed concurrently across different containers, and lock what is shared, such as a store of addresses",
    run: at_a_time,
}];

fn at_a_time(bench: &Bench<'_>) -> Verdict {
    only_if(!bench.subject.single, "it attaches one container at a time")?;
    warmed(bench)?;
    let containers: Result<Vec<_>, Stop> = (0..MANY).map(|_| bench.container()).collect();
    let containers = containers?;
    let before = bench.snapshot()?;
    let mut running = Vec::new();
    for container in &containers {
        let call = bench.of("ADD", container)?;
        let asked = format!("ADD of {}, one of {MANY} at a time", container.id);
        running.push(call.asking(asked).start()?);
    }
    let mut results = Vec::new();
    for one in running {
        let answer = one.finish()?;
        results.push((Value::Object(answer.object()?), answer));
    }
    let mut seen = BTreeSet::new();
    let is_fixed = bench.subject.has_fixed_addresses() || bench.subject.ifname == "lo";
    if !is_fixed && bench.subject.kind != Kind::Chained {
        for (result, answer) in &results {
            if let Some(twice) = addresses(result).into_iter().find(|net| !seen.insert(*net)) {
                return Err(answer.fault(format!("two containers have the address {twice}")));
            }
        }
    }
    let mut running = Vec::new();
    for (container, (result, _)) in containers.iter().zip(&results) {
        let call = bench
            .of("DEL", container)?
            .key("prevResult", result.clone());
        let asked = format!("DEL of {}, one of {MANY} at a time", container.id);
        running.push(call.asking(asked).start()?);
    }
    let mut last = None;
    for one in running {
        let answer = one.finish()?;
        answer.success()?;
        last = Some(answer);
    }
    let left = bench.changes_since(&before)?;
    match last.filter(|_| !left.is_empty()) {
        None => Ok(()),
        Some(answer) => Err(answer.fault(some_of(&left))),
    }
}
