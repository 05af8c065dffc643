//! How much memory a call has at most.

use std::fs;
use std::path::Path;
use std::process::Child;
use std::time::Duration;
use std::{process, thread};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::call::{Attachment, bridge};
use crate::contestant::Contestant;

/// How often each is looked at.
const RUNS: usize = 5;

/// How strace is called so that each process stays for a moment when it ends, and can be looked at: what the kernel tells its parent
/// afterwards (`ru_maxrss`) is never less than what the parent had itself.
pub(crate) const LINGERING: [&str; 9] = [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=exit_group",
    "--inject=exit_group:delay_enter=100000",
];

/// An ADD of a bridge, the largest of its processes.
pub(crate) fn of_a_call(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let both = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let [ours, theirs] = both.each_ref().map(|contestant| {
        let one = || {
            let mut attachment = Attachment::new(contestant, &json!([bridge()]), &container);
            let most = attachment.resident();
            attachment.del();
            most as f64
        };
        Spread::of((0..rounds.count(RUNS)).map(|_| one()))
    });
    vec![
        Figure::new("bridge + host-local, ipMasq", Unit::KiB)
            .command("ADD")
            .with(Side::Linkspan, ours)
            .with(Side::Reference, theirs)
            .compared(),
    ]
}

/// Until a program that [`LINGERING`] runs has ended: what the largest of its processes had resident at most, in KiB.
pub(crate) fn largest(strace: &mut Child) -> u64 {
    let mut most = 0;
    while matches!(strace.try_wait(), Ok(None)) {
        for process in descendants(strace.id()) {
            most = most.max(resident(process));
        }
        // Not for something to happen: each that ends lingers for many times as long.
        thread::sleep(Duration::from_millis(2));
    }
    most
}

/// The processes below one, itself not among them.
fn descendants(process: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![process];
    while let Some(parent) = parents.pop() {
        let threads = fs::read_dir(format!("/proc/{parent}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|child| child.parse().ok());
            let children: Vec<u32> = children.filter(|child| *child != process::id()).collect();
            found.extend(&children);
            parents.extend(children);
        }
    }
    found
}

/// The most that a process had, of the program that it runs; 0 where it has ended, or has not begun to be that.
fn resident(process: u32) -> u64 {
    let dir = Path::new("/proc").join(process.to_string());
    let is_strace = fs::read_link(dir.join("exe")).is_ok_and(|exe| exe.ends_with("strace"));
    let status = fs::read_to_string(dir.join("status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    if is_strace {
        0
    } else {
        number.unwrap_or_default()
    }
}
