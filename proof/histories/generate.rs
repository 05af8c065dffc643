//! A schedule from a seed, and from nothing else.

use std::time::Duration;

use crate::schedule::{Attachment, Line, Net, Op, Schedule, Step, Who};

/// Whose plugins take part in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// One release, as on most hosts.
    Ours,
    /// Ours and the reference's, at random: two runtimes, each with a folder of its own.
    Both,
    /// A release of before, until somebody has installed the one that is tested, with containers running. Nobody is under way
    /// just then: a release before the locks that are does not wait for who takes its records over.
    Upgrade,
}

/// Splitmix64: small, and the same for ever, so that a seed means the same schedule tomorrow.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// A number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn among<T: Copy>(&mut self, values: &[T]) -> T {
        let index = self.below(values.len() as u64);
        values[usize::try_from(index).unwrap_or_default()]
    }
}

/// Ports that containers of a network want to publish: few, so that they want the same.
const PORTS: [u16; 4] = [8001, 8002, 8003, 8004];

/// How much is drawn.
const STEPS: (u64, u64) = (50, 200);
const WORKERS: (u64, u64) = (4, 24);
const CONTAINERS_OF_A_WORKER: u16 = 3;

impl Schedule {
    /// The schedule of a seed.
    pub(crate) fn of(seed: u64, mix: Mix) -> Self {
        let mut dice = Dice(seed);
        let workers = WORKERS.0 + dice.below(WORKERS.1 - WORKERS.0 + 1);
        let steps = STEPS.0 + dice.below(STEPS.1 - STEPS.0 + 1);
        // What is rare would be seldom together, so a history has much of it or none.
        let rough = Rough {
            kills: dice.among(&[0, 10, 30]),
            flushes: dice.among(&[0, 0, 3]),
            reboots: dice.among(&[0, 0, 2]),
        };
        let replaced = steps * 45 / 100;
        let lines = (0..steps)
            .map(|number| {
                if mix == Mix::Upgrade && number == replaced {
                    return Line::Wait;
                }
                if dice.below(steps) < rough.reboots {
                    return Line::Reboot;
                }
                let mix = match mix {
                    Mix::Upgrade if number > replaced => Mix::Ours,
                    mix => mix,
                };
                Line::Step(step(&mut dice, workers, mix, &rough))
            })
            .collect();
        Self(lines)
    }
}

struct Rough {
    /// Of a hundred processes.
    kills: u64,
    /// Of a hundred operations.
    flushes: u64,
    /// In a history.
    reboots: u64,
}

fn step(dice: &mut Dice, workers: u64, mix: Mix, rough: &Rough) -> Step {
    let worker = u16::try_from(dice.below(workers)).unwrap_or_default();
    let op = op(dice, worker, rough);
    let who = match mix {
        Mix::Both if may_be_of_others(op) => dice.among(&[Who::Ours, Who::Ours, Who::Reference]),
        Mix::Upgrade if op.is_process() => Who::Old,
        _ => Who::Ours,
    };
    // The runtime library is one program, ours.
    let who = match (op, who) {
        (Op::Add(at, _) | Op::Check(at) | Op::Del(at), Who::Reference) if at.net == Net::Tool => {
            Who::Ours
        }
        _ => who,
    };
    let longest = if who == Who::Reference {
        250_000
    } else {
        15_000
    };
    let is_killed = op.is_process() && dice.percent(rough.kills);
    let kill = is_killed.then(|| Duration::from_micros(dice.below(longest)));
    Step {
        worker: worker + 1,
        op,
        who,
        kill,
    }
}

fn op(dice: &mut Dice, worker: u16, rough: &Rough) -> Op {
    if dice.percent(rough.flushes) {
        return dice.among(&[Op::FlushNft, Op::FlushIptables, Op::Reconcile]);
    }
    let owned = worker * CONTAINERS_OF_A_WORKER;
    let container =
        owned + u16::try_from(dice.below(CONTAINERS_OF_A_WORKER.into())).unwrap_or_default();
    let net = match container % 4 {
        0 | 1 => dice.among(&[Net::Lan, Net::Lan, Net::Also]),
        2 => Net::Ptp,
        _ => Net::Tool,
    };
    let at = Attachment { container, net };
    match dice.below(100) {
        0..48 => {
            let publishes = net != Net::Also && dice.percent(40);
            Op::Add(at, publishes.then(|| dice.among(&PORTS)))
        }
        48..78 => Op::Del(at),
        78..88 => Op::Check(at),
        88..91 => Op::Gc(net),
        91..93 => Op::Status(net),
        93..95 => Op::Reconcile,
        _ => Op::Lose(container),
    }
}

/// What every build of every vendor has: the reference's has no GC and no STATUS, and `reconcile` is ours alone.
fn may_be_of_others(op: Op) -> bool {
    matches!(op, Op::Add(..) | Op::Check(_) | Op::Del(_))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_seed_is_a_schedule_and_another_seed_another() {
        let schedules: BTreeSet<String> = (0..20)
            .map(|seed| Schedule::of(seed, Mix::Both).to_string())
            .collect();
        assert_eq!(schedules.len(), 20);
        assert_eq!(Schedule::of(7, Mix::Both), Schedule::of(7, Mix::Both));
    }

    /// Each worker operates on its own containers, one after the other, as runtimes do; everything else is drawn.
    #[test]
    fn everything_is_drawn_and_each_container_has_one_worker() {
        let mut verbs = BTreeSet::new();
        let mut reboots = 0;
        for seed in 0..60 {
            let schedule = Schedule::of(seed, Mix::Both);
            let length = u64::try_from(schedule.0.len()).unwrap();
            assert!((STEPS.0..=STEPS.1).contains(&length), "{length}");
            reboots += schedule
                .0
                .iter()
                .filter(|line| **line == Line::Reboot)
                .count();
            for step in schedule.steps() {
                verbs.insert(format!(
                    "{} {} {}",
                    step.op.verb(),
                    step.who.name(),
                    step.kill.is_some()
                ));
                if let Op::Add(at, _) | Op::Del(at) | Op::Check(at) = step.op {
                    assert_eq!(at.container / CONTAINERS_OF_A_WORKER + 1, step.worker);
                }
            }
        }
        assert!(reboots > 10, "{reboots}");
        // Three verbs by two, six by one, of which three cannot be killed.
        assert_eq!(verbs.len(), 3 * 2 * 2 + 3 * 2 + 3, "{verbs:?}");
    }

    #[test]
    fn whoever_upgrades_has_one_release_and_then_the_other() {
        let schedule = Schedule::of(3, Mix::Upgrade);
        let halves: Vec<_> = schedule.0.split(|line| *line == Line::Wait).collect();
        assert_eq!(halves.len(), 2);
        let [before, after] = [0, 1].map(|half| Schedule(halves[half].to_vec()));
        assert!(
            before.has(Who::Old)
                && !before
                    .steps()
                    .any(|step| step.op.is_process() && step.who != Who::Old)
        );
        assert!(after.has(Who::Ours) && !after.has(Who::Old) && !after.has(Who::Reference));
    }
}
