//! The tests: each history in a process and a sandbox of its own, several at a time.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use linkspan_proof::{Tally, scale, whole};
use linkspan_testkit::{Cmd, Setup};
use serde_json::{Value, json};

use crate::generate::Mix;
use crate::host::OLD_PLUGINS;
use crate::model::{Answer, Record};
use crate::run::run;
use crate::schedule::{Line, Schedule, Who};
use crate::shrink::shrink;

/// The variable that tells the process of one history which schedule it plays, as a file.
const PLAYED: &str = "LINKSPAN_HISTORY";

/// Before what that process has to tell.
const TOLD: &str = "<linkspan history> ";

/// How long one history may take, and all of them where nobody has said how many there are to be.
const DEADLINE: Duration = Duration::from_secs(240);
const ALL_OF_THEM: Duration = Duration::from_secs(5 * 60);

/// How many histories there are at a time: more than processors, since much of a history is waiting.
const AT_A_TIME: usize = 3;

/// How often a shorter schedule is asked whether it still fails (`QUESTIONS=0`: never), and how often each is played for an answer.
const QUESTIONS: usize = 60;
const TRIES: usize = 2;

/// How much of a failure is shown.
const SHOWN_FAULTS: usize = 6;
const SHOWN_RECORDS: usize = 40;

/// Histories of seeds that follow each other, the first of which is printed. `SEED` plays that one, `REPEAT` times, and shows what
/// was answered; `HISTORIES` says how many, from `SEED` on, however long that takes.
#[test]
fn seeds() {
    let from_clock = || {
        SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |now| now.as_secs())
    };
    let chosen = number("SEED");
    let first = chosen.unwrap_or_else(|| scale(1, from_clock()));
    let count = number("HISTORIES").unwrap_or_else(|| scale(9, 300));
    let seeds: Vec<u64> = match (chosen, number("HISTORIES")) {
        (Some(seed), None) => vec![seed; times()],
        _ => (first..first + count)
            .filter(|seed| whole() || mix(*seed) != Mix::Upgrade)
            .collect(),
    };
    println!("seeds from {first}; SEED=N plays one of them again");
    let end =
        (chosen.is_none() && number("HISTORIES").is_none()).then(|| Instant::now() + ALL_OF_THEM);
    let named = seeds
        .into_iter()
        .map(|seed| (format!("seed {seed}"), Schedule::of(seed, mix(seed))));
    let told = play_all(named.collect(), end);
    if chosen.is_some() && number("HISTORIES").is_none() {
        told.iter()
            .for_each(|told| println!("{}\n", told.records.join("\n")));
    }
    tally(&told);
}

/// What has failed once does not fail again. `HISTORY=FILE` plays that schedule instead, `REPEAT` times.
#[test]
fn kept() {
    let chosen = env::var_os("HISTORY").map(PathBuf::from);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("histories/kept");
    let files = chosen.map_or_else(|| files_of(&folder), |file| vec![file]);
    let schedules = files.iter().map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let schedule: Schedule = text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        (file.display().to_string(), schedule)
    });
    let is_played = |schedule: &Schedule| whole() || !schedule.has(Who::Old);
    let schedules: Vec<_> = schedules
        .filter(|(_, schedule)| is_played(schedule))
        .collect();
    let again = std::iter::repeat_n(schedules, times()).flatten();
    play_all(again.collect(), None);
}

/// The process of one history.
#[test]
#[ignore = "plays the schedule that LINKSPAN_HISTORY names, for the others"]
fn one_history() {
    let file = env::var_os(PLAYED).unwrap();
    let schedule: Schedule = fs::read_to_string(file).unwrap().parse().unwrap();
    let told = Setup::default().deadline(DEADLINE).tell(|sandbox| {
        let outcome = run(sandbox, &schedule);
        let counts = counts(&outcome.records);
        json!({ "faults": outcome.faults, "counts": counts, "records": text(outcome.records) })
            .to_string()
    });
    println!("{TOLD}{}", told.unwrap_or_else(|| "{}".to_owned()));
}

