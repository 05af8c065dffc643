//! Plugins as processes: deadlines, groups, limits.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_runtime::{Cancel, Cause, Error, Runtime};
use linkspan_spec::ErrorCode;

use crate::world::{World, endpoint, network, words};

fn add(runtime: &Runtime) -> Result<(), Error> {
    runtime
        .add(&network("1.0.0", &["one"]), &endpoint("c1"))
        .map(drop)
}

fn cause(result: Result<(), Error>) -> (Cause, String) {
    match result.unwrap_err() {
        Error::Plugin(error) => (error.cause, error.stderr),
        other => panic!("{other:?}"),
    }
}

/// Whether a process runs; a zombie does not.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Waits for a file that a plugin writes.
fn written(path: &Path) -> String {
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        match fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => thread::yield_now(),
        }
    }
    panic!("{} was not written", path.display());
}

#[test]
fn at_the_deadline_the_plugin_may_tidy_up() {
    let world = World::new(&[]);
    world.script(
        "one",
        "#!/bin/sh\ntrap 'echo tidied > ${0%/*}/../log/end; exit 0' TERM\necho waiting >&2\nsleep 60 & wait\n",
    );
    let runtime = world.builder().timeout(Duration::from_millis(500)).build();
    let begin = Instant::now();
    let error = add(&runtime);
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(
        error.as_ref().unwrap_err().code(),
        ErrorCode::TRY_AGAIN_LATER
    );
    let told = words(error.as_ref().unwrap_err());
    assert!(
        told.contains("did not end in time: 0.5 s were allowed"),
        "{told}"
    );
    let (cause, stderr) = cause(error);
    assert!(matches!(cause, Cause::TimedOut { .. }), "{cause:?}");
    assert_eq!(stderr, "waiting\n");
    assert_eq!(
        fs::read_to_string(world.path("log/end")).unwrap(),
        "tidied\n"
    );
}

