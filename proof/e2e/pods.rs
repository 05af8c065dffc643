//! Pods of containerd, as kubelet has them run and end.

use std::time::Instant;

use linkspan_proof::scale;
use linkspan_testkit::{
    Outside, PodConfig,
    Protocol::{Tcp, Udp},
};
use serde_json::json;

use crate::node::{configure, network, node};
use crate::traffic::{Published, SECOND_V4, SECOND_V6};
use crate::world::{PORT, at_a_time};

/// What pods publish, each as (pod, its ports).
const PODS: [(&str, &[Published]); 6] = [
    ("nothing", &[]),
    ("tcp", &[(Tcp, "", 8081)]),
    ("udp", &[(Udp, "", 8082)]),
    ("both", &[(Tcp, "0.0.0.0", 8083), (Udp, "::", 8083)]),
    (
        "at-one-address",
        &[
            (Tcp, SECOND_V4, 8084),
            (Udp, SECOND_V6, 8084),
            (Udp, SECOND_V4, 8086),
        ],
    ),
    (
        "at-home",
        &[(Tcp, "127.0.0.1", 8085), (Udp, "127.0.0.1", 8085)],
    ),
];

/// plugins#430, plugins#573: neither a policy that drops what is forwarded nor an address of the host that a port is published at
/// alone keeps a packet out that is promised, or lets in another.
#[test]
fn are_reached_by_all_that_they_publish() {
    node(&network(), |world, node| {
        let pods: Vec<_> = PODS
            .iter()
            .map(|(name, ports)| node.run(name, ports))
            .collect();
        pods.iter().for_each(|pod| world.assert_works(pod));
        for pair in pods.windows(2) {
            world.assert_neighbours(&pair[0], &pair[1]);
        }
        world.assert_healthy();
        pods.into_iter().for_each(|pod| node.end(pod));
    });
}

/// A sandbox is stopped again and again, and removed long after the next attempt at the same pod is running; what does not exist is stopped and removed
/// as well. The late DELs take nothing of the new one.
#[test]
fn are_stopped_again_and_removed_later() {
    node(&network(), |world, node| {
        let ports = [(Tcp, "", 8080), (Udp, "", 8080)];
        let attempt = |number| {
            node.try_run(PodConfig::new("pod").attempt(number), &ports)
                .unwrap()
        };
        // k8s#95258: whom a client that does not end has been led to before is no more.
        let published = format!("{}:8080", Outside::HOST_V4);
        let client = world.outside.netns.udp_client(&published).unwrap();
        let mut old = Vec::new();
        for number in 0..3 {
            let pod = attempt(number);
            world.assert_works(&pod);
            client.ask().unwrap();
            node.cri.stop(&pod.pod.id).unwrap();
            old.push(pod.pod.id);
        }
        let new = attempt(3);
        client.ask().unwrap();
        for id in &old {
            node.cri.end(id).unwrap();
            node.cri.stop(id).ok();
            node.cri.remove(id).unwrap();
        }
        world.assert_works(&new);
        assert_eq!(node.cri.list().unwrap(), [(new.pod.id.clone(), true)]);
        node.end(new);
    });
}

/// k8s#90838: what an annotation says is what the pod gets, beside labels and a DNS configuration that no plugin of the chain asks for; and of a limit with a burst
/// that is told, packets show it.
#[test]
fn are_limited() {
    let mut limited = network();
    limited["plugins"][3] = json!({
        "type": "bandwidth",
        "ingressRate": RATE, "ingressBurst": BURST, "egressRate": RATE, "egressBurst": BURST
    });
    node(&limited, |world, node| {
        let pod = node.run("pod", &[]);
        world.assert_works(&pod);
        let began = Instant::now();
        let exchanges = 40;
        for _ in 0..exchanges {
            world.talk(world.host.host(), Tcp, pod.pod.ips[0], PORT);
        }
        let took = began.elapsed().as_secs_f64();
        let bits = f64::from(exchanges * 64 * 1024 * 8 - BURST);
        assert!(
            took >= 0.9 * bits / f64::from(RATE),
            "{exchanges} exchanges took {took} s"
        );
        node.end(pod);
        configure("10-pods.conflist", &network().to_string());
        node.containerd.kill();
        node.containerd.start_again();
        let annotated = PodConfig::new("annotated")
            .dns("10.96.0.10", "cluster.local")
            .label("app", "web")
            .annotation("kubernetes.io/ingress-bandwidth", "10M")
            .annotation("kubernetes.io/egress-bandwidth", "20M");
        let pod = node.try_run(annotated, &[]).unwrap();
        world.assert_works(&pod);
        // What the host's end sends is what the pod receives; what the pod sends is redirected to an `ifb`.
        for (kind, rate) in [("veth", "rate 10Mbit"), ("ifb", "rate 20Mbit")] {
            let links = format!("ip -o link show type {kind} | sed 's/^[0-9]*: //; s/[@:].*//'");
            let queues = format!("for link in $({links}); do tc qdisc show dev $link; done");
            let queues = world.host.run(&queues);
            let is_so = |line: &str| line.contains("tbf") && line.contains(rate);
            assert!(queues.lines().any(is_so), "{rate} of no {kind}: {queues}");
        }
        node.end(pod);
    });
}

/// Bits in a second, and bits at once.
const RATE: u32 = 20_000_000;
const BURST: u32 = 400_000;

/// plugins#510, cni#605, containerd#3507: a node that is filled and drained. No two pods have an address, and each is reached.
#[test]
fn thirty_by_eight() {
    node(&network(), |world, node| {
        let names: Vec<_> = (0..scale(12, 30))
            .map(|number| format!("pod-{number}"))
            .collect();
        let pods = at_a_time(8, names, |name| node.run(&name, &[]));
        let mut addresses: Vec<_> = pods.iter().flat_map(|pod| &pod.pod.ips).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 2 * pods.len(), "an address twice");
        pods.iter().for_each(|pod| world.assert_works(pod));
        at_a_time(8, pods, |pod| node.end(pod));
    });
}