/// Which plugins the history of a seed is of.
fn mix(seed: u64) -> Mix {
    match seed % 3 {
        0 => Mix::Ours,
        1 => Mix::Both,
        _ => Mix::Upgrade,
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

fn times() -> usize {
    number("REPEAT")
        .and_then(|times| usize::try_from(times).ok())
        .unwrap_or(1)
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// What one history has told.
#[derive(Debug, Clone, Default)]
struct Told {
    faults: Vec<String>,
    counts: BTreeMap<String, u64>,
    records: Vec<String>,
}

/// Plays them all, several at a time, until one fails; fails then, with what is left of it when it is shrunk.
#[track_caller]
fn play_all(schedules: Vec<(String, Schedule)>, end: Option<Instant>) -> Vec<Told> {
    let old = schedules
        .iter()
        .any(|(_, schedule)| schedule.has(Who::Old))
        .then(build_old);
    let next = AtomicU64::new(0);
    let (done, failed) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let lock =
        |list: &Mutex<Vec<usize>>| list.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let worker = || {
        while lock(&failed).is_empty() && end.is_none_or(|end| Instant::now() < end) {
            let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
            let Some((_, schedule)) = schedules.get(index) else {
                return;
            };
            let told = play(schedule, old.as_deref());
            if !told.faults.is_empty() {
                failed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(index);
            }
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(told);
        }
    };
    thread::scope(|scope| {
        (0..AT_A_TIME).for_each(|_| drop(scope.spawn(worker)));
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some((name, schedule)) = lock(&failed).first().map(|index| &schedules[*index]) {
        let first = done
            .iter()
            .find(|told| !told.faults.is_empty())
            .cloned()
            .unwrap_or_default();
        panic!("{}", explain(name, schedule, first, old.as_deref()));
    }
    done
}

/// A release of before, built if need be.
#[track_caller]
fn build_old() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/histories/old");
    PathBuf::from(
        Cmd::new(script)
            .deadline(Duration::from_secs(20 * 60))
            .run(),
    )
}

fn play(schedule: &Schedule, old: Option<&Path>) -> Told {
    let file = tempfile::NamedTempFile::new().and_then(|file| {
        fs::write(file.path(), schedule.to_string())?;
        Ok(file)
    });
    let (file, exe) = match (file, env::current_exe()) {
        (Ok(file), Ok(exe)) => (file, exe),
        (Err(error), _) | (_, Err(error)) => panic!("cannot play a history: {error}"),
    };
    let test = Cmd::new(exe)
        .args([
            "session::one_history",
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(PLAYED, file.path())
        .env_remove("LINKSPAN_PROOF_OUT")
        .deadline(DEADLINE + Duration::from_secs(30));
    let output = old
        .into_iter()
        .fold(test, |test, old| test.env(OLD_PLUGINS, old))
        .output();
    let told = output
        .stdout
        .lines()
        .find_map(|line| Some(line.split_once(TOLD)?.1));
    match told.and_then(|told| serde_json::from_str::<Value>(told).ok()) {
        Some(told) => Told {
            faults: texts(&told["faults"]),
            counts: serde_json::from_value(told["counts"].clone()).unwrap_or_default(),
            records: texts(&told["records"]),
        },
        None => Told {
            faults: vec![format!("it could not be played: {output}")],
            ..Told::default()
        },
    }
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts
        .filter_map(|text| text.as_str().map(str::to_owned))
        .collect()
}

/// A page about what has failed: what, the shortest schedule that does, how to play it, and what was answered.
#[expect(clippy::print_stdout, reason = "to shrink takes minutes")]
fn explain(name: &str, schedule: &Schedule, first: Told, old: Option<&Path>) -> String {
    println!("{name} is not right, and is shrunk: {:?}", first.faults);
    let mut last = first;
    let questions = number("QUESTIONS").and_then(|many| usize::try_from(many).ok());
    let shrunk = shrink(schedule, questions.unwrap_or(QUESTIONS), |candidate| {
        let told = (0..TRIES)
            .map(|_| play(candidate, old))
            .find(|told| !told.faults.is_empty());
        told.map(|told| last = told).is_some()
    });
    let kept = env::temp_dir().join("linkspan-history.txt");
    let place = match fs::write(&kept, shrunk.to_string()) {
        Ok(()) => kept.display().to_string(),
        Err(_) => "FILE".to_owned(),
    };
    let some = |lines: &[String], many: usize| {
        let more = lines.len().saturating_sub(many);
        let more = (more > 0).then(|| format!("… and {more} more"));
        lines
            .iter()
            .take(many)
            .cloned()
            .chain(more)
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!(
        "{name} is not right:\n{}\n\nIts shortest schedule that failed, of {} lines:\n{shrunk}\nIt is played again by\n    \
         HISTORY={place} REPEAT=10 cargo test -p linkspan-proof --test histories kept\n\nWhat was answered:\n{}",
        some(&last.faults, SHOWN_FAULTS),
        shrunk.0.len(),
        some(&last.records, SHOWN_RECORDS)
    )
}

/// Each operation with its times in microseconds, by when it began.
fn text(mut records: Vec<Record>) -> Vec<String> {
    records.sort_by_key(|record| record.begin);
    let line = |record: &Record| {
        let what = match record.line {
            Line::Step(step) => step.to_string(),
            Line::Reboot | Line::Wait => "* reboot".to_owned(),
        };
        let answer = match &record.answer {
            Answer::Done(addresses) => format!("{addresses:?}"),
            Answer::Failed(code, message) => format!("code {code}: {}", message.trim()),
            Answer::Killed => "killed".to_owned(),
            Answer::Skipped => "nothing to do".to_owned(),
        };
        format!("{:>9} {:>9}  {what}: {answer}", record.begin, record.end)
    };
    records.iter().map(line).collect()
}

/// How much was done, in the words of the table of proofs.
fn counts(records: &[Record]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::from([("histories", 1)]);
    let mut count = |what| *counts.entry(what).or_default() += 1;
    for record in records
        .iter()
        .filter(|record| record.answer != Answer::Skipped)
    {
        let Line::Step(step) = record.line else {
            count("reboots");
            continue;
        };
        count(match step.op.verb() {
            "add" => "ADD",
            "check" => "CHECK",
            "del" => "DEL",
            "gc" => "GC",
            "status" => "STATUS",
            "reconcile" => "reconcile",
            "lose" => "namespaces deleted",
            _ => "flushes",
        });
        match step.who {
            Who::Reference => count("operations of the reference's plugins"),
            Who::Old => count("operations of an older build"),
            Who::Ours => {}
        }
        if record.answer == Answer::Killed {
            count("killed");
        }
    }
    let most = records
        .iter()
        .map(|record| at_once(records, record.begin))
        .max();
    counts.insert(MOST, most.unwrap_or_default());
    counts
}

/// Operations that were under way at a time.
fn at_once(records: &[Record], time: u64) -> u64 {
    let is_under_way = |record: &&Record| record.begin <= time && time < record.end;
    u64::try_from(records.iter().filter(is_under_way).count()).unwrap_or_default()
}

const MOST: &str = "operations at once at most";

/// The table's words; those that are counted.
const WORDS: [&str; 13] = [
    "histories",
    "ADD",
    "CHECK",
    "DEL",
    "GC",
    "STATUS",
    "reconcile",
    "namespaces deleted",
    "flushes",
    "reboots",
    "killed",
    "operations of the reference's plugins",
    "operations of an older build",
];

fn tally(told: &[Told]) {
    let mut tally = Tally::of("histories");
    for word in WORDS {
        tally.add(
            word,
            told.iter()
                .filter_map(|told| told.counts.get(word))
                .sum::<u64>(),
        );
    }
    let most = told.iter().filter_map(|told| told.counts.get(MOST)).max();
    tally.add(MOST, most.copied().unwrap_or_default()).write();
}
