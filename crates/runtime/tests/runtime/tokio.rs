//! Operations as futures.

use std::fs;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use linkspan_runtime::tokio::AsyncRuntime;
use linkspan_runtime::{
    Cause, Endpoint, Error, Fake, NetworkList, Outcome, Output, Runtime, Success,
};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::world::{World, endpoint, network, words};

/// What is run on a runtime of tokio with one thread, which waits for all of its threads in the end.
fn on_tokio<T>(work: impl Future<Output = T>) -> T {
    let tokio = Builder::new_current_thread().enable_time().build();
    tokio.unwrap().block_on(work)
}

/// Waits for a file that a plugin writes.
async fn written(world: &World, name: &str) {
    let end = Instant::now() + Duration::from_secs(10);
    while !world.path(name).exists() {
        assert!(Instant::now() < end, "{name} was not written");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A plugin whose ADD waits until it is told to end; each command is noted.
const WAITS: &str = "#!/bin/sh\necho $CNI_COMMAND >> ${0%/*}/../log/calls\n[ $CNI_COMMAND = ADD ] || exit 0\n\
     trap 'echo > ${0%/*}/../log/told; exit 0' TERM\nsleep 60 & echo > ${0%/*}/../log/begun; wait\n";

#[test]
fn every_operation_is_a_future() {
    let world = World::new(&["one"]);
    world.answer(
        "one",
        "VERSION",
        r#"{"cniVersion":"1.1.0","supportedVersions":["1.1.0"]}"#,
    );
    let (runtime, network) = (
        AsyncRuntime::new(world.runtime()),
        network("1.1.0", &["one"]),
    );
    let endpoint = endpoint("c1");
    on_tokio(async {
        runtime.add(&network, &endpoint).await.unwrap();
        assert_eq!(
            runtime.check(&network, &endpoint).await.unwrap(),
            Outcome::Done
        );
        assert_eq!(runtime.status(&network).await.unwrap(), Outcome::Done);
        runtime.version(&"one".parse().unwrap()).await.unwrap();
        let in_use = [endpoint.attachment()];
        assert_eq!(runtime.gc(&network, &in_use).await.unwrap(), Outcome::Done);
        let kept = runtime.run(|runtime| runtime.cached_files()).await.unwrap();
        assert_eq!(kept.len(), 1);
        runtime.del(&network, &endpoint).await.unwrap();
        world.fail("one", "ADD", "no room");
        let error = runtime.add(&network, &endpoint).await.unwrap_err();
        assert!(words(&error).ends_with("no room"));
    });
    assert_eq!(world.cached(), [""; 0]);
}

#[test]
fn a_future_that_is_dropped_ends_the_plugin_and_detaches() {
    let world = World::new(&[]);
    world.script("one", WAITS);
    let runtime = AsyncRuntime::new(world.builder().detach_failed(true).build());
    let network = network("1.0.0", &["one"]);
    on_tokio(async {
        let endpoint = endpoint("c1");
        let adding = tokio::spawn({
            let (runtime, network, endpoint) = (runtime.clone(), network.clone(), endpoint.clone());
            async move { runtime.add(&network, &endpoint).await }
        });
        written(&world, "log/begun").await;
        adding.abort();
        assert!(adding.await.unwrap_err().is_cancelled());
        // It has its turn when that of the other is over.
        runtime.del(&network, &endpoint).await.unwrap();
    });
    assert!(
        world.path("log/told").exists(),
        "the plugin was not told to end"
    );
    assert_eq!(world.calls(), ["ADD", "DEL", "DEL"]);
}

// ANCHOR: attach
/// `None` when it took too long: then the ADD is given up, and detached by who was built with `detach_failed`.
async fn attach(
    runtime: &AsyncRuntime,
    network: &NetworkList,
    endpoint: &Endpoint,
    limit: Duration,
) -> Option<Result<Success, Error>> {
    timeout(limit, runtime.add(network, endpoint)).await.ok()
}
// ANCHOR_END: attach

#[test]
fn a_timeout_is_a_future_that_is_dropped() {
    let world = World::new(&[]);
    world.script("one", WAITS);
    let runtime = AsyncRuntime::new(world.builder().detach_failed(true).build());
    let network = network("1.0.0", &["one"]);
    let began = Instant::now();
    on_tokio(async {
        let limit = Duration::from_millis(500);
        let attached = attach(&runtime, &network, &endpoint("c1"), limit).await;
        assert!(attached.is_none());
        // The thread goes on by itself; nobody waits for it.
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{:?}",
            began.elapsed()
        );
        written(&world, "log/told").await;
    });
    // tokio's runtime has waited for the thread.
    assert_eq!(world.calls(), ["ADD", "DEL"]);
    // The runtime's own time is an error.
    let limited = AsyncRuntime::new(world.builder().timeout(Duration::from_millis(300)).build());
    let error = on_tokio(limited.add(&network, &endpoint("c1"))).unwrap_err();
    match error {
        Error::Plugin(error) => assert!(matches!(error.cause, Cause::TimedOut { .. })),
        other => panic!("{other:?}"),
    }
}

/// An executor that cannot end its plugins, as those within the process: what succeeds after the future was dropped is nobody's.
#[test]
fn a_success_that_nobody_hears_is_given_up() {
    for (detaches, called, kept) in [(true, &["ADD", "DEL"][..], 0), (false, &["ADD"], 1)] {
        let world = World::new(&[]);
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (noted, begun, dropped) = (
            Arc::clone(&calls),
            world.path("log/begun"),
            world.path("log/dropped"),
        );
        let plugins = Fake::new(move |request| {
            noted.lock().unwrap().push(request.command.to_string());
            fs::write(&begun, "").unwrap();
            while !dropped.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
            Output::success(r#"{"ips":[{"address":"10.1.0.2/24"}]}"#)
        });
        let builder = world.builder().executor(plugins).detach_failed(detaches);
        let runtime = AsyncRuntime::new(builder.build());
        let network = network("1.0.0", &["one"]);
        on_tokio(async {
            let adding = tokio::spawn({
                let runtime = runtime.clone();
                async move { runtime.add(&network, &endpoint("c1")).await }
            });
            written(&world, "log/begun").await;
            adding.abort();
            assert!(adding.await.unwrap_err().is_cancelled());
            fs::write(world.path("log/dropped"), "").unwrap();
        });
        // tokio's runtime has waited for the thread.
        assert_eq!(*calls.lock().unwrap(), called);
        let files = runtime.blocking().cached_files().unwrap();
        assert_eq!(files.len(), kept);
        for file in files {
            assert!(!file.attachment.unwrap().is_complete);
        }
    }
}

#[test]
fn a_hundred_at_once() {
    let world = World::new(&[]);
    let answer = r#"{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.2/24"}]}"#;
    let under_way = Arc::new((Mutex::new(0), Condvar::new()));
    let seen = Arc::clone(&under_way);
    let runtime = Runtime::builder()
        .executor(Fake::new(move |_| {
            let (count, changed) = &*seen;
            let mut count = count.lock().unwrap();
            *count += 1;
            changed.notify_all();
            let limit = Duration::from_secs(20);
            // None ends before all have begun.
            let waited = changed.wait_timeout_while(count, limit, |count| *count < 100);
            assert!(!waited.unwrap().1.timed_out(), "they are not at once");
            Output::success(answer)
        }))
        .cache_dir(world.path("cache"))
        .build();
    let (runtime, network) = (AsyncRuntime::new(runtime), network("1.0.0", &["one"]));
    on_tokio(async {
        let all: Vec<_> = (0..100)
            .map(|number| {
                let (runtime, network) = (runtime.clone(), network.clone());
                tokio::spawn(async move {
                    let endpoint = endpoint(&format!("c{number}"));
                    runtime.add(&network, &endpoint).await
                })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.unwrap().unwrap().ips.len(), 1);
        }
    });
    assert_eq!(*under_way.0.lock().unwrap(), 100);
    assert_eq!(world.cached().len(), 100);
}

#[test]
fn one_that_has_not_begun_never_does() {
    let world = World::new(&["one"]);
    let runtime = AsyncRuntime::new(world.runtime());
    let network = network("1.0.0", &["one"]);
    let tokio = Builder::new_current_thread()
        .enable_time()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    tokio.block_on(async {
        let release = world.path("log/release");
        let busy = tokio::task::spawn_blocking(move || {
            while !release.exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let limit = Duration::from_millis(100);
        assert!(
            timeout(limit, runtime.add(&network, &endpoint("c1")))
                .await
                .is_err()
        );
        fs::write(world.path("log/release"), "").unwrap();
        busy.await.unwrap();
    });
    drop(tokio);
    assert_eq!(world.calls(), [""; 0]);
}

#[test]
fn a_panic_goes_on_where_it_is_waited_for() {
    let world = World::new(&[]);
    let runtime = AsyncRuntime::new(world.runtime());
    let panic = on_tokio(async {
        let work = async move {
            runtime
                .run(|_| -> Result<(), Error> { panic!("on purpose") })
                .await
        };
        tokio::spawn(work).await.unwrap_err()
    });
    assert!(panic.is_panic());
}
