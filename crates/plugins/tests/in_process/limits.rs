//! What ends a plugin that runs here, and what it leaves of the thread.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_plugins::InProcess;
use linkspan_runtime::{Cancel, Cause, Error, Runtime};
use linkspan_testkit::{Sandbox, Snapshot, sandbox};
use serde_json::{Value, json};

use super::world::{builder, endpoint, list, network, script};

/// The network with an IPAM plugin of others.
fn with_ipam_of_others(host: &Sandbox, text: &str) -> (Value, PathBuf) {
    let folder = host.dir();
    script(&folder, "pool", text);
    let mut network = network();
    network["plugins"][0]["ipam"] = json!({ "type": "pool" });
    (network, folder)
}

fn cause(error: Error) -> (Cause, String) {
    match error {
        Error::Plugin(error) => (error.cause, error.stderr),
        other => panic!("{other:?}"),
    }
}

/// cni#687: what a plugin waits for must not outlive who waits for the plugin.
#[test]
fn a_plugin_of_others_that_hangs_meets_the_deadline() {
    sandbox(|host| {
        let (network, folder) = with_ipam_of_others(
            host,
            "[ $CNI_COMMAND = ADD ] || exit 0\necho waits >&2\nsleep 60",
        );
        let netns = host.netns("a");
        let runtime: Runtime = builder(InProcess::new().always())
            .plugin_dir(folder)
            .timeout(Duration::from_millis(500))
            .build();
        let began = Instant::now();
        let error = runtime.add(&list(&network), &endpoint(&netns)).unwrap_err();
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{:?}",
            began.elapsed()
        );
        let (cause, _) = cause(error);
        assert!(matches!(cause, Cause::TimedOut { .. }), "{cause:?}");
        assert_eq!(
            Snapshot::without_firewall(&[&netns], &[]).fact("a link eth0 mtu"),
            None
        );
    });
}

#[test]
fn a_plugin_of_others_is_ended_when_the_operation_is_given_up() {
    sandbox(|host| {
        let (network, folder) = with_ipam_of_others(
            host,
            "[ $CNI_COMMAND = ADD ] || exit 0\necho > ${0%/*}/begun\nsleep 60",
        );
        let netns = host.netns("a");
        let cancel = Cancel::new().unwrap();
        let begun = folder.join("begun");
        let runtime = builder(InProcess::new().always())
            .plugin_dir(folder)
            .cancel(cancel.clone())
            .build();
        let error = thread::scope(|scope| {
            let add = scope.spawn(|| runtime.add(&list(&network), &endpoint(&netns)).unwrap_err());
            while !begun.exists() {
                thread::yield_now();
            }
            cancel.cancel();
            add.join().unwrap()
        });
        assert!(error.is_cancelled(), "{error:?}");
    });
}

/// cni#732: what a plugin says on standard error is told with its answer.
#[test]
fn what_is_said_on_standard_error_is_a_part_of_the_answer() {
    sandbox(|host| {
        let (network, folder) = with_ipam_of_others(host, "echo 'no room today' >&2\nexit 1");
        let netns = host.netns("a");
        let runtime = builder(InProcess::new().always())
            .plugin_dir(folder)
            .build();
        let error = runtime.add(&list(&network), &endpoint(&netns)).unwrap_err();
        let (cause, stderr) = cause(error);
        assert!(cause.to_string().contains("no room today"), "{cause}");
        assert_eq!(stderr, "no room today\n");
    });
}

/// cni#262, cni#183: a thread that stays in a container's namespace; and descriptors that stay open.
#[test]
fn a_thread_is_where_it_was_and_nothing_stays_open() {
    sandbox(|host| {
        let here = || fs::read_link("/proc/thread-self/ns/net").unwrap();
        let open = || fs::read_dir("/proc/self/fd").unwrap().count();
        let netns = host.netns("a");
        let network = list(&network());
        let runtime = builder(InProcess::new().always()).build();
        let round = || {
            runtime.add(&network, &endpoint(&netns)).unwrap();
            runtime.check(&network, &endpoint(&netns)).unwrap();
            runtime.del(&network, &endpoint(&netns)).unwrap();
        };
        round();
        let before = (here(), open());
        for _ in 0..5 {
            round();
            assert_eq!((here(), open()), before);
        }
        // The host's own namespace is refused, as with processes.
        let own = endpoint(&netns).with_netns("/proc/thread-self/ns/net");
        let (cause, _) = cause(runtime.add(&network, &own).unwrap_err());
        assert!(
            cause.to_string().contains("should not be the same"),
            "{cause}"
        );
    });
}

#[test]
fn calls_are_told_to_who_looks_later_unless_that_is_switched_off() {
    sandbox(|host| {
        let netns = host.netns("a");
        let network = list(&network());
        let told = |container: &str| {
            let ring = linkspan_events::Ring::open().unwrap();
            let all = ring.read().unwrap().events;
            let of = |event: &&linkspan_events::Event| event.container == container;
            all.iter()
                .filter(of)
                .map(|event| (event.command.clone(), event.caller))
                .collect::<Vec<_>>()
        };
        let here = std::process::id();
        let runtime = builder(InProcess::new().always()).build();
        runtime.add(&network, &endpoint(&netns)).unwrap();
        runtime.del(&network, &endpoint(&netns)).unwrap();
        assert_eq!(
            told("a"),
            [("ADD".to_owned(), here), ("DEL".to_owned(), here)]
        );
        let silent = builder(InProcess::new().always().without_events()).build();
        silent.add(&network, &endpoint(&netns)).unwrap();
        silent.del(&network, &endpoint(&netns)).unwrap();
        assert_eq!(told("a").len(), 2);
    });
}
