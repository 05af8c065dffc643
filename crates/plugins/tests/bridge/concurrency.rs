//! Many at once: on a bridge that nobody has made yet, coming and going, and some of them in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Netns, Outcome, needs, with_prev_result};
use serde_json::{Value, json};

use super::host::{Family, Host, address, dual_stack, left, network, request_number};

const DEADLINE: Duration = Duration::from_secs(180);

/// As many as a busy container runtime has.
const THREADS: usize = 16;

/// Calls a function once for each item, from 16 threads; the results are in the order of the items.
fn at_once<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some((position, item)) = take(items, &next) {
                    let result = work(item);
                    results.lock().unwrap().insert(position, result);
                }
            });
        }
    });
    results.into_inner().unwrap().into_values().collect()
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let position = next.fetch_add(1, Ordering::Relaxed);
    Some((position, items.get(position)?))
}

fn containers(host: &Host<'_>, prefix: &str, count: usize) -> Vec<Netns> {
    (0..count)
        .map(|number| host.sandbox.netns(&format!("{prefix}{number}")))
        .collect()
}

fn masquerading() -> Value {
    network(json!({ "ipMasq": true, "ipam": dual_stack() }))
}

/// containerd#3507, plugins PR#366: "cni0: file exists"; hashicorp/nomad#6567: chains that are there already.
#[test]
fn a_hundred_at_once_on_a_bridge_that_does_not_exist_yet() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = masquerading();
        let all = containers(&host, "c", 100);
        let results = at_once(&all, |netns| host.add(&config, netns).success());
        for family in [Family::V4, Family::V6] {
            let addresses: BTreeSet<_> = results.iter().map(|one| address(one, family)).collect();
            assert_eq!(addresses.len(), all.len(), "{family:?}");
        }
        let pairs: Vec<_> = all.iter().zip(results.iter().cycle().skip(1)).collect();
        at_once(&pairs, |(netns, neighbour)| {
            netns.ping("10.22.0.1");
            netns.ping(&address(neighbour, Family::V4));
        });
        for (netns, neighbour) in pairs.iter().step_by(10) {
            netns.ping("fd00:22::1");
            netns.ping(&address(neighbour, Family::V6));
        }
        at_once(&all, |netns| host.del(&config, netns).success());
        assert_eq!(left(&all.iter().collect::<Vec<_>>()), lo_of(&all));
    });
}

/// What is left of containers that are not attached: their loopback interfaces, and the host's.
fn lo_of(containers: &[Netns]) -> BTreeSet<String> {
    let names = containers.iter().map(Netns::name).chain(["host"]);
    names.map(|name| format!("{name} link lo")).collect()
}

/// One thread attaches and detaches its own containers in an order that its number decides.
struct Churn<'a> {
    host: &'a Host<'a>,
    config: &'a Value,
    containers: &'a [Netns],
    attached: BTreeMap<&'a str, Value>,
    random: u64,
}

impl<'a> Churn<'a> {
    /// xorshift64
    fn random(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 33).unwrap() % below
    }

    fn step(&mut self, addresses: &Mutex<BTreeSet<String>>) {
        let containers = self.containers;
        let netns = &containers[self.random(containers.len())];
        match self.attached.remove(netns.name()) {
            None => {
                let result = self.host.add(self.config, netns).success();
                let is_new = addresses
                    .lock()
                    .unwrap()
                    .insert(address(&result, Family::V4));
                assert!(is_new, "{} got an address in use: {result}", netns.name());
                self.attached.insert(netns.name(), result);
            }
            Some(result) if self.random(4) == 0 => {
                let config = with_prev_result(self.config, &result);
                self.host.call("CHECK", &config, netns).run().success();
                self.attached.insert(netns.name(), result);
            }
            Some(result) => {
                // Before it is released: afterwards another may have it.
                addresses
                    .lock()
                    .unwrap()
                    .remove(&address(&result, Family::V4));
                self.host.del(self.config, netns).success();
            }
        }
    }
}

