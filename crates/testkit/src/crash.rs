//! A program killed at each of its system calls in turn.

use std::collections::BTreeSet;
use std::fs;

use crate::command::{Cmd, Output};
use crate::tally::Tally;

/// Where a program was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// The system call that it was about to make, with its arguments, as strace shows it.
    pub syscall: String,
    /// Which call of that name it was, counted from 1.
    pub occurrence: u32,
}

/// The system calls by which a plugin changes anything that outlives it.
const CHANGES: [&str; 20] = [
    "sendto",
    "sendmsg",
    "write",
    "pwrite64",
    "ftruncate",
    "fallocate",
    "fsetxattr",
    "flock",
    "linkat",
    "link",
    "rename",
    "renameat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "symlink",
    "symlinkat",
    "exit_group",
];

/// Runs a program once to its end, and then again and again, killed by SIGKILL at each of its system calls in turn. Calls
/// `after` after every run, with `None` when it ended by itself. Returns how many times it was killed.
///
/// The call at which it dies is not made. Threads and children count their calls each for itself, and whoever is first to
/// make one for the given time dies.
///
/// # Panics
/// When strace is missing, or a run exceeds the program's deadline.
#[track_caller]
pub fn kill_at_every_syscall(
    mut program: impl FnMut() -> Cmd,
    mut after: impl FnMut(Option<&Kill>),
) -> u32 {
    let names = syscalls(&trace(program(), None).0);
    assert!(
        !names.is_empty(),
        "strace traced nothing of {:?}",
        program()
    );
    after(None);
    let mut kills = 0;
    for name in &names {
        // strace counts the calls of each name by themselves.
        for occurrence in 1.. {
            match kill_at_syscall(program(), name, occurrence) {
                Some(kill) => after(Some(&kill)),
                None => break,
            }
            kills += 1;
        }
        after(None);
    }
    Tally::of("sigkill").add("kills", kills).write();
    kills
}

/// As [`kill_at_every_syscall`], at those by which a plugin changes anything that outlives it. State is the same whichever
/// call between two of these it dies at, so this sees every state that there can be, in less time.
///
/// # Panics
/// As [`kill_at_every_syscall`].
#[track_caller]
pub fn kill_at_every_change(
    mut program: impl FnMut() -> Cmd,
    mut after: impl FnMut(Option<&Kill>),
) -> u32 {
    let mut kills = 0;
    for name in CHANGES {
        for occurrence in 1.. {
            let kill = kill_at_syscall(program(), name, occurrence);
            after(kill.as_ref());
            if kill.is_none() {
                break;
            }
            kills += 1;
        }
    }
    Tally::of("sigkill").add("kills", kills).write();
    kills
}

/// Runs a program that is killed when it is about to make the system call `name` for the given time; `None` when it
/// ends before.
///
/// # Panics
/// When strace is missing, or the program exceeds its deadline.
#[track_caller]
pub fn kill_at_syscall(program: Cmd, name: &str, occurrence: u32) -> Option<Kill> {
    let inject = format!("{name}:signal=SIGKILL:when={occurrence}");
    let (log, _) = trace(program, Some(&inject));
    let lines: Vec<&str> = log.lines().collect();
    let death = lines
        .iter()
        .position(|line| line.contains("+++ killed by SIGKILL"))?;
    // Each line begins with the process that it is about; the call before its death is the one it never made.
    let process = lines[death].split_whitespace().next();
    let last = lines[..death]
        .iter()
        .rev()
        .find(|line| line.split_whitespace().next() == process);
    let syscall = last
        .and_then(|line| line.split_once(' '))
        .map_or(name, |(_, call)| call.trim());
    Some(Kill {
        syscall: syscall.to_owned(),
        occurrence,
    })
}

/// Runs a program whose system call `name` fails with an error (`ENOBUFS`) the given time that it is made, without having
/// happened; `None` when the program makes it less often.
///
/// # Panics
/// When strace is missing, or the program exceeds its deadline.
#[track_caller]
pub fn fail_at_syscall(program: Cmd, name: &str, error: &str, occurrence: u32) -> Option<Output> {
    let inject = format!("{name}:error={error}:when={occurrence}");
    let (log, output) = trace(program, Some(&inject));
    log.contains("(INJECTED)").then_some(output)
}

/// Runs a program again and again, each time without another of the kernel's answers (`recvfrom`), and calls `after` after
/// each of them. Returns how often it failed: as if the kernel had dropped the answer, and as if it had been short of memory.
///
/// # Panics
/// When strace is missing, or the program exceeds its deadline.
#[track_caller]
pub fn lose_every_answer(
    mut program: impl FnMut() -> Cmd,
    mut after: impl FnMut(&Output, &str),
) -> u32 {
    let mut failures = 0;
    for error in ["ENOBUFS", "ENOMEM"] {
        for occurrence in 1.. {
            let Some(output) = fail_at_syscall(program(), "recvfrom", error, occurrence) else {
                break;
            };
            failures += u32::from(!output.ok());
            after(
                &output,
                &format!("{error} for answer {occurrence}: {output}"),
            );
        }
    }
    failures
}

/// What strace writes about a run, and the run itself.
#[track_caller]
fn trace(program: Cmd, inject: Option<&str>) -> (String, Output) {
    let log = match tempfile::NamedTempFile::new() {
        Ok(log) => log,
        Err(error) => panic!("cannot keep strace's log: {error}"),
    };
    let path = log.path().to_string_lossy();
    let inject = inject.map(|what| format!("--inject={what}"));
    let mut strace = vec!["strace", "-f", "-qq", "-o", &path, "--trace=all"];
    strace.extend(inject.as_deref());
    strace.push("--");
    let output = program.under(&strace).output();
    assert!(!output.timed_out, "{output}");
    match fs::read(log.path()) {
        Ok(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), output),
        Err(error) => panic!("cannot read strace's log: {error}"),
    }
}

/// The names of the calls in a log, whose lines read `1234  openat(AT_FDCWD, …) = 3`, or `1234  <... read resumed> …`.
fn syscalls(log: &str) -> BTreeSet<String> {
    log.lines()
        .filter_map(|line| line.split_once(' ')?.1.trim_start().split_once('('))
        .map(|(name, _)| name.to_owned())
        .filter(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
        .collect()
}
