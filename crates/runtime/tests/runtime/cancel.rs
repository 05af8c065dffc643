//! Operations that are given up, and what they leave.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_runtime::{Cancel, Error};

use crate::world::{World, endpoint, network, words};

/// ADD forks a child, and neither listens to TERM; DEL does nothing.
const DEAF: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
echo $CNI_COMMAND >> "$log/calls"
[ $CNI_COMMAND = ADD ] || exit 0
trap '' TERM
sh -c 'trap "" TERM; echo $$ > '"$log"'/child; sleep 60' &
sleep 60
wait
"#;

/// ADD ends when it is told to.
const PATIENT: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
echo $CNI_COMMAND >> "$log/calls"
[ $CNI_COMMAND = ADD ] || exit 0
trap 'exit 0' TERM
echo > "$log/child"
sleep 60 & wait
"#;

fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    let state = stat.rsplit_once(") ").map(|(_, rest)| &rest[..1]);
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// cni#687: killing the plugin leaves what it has started, with its lock.
#[test]
fn one_operation_is_given_up_from_another_thread_with_all_that_it_started() {
    let world = World::new(&["two"]);
    world.script("one", DEAF);
    let (runtime, cancel) = (world.runtime(), Cancel::new().unwrap());
    let chain = network("1.1.0", &["one", "two"]);
    let begin = Instant::now();
    let error = thread::scope(|scope| {
        let add = scope.spawn(|| {
            let runtime = runtime.with_cancel(cancel.clone());
            runtime.add(&chain, &endpoint("c1")).unwrap_err()
        });
        world.wait_for("log/child");
        cancel.cancel();
        add.join().unwrap()
    });
    assert!(error.is_cancelled(), "{error:?}");
    let elapsed = begin.elapsed();
    assert!(
        elapsed >= Duration::from_secs(2),
        "time to end by itself: {elapsed:?}"
    );
    assert!(elapsed < Duration::from_secs(20), "{elapsed:?}");
    let child = fs::read_to_string(world.path("log/child")).unwrap();
    let begin = Instant::now();
    while runs(&child) {
        assert!(begin.elapsed() < Duration::from_secs(5), "the child runs");
        thread::sleep(Duration::from_millis(10));
    }
    // What was begun is the caller's to detach, and known.
    assert_eq!(world.calls(), ["ADD"]);
    assert!(!runtime.attachments(&chain.name).unwrap()[0].is_complete);
    // The token gives up everything that has it, and nothing else.
    let given_up = runtime.with_cancel(cancel);
    for _ in 0..2 {
        let error = given_up.del(&chain, &endpoint("c1")).unwrap_err();
        assert!(error.is_cancelled(), "{error:?}");
    }
    assert_eq!(world.calls(), [""; 0]);
    runtime.del(&chain, &endpoint("c1")).unwrap();
    assert_eq!(world.calls(), ["DEL two c1", "DEL"]);
    assert_eq!(world.pending(), [""; 0]);
}

#[test]
fn what_is_given_up_is_detached_when_asked_for_and_that_is_not_given_up() {
    let world = World::new(&["two"]);
    world.script("one", PATIENT);
    let cancel = Cancel::new().unwrap();
    let builder = world.builder().cancel(cancel.clone());
    let runtime = builder.detach_cancelled(true).build();
    let chain = network("1.1.0", &["one", "two"]);
    let error = thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&chain, &endpoint("c1")).unwrap_err());
        world.wait_for("log/child");
        cancel.cancel();
        add.join().unwrap()
    });
    assert!(error.is_cancelled(), "{error:?}");
    assert!(
        matches!(&error, Error::Undone(undone) if undone.del.is_ok()),
        "{error:?}"
    );
    assert_eq!(world.calls(), ["ADD", "DEL two c1", "DEL"]);
    // One that fails by itself is not.
    world.fail("two", "ADD", "no room");
    let patient = PATIENT.replace("sleep 60 & wait", "echo '{}'");
    world.script("one", &patient);
    let runtime = runtime.with_cancel(Cancel::new().unwrap());
    runtime.add(&chain, &endpoint("c1")).unwrap_err();
    assert_eq!(world.calls(), ["ADD", "ADD two c1"]);
}

/// Another runtime may have made it, with a cache of its own.
#[test]
fn what_was_given_up_before_a_plugin_ran_is_not_detached() {
    let world = World::new(&["one"]);
    let chain = network("1.1.0", &["one"]);
    let runtime = world
        .builder()
        .detach_failed(true)
        .detach_cancelled(true)
        .build();
    let cancel = Cancel::new().unwrap();
    cancel.cancel();
    for runtime in [
        runtime.with_cancel(cancel),
        runtime.with_timeout(Duration::ZERO),
    ] {
        let error = runtime.add(&chain, &endpoint("c1")).unwrap_err();
        assert!(matches!(error, Error::Plugin(_)), "{error:?}");
        assert_eq!(world.calls(), [""; 0], "{error}");
        assert_eq!(world.pending(), [""; 0], "{error}");
    }
}

#[test]
fn the_del_of_what_failed_has_a_deadline_of_its_own() {
    // containerd#5438: it was called with the time of the ADD, of which nothing was left.
    let world = World::new(&[]);
    world.script(
        "one",
        "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && sleep 0.2 && exit 1\nexec sleep 30\n",
    );
    let builder = world.builder().detach_failed(true);
    let runtime = builder.detach_timeout(Duration::from_millis(300)).build();
    let begin = Instant::now();
    let error = runtime.add(&network("1.1.0", &["one"]), &endpoint("c1"));
    let error = error.unwrap_err();
    assert!(begin.elapsed() < Duration::from_secs(10));
    let told = error.to_string();
    assert!(
        told.contains("; it could not be detached again: plugin"),
        "{told}"
    );
    assert!(
        error.report().contains("0.3 s were allowed"),
        "{}",
        error.report()
    );
}

#[test]
fn who_waits_for_a_turn_is_given_up_too() {
    let world = World::new(&["one"]);
    let chain = network("1.1.0", &["one"]);
    let runtime = world.runtime();
    let _collection = runtime.collection(&chain).unwrap();
    let cancel = Cancel::new().unwrap();
    let error = thread::scope(|scope| {
        let waiting = runtime.with_cancel(cancel.clone());
        let chain = &chain;
        let add = scope.spawn(move || waiting.add(chain, &endpoint("c1")).unwrap_err());
        thread::sleep(Duration::from_millis(100));
        cancel.cancel();
        add.join().unwrap()
    });
    assert!(error.is_cancelled(), "{error:?}");
    assert!(words(&error).contains("given up while waiting"), "{error}");
    assert_eq!(world.calls(), [""; 0]);
}
