//! Whole pods: the chain of plugins that Kubernetes nodes have, many at the same time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use linkspan_testkit::{Netns, Plugins, Sandbox, Snapshot, needs, with_prev_result};
use serde_json::{Value, json};

use super::world::{HOST_V4, World};

const DEADLINE: Duration = Duration::from_secs(240);

/// How many there are, and how many are attached at the same time.
const PODS: usize = 100;
const WORKERS: usize = 16;

struct Pod {
    id: String,
    netns: Netns,
    chain: Vec<Value>,
}

impl Pod {
    fn new(host: &Sandbox, number: usize) -> Self {
        let port = json!({ "hostPort": 8000 + number, "containerPort": 80, "protocol": "tcp" });
        let chain = json!([
            { "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true,
              "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } },
            { "type": "portmap", "runtimeConfig": { "portMappings": [port] } },
            { "type": "firewall", "backend": "nftables" },
            { "type": "bandwidth", "ingressRate": 80_000_000, "egressRate": 80_000_000 },
        ]);
        let id = format!("pod{number}");
        Self {
            netns: host.netns(&id),
            id,
            chain: chain.as_array().unwrap().iter().map(named).collect(),
        }
    }

    fn add(&self, plugins: &Plugins) -> Value {
        let mut result = Value::Null;
        for config in &self.chain {
            let config = match result.is_null() {
                true => config.clone(),
                false => with_prev_result(config, &result),
            };
            result = plugins
                .add(&config, &self.id, &self.netns, "eth0")
                .success();
        }
        result
    }

    fn check_and_del(&self, plugins: &Plugins, result: &Value) {
        let configs = self
            .chain
            .iter()
            .map(|config| with_prev_result(config, result));
        let configs: Vec<Value> = configs.collect();
        for config in &configs {
            plugins
                .check(config, &self.id, &self.netns, "eth0")
                .success();
        }
        for config in configs.iter().rev() {
            plugins.del(config, &self.id, &self.netns, "eth0").success();
        }
    }
}

fn named(keys: &Value) -> Value {
    let mut config = keys.clone();
    config["cniVersion"] = "1.1.0".into();
    config["name"] = "net".into();
    config
}

/// Does something for each pod, so many at a time.
fn all_at_once<T: Send>(pods: &[Pod], work: impl Fn(usize, &Pod) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let mut done: Vec<(usize, T)> = thread::scope(|scope| {
        let worker = || {
            let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
            let own = numbers.map_while(|number| Some((number, pods.get(number)?)));
            own.map(|(number, pod)| (number, work(number, pod)))
                .collect::<Vec<_>>()
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        let done = workers.into_iter().flat_map(|one| one.join().unwrap());
        done.collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What there is on the host after everything that is stale was collected, but for where host-local goes on.
fn left(world: &World<'_>, pod: &Pod) -> Snapshot {
    for config in pod.chain.iter().rev() {
        world.ours.gc(config, &[]).success();
    }
    let all = Snapshot::of(&[world.host.host()], &["/run/cni", "/var/lib/cni"]);
    all.without(&["last_reserved_ip", "/run/cni/linkspan/host-local"])
}

/// plugins#510, cni#605: a node is filled and drained, and is as it was after its first pod.
#[test]
fn a_hundred_pods_leave_nothing() {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let world = World::new(host);
        host.run("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP");
        let pods: Vec<Pod> = (0..PODS).map(|number| Pod::new(host, number)).collect();
        let first = pods[0].add(&world.ours);
        pods[0].check_and_del(&world.ours, &first);
        let before = left(&world, &pods[0]);
        let results = all_at_once(&pods, |_, pod| pod.add(&world.ours));
        for number in [0, PODS - 1] {
            pods[number].netns.serve_tcp("0.0.0.0:80");
            let address = format!("{HOST_V4}:{}", 8000 + number);
            assert!(world.outside.talk_tcp(&address).is_ok(), "{address}");
        }
        all_at_once(&pods, |number, pod| {
            pod.check_and_del(&world.ours, &results[number]);
        });
        before.assert_same(&left(&world, &pods[0]), "after the last pod");
    });
}
