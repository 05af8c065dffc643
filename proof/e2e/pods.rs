//! Pods of containerd, as kubelet has them run and end.

use linkspan_testkit::{
    PodConfig,
    Protocol::{Tcp, Udp},
};

use crate::node::{network, node};
use crate::traffic::{Published, SECOND_V4, SECOND_V6};
use crate::world::at_a_time;

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
        let mut old = Vec::new();
        for number in 0..3 {
            let pod = attempt(number);
            world.assert_works(&pod);
            node.cri.stop(&pod.pod.id).unwrap();
            old.push(pod.pod.id);
        }
        let new = attempt(3);
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

/// plugins#510, cni#605, containerd#3507: a node that is drained and filled. No two pods have an address, and each is reached.
#[test]
fn thirty_by_eight() {
    node(&network(), |world, node| {
        let names: Vec<_> = (0..30).map(|number| format!("pod-{number}")).collect();
        let pods = at_a_time(8, names, |name| node.run(&name, &[]));
        let mut addresses: Vec<_> = pods.iter().flat_map(|pod| &pod.pod.ips).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 2 * pods.len(), "an address twice");
        pods.iter().for_each(|pod| world.assert_works(pod));
        at_a_time(8, pods, |pod| node.end(pod));
    });
}
