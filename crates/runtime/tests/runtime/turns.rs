//! Operations that may not run beside each other.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_runtime::{Cancel, Error};
use linkspan_spec::ErrorCode;
use serde_json::json;

use crate::world::{World, endpoint, list, named, network, words};

/// ADD begins, and ends once there is a file `go`; the second one fails without a word. GC keeps what it is told.
pub(crate) const SLOW: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
cat > "$log/$CNI_COMMAND.stdin"
echo "$CNI_COMMAND $CNI_CONTAINERID" >> "$log/calls"
[ "$CNI_COMMAND" = ADD ] || exit 0
mkdir "$log/eth0" || exit 1
until [ -e "$log/go" ]; do sleep 0.02; done
echo "done $CNI_CONTAINERID" >> "$log/calls"
echo '{}'
"#;

fn wait_for(path: &Path) {
    let begin = Instant::now();
    while !path.exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(30),
            "{}",
            path.display()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn gc_waits_for_an_add_of_its_network_and_knows_its_attachment() {
    let world = World::new(&[]);
    world.script("slow", SLOW);
    let network = network("1.1.0", &["slow"]);
    let runtime = world.runtime();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&network, &endpoint("c1")));
        wait_for(&world.path("log/eth0"));
        // A runtime with a list of its own, which was made before.
        let listed = scope.spawn(|| runtime.gc(&network, &[]));
        let begin = Instant::now();
        let hasty = runtime.with_timeout(Duration::from_millis(100));
        let error = hasty.collection(&network).unwrap_err();
        assert_eq!(error.code(), ErrorCode::TRY_AGAIN_LATER, "{error}");
        assert!(begin.elapsed() < Duration::from_secs(20));
        assert!(!listed.is_finished());
        world.write("log/go", "");
        let collection = runtime.collection(&network).unwrap();
        let in_use = runtime.attachments(&network.name).unwrap();
        assert_eq!(in_use.len(), 1);
        let in_use: Vec<_> = in_use.iter().map(|one| one.endpoint.attachment()).collect();
        collection.remove_all_but(&in_use).unwrap();
        drop(collection);
        add.join().unwrap().unwrap();
        listed.join().unwrap().unwrap();
    });
    assert_eq!(world.calls(), ["ADD c1", "done c1", "GC", "GC"]);
    let told = linkspan_spec::decode::value(&fs::read(world.path("log/GC.stdin")).unwrap());
    assert_eq!(
        told.unwrap()["cni.dev/valid-attachments"],
        json!([{"containerID": "c1", "ifname": "eth0"}])
    );
    assert_eq!(world.cached(), ["net-c1-eth0"]);
}

#[test]
fn gc_knows_what_was_attached_again_while_it_waited() {
    let world = World::new(&["one"]);
    world.script("slow", SLOW);
    let (slow, one) = (named("net", "1.1.0", &["slow"]), network("1.1.0", &["one"]));
    let runtime = world.runtime();
    runtime.add(&one, &endpoint("c1")).unwrap();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&slow, &endpoint("c2")));
        world.wait_for("log/eth0");
        let listed = scope.spawn(|| runtime.gc(&one, &[]));
        // Long enough for it to have looked at what there was.
        thread::sleep(Duration::from_millis(300));
        runtime.del(&one, &endpoint("c1")).unwrap();
        runtime.add(&one, &endpoint("c1")).unwrap();
        world.write("log/go", "");
        add.join().unwrap().unwrap();
        listed.join().unwrap().unwrap();
    });
    assert_eq!(world.cached(), ["net-c1-eth0", "net-c2-eth0"]);
}

/// Who restarts detaches what was only begun, and another process may be at it.
#[test]
fn what_is_attached_by_now_is_not_detached_as_what_was_begun() {
    let world = World::new(&[]);
    world.script("slow", SLOW);
    let network = network("1.1.0", &["slow"]);
    let runtime = world.runtime();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&network, &endpoint("c1")));
        world.wait_for("log/eth0");
        let [begun] = runtime
            .attachments(&network.name)
            .unwrap()
            .try_into()
            .unwrap();
        assert!(!begun.is_complete);
        let runtime = &runtime;
        let detach = scope.spawn(move || runtime.detach(&begun));
        // Long enough for it to wait.
        thread::sleep(Duration::from_millis(200));
        world.write("log/go", "");
        add.join().unwrap().unwrap();
        let error = detach.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::AttachedSince { .. }), "{error:?}");
    });
    assert_eq!(world.calls(), ["ADD c1", "done c1"]);
    let [kept] = runtime
        .attachments(&network.name)
        .unwrap()
        .try_into()
        .unwrap();
    runtime.detach(&kept).unwrap();
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn who_cannot_wait_does_not_begin_beside_who_has_the_turn() {
    const NAME: &str = "turns::who_cannot_wait_does_not_begin_beside_who_has_the_turn";
    let one = named("other", "1.1.0", &["one"]);
    if let Some(world) = World::of_parent() {
        let error = world.runtime().del(&one, &endpoint("c1")).unwrap_err();
        assert!(words(&error).starts_with("cannot lock"), "{error}");
        return;
    }
    let world = World::new(&["one"]);
    world.script("slow", SLOW);
    let slow = network("1.1.0", &["slow"]);
    let runtime = world.runtime();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&slow, &endpoint("c1")));
        world.wait_for("log/eth0");
        let again = world.again(NAME);
        let mut without = std::process::Command::new("strace");
        without.args([
            "-f",
            "-o",
            "/dev/null",
            "-e",
            "inject=pipe2:error=EMFILE:when=1",
        ]);
        without.arg(again.get_program()).args(again.get_args());
        without.envs(
            again
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let status = without.stdout(std::process::Stdio::null()).status();
        world.write("log/go", "");
        add.join().unwrap().unwrap();
        assert!(status.unwrap().success());
    });
    assert_eq!(world.calls(), ["ADD c1", "done c1"]);
}