#[test]
fn coming_and_going_at_random_disturbs_nobody() {
    const FOR: Duration = Duration::from_secs(4);
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "macspoofchk": true }));
        let stays = host.attach(&config, "stays");
        let addresses = Mutex::new(BTreeSet::from([stays.address(Family::V4)]));
        let all = containers(&host, "c", 40);
        let steps = AtomicUsize::new(0);
        let end = Instant::now() + FOR;
        thread::scope(|scope| {
            for (number, containers) in (1..).zip(all.chunks(5)) {
                let (host, config, addresses, steps) = (&host, &config, &addresses, &steps);
                scope.spawn(move || {
                    let mut churn = Churn {
                        host,
                        config,
                        containers,
                        attached: BTreeMap::new(),
                        random: u64::MAX / number,
                    };
                    while Instant::now() < end {
                        churn.step(addresses);
                        steps.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            while Instant::now() < end {
                stays.netns.ping("10.22.0.1");
            }
        });
        assert!(steps.into_inner() > 50);
        stays.netns.ping("10.22.0.1");
        at_once(&all, |netns| host.del(&config, netns).success());
        host.del(&config, &stays.netns).success();
        let all: Vec<_> = all.iter().chain([&stays.netns]).cloned().collect();
        assert_eq!(left(&all.iter().collect::<Vec<_>>()), lo_of(&all));
    });
}

#[test]
fn those_for_whom_no_address_is_left_do_not_harm_the_others() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        // 13 addresses beside the gateway's.
        let config = network(json!({
            "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.22.0.0/28" }
        }));
        let all = containers(&host, "c", 40);
        let outcomes = at_once(&all, |netns| host.add(&config, netns));
        let survivors = survivors(&all, &outcomes);
        assert_eq!(survivors.len(), 13);
        for outcome in outcomes.iter().filter(|outcome| !outcome.output.ok()) {
            outcome.fails(11, &[]);
        }
        all_talk(&survivors);
        at_once(&all, |netns| host.del(&config, netns).success());
        assert_eq!(left(&all.iter().collect::<Vec<_>>()), lo_of(&all));
    });
}

/// An ADD that made the bridge and then fails takes it away again, unless somebody has begun to use it.
#[test]
fn those_that_fail_late_do_not_take_the_bridge_from_the_others() {
    const ROUNDS: usize = 12;
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({}));
        let all = containers(&host, "c", 16);
        // In every other container the name of the interface is taken, which is noticed when the bridge has its address.
        for netns in all.iter().step_by(2) {
            netns.run("ip link add eth0 type veth peer name other");
        }
        for round in 0..ROUNDS {
            let outcomes = at_once(&all, |netns| host.add(&config, netns));
            let survivors = survivors(&all, &outcomes);
            let words: Vec<_> = outcomes.iter().map(|one| &one.output.stdout).collect();
            assert_eq!(survivors.len(), all.len() / 2, "round {round}: {words:?}");
            all_talk(&survivors);
            at_once(&survivors, |(netns, _)| host.del(&config, netns).success());
            sandbox.run("ip link del cni0");
        }
    });
}

/// The same with one of each, held up so that the one that works has found the bridge when the other one fails.
#[test]
fn a_bridge_is_not_removed_from_under_an_add_that_has_found_it() {
    needs(&[]).deadline(DEADLINE).sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({}));
        let [fails, works] = [sandbox.netns("fails"), sandbox.netns("works")];
        let [when_first, when_second] = [0, 1].map(|_| {
            let number = request_number(
                sandbox,
                host.cmd("ADD", &config, &works),
                &["RTM_NEWLINK", "\"veth"],
            );
            host.del(&config, &works).success();
            number
        });
        sandbox.run("ip link del cni0");
        fails.run("ip link add eth0 type veth peer name other");
        let held_up = |netns: &Netns, when: u32, milliseconds: u32| {
            let inject = format!("--inject=sendto:delay_enter={milliseconds}ms:when={when}");
            let strace = ["strace", "-f", "-qq", "-o", "/dev/null", &inject, "--"];
            host.cmd("ADD", &config, netns).under(&strace).start()
        };
        let failing = held_up(&fails, when_first, 400);
        sandbox.run("until ip link show cni0 up 2>/dev/null | grep -q UP; do :; done");
        let working = held_up(&works, when_second, 1000);
        assert!(!failing.wait().ok());
        assert!(working.wait().success().contains("10.22.0."));
        works.ping("10.22.0.1");
    });
}

fn survivors<'a>(all: &'a [Netns], outcomes: &[Outcome]) -> Vec<(&'a Netns, Value)> {
    let attached = all
        .iter()
        .zip(outcomes)
        .filter(|(_, outcome)| outcome.output.ok());
    attached
        .map(|(netns, outcome)| (netns, outcome.success()))
        .collect()
}

/// Each reaches the gateway and the next one.
#[track_caller]
fn all_talk(containers: &[(&Netns, Value)]) {
    for ((netns, _), (_, neighbour)) in containers.iter().zip(containers.iter().cycle().skip(1)) {
        netns.ping("10.22.0.1");
        netns.ping(&address(neighbour, Family::V4));
    }
}
