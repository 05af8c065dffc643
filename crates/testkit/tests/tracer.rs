//! System calls that fail as a test wants it.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use linkspan_testkit::{Cmd, Fault, Output, Syscall, errno, sandbox, trace};

/// A run whose first call that is like this has a fault.
fn with_fault(program: Cmd, is_it: fn(&Syscall) -> bool, fault: Fault) -> Output {
    let mut hits = 0;
    let output = trace(program, |syscall| {
        let hit = is_it(syscall);
        hits += u32::from(hit);
        hit.then_some(fault)
    });
    assert_eq!(hits, 1, "one fault is all that there is: {output}");
    output
}

#[test]
fn without_a_fault_a_program_does_what_it_does() {
    let mut names = Vec::new();
    let program = Cmd::shell("read line; echo \"$line\"; echo err >&2; exit 7").stdin("text\n");
    let output = trace(program, |syscall| {
        names.push(syscall.name);
        None
    });
    assert_eq!(
        (&*output.stdout, &*output.stderr, output.status.code()),
        ("text\n", "err\n", Some(7))
    );
    assert!(
        names.contains(&"write") && names.ends_with(&["exit_group"]),
        "{names:?}"
    );
    assert!(!names.contains(&"unknown"), "{names:?}");
}

#[test]
fn a_call_fails_without_having_happened() {
    sandbox(|host| {
        let dir = host.dir().join("d");
        let mkdir = Cmd::new("mkdir").arg(&dir);
        let output = with_fault(
            mkdir,
            |call| call.name == "mkdir",
            Fault::Error(errno("ENOSPC")),
        );
        assert!(
            output.stderr.contains("No space left on device"),
            "{output}"
        );
        assert!(!dir.exists(), "{output}");
    });
}

#[test]
fn a_call_happens_and_fails_all_the_same() {
    sandbox(|host| {
        let dir = host.dir().join("d");
        let mkdir = Cmd::new("mkdir").arg(&dir);
        let output = with_fault(
            mkdir,
            |call| call.name == "mkdir",
            Fault::Answer(errno("EIO")),
        );
        assert!(output.stderr.contains("Input/output error"), "{output}");
        assert!(dir.exists(), "{output}");
    });
}

#[test]
fn a_call_is_killed_or_gets_a_signal() {
    let shell = || Cmd::shell("trap 'echo caught; exit 3' TERM; echo begun; echo ended");
    let first_write = |call: &Syscall| call.name == "write";
    let killed = with_fault(shell(), first_write, Fault::Kill);
    assert_eq!(
        (killed.status.signal(), &*killed.stdout),
        (Some(9), ""),
        "{killed}"
    );
    let ended = with_fault(shell(), first_write, Fault::Terminate);
    assert_eq!(
        (ended.status.code(), &*ended.stdout),
        (Some(3), "begun\ncaught\n"),
        "{ended}"
    );
}

#[test]
fn a_write_takes_less_than_it_was_given() {
    let cat = Cmd::new("cat").stdin("abcdef");
    let mut writes = 0;
    let output = trace(cat, |call| {
        writes += u32::from(call.name == "write");
        (call.name == "write").then_some(Fault::Shorten(2, 1))
    });
    assert_eq!((&*output.stdout, writes), ("abcdef", 1), "{output}");
}

#[test]
fn a_fault_that_stays_meets_whoever_makes_the_call_later() {
    sandbox(|host| {
        let made = |name: &str| host.dir().join(name).display().to_string();
        let names = ["a", "b", "c"].map(made);
        let line = names.each_ref().map(|name| format!("mkdir {name}"));
        let second = |call: &Syscall| call.name == "mkdir" && call.occurrence == 2;
        let output = trace(Cmd::shell(&line.join("; ")), |call| {
            second(call).then(|| Fault::ErrorsFromNowOn(errno("EROFS")))
        });
        let are_there = names.map(|name| fs::metadata(name).is_ok());
        assert_eq!(are_there, [true, false, false], "{output}");
    });
}

#[test]
fn children_and_threads_are_followed() {
    sandbox(|host| {
        let file = host.dir().join("file");
        let line = format!(
            "(mkdir {} || echo status $?) & wait; echo after",
            file.display()
        );
        let mut by = Vec::new();
        let output = trace(Cmd::shell(&line), |call| {
            by.push(call.thread);
            (call.name == "mkdir").then(|| Fault::Error(errno("EROFS")))
        });
        assert_eq!(output.stdout, "status 1\nafter\n", "{output}");
        by.sort_unstable();
        by.dedup();
        assert!(by.len() > 2, "{by:?}");
        assert!(fs::metadata(&file).is_err());
    });
}

#[test]
fn who_does_not_end_is_killed_at_the_deadline() {
    let sleep = Cmd::new("sleep")
        .arg("1000")
        .deadline(std::time::Duration::from_millis(200));
    let output = trace(sleep, |_| None);
    assert!(
        output.timed_out && output.status.signal() == Some(9),
        "{output}"
    );
}