/// There is always an ADD under way, and each would share the network with the next.
#[test]
fn gc_has_its_turn_on_a_busy_node() {
    let world = World::new(&[]);
    let busy = "#!/bin/sh\n[ $CNI_COMMAND = ADD ] && { sleep 0.03; echo '{}'; }\nexit 0\n";
    world.script("busy", busy);
    let network = network("1.1.0", &["busy"]);
    let (runtime, stop) = (world.runtime(), AtomicBool::new(false));
    thread::scope(|scope| {
        for number in 0..6 {
            let (runtime, network, stop) = (&runtime, &network, &stop);
            let end = endpoint(&format!("c{number}"));
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    runtime.add(network, &end).unwrap();
                    runtime.del(network, &end).unwrap();
                }
            });
        }
        thread::sleep(Duration::from_millis(200));
        let patient = runtime.with_timeout(Duration::from_secs(10));
        let collected = (0..3).map(|_| patient.collection(&network).map(drop));
        let collected: Result<Vec<_>, _> = collected.collect();
        stop.store(true, Ordering::Relaxed);
        collected.unwrap();
    });
}

#[test]
fn nothing_of_a_network_begins_beside_its_gc() {
    let world = World::new(&["one"]);
    let (network, cancel) = (network("1.1.0", &["one"]), Cancel::stepwise().unwrap());
    let runtime = world.builder().cancel(cancel.clone()).build();
    let collection = runtime.collection(&network).unwrap();
    let hasty = runtime.with_timeout(Duration::from_millis(50));
    let end = endpoint("c1");
    for error in [
        hasty.add(&network, &end).unwrap_err(),
        hasty.check(&network, &end).unwrap_err(),
        hasty.del(&network, &end).unwrap_err(),
        hasty.gc(&network, &[]).unwrap_err(),
    ] {
        assert!(words(&error).contains("turn did not come"), "{error}");
        assert!(error.advice().unwrap().starts_with("Nothing was begun."));
    }
    cancel.cancel();
    let error = runtime.add(&network, &end).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
    assert_eq!(world.calls(), [""; 0]);
    drop(collection);
    runtime.add(&network, &end).unwrap();
    let other =
        list(&json!({"cniVersion": "1.1.0", "name": "other", "plugins": [{"type": "one"}]}));
    let _collection = runtime.collection(&network).unwrap();
    runtime.add(&other, &end).unwrap();
}

#[test]
fn two_adds_of_one_attachment_do_not_undo_each_other() {
    let world = World::new(&[]);
    world.script("slow", SLOW);
    let network = network("1.0.0", &["slow"]);
    let runtime = world.builder().detach_failed(true).build();
    thread::scope(|scope| {
        let first = scope.spawn(|| runtime.add(&network, &endpoint("c1")));
        wait_for(&world.path("log/eth0"));
        let second = scope.spawn(|| runtime.add(&network, &endpoint("c1")));
        // Long enough for the second to have begun, were it not to wait.
        thread::sleep(Duration::from_millis(300));
        world.write("log/go", "");
        first.join().unwrap().unwrap();
        second.join().unwrap().unwrap_err();
    });
    assert_eq!(world.calls(), ["ADD c1", "done c1", "ADD c1"]);
    assert_eq!(world.cached(), ["net-c1-eth0"]);
    for folder in ["attachments", "containers", "networks"] {
        let folder = format!("cache/locks/{folder}");
        let left = fs::read_dir(world.path(&folder)).unwrap();
        assert_eq!(left.count(), 0, "{folder}");
    }
}

