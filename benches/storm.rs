//! A thousand containers in one process: what the example `storm` of the plugins says.

use std::env;

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Cmd, Sandbox};

use crate::contestant::DEADLINE;

/// How many containers, and in how many networks.
const CONTAINERS: usize = 1000;
const NETWORKS: usize = 10;

/// Nothing where the example was not built.
pub(crate) fn in_one_process(_: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let Some(storm) = env::var_os("LINKSPAN_STORM") else {
        return Vec::new();
    };
    let containers = rounds.count(CONTAINERS).max(NETWORKS).to_string();
    let output = Cmd::new(storm)
        .args([
            "--containers",
            &containers,
            "--networks",
            &NETWORKS.to_string(),
        ])
        .deadline(DEADLINE)
        .run();
    let rate = |row: &str| Spread::exactly(per_second(&output, row));
    let what = format!("{containers} containers on {NETWORKS} bridges");
    vec![
        Figure::new(&what, Unit::PerSecond)
            .command("ADD")
            .with(Side::Linkspan, rate("ADD"))
            .with(Side::Kernel, rate("the bare requests"))
            .compared(),
        Figure::new(&what, Unit::PerSecond)
            .command("DEL")
            .with(Side::Linkspan, rate("DEL")),
    ]
}

/// Of the table that it prints, what stands under `a second`.
fn per_second(table: &str, row: &str) -> f64 {
    let line = table
        .lines()
        .find(|line| line.starts_with(&format!("| {row}")));
    let cell = line.and_then(|line| line.split('|').nth(4)?.trim().parse().ok());
    cell.unwrap_or_else(|| panic!("no row {row:?} in {table}"))
}