#[test]
fn a_plugin_that_does_not_listen_is_ended_with_all_that_it_started() {
    // cni#687, plugins#561: an IPAM plugin that outlives its parent holds the lock for ever.
    let world = World::new(&[]);
    world.script(
        "one",
        "#!/bin/sh\ntrap '' TERM\nsh -c 'trap \"\" TERM; echo $$ > '${0%/*}'/../log/child; sleep 60' &\nsleep 60\nwait\n",
    );
    let runtime = world.builder().timeout(Duration::from_millis(500)).build();
    let (cause, _) = cause(add(&runtime));
    assert!(matches!(cause, Cause::TimedOut { .. }), "{cause:?}");
    let child = written(&world.path("log/child"));
    // A process that was killed takes a moment to end.
    let begin = Instant::now();
    while runs(&child) {
        assert!(
            begin.elapsed() < Duration::from_secs(5),
            "the process that the plugin had started still runs"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_deadline_is_that_of_the_whole_chain() {
    let world = World::new(&["two"]);
    world.script("one", "#!/bin/sh\nsleep 0.4\necho '{}'\n");
    let runtime = world.builder().timeout(Duration::from_millis(600)).build();
    let chain = network("1.0.0", &["one", "one", "two"]);
    let error = runtime.add(&chain, &endpoint("c1")).unwrap_err();
    assert!(words(&error).contains("2 of 3"), "{error}");
    assert!(words(&error).contains("did not end in time"), "{error}");
    let patient = runtime.with_timeout(Duration::MAX);
    patient.add(&chain, &endpoint("c1")).unwrap();
}

#[test]
fn what_a_plugin_leaves_behind_is_not_waited_for() {
    let world = World::new(&[]);
    // The daemon holds standard output open.
    world.script(
        "one",
        "#!/bin/sh\nsleep 30 &\necho $! > ${0%/*}/../log/daemon\necho '{}'\n",
    );
    let begin = Instant::now();
    add(&world.runtime()).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10));
    let daemon = written(&world.path("log/daemon"));
    assert!(runs(&daemon), "the daemon was ended");
    let pid = rustix::process::Pid::from_raw(daemon.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn a_plugin_that_prints_without_end_is_ended() {
    let world = World::new(&[]);
    world.script("one", "#!/bin/sh\nexec yes\n");
    let (cause, _) = cause(add(&world.runtime()));
    assert!(matches!(cause, Cause::TooMuchOutput), "{cause:?}");
}

#[test]
fn a_plugin_that_logs_without_end_meets_its_deadline() {
    let world = World::new(&[]);
    world.script("one", "#!/bin/sh\nexec yes >&2\n");
    let runtime = world.builder().timeout(Duration::from_millis(500)).build();
    let (cause, stderr) = cause(add(&runtime));
    assert!(matches!(cause, Cause::TimedOut { .. }), "{cause:?}");
    assert_eq!(stderr.len(), 64 << 10);
}

#[test]
fn much_input_and_output_at_once_do_not_block() {
    let world = World::new(&[]);
    // Prints more than a pipe holds before it reads, and the input is more than a pipe holds.
    world.script(
        "one",
        "#!/bin/sh\nprintf '{\"x\":\"'\nhead -c 1000000 /dev/zero | tr '\\0' x\nprintf '\"}'\ncat > ${0%/*}/../log/stdin\n",
    );
    let mut list = network("1.0.0", &["one"]);
    list.plugins[0].insert("big", "y".repeat(1_000_000).into());
    world.runtime().add(&list, &endpoint("c1")).unwrap();
    assert!(fs::metadata(world.path("log/stdin")).unwrap().len() > 1_000_000);
}

#[test]
fn a_plugin_need_not_read_its_input() {
    let world = World::new(&[]);
    world.script("one", "#!/bin/sh\nexec <&-\nsleep 0.1\necho '{}'\n");
    let mut list = network("1.0.0", &["one"]);
    list.plugins[0].insert("big", "y".repeat(1_000_000).into());
    world.runtime().add(&list, &endpoint("c1")).unwrap();
}

#[test]
fn a_file_that_is_being_written_is_tried_again() {
    // multus#1221: "text file busy" while plugins are being installed.
    let world = World::new(&[]);
    let path = world.path("bin/one");
    fs::copy("/bin/true", &path).unwrap();
    let writer = fs::File::options()
        .append(true)
        .mode(0o755)
        .open(&path)
        .unwrap();
    let (begun, begin) = mpsc::channel();
    let closer = thread::spawn(move || {
        begin.recv().unwrap();
        thread::sleep(Duration::from_millis(100));
        drop(writer);
    });
    begun.send(()).unwrap();
    let (cause, _) = cause(add(&world.runtime()));
    closer.join().unwrap();
    // It ran in the end: `true` prints no result.
    assert!(matches!(cause, Cause::NotAnAnswer { .. }), "{cause:?}");
}

#[test]
fn a_runtime_serves_many_threads() {
    let world = World::new(&["one"]);
    let runtime = world.runtime();
    let chain = network("1.0.0", &["one"]);
    thread::scope(|scope| {
        for number in 0..16 {
            let (runtime, chain) = (&runtime, &chain);
            scope.spawn(move || {
                let endpoint = endpoint(&format!("c{number}"));
                runtime.add(chain, &endpoint).unwrap();
            });
        }
    });
    assert_eq!(world.cached().len(), 16);
}

#[test]
fn an_operation_that_is_given_up_is_undone() {
    let world = World::new(&["two"]);
    world.script(
        "one",
        "#!/bin/sh\necho $CNI_COMMAND >> ${0%/*}/../log/calls\n[ $CNI_COMMAND = ADD ] || exit 0\ntrap 'exit 0' TERM\nsleep 60 & wait\n",
    );
    let cancel = Cancel::stepwise().unwrap();
    let builder = world.builder().cancel(cancel.clone());
    let runtime = builder.detach_cancelled(true).build();
    let chain = network("1.0.0", &["one", "two"]);
    let error = thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&chain, &endpoint("c1")).unwrap_err());
        written(&world.path("log/calls"));
        cancel.cancel();
        add.join().unwrap()
    });
    assert!(error.is_cancelled(), "{error:?}");
    assert_eq!(world.calls(), ["ADD", "DEL two c1", "DEL"]);
    assert_eq!(world.cached(), [""; 0]);
    // Before it has begun; and each call gives up one operation.
    cancel.cancel();
    let error = runtime.del(&chain, &endpoint("c1")).unwrap_err();
    assert!(
        error.is_cancelled() && world.calls().is_empty(),
        "{error:?}"
    );
    runtime.del(&chain, &endpoint("c1")).unwrap();
    cancel.cancel();
    let error = runtime.gc(&network("1.1.0", &["two"]), &[]).unwrap_err();
    assert!(error.is_cancelled(), "{error:?}");
}

/// How a child ended is then kept for nobody.
#[test]
fn a_program_that_ignores_its_children_believes_what_they_print() {
    const INSIDE: &str = "LINKSPAN_TEST_IGNORES_CHILDREN";
    if std::env::var_os(INSIDE).is_none() {
        let name = "process::a_program_that_ignores_its_children_believes_what_they_print";
        let output = std::process::Command::new("env")
            .arg("--ignore-signal=CHLD")
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(INSIDE, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && told.contains("1 passed"),
            "{told}"
        );
        return;
    }
    let world = World::new(&["one"]);
    add(&world.runtime()).unwrap();
    world.fail("one", "ADD", "no room");
    assert!(words(&add(&world.runtime()).unwrap_err()).ends_with("no room"));
    world.answer("one", "ADD", "");
    let error = add(&world.runtime()).unwrap_err();
    assert!(error.advice().unwrap().contains("SIGCHLD"), "{error}");
}
