//! Many pods at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::{Attachment, bandwidth, bridge, firewall, portmap};
use crate::contestant::Contestant;
use crate::report::Row;

/// Attached at the same time, and how many of them.
const PODS: usize = 100;
const WORKERS: usize = 16;

/// How often a call that fails is made again, as a runtime does.
const ATTEMPTS: usize = 10;

/// A hundred pods, sixteen at a time, on a node with published ports, a firewall and limits.
pub(crate) fn at_once(sandbox: &Sandbox) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    let containers: Vec<Netns> = (0..PODS)
        .map(|number| sandbox.netns(&format!("pod{number}")))
        .collect();
    let rounds = both.each_ref().map(|contestant| {
        // On a node that has been running for a while.
        let first = sandbox.netns(&format!("first-{}", contestant.name));
        Attachment::new(contestant, &pod(PODS), &first).add();
        let attachments: Vec<Mutex<Attachment<'_>>> = containers
            .iter()
            .enumerate()
            .map(|(number, netns)| Mutex::new(Attachment::new(contestant, &pod(number), netns)))
            .collect();
        [
            all(&attachments, |one| one.try_add()),
            all(&attachments, |one| one.try_del()),
        ]
    });
    ["ADD", "DEL"]
        .iter()
        .enumerate()
        .map(|(index, command)| {
            let [ours, theirs] = [&rounds[0][index], &rounds[1][index]];
            Row {
                what: format!(
                    "{PODS} pods, {WORKERS} at a time, bridge + portmap + firewall + bandwidth: {command} per second"
                ),
                ours: ours.to_string(),
                theirs: theirs.to_string(),
                ratio: format!("{:.1}", ours.per_second() / theirs.per_second()),
                ..Row::default()
            }
        })
        .collect()
}

fn pod(number: usize) -> Value {
    let mut portmap = portmap();
    portmap["runtimeConfig"]["portMappings"][0]["hostPort"] = (10_000 + number).into();
    json!([bridge(), portmap, firewall(), bandwidth()])
}

/// One command for all pods.
struct Round {
    time: Duration,
    failures: usize,
}

impl Round {
    fn per_second(&self) -> f64 {
        PODS as f64 / self.time.as_secs_f64()
    }
}

impl std::fmt::Display for Round {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.0} /s", self.per_second())?;
        match self.failures {
            0 => Ok(()),
            failures => write!(f, " ({failures} failed and were tried again)"),
        }
    }
}

fn all(
    attachments: &[Mutex<Attachment<'_>>],
    work: impl Fn(&mut Attachment<'_>) -> Result<Duration, String> + Sync,
) -> Round {
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
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(one) = attachments.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Ok(mut one) = one.lock() {
                        persist(&mut one);
                    }
                }
            });
        }
    });
    Round {
        time: start.elapsed(),
        failures: failures.into_inner(),
    }
}
