//! Runtimes within plugins.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use linkspan_runtime::{Command, Fake, Output, Request, spec};

use crate::turns::SLOW;
use crate::world::{World, endpoint, named, network, words};

/// As Multus does: a plugin that attaches the same container to other networks, with a runtime and a cache of the same kind.
#[test]
fn a_plugin_takes_part_in_the_turn_that_it_is_run_in() {
    const NAME: &str = "nested::a_plugin_takes_part_in_the_turn_that_it_is_run_in";
    let inner = named("inner", "1.1.0", &["one"]);
    if let Some(world) = World::of_parent() {
        let runtime = world.builder().timeout(Duration::from_secs(5)).build();
        match std::env::var("CNI_COMMAND").as_deref() {
            Ok("ADD") => drop(runtime.add(&inner, &endpoint("c1")).unwrap()),
            _ => runtime.del(&inner, &endpoint("c1")).unwrap(),
        }
        return;
    }
    let world = World::new(&["one"]);
    let again = world.again(NAME);
    let path = again.get_program().to_str().unwrap();
    let root = world.path("");
    let outer = format!(
        "#!/bin/sh\necho \"$LINKSPAN_TURN\" > ${{0%/bin/*}}/log/turn\n\
         LINKSPAN_TEST_WORLD={} {path} --exact {NAME} > /dev/null || exit 1\n\
         [ -e ${{0%/bin/*}}/log/stop ] && sleep 1\necho '{{}}'\n",
        root.display()
    );
    world.script("outer", &outer);
    let runtime = world.runtime();
    let network = network("1.1.0", &["outer"]);
    runtime.add(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), ["inner-c1-eth0", "net-c1-eth0"]);
    runtime.del(&network, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), [""; 0]);
    assert_eq!(world.calls(), ["ADD one c1", "DEL one c1"]);
    // What a process was told of a turn that is over is worth nothing: it waits for the next as everybody does.
    let told = fs::read_to_string(world.path("log/turn")).unwrap();
    world.script("slow", SLOW);
    let slow = self::network("1.1.0", &["slow"]);
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&slow, &endpoint("c1")));
        world.wait_for("log/eth0");
        let mut left = world.again(NAME);
        left.env("LINKSPAN_TURN", told.trim())
            .env("CNI_COMMAND", "ADD");
        left.stderr(std::process::Stdio::null());
        assert!(!left.status().unwrap().success(), "it had its time");
        world.write("log/go", "");
        add.join().unwrap().unwrap();
    });
    assert_eq!(world.cached(), ["net-c1-eth0"]);
}

/// A plugin that runs a test once more, in a process of its own and in this world.
fn running(world: &World, name: &str) -> String {
    let again = world.again(name);
    format!(
        "#!/bin/sh\n[ $CNI_COMMAND != GC ] || exit 0\n\
         LINKSPAN_TEST_WORLD={} {} --exact {name} > /dev/null || exit 1\necho '{{}}'\n",
        world.path("").display(),
        again.get_program().display()
    )
}

#[test]
fn a_plugin_of_another_container_may_come_back_to_the_first() {
    const NAME: &str = "nested::a_plugin_of_another_container_may_come_back_to_the_first";
    if let Some(world) = World::of_parent() {
        let runtime = world.builder().timeout(Duration::from_secs(5)).build();
        let (network, container) = match std::env::var("CNI_CONTAINERID").as_deref() {
            Ok("c1") => (named("outer", "1.1.0", &["outer"]), "c2"),
            _ => (named("inner", "1.1.0", &["one"]), "c1"),
        };
        runtime.add(&network, &endpoint(container)).unwrap();
        return;
    }
    let world = World::new(&["one"]);
    world.script("outer", &running(&world, NAME));
    let network = network("1.1.0", &["outer"]);
    world.runtime().add(&network, &endpoint("c1")).unwrap();
    let cached = ["inner-c1-eth0", "net-c1-eth0", "outer-c2-eth0"];
    assert_eq!(world.cached(), cached);
}