/// Found by `make histories`: a DEL was killed, and its container never came again.
#[test]
fn gc_removes_locks_that_were_left_and_none_that_somebody_has() {
    let world = World::new(&["quick"]);
    world.script("slow", SLOW);
    let runtime = world.runtime();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&network("1.1.0", &["slow"]), &endpoint("c1")));
        wait_for(&world.path("log/eth0"));
        for left in ["containers/c2", "attachments/other-c2-eth0"] {
            world.write(&format!("cache/locks/{left}"), "");
        }
        let mut other = network("1.1.0", &["quick"]);
        other.name = "other".parse().unwrap();
        runtime.gc(&other, &[]).unwrap();
        for (folder, had) in [("containers", "c1"), ("attachments", "net-c1-eth0")] {
            let entries = fs::read_dir(world.path(&format!("cache/locks/{folder}"))).unwrap();
            let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, [had], "{folder}");
        }
        world.write("log/go", "");
        add.join().unwrap().unwrap();
    });
}

#[test]
fn del_looks_at_what_is_kept_once_it_has_its_turn() {
    let world = World::new(&[]);
    world.script("slow", SLOW);
    let (network, endpoint) = (network("1.0.0", &["slow"]), endpoint("c1"));
    let runtime = world.runtime();
    let del = || {
        let mut known = false;
        let done = runtime.del_with(&network.name, &endpoint, |kept| {
            known = kept.unwrap().is_some();
            Ok((network.clone(), endpoint.clone()))
        });
        done.map(|()| known).unwrap()
    };
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&network, &endpoint));
        wait_for(&world.path("log/eth0"));
        let dels = [scope.spawn(del), scope.spawn(del)];
        // Long enough for both to have looked, were they not to wait.
        thread::sleep(Duration::from_millis(300));
        world.write("log/go", "");
        add.join().unwrap().unwrap();
        // One finds what ADD has kept, and the other that it is gone.
        let mut known = dels.map(|del| del.join().unwrap());
        known.sort_unstable();
        assert_eq!(known, [false, true]);
    });
    assert_eq!(world.calls(), ["ADD c1", "done c1", "DEL c1", "DEL c1"]);
}

#[test]
fn without_a_place_for_locks_add_does_not_begin_and_del_does() {
    for file in [
        "cache/locks",
        "cache/locks/containers",
        "cache/locks/networks",
        "cache/locks/attachments",
    ] {
        let world = World::new(&["one"]);
        world.write(file, "a file where the directory should be");
        let network = network("1.0.0", &["one"]);
        let runtime = world.runtime();
        let error = runtime.add(&network, &endpoint("c1")).unwrap_err();
        assert!(words(&error).starts_with("cannot lock"), "{error}");
        runtime.del(&network, &endpoint("c1")).unwrap();
        assert_eq!(world.calls(), ["DEL one c1"], "{file}");
    }
}

/// Fails where another operation is at the container, or GC beside it.
const ALONE: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
cat > /dev/null
[ "$CNI_COMMAND" = GC ] && name=gc || name=$CNI_CONTAINERID
mkdir "$log/$name" || exit 1
if [ "$name" = gc ] && [ -e "$log/c1" ]; then exit 1; fi
sleep 0.01
rmdir "$log/$name"
echo '{}'
"#;

/// Files of locks come and go; whoever counts on one that is gone has none.
#[test]
fn many_at_once_have_their_turns_one_by_one() {
    let world = World::new(&[]);
    world.script("alone", ALONE);
    let network = network("1.1.0", &["alone"]);
    let runtime = world.runtime();
    thread::scope(|scope| {
        for number in 0..8 {
            let (runtime, network) = (&runtime, &network);
            scope.spawn(move || {
                for _ in 0..5 {
                    match number {
                        0 => runtime
                            .gc(network, &[endpoint("c1").attachment()])
                            .map(drop),
                        number if number % 2 == 0 => runtime.del(network, &endpoint("c1")),
                        _ => runtime.add(network, &endpoint("c1")).map(drop),
                    }
                    .unwrap();
                }
            });
        }
    });
}

/// The specification: no two operations of one container at once, on whatever network.
#[test]
fn the_operations_of_a_container_have_their_turns_one_by_one() {
    let world = World::new(&["one"]);
    world.script("slow", SLOW);
    let (slow, other) = (
        network("1.1.0", &["slow"]),
        named("other", "1.1.0", &["one"]),
    );
    let runtime = world.runtime();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&slow, &endpoint("c1")));
        world.wait_for("log/eth0");
        let hasty = runtime.with_timeout(Duration::from_millis(100));
        for error in [
            hasty.add(&other, &endpoint("c1")).unwrap_err(),
            hasty.del(&other, &endpoint("c1")).unwrap_err(),
            hasty.check(&other, &endpoint("c1")).unwrap_err(),
            hasty.detach_all(&"c1".parse().unwrap()).unwrap_err(),
        ] {
            assert_eq!(error.code(), ErrorCode::TRY_AGAIN_LATER, "{error}");
            assert!(words(&error).ends_with("locks/containers/c1"), "{error}");
        }
        runtime.add(&other, &endpoint("c2")).unwrap();
        // GC of another network neither waits for the container nor takes it for gone.
        runtime.gc(&other, &[endpoint("c2").attachment()]).unwrap();
        world.write("log/go", "");
        add.join().unwrap().unwrap();
        runtime.add(&other, &endpoint("c1")).unwrap();
    });
}

