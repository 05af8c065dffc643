//! Plugins that outlive the runtime which ran them.
//!
//! A runtime that is killed leaves its plugin at work, and the lock is free: a DEL would find nothing yet, and what the plugin makes
//! afterwards nobody would know of. So whoever has the turn next gives such a plugin up first. Nobody is there to read its answer.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, kill_process_group, pidfd_open};

use crate::Deadline;
use crate::lock::TURN;
use crate::process::GRACE;

/// A process that leads its group, but no session: as plugins are run, and as daemons that one left behind on purpose are not.
struct Leader {
    pid: Pid,
    /// Readable once it has ended; by this it is told from a later one of the same number.
    process: OwnedFd,
}

/// Ends the plugins that were run in a turn, with all that they have started: by SIGTERM, and two seconds later by SIGKILL. Best
/// effort: where nothing can be seen in `/proc`, or a kernel before 5.3 knows no descriptor of a process, nothing is ended.
pub(crate) fn end(turn: &str) {
    // Of a leader outside of this PID namespace there is no number, which `getpgrp` does not bear.
    let own = place("self").map(|place| place.group);
    let leads = |pid: &Pid| {
        let place = place(&pid.to_string());
        place.is_some_and(|place| place.leads(*pid) && Some(place.group) != own)
    };
    let is_left = |pid: &Pid| leads(pid) && is_ours(*pid) && was_told(*pid, turn);
    // Looked at once more when it is held: the number could have become another's.
    let mut left: Vec<_> = pids()
        .filter(is_left)
        .filter_map(held)
        .filter(|leader| is_left(&leader.pid))
        .collect();
    for signal in [Signal::TERM, Signal::KILL] {
        for leader in &left {
            // That it has ended in the meantime is as good.
            let _ = kill_process_group(leader.pid, signal);
        }
        let deadline = Deadline::after(GRACE);
        while !left.is_empty() && wait(&mut left, &deadline) {}
    }
}

fn held(pid: Pid) -> Option<Leader> {
    let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    Some(Leader { pid, process })
}

/// Waits until one of them has ended, and leaves those that have out; false when the deadline is first.
fn wait(left: &mut Vec<Leader>, deadline: &Deadline) -> bool {
    let events = left
        .iter()
        .map(|leader| PollFd::new(&leader.process, PollFlags::IN));
    let mut events: Vec<_> = events.collect();
    let time = deadline.left();
    let time = time.and_then(|time| Timespec::try_from(time).ok());
    match poll(&mut events, time.as_ref()) {
        Err(Errno::INTR) => return true,
        Ok(ended) if ended > 0 => {}
        _ => return false,
    }
    let ended: Vec<_> = events
        .iter()
        .map(|event| !event.revents().is_empty())
        .collect();
    let mut ended = ended.into_iter();
    left.retain(|_| !ended.next().unwrap_or_default());
    true
}

fn pids() -> impl Iterator<Item = Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |name: &str| name.parse().ok().filter(|number| *number > 0);
    entries.filter_map(move |entry| Pid::from_raw(number(entry.file_name().to_str()?)?))
}

/// Where a process that runs stands among others.
struct Place {
    /// The number of its process group; -1 of one that is just being reaped, 0 of a leader outside of this PID namespace.
    group: i32,
    /// That of its session.
    session: i32,
}

impl Place {
    /// Whether it leads its group but no session.
    fn leads(&self, pid: Pid) -> bool {
        self.group == pid.as_raw_pid() && self.session != self.group
    }
}

/// The place of a process, by its number or as `self`; none when it has ended.
fn place(pid: &str) -> Option<Place> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Its name, which is in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let runs = !matches!(fields.next()?, "Z" | "X");
    let mut number = |skipped| fields.nth(skipped)?.parse().ok();
    let (group, session) = (number(1)?, number(0)?);
    runs.then_some(Place { group, session })
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
