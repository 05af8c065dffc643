//! Many at once in one process, and from two at a time.

use std::collections::BTreeSet;
use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linkspan_plugin::spec::NetworkList;
use linkspan_plugins::InProcess;
use linkspan_runtime::{Endpoint, Outcome, Runtime};
use linkspan_testkit::{Netns, Snapshot, needs};

use super::world::{Asked, CACHE, builder, endpoint, list, network};

const CONTAINERS: usize = 50;
const THREADS: usize = 8;

/// Calls a function once for each item, from all threads.
fn at_once<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// A runtime in which nothing may become a process.
fn runtime(asked: &Asked) -> Runtime {
    builder(InProcess::new().always().otherwise(asked.clone())).build()
}

fn addresses(runtime: &Runtime, network: &NetworkList) -> BTreeSet<String> {
    let kept = runtime.attachments(&network.name).unwrap();
    let results = kept.iter().map(|kept| kept.success().unwrap().unwrap());
    results
        .map(|result| result.ips[0].address.to_string())
        .collect()
}

fn host_of(containers: &[Netns]) -> Snapshot {
    let namespaces: Vec<_> = containers.iter().collect();
    let all = Snapshot::of(&namespaces, &[CACHE, "/run/cni"]);
    // The address that was reserved last is no container's, nor the folder for the index of a pool of many.
    all.without(&["last_reserved_ip", "linkspan/host-local = directory"])
}

#[test]
fn fifty_containers_by_eight_threads() {
    needs(&[])
        .deadline(Duration::from_secs(180))
        .sandbox(|host| {
            let asked = Asked::default();
            let (runtime, network) = (runtime(&asked), list(&network()));
            let containers: Vec<_> = (0..CONTAINERS)
                .map(|number| host.netns(&format!("c{number}")))
                .collect();
            let mut looked_at = containers.clone();
            looked_at.push(host.host().clone());
            // What the first makes for all stays: the bridge and the constant part of the ruleset.
            runtime.add(&network, &endpoint(&containers[0])).unwrap();
            runtime.del(&network, &endpoint(&containers[0])).unwrap();
            let before = host_of(&looked_at);
            at_once(&containers, |netns| {
                let result = runtime.add(&network, &endpoint(netns)).unwrap();
                assert_eq!(result.ips.len(), 1);
            });
            assert_eq!(addresses(&runtime, &network).len(), CONTAINERS);
            at_once(&containers, |netns| {
                assert_eq!(
                    runtime.check(&network, &endpoint(netns)).unwrap(),
                    Outcome::Done
                );
            });
            for pair in containers.windows(2).step_by(10) {
                pair[0].ping("10.22.0.1");
            }
            let (stay, go) = containers.split_at(10);
            let in_use: Vec<_> = stay
                .iter()
                .map(|netns| endpoint(netns).attachment())
                .collect();
            runtime.gc(&network, &in_use).unwrap();
            assert_eq!(addresses(&runtime, &network).len(), stay.len());
            at_once(stay, |netns| {
                assert_eq!(
                    runtime.check(&network, &endpoint(netns)).unwrap(),
                    Outcome::Done
                );
            });
            // Also of those that are not there any more.
            at_once(&containers, |netns| {
                runtime.del(&network, &endpoint(netns)).unwrap()
            });
            before.assert_same(&host_of(&looked_at), "after DEL");
            assert_eq!(go.len(), CONTAINERS - 10);
            assert_eq!(asked.take(), [""; 0], "a process was started");
        });
}

/// Tells the other process which half is its own.
const HALF: &str = "LINKSPAN_TEST_STORM_HALF";

/// Attaches, checks and detaches the containers of a half, and again and again one that both have.
fn half(number: usize) {
    let (runtime, network) = (runtime(&Asked::default()), list(&network()));
    let of = |name: String| {
        let endpoint = Endpoint::new(name.parse().unwrap(), "eth0".parse().unwrap());
        endpoint.with_netns(format!("/run/netns/{name}"))
    };
    let own: Vec<_> = (0..10)
        .map(|one| of(format!("c{}", number * 10 + one)))
        .collect();
    let both = of("both".to_owned());
    at_once(&own, |endpoint| {
        for _ in 0..3 {
            runtime.add(&network, endpoint).unwrap();
            runtime.check(&network, endpoint).unwrap();
            // The other may have attached it; DEL is for everybody.
            let _ = runtime.add(&network, &both);
            runtime.del(&network, &both).unwrap();
            runtime.del(&network, endpoint).unwrap();
        }
        runtime.add(&network, endpoint).unwrap();
    });
}

#[test]
fn two_processes_with_eight_threads_each_on_one_cache() {
    if let Ok(number) = env::var(HALF) {
        return half(number.parse().unwrap());
    }
    needs(&[])
        .deadline(Duration::from_secs(180))
        .sandbox(|host| {
            let names = (0..20)
                .map(|number| format!("c{number}"))
                .chain(["both".to_owned()]);
            let containers: Vec<_> = names.map(|name| host.netns(&name)).collect();
            let halves = [0, 1].map(|number: usize| {
                let name = "storm::two_processes_with_eight_threads_each_on_one_cache";
                let mut command = Command::new(env::current_exe().unwrap());
                let command = command
                    .args(["--exact", name])
                    .env(HALF, number.to_string());
                command.spawn().unwrap()
            });
            for mut half in halves {
                assert!(half.wait().unwrap().success());
            }
            let (runtime, network) = (runtime(&Asked::default()), list(&network()));
            assert_eq!(addresses(&runtime, &network).len(), 20);
            at_once(&containers[..20], |netns| {
                runtime.check(&network, &endpoint(netns)).unwrap();
                runtime.del(&network, &endpoint(netns)).unwrap();
            });
            assert_eq!(addresses(&runtime, &network).len(), 0);
            let links = host.run("ip -o link show type veth");
            assert_eq!(links, "", "links are left");
        });
}
