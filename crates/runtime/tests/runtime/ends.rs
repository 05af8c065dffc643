//! Who ends when: plugins that do not want to, and what becomes of plugins whose runtime ends.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_runtime::{Cancel, Cause, Error, Runtime};
use rustix::process::{Pid, Signal, kill_process};

use crate::world::{World, endpoint, network};

fn add(runtime: &Runtime) -> Cause {
    let outcome = runtime.add(&network("1.0.0", &["one"]), &endpoint("c1"));
    match outcome.unwrap_err() {
        Error::Plugin(error) => error.cause,
        other => panic!("{other:?}"),
    }
}

/// Whether a process runs; a zombie does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// The processes that a plugin has written down, of which there must be so many.
fn processes(world: &World, count: usize) -> Vec<String> {
    let text = fs::read_to_string(world.path("log/pids")).unwrap();
    let pids: Vec<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(pids.len(), count, "{pids:?}");
    pids
}

fn ended(pid: &str) -> bool {
    // One that was killed takes a moment.
    let end = Instant::now() + Duration::from_secs(5);
    while runs(pid) && Instant::now() < end {
        thread::sleep(Duration::from_millis(10));
    }
    !runs(pid)
}

/// A plugin that writes its process down in `$P`, as those do that it starts.
fn plugin(body: &str) -> String {
    format!("#!/bin/sh\nexport P=${{0%/*}}/../log/pids\necho $$ >> $P\n{body}\n")
}

/// cni#687, cni#567, plugins#561: what is left of a plugin holds locks for ever.
#[test]
fn at_the_deadline_the_whole_group_ends_whatever_it_does() {
    const DEAF: &str = "trap '' TERM";
    for (what, body, count) in [
        ("ignores TERM", format!("{DEAF}\nwhile :; do sleep 1; done"), 1),
        ("has closed its pipes", "exec <&- >&- 2>&-\nsleep 60".to_owned(), 1),
        ("is stopped", "kill -STOP $$\nsleep 60".to_owned(), 1),
        ("logs without end and is deaf", format!("{DEAF}\nyes >&2"), 1),
        (
            "waits for a child that is deaf",
            "sh -c 'trap \"\" TERM; echo $$ >> $P; while :; do sleep 1; done' &\nwait".to_owned(),
            2,
        ),
        (
            "ends at once, its child is deaf and holds the pipes",
            "trap 'exit 0' TERM\nsh -c 'trap \"\" TERM; echo $$ >> $P; while :; do sleep 1; done' &\nwait".to_owned(),
            2,
        ),
        (
            "has children of children",
            "sh -c 'echo $$ >> $P; sh -c \"echo \\$\\$ >> $P; sleep 60\" & wait' &\nwait".to_owned(),
            3,
        ),
    ] {
        let world = World::new(&[]);
        world.script("one", &plugin(&body));
        let runtime = world.builder().timeout(Duration::from_millis(500)).build();
        let began = Instant::now();
        let cause = add(&runtime);
        let took = began.elapsed();
        assert!(matches!(cause, Cause::TimedOut { .. }), "{what}: {cause:?}");
        assert!(took < Duration::from_secs(8), "{what}: {took:?}");
        for pid in processes(&world, count) {
            assert!(ended(&pid), "{what}: {pid} still runs");
        }
    }
}

/// The same for who gives an operation up: no deadline is needed for it.
#[test]
fn what_is_given_up_ends_with_all_that_it_has_started() {
    let world = World::new(&[]);
    let body = "trap '' TERM\nsh -c 'trap \"\" TERM; echo $$ >> $P; while :; do sleep 1; done' &\necho > ${0%/*}/../log/begun\nwait";
    world.script("one", &plugin(body));
    let cancel = Cancel::new().unwrap();
    let runtime = world.runtime().with_cancel(cancel.clone());
    let cause = thread::scope(|scope| {
        let adding = scope.spawn(|| add(&runtime));
        world.wait_for("log/begun");
        cancel.cancel();
        adding.join().unwrap()
    });
    assert!(matches!(cause, Cause::Cancelled), "{cause:?}");
    for pid in processes(&world, 2) {
        assert!(ended(&pid), "{pid} still runs");
    }
}

/// A process that has left the group on purpose is beyond reach, and is not waited for.
#[test]
fn a_daemon_in_a_session_of_its_own_is_not_reached() {
    let world = World::new(&[]);
    let daemon = "setsid sh -c 'echo $$ >> $P; echo > ${0%/*}/begun; exec sleep 60' ${0%/*}/../log/x &\nsleep 60";
    world.script("one", &plugin(daemon));
    let runtime = world.builder().timeout(Duration::from_millis(800)).build();
    let cause = add(&runtime);
    assert!(matches!(cause, Cause::TimedOut { .. }), "{cause:?}");
    let [leader, daemon] = processes(&world, 2).try_into().unwrap();
    assert!(ended(&leader), "the plugin still runs");
    assert!(runs(&daemon), "a daemon was ended");
    let pid = Pid::from_raw(daemon.parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

/// Whoever is killed between ADD and its result finds what it had begun; the plugin may end what it is at.
#[test]
fn a_plugin_whose_runtime_is_killed_comes_to_its_end() {
    const HELD: &str = "trap '' PIPE\nlog=${0%/*}/../log\necho > $log/begun\nwhile [ -e $log/hold ]; do sleep 0.02; done\n\
         echo '{}' || echo refused > $log/refused\necho > $log/ended";
    if let Some(world) = World::of_parent() {
        add(&world.runtime());
        return;
    }
    let world = World::new(&[]);
    world.script("one", &plugin(HELD));
    world.write("log/hold", "");
    let name = "ends::a_plugin_whose_runtime_is_killed_comes_to_its_end";
    let mut embedder = world.again(name).spawn().unwrap();
    world.wait_for("log/begun");
    embedder.kill().unwrap();
    embedder.wait().unwrap();
    let [plugin] = processes(&world, 1).try_into().unwrap();
    assert!(runs(&plugin), "it ended with its runtime");
    fs::remove_file(world.path("log/hold")).unwrap();
    world.wait_for("log/ended");
    // Its answer was refused, by which a plugin knows that it has to undo what it made.
    assert!(world.path("log/refused").exists());
    let kept = world
        .runtime()
        .attachments(&"net".parse().unwrap())
        .unwrap();
    assert!(matches!(&kept[..], [one] if !one.is_complete), "{kept:?}");
}
