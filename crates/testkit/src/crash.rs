//! A program killed at each of its system calls in turn.

use std::collections::BTreeSet;

use crate::command::{Cmd, Output};
use crate::tally::Tally;
use crate::tracer::{Fault, Syscall, errno, trace};

/// Where a program was killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kill {
    /// The system call that it was about to make, with its arguments as they are in the registers.
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
/// The call at which it dies is not made. Calls of threads and children count with its own; who makes the one dies.
///
/// # Panics
/// When a run exceeds the program's deadline.
#[track_caller]
pub fn kill_at_every_syscall(
    mut program: impl FnMut() -> Cmd,
    mut after: impl FnMut(Option<&Kill>),
) -> u32 {
    let names = names(program());
    after(None);
    let mut kills = 0;
    for name in names {
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
/// When the program exceeds its deadline.
#[track_caller]
pub fn kill_at_syscall(program: Cmd, name: &str, occurrence: u32) -> Option<Kill> {
    let (_, syscall) = inject(program, name, occurrence, Fault::Kill);
    syscall.map(|syscall| Kill {
        syscall: name.to_owned() + &arguments(&syscall),
        occurrence,
    })
}

/// Runs a program whose system call `name` fails with an error (`ENOBUFS`) the given time that it is made, without having
/// happened; `None` when the program makes it less often.
///
/// # Panics
/// When the program exceeds its deadline, or no error has that name.
#[track_caller]
pub fn fail_at_syscall(program: Cmd, name: &str, error: &str, occurrence: u32) -> Option<Output> {
    let (output, syscall) = inject(program, name, occurrence, Fault::Error(errno(error)));
    syscall.map(|_| output)
}

/// Runs a program again and again, each time without another of the kernel's answers (`recvfrom`), and calls `after` after
/// each of them. Returns how often it failed: as if the kernel had dropped the answer, and as if it had been short of memory.
///
/// # Panics
/// When the program exceeds its deadline.
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

/// A run with a fault, and the call that it was of; `None` when there was no such call.
#[track_caller]
fn inject(program: Cmd, name: &str, occurrence: u32, fault: Fault) -> (Output, Option<Syscall>) {
    let mut hit = None;
    let output = trace(program, |syscall| {
        let is_it = syscall.name == name && syscall.occurrence == occurrence;
        is_it.then(|| {
            hit = Some(syscall.clone());
            fault
        })
    });
    assert!(!output.timed_out, "{output}");
    (output, hit)
}

/// The names of the calls that a program makes.
#[track_caller]
fn names(program: Cmd) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    let output = trace(program, |syscall| {
        names.insert(syscall.name);
        None
    });
    assert!(!output.timed_out, "{output}");
    names
}

fn arguments(syscall: &Syscall) -> String {
    let shown: Vec<String> = syscall.args.iter().map(|arg| format!("{arg:#x}")).collect();
    format!("({})", shown.join(", "))
}
