//! What whoever watches a runtime is told: cni#817, cri-o#4734, spiderpool#797.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use linkspan_runtime::{Event, Operation, Runtime};

use crate::world::{World, endpoint, network};

/// A runtime, and what it tells, an event a line.
fn watched(world: &World) -> (Runtime, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let runtime = world
        .builder()
        .observer(move |event| log.lock().unwrap().push(words(&event)));
    (runtime.build(), told)
}

fn words(event: &Event<'_>) -> String {
    let of = |operation: &Operation<'_>| {
        let attachment = operation.attachment.as_ref();
        let container = attachment.map_or("all", |one| one.container_id.as_str());
        format!("{} {} {container}", operation.command, operation.network)
    };
    match event {
        Event::Step(done) => {
            let step = done.step;
            format!(
                "step {} {} {}",
                step.command,
                step.plugin,
                done.result.is_ok()
            )
        }
        Event::Missing { step, error } => {
            assert!(step.path.as_os_str().is_empty());
            assert!(
                error.to_string().contains("failed to find plugin"),
                "{error}"
            );
            format!("missing {} {}", step.command, step.plugin)
        }
        Event::Turn { operation, waited } => {
            format!(
                "turn {} {}",
                of(operation),
                *waited > Duration::from_millis(50)
            )
        }
        Event::Unused {
            operation,
            capabilities,
        } => {
            format!("unused {} {}", of(operation), capabilities.join(" "))
        }
        Event::Ended {
            operation,
            elapsed,
            result,
        } => {
            assert!(*elapsed > Duration::ZERO);
            format!("ended {} {}", of(operation), result.is_ok())
        }
        other => format!("{other:?}"),
    }
}

fn taken(told: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut told.lock().unwrap())
}

#[test]
fn each_step_the_turn_the_whole_and_what_is_missing_are_told() {
    let world = World::new(&["one", "two"]);
    let (runtime, told) = watched(&world);
    let net = network("1.1.0", &["one", "two"]);
    let endpoint = endpoint("c1").with_mac("02:00:00:00:00:01".parse().unwrap());
    runtime.add(&net, &endpoint).unwrap();
    let all = [
        "unused ADD net c1 mac",
        "turn ADD net c1 false",
        "step ADD one true",
        "step ADD two true",
        "ended ADD net c1 true",
    ];
    assert_eq!(taken(&told), all);
    std::fs::remove_file(world.path("bin/one")).unwrap();
    runtime.del(&net, &endpoint).unwrap_err();
    let all = [
        "turn DEL net c1 false",
        "step DEL two true",
        "missing DEL one",
        "ended DEL net c1 false",
    ];
    assert_eq!(taken(&told), all);
    runtime.status(&net).unwrap_err();
    assert_eq!(
        taken(&told),
        ["missing STATUS one", "ended STATUS net all false"]
    );
    runtime.gc(&net, &[endpoint.attachment()]).unwrap_err();
    assert_eq!(
        taken(&told),
        [
            "missing GC one",
            "step GC two true",
            "ended GC net all false"
        ]
    );
}

#[test]
fn how_long_a_turn_was_waited_for_is_told() {
    let world = World::new(&["one"]);
    let (runtime, told) = watched(&world);
    let net = network("1.0.0", &["one"]);
    let collection = runtime.collection(&net).unwrap();
    thread::scope(|scope| {
        let add = scope.spawn(|| runtime.add(&net, &endpoint("c1")));
        thread::sleep(Duration::from_millis(200));
        drop(collection);
        add.join().unwrap().unwrap();
    });
    assert_eq!(taken(&told)[0], "turn ADD net c1 true");
    let in_turn = runtime.with_timeout(Duration::ZERO);
    let _collection = runtime.collection(&net).unwrap();
    in_turn.check(&net, &endpoint("c1")).unwrap_err();
    assert_eq!(taken(&told), ["ended CHECK net c1 false"]);
}

#[test]
fn an_operation_of_a_pod_is_told_for_each_of_its_networks() {
    let world = World::new(&["one"]);
    let (runtime, told) = watched(&world);
    let pod = linkspan_runtime::Pod::new("c1".parse().unwrap())
        .with_network(network("1.0.0", &["one"]), |eth0| eth0)
        .unwrap();
    runtime.add_pod(&pod, Default::default()).unwrap();
    let all = [
        "turn ADD net c1 false",
        "step ADD one true",
        "ended ADD net c1 true",
    ];
    assert_eq!(taken(&told), all);
}