#[test]
fn gc_leaves_a_container_alone_that_is_being_worked_on() {
    let world = World::new(&["one"]);
    world.script("slow", SLOW);
    let (slow, other) = (
        network("1.1.0", &["slow"]),
        named("other", "1.1.0", &["one"]),
    );
    let runtime = world.runtime();
    runtime.add(&other, &endpoint("c1")).unwrap();
    runtime.add(&other, &endpoint("c2")).unwrap();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&slow, &endpoint("c1")));
        world.wait_for("log/eth0");
        world.calls();
        runtime.gc(&other, &[]).unwrap();
        assert_eq!(world.calls(), ["DEL one c2", "GC one"]);
        assert_eq!(
            world.stdin("one", "GC")["cni.dev/valid-attachments"],
            json!([{"containerID": "c1", "ifname": "eth0"}])
        );
        world.write("log/go", "");
        add.join().unwrap().unwrap();
    });
    runtime.gc(&other, &[]).unwrap();
    assert_eq!(world.cached(), ["net-c1-eth0"]);
}

#[test]
fn processes_wait_for_each_other_as_threads_do() {
    const NAME: &str = "turns::processes_wait_for_each_other_as_threads_do";
    let slow = network("1.1.0", &["slow"]);
    if let Some(world) = World::of_parent() {
        world.runtime().add(&slow, &endpoint("c1")).unwrap();
        return;
    }
    let world = World::new(&["one"]);
    world.script("slow", SLOW);
    let other = named("other", "1.1.0", &["one"]);
    let runtime = world.runtime();
    let mut adding = world.again(NAME).spawn().unwrap();
    world.wait_for("log/eth0");
    let hasty = runtime.with_timeout(Duration::from_millis(100));
    hasty.add(&other, &endpoint("c1")).unwrap_err();
    hasty.collection(&slow).unwrap_err();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| runtime.add(&other, &endpoint("c1")));
        thread::sleep(Duration::from_millis(100));
        world.write("log/go", "");
        waiting.join().unwrap().unwrap();
    });
    assert!(adding.wait().unwrap().success());
    assert_eq!(world.calls(), ["ADD c1", "done c1", "ADD one c1"]);
    assert_eq!(world.cached(), ["net-c1-eth0", "other-c1-eth0"]);
    // Two that want the same at once.
    let container = "c1".parse().unwrap();
    runtime.detach_all(&container).unwrap();
    world.calls();
    fs::remove_dir(world.path("log/eth0")).unwrap();
    let mut adding = world.again(NAME).spawn().unwrap();
    let added = runtime.add(&slow, &endpoint("c1")).is_ok();
    assert_ne!(added, adding.wait().unwrap().success(), "one was refused");
    assert_eq!(world.cached(), ["net-c1-eth0"]);
}

/// What a process does to two containers in two networks, from several threads.
fn work(world: &World) {
    let networks = ["net", "other"].map(|name| named(name, "1.1.0", &["alone"]));
    let runtime = world.runtime();
    thread::scope(|scope| {
        for number in 0..6 {
            let (runtime, network) = (&runtime, &networks[number % 2]);
            let end = endpoint(["c1", "c2"][number / 2 % 2]);
            scope.spawn(move || {
                for _ in 0..4 {
                    runtime.add(network, &end).unwrap();
                    match number {
                        0 => runtime.gc(network, &[]).map(drop),
                        1 | 2 => runtime.del(network, &end),
                        _ => runtime.detach_all(&end.container_id),
                    }
                    .unwrap();
                }
            });
        }
    });
}

#[test]
fn threads_of_two_processes_share_containers_and_a_cache() {
    const NAME: &str = "turns::threads_of_two_processes_share_containers_and_a_cache";
    if let Some(world) = World::of_parent() {
        return work(&world);
    }
    let world = World::new(&[]);
    // GC of one network may run beside an operation on the other.
    let alone = ALONE.replace("= GC ] && name=gc ||", "= GC ] && exit 0\n");
    world.script("alone", &alone);
    let mut other = world.again(NAME).spawn().unwrap();
    work(&world);
    assert!(other.wait().unwrap().success());
    let runtime = world.runtime();
    for container in ["c1", "c2"] {
        runtime.detach_all(&container.parse().unwrap()).unwrap();
    }
    assert_eq!([world.cached(), world.pending()].concat(), [""; 0]);
}