#[test]
fn a_plugin_takes_part_in_the_garbage_collection_that_it_is_run_in() {
    const NAME: &str = "nested::a_plugin_takes_part_in_the_garbage_collection_that_it_is_run_in";
    let network = network("1.1.0", &["one"]);
    if let Some(world) = World::of_parent() {
        let runtime = world.builder().timeout(Duration::from_secs(5)).build();
        let mut end = endpoint("c1");
        end.ifname = "net1".parse().unwrap();
        match std::env::var("CNI_COMMAND").as_deref() {
            Ok("ADD") => drop(runtime.add(&network, &end).unwrap()),
            _ => runtime.del(&network, &end).unwrap(),
        }
        return;
    }
    let world = World::new(&["one"]);
    world.script("outer", &running(&world, NAME));
    let outer = named("net", "1.1.0", &["outer"]);
    let runtime = world.runtime();
    runtime.add(&outer, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), ["net-c1-eth0", "net-c1-net1"]);
    runtime.gc(&outer, &[]).unwrap();
    assert_eq!(world.cached(), [""; 0]);
}

/// GC waits for the ADD, and that for its plugin, which must not wait for GC.
#[test]
fn a_plugin_does_not_wait_for_the_gc_that_waits_for_it() {
    const NAME: &str = "nested::a_plugin_does_not_wait_for_the_gc_that_waits_for_it";
    if let Some(world) = World::of_parent() {
        world.write("log/begun", "");
        world.wait_for("log/go");
        let mut end = endpoint("c1");
        end.ifname = "net1".parse().unwrap();
        let runtime = world.builder().timeout(Duration::from_secs(2)).build();
        runtime.add(&network("1.1.0", &["one"]), &end).unwrap();
        return;
    }
    let world = World::new(&["one"]);
    world.script("outer", &running(&world, NAME));
    let outer = network("1.1.0", &["outer"]);
    let runtime = world.runtime();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&outer, &endpoint("c1")));
        world.wait_for("log/begun");
        let gc = scope.spawn(|| runtime.collection(&outer).map(drop));
        world.wait_for("cache/locks/networks/net.gate");
        world.write("log/go", "");
        add.join().unwrap().unwrap();
        gc.join().unwrap().unwrap();
    });
    assert_eq!(world.cached(), ["net-c1-eth0", "net-c1-net1"]);
}

/// Multus' thick plugin asks a daemon, which is nobody's child and has the same cache.
#[test]
fn a_daemon_takes_part_in_the_turn_that_its_plugin_hands_it() {
    let world = World::new(&[]);
    let (ask, asked) = mpsc::channel::<(Command, Option<OsString>)>();
    let (answer, answered) = mpsc::channel();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&seen);
    let plugins = Fake::new(move |request: &Request<'_>| {
        let turn = request.variable("LINKSPAN_TURN").map(OsStr::to_owned);
        inner.lock().unwrap().push(turn);
        Output::success("{}")
    });
    let daemon = world.builder().timeout(Duration::from_millis(500));
    let daemon = daemon.executor(plugins).build();
    let work = thread::spawn(move || {
        let network = named("inner", "1.1.0", &["one"]);
        for (command, turn) in asked {
            let runtime = turn.map_or_else(|| daemon.clone(), |turn| daemon.with_turn(turn));
            let done = match command {
                Command::Add => runtime.add(&network, &endpoint("c1")).map(drop),
                _ => runtime.del(&network, &endpoint("c1")),
            };
            answer.send(done).unwrap();
        }
    });
    let hands_over = Arc::new(AtomicBool::new(false));
    let does = Arc::clone(&hands_over);
    let shim = Mutex::new((ask, answered));
    let shim = Fake::new(move |request: &Request<'_>| {
        let turn = request.variable("LINKSPAN_TURN").map(OsStr::to_owned);
        let (ask, answered) = &*shim.lock().unwrap();
        let turn = turn.filter(|_| does.load(SeqCst));
        ask.send((request.command, turn)).unwrap();
        match answered.recv().unwrap() {
            Ok(()) => Output::success("{}"),
            Err(error) => {
                let told = spec::Error::new(error.code(), error.to_string());
                Output::failure(&told)
            }
        }
    });
    let runtime = world.builder().executor(shim).build();
    let outer = named("outer", "1.1.0", &["multus"]);
    let error = runtime.add(&outer, &endpoint("c1")).unwrap_err();
    assert!(
        words(&error).contains("its turn did not come in time"),
        "{error}"
    );
    hands_over.store(true, SeqCst);
    runtime.add(&outer, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), ["inner-c1-eth0", "outer-c1-eth0"]);
    runtime.del(&outer, &endpoint("c1")).unwrap();
    assert_eq!(world.cached(), [""; 0]);
    // What the daemon runs may ask again.
    assert!(seen.lock().unwrap().iter().all(Option::is_some));
    drop(runtime);
    work.join().unwrap();
}
