//! Plugins that outlive the runtime which ran them.
//!
//! A runtime that is killed leaves its plugin at work, and the lock is free: a DEL would find nothing yet, and what the plugin makes
//! afterwards nobody would know of. So whoever has the turn next gives such a plugin up first. Nobody is there to read its answer.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, getpgrp, kill_process_group};

use crate::lock::TURN;
use crate::process::GRACE;

/// Between two looks at a process that was told to end.
const PAUSE: Duration = Duration::from_millis(5);

/// A process that leads its group, but no session: as plugins are run, and as daemons that one left behind on purpose are not.
#[derive(Clone, Copy, PartialEq)]
struct Leader {
    pid: Pid,
    /// When it began, in ticks since the boot: by this it is told from a later one of the same number.
    begin: u64,
}

/// Ends the plugins that were run in a turn, with all that they have started: by SIGTERM, and two seconds later by SIGKILL. Best
/// effort: where nothing can be seen in `/proc` nothing is ended.
pub(crate) fn end(turn: &str) {
    let own = getpgrp();
    let there = pids().filter_map(leader);
    let mut left: Vec<_> = there
        .filter(|leader| leader.pid != own && is_ours(leader.pid) && was_told(leader.pid, turn))
        .collect();
    for signal in [Signal::TERM, Signal::KILL] {
        for leader in &left {
            // That it has ended in the meantime is as good.
            let _ = kill_process_group(leader.pid, signal);
        }
        let begin = Instant::now();
        loop {
            left.retain(|one| leader(one.pid) == Some(*one));
            if left.is_empty() || begin.elapsed() > GRACE {
                break;
            }
            thread::sleep(PAUSE);
        }
    }
}

fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |name: &str| name.parse().ok().filter(|number| *number > 0);
    entries.filter_map(move |entry| Pid::from_raw(number(entry.file_name().to_str()?)?))
}

/// A process, if it leads its group but no session, and runs.
fn leader(pid: Pid) -> Option<Leader> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).ok()?;
    // Its name, which is in parentheses, may hold anything.
    let fields: Vec<_> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let [state, _, group, session] = *fields.first_chunk()?;
    // Of one that is just being reaped they are -1.
    let own = pid.as_raw_pid().to_string();
    let leads = group == own && session != own;
    let runs = !matches!(state, "Z" | "X");
    let begin = fields.get(19)?.parse().ok()?;
    (leads && runs).then_some(Leader { pid, begin })
}

/// Whether a process is of this program's user and in its PID namespace, as plugins are. No other is looked at closely: who reads
/// the variables of a process waits for its memory, which somebody else's may have from where it never comes.
fn is_ours(pid: Pid) -> bool {
    let pid = pid.as_raw_pid();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let effective = users.and_then(|users| users.split_whitespace().nth(1)?.parse().ok());
    let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
    effective == Some(geteuid().as_raw()) && namespace("self") == namespace(&pid.to_string())
}

/// Whether a process was told that it is run in a turn.
fn was_told(pid: Pid, turn: &str) -> bool {
    let variables = fs::read(format!("/proc/{}/environ", pid.as_raw_pid())).unwrap_or_default();
    let told = variables.split(|byte| *byte == 0).find_map(|variable| {
        let text = str::from_utf8(variable).ok()?;
        text.strip_prefix(TURN)?.strip_prefix('=')
    });
    told.is_some_and(|turns| turns.split(' ').any(|one| one == turn))
}
