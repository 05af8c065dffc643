//! Linkspan's plugins and the reference's, timed beside each other: `make bench`.
//!
//! Absolute times belong to a machine and to a moment; so in each round every side is called once, in an order drawn
//! from a seed, and what counts is the ratios of the calls of a round. A second installation of ours takes part: how much ours differs
//! from itself is the noise. What does not depend on the machine is counted, too: the processes that one call starts, and the
//! netlink messages that it sends.
//!
//! # Eight netlink messages
//! An ADD of bridge + host-local with ipMasq on a host that has the bridge sends, each once:
//!
//! 1. a question for the bridge, by name;
//! 2. the pair of links, each end with its name, MTU, MAC address and bridge, where it is to be, and the
//!    alias of the host's end behind it in the same datagram; the answer tells the index of both;
//! 3. that the container's addresses are to be announced, its address, the link switched on, and the route, in one
//!    datagram;
//! 4. a question for the bridge's addresses, among which the gateway's has to be;
//! 5. questions for the constant part of the ruleset and for whoever has the elements, in one datagram;
//! 6. the elements, a transaction;
//! 7. a question whether the port forwards: it does, so nothing is waited for;
//! 8. the container's MAC address once more, which has the kernel announce its addresses.
//!
//! The first ADD on a host sends as many again for the bridge, its address and the ruleset's constant
//! part. DEL sends five: what has the elements, their removal, a question for the host's end, its
//! removal, and the removal of what may be left in the container.
//!
//! `LINKSPAN_BIN` is the folder that `linkspan install` put our plugins into, `CNI_REFERENCE` that of the reference
//! (Debian's by default), `NETAVARK` the program of that name, `LINKSPAN_STORM` the example `storm`. `ROUNDS` is 100 by itself: all that is
//! measured several times is in proportion. `SEED` repeats an order. Arguments choose scenarios by a part of their names.
//! What a scenario gives takes the place of what `docs/benchmarks/data.json` had of it, and the page and the pictures are made anew.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the report")]

mod call;
mod contestant;
mod events;
mod floor;
mod leases;
mod memory;
mod netavark;
mod pods;
mod ports;
mod run;
mod scenarios;
mod show;
mod size;
mod spans;
mod storm;

use std::env;
use std::time::Instant;

use linkspan_benches::data::{Data, Figure, Run};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::{page, table};
use linkspan_testkit::{Sandbox, Setup, document};

use crate::contestant::DEADLINE;
use crate::scenarios::Scenario;

fn main() {
    // Cargo and the sandbox pass options of test harnesses.
    let wanted: Vec<String> = env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_wanted =
        |name: &str| wanted.is_empty() || wanted.iter().any(|part| name.contains(part.as_str()));
    // In a sandbox there is one scenario, whose name may be a part of others'.
    if let Ok(inside) = env::var("LINKSPAN_SANDBOX") {
        let mut scenarios = scenarios::ALL.iter();
        scenarios.find(|(name, _)| *name == inside).map(measured);
        return;
    }
    let scenarios = scenarios::ALL.iter().filter(|(name, _)| is_wanted(name));
    let mut run = run::begun();
    println!("{run}");
    let top = document::top();
    let kept = page::read(&top);
    let mut data = kept.unwrap_or_else(|error| panic!("{error}"));
    for scenario in scenarios {
        keep(&mut data, &mut run, scenario);
        let written = page::write(&top, &data);
        written.unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Measures a scenario, prints its table and keeps what it gave.
fn keep(data: &mut Data, run: &mut Run, scenario: &(&str, Scenario)) {
    let begun = Instant::now();
    let (name, _) = scenario;
    let Some((seed, figures)) = measured(scenario) else {
        return;
    };
    run.load[1] = run::load();
    println!(
        "\n{name}: {:.0} s, SEED={seed}",
        begun.elapsed().as_secs_f64()
    );
    if figures.is_empty() {
        println!("not measured: what it needs is not there");
        return;
    }
    let rows: Vec<(&Figure, &str)> = figures.iter().map(|figure| (figure, "")).collect();
    print!("{}", table::drawn(&rows));
    for figure in &figures {
        if let Some(side) = figure.ratios.keys().find(|side| figure.is_noise(**side)) {
            println!(
                "noisy: {} differs from {side} by no more than from itself",
                table::name(figure)
            );
        }
    }
    data.keep(run, name, seed, figures);
}

/// In the sandbox measures; outside it gives what was measured there, and the seed.
fn measured((name, scenario): &(&str, Scenario)) -> Option<(u64, Vec<Figure>)> {
    let told = Setup::default()
        .named(*name)
        .deadline(DEADLINE)
        .tell(|host: &Sandbox| {
            let mut rounds = Rounds::from_env();
            let figures = scenario(host, &mut rounds);
            let told = serde_json::to_string(&(rounds.seed, figures));
            told.unwrap_or_else(|error| panic!("cannot tell: {error}"))
        })?;
    let told = serde_json::from_str(&told);
    Some(told.unwrap_or_else(|error| panic!("the sandbox told nonsense: {error}")))
}
