//! A schedule carried out on a host of its own, and judged.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Sandbox, Snapshot};

use crate::host::Host;
use crate::look;
use crate::model::{Answer, Ending, Record, judge};
use crate::perform::{collect_all, perform};
use crate::schedule::{Attachment, Line, Net, Op, Schedule, Step, Who};

/// How long the kernel may take to remove links of namespaces that are gone.
const SETTLES: Duration = Duration::from_secs(10);

/// What came of a schedule.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What the model says of it.
    pub(crate) faults: Vec<String>,
    pub(crate) records: Vec<Record>,
}

/// Carries out a schedule, lets everything come to rest, looks, detaches, collects and looks again.
pub(crate) fn run(sandbox: &Sandbox, schedule: &Schedule) -> Outcome {
    let host = Host::new(sandbox);
    warm_up(&host, schedule);
    let before = look::snapshot(&host);
    let history = History::default();
    for phase in schedule
        .0
        .split_inclusive(|line| !matches!(line, Line::Step(_)))
    {
        play(&host, phase, &history);
        host.wait_for_orphans();
        if phase.last() == Some(&Line::Reboot) {
            history.note(&host, Line::Reboot, || {
                host.reboot();
                (Answer::Done(Vec::new()), Vec::new())
            });
        }
    }
    history.perform(&host, ours(Op::Reconcile));
    let mut ending = Ending {
        looked: host.now(),
        ..Ending::default()
    };
    for at in host.in_use() {
        ending.looked_at.insert(at, look::look_at(&host, at));
    }
    finish(&host, schedule, &history);
    ending.leftovers = settled(&host, &before);
    let records = history.into_records();
    Outcome {
        faults: judge(&records, &ending),
        records,
    }
}

/// What was done until now.
#[derive(Debug, Default)]
struct History(Mutex<Vec<Record>>);

impl History {
    fn perform(&self, host: &Host<'_>, step: Step) {
        // So the times tell which of two was first.
        let _turn = host.turn(step.op);
        self.note(host, Line::Step(step), || perform(host, &step));
    }

    fn note(&self, host: &Host<'_>, line: Line, act: impl FnOnce() -> (Answer, Vec<Attachment>)) {
        let begin = host.now();
        let (answer, spared) = act();
        let record = Record {
            begin,
            end: host.now(),
            line,
            answer,
            spared,
        };
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(record);
    }

    fn into_records(self) -> Vec<Record> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines between two reboots: each worker a thread, which does its own in their order.
fn play(host: &Host<'_>, phase: &[Line], history: &History) {
    let mut workers: BTreeMap<u16, Vec<Step>> = BTreeMap::new();
    for line in phase {
        if let Line::Step(step) = line {
            workers.entry(step.worker).or_default().push(*step);
        }
    }
    thread::scope(|scope| {
        for steps in workers.into_values() {
            scope.spawn(move || {
                steps
                    .into_iter()
                    .for_each(|step| history.perform(host, step))
            });
        }
    });
}

/// What the first of all attachments makes and what stays by intent is no difference that a history makes.
fn warm_up(host: &Host<'_>, schedule: &Schedule) {
    let everybody = [Who::Reference, Who::Ours];
    for who in everybody
        .into_iter()
        .filter(|who| *who == Who::Ours || schedule.has(*who))
    {
        for net in Net::ALL {
            let at = Attachment { container: 0, net };
            let by_whom = if net == Net::Tool { Who::Ours } else { who };
            for op in [Op::Add(at, None), Op::Del(at)] {
                let (answer, _) = perform(
                    host,
                    &Step {
                        who: by_whom,
                        ..ours(op)
                    },
                );
                assert!(
                    matches!(answer, Answer::Done(_)),
                    "{op} by {}, before anything was done: {answer:?}",
                    who.name()
                );
            }
        }
    }
    host.lose(0);
    host.kept().clear();
    Net::ALL
        .iter()
        .for_each(|net| drop(perform(host, &ours(Op::Gc(*net)))));
}

/// Nothing lives any more: some containers are detached, some only go, and everything is collected.
fn finish(host: &Host<'_>, schedule: &Schedule, history: &History) {
    let known: Vec<Attachment> = host.kept().keys().copied().collect();
    // GC removes nothing of the reference's.
    let is_detached =
        |at: &&Attachment| at.container.is_multiple_of(2) || schedule.has(Who::Reference);
    known
        .iter()
        .filter(is_detached)
        .for_each(|at| history.perform(host, ours(Op::Del(*at))));
    known
        .iter()
        .for_each(|at| history.perform(host, ours(Op::Lose(at.container))));
    for net in [Net::Lan, Net::Also, Net::Ptp] {
        history.perform(host, ours(Op::Gc(net)));
    }
    let line = Line::Step(ours(Op::Gc(Net::Tool)));
    history.note(host, line, || (collect_all(host), Vec::new()));
}

/// What is left, once the kernel has had its time.
fn settled(host: &Host<'_>, before: &Snapshot) -> Vec<String> {
    let end = Instant::now() + SETTLES;
    loop {
        let left = look::leftovers(before, &look::snapshot(host));
        if left.is_empty() || Instant::now() > end {
            return left;
        }
        thread::sleep(Duration::from_millis(200));
    }
}

/// A step that nobody has drawn.
fn ours(op: Op) -> Step {
    Step {
        worker: 0,
        op,
        who: Who::Ours,
        kill: None,
    }
}
