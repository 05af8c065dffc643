//! Many pods at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_benches::data::{Counts, Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::{Attachment, bandwidth, bridge, firewall, portmap};
use crate::contestant::Contestant;

/// How many there are, and how many are attached at the same time.
const PODS: usize = 32;
const WORKERS: [usize; 5] = [1, 2, 4, 8, 16];

/// How often all of them are attached and detached.
const REPEATED: usize = 3;

/// How often a call that fails is made again, as a runtime does.
const ATTEMPTS: usize = 10;

const SIDES: [Side; 2] = [Side::Linkspan, Side::Reference];

/// Some pods, one at a time, two, and more, on a node with published ports, a firewall and limits.
pub(crate) fn at_once(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let both = Contestant::both(sandbox);
    let containers: Vec<Netns> = (0..PODS)
        .map(|number| sandbox.netns(&format!("pod{number}")))
        .collect();
    let attachments = both.each_ref().map(|contestant| {
        // On a node that has been running for a while.
        let first = sandbox.netns(&format!("first-{}", contestant.name));
        Attachment::new(contestant, &pod(PODS), &first).add();
        let attachment =
            |(number, netns)| Mutex::new(Attachment::new(contestant, &pod(number), netns));
        let attachments = containers.iter().enumerate().map(attachment);
        attachments.collect::<Vec<_>>()
    });
    let mut figures = Vec::new();
    for workers in WORKERS {
        // Of each side, each command.
        let mut storms = [
            [Storm::default(), Storm::default()],
            [Storm::default(), Storm::default()],
        ];
        for _ in 0..rounds.count(REPEATED) {
            for side in rounds.order(2) {
                let [adds, dels] = &mut storms[side];
                adds.add(&attachments[side], workers, |one| one.try_add());
                dels.add(&attachments[side], workers, |one| one.try_del());
            }
        }
        for (number, command) in ["ADD", "DEL"].into_iter().enumerate() {
            let mut figure =
                Figure::new(format!("{PODS} pods, {workers} at a time"), Unit::PerSecond)
                    .command(command)
                    .at(workers as u64);
            for (side, storms) in SIDES.into_iter().zip(&storms) {
                let storm = &storms[number];
                figure = figure.with(side, Spread::of(storm.per_second.iter().copied()));
                figure.counts.insert(side, storm.counts());
            }
            figures.push(figure.compared());
        }
    }
    figures
}

fn pod(number: usize) -> Value {
    let mut portmap = portmap();
    portmap["runtimeConfig"]["portMappings"][0]["hostPort"] = (10_000 + number).into();
    json!([bridge(), portmap, firewall(), bandwidth()])
}

/// One command for all pods, several times.
#[derive(Default)]
struct Storm {
    per_second: Vec<f64>,
    failures: usize,
}

impl Storm {
    fn add(
        &mut self,
        attachments: &[Mutex<Attachment<'_>>],
        workers: usize,
        work: impl Fn(&mut Attachment<'_>) -> Result<Duration, String> + Sync,
    ) {
        let (time, failures) = all(attachments, workers, work);
        self.per_second.push(PODS as f64 / time.as_secs_f64());
        self.failures += failures;
    }

    fn counts(&self) -> Counts {
        Counts {
            failures: self.failures,
            ..Counts::default()
        }
    }
}

/// How long it took for all, and how many calls failed.
fn all(
    attachments: &[Mutex<Attachment<'_>>],
    workers: usize,
    work: impl Fn(&mut Attachment<'_>) -> Result<Duration, String> + Sync,
) -> (Duration, usize) {
    let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let persist = |one: &mut Attachment<'_>| {
        for _ in 0..ATTEMPTS {
            match work(one) {
                Ok(_) => return,
                Err(_) => {
                    failures.fetch_add(1, Ordering::Relaxed);
                    // As a runtime does; of an attachment that was never made there may be nothing to remove.
                    let _ = one.try_del();
                }
            }
        }
        panic!("failed {ATTEMPTS} times");
    };
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(one) = attachments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Ok(mut one) = one.lock() {
                        persist(&mut one);
                    }
                }
            });
        }
    });
    (start.elapsed(), failures.into_inner())
}
