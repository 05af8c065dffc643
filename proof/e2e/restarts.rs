//! What becomes of pods when the runtime ends, or the machine.

use std::thread;
use std::time::Instant;

use linkspan_proof::scale;
use linkspan_testkit::{Cmd, PodConfig, Protocol::Tcp, Protocol::Udp};

use crate::node::{Node, network, node, publish, small_network};
use crate::traffic::Published;
use crate::world::World;

const PORTS: [Published; 2] = [(Tcp, "", 8080), (Udp, "", 8080)];

/// Pods run on while containerd is stopped, or killed, and started again; those from before are detached by the one after.
#[test]
fn pods_outlive_the_runtime() {
    node(&network(), |world, node| {
        let old = node.run("old", &PORTS);
        let mut last = node.run("last", &[]);
        for round in 0..scale(2, 6) {
            match round % 2 {
                0 => node.containerd.kill(),
                _ => node.containerd.stop(),
            }
            world.assert_works(&old);
            node.containerd.start_again();
            assert!(node.cri.list().unwrap().iter().all(|(_, ready)| *ready));
            let new = node.run(&format!("new-{round}"), &[]);
            world.assert_neighbours(&old, &new);
            node.end(std::mem::replace(&mut last, new));
        }
        world.assert_works(&old);
        node.end(last);
        node.end(old);
    });
}

/// containerd#5438, containerd#5768: killed at any moment of RunPodSandbox, containerd knows of a sandbox that is not ready. Kubelet ends that, and
/// the next attempt at the same pod has the same ports.
#[test]
fn the_runtime_is_killed_while_a_pod_starts() {
    node(&network(), |world, node| {
        let pod = |attempt| publish(PodConfig::new("pod").attempt(attempt), &PORTS);
        let began = Instant::now();
        let first = node.cri.run(&pod(0)).unwrap();
        let took = began.elapsed();
        node.cri.end(&first.id).unwrap();
        let kills = scale(6, 60);
        for kill in 1..=kills {
            thread::scope(|scope| {
                let (cri, pod) = (node.cri.clone(), pod(kill.into()));
                scope.spawn(move || cri.run(&pod));
                thread::sleep(took * kill / kills);
                node.containerd.kill();
            });
            node.containerd.start_again();
            for (id, ready) in node.cri.list().unwrap() {
                world.count(
                    "pods half made when the runtime was killed",
                    u64::from(!ready),
                );
                node.cri.end(&id).unwrap();
            }
        }
        let last = node
            .try_run(PodConfig::new("pod").attempt(1000), &PORTS)
            .unwrap();
        world.assert_works(&last);
        node.end(last);
        // Killed between making a namespace and noting it, containerd leaves that, before any plugin was called.
        delete_namespaces(world);
    });
}

/// Deletes the namespaces of all pods.
#[track_caller]
fn delete_namespaces(world: &World<'_>) {
    world
        .host
        .run("for pod in /run/netns/cni-*; do test ! -e $pod || ip netns delete ${pod##*/}; done");
}

/// cni#204, plugins#252, podman#3759, k8s#133081: a node that goes down with its range full comes up again. The sandboxes of before are not ready; kubelet
/// ends them while new ones start, and their late DELs take nothing of those.
#[test]
fn a_full_node_is_rebooted() {
    node(&small_network(), |world, node| {
        for boot in 1..=scale(1, 3) {
            let old: Vec<_> = (0..5)
                .map(|number| node.run(&format!("pod-{boot}-{number}"), &[]))
                .collect();
            let full = node
                .try_run(PodConfig::new("one-too-many"), &[])
                .unwrap_err();
            assert!(
                full.contains("10.22.0.1-10.22.0.6; 5 of 5 addresses"),
                "{full}"
            );
            let old: Vec<_> = old.into_iter().map(|pod| pod.pod.id).collect();
            reboot(world, node);
            assert!(node.cri.list().unwrap().iter().all(|(_, ready)| !ready));
            let start = |number| {
                let pod = PodConfig::new(format!("pod-{boot}-{number}")).attempt(1);
                node.try_run(pod, &[]).unwrap()
            };
            let mut new = vec![start(0), start(1)];
            for id in &old {
                node.cri.end(id).unwrap();
            }
            new.extend([start(2), start(3), start(4)]);
            new.iter().for_each(|pod| world.assert_works(pod));
            new.windows(2)
                .for_each(|pair| world.assert_neighbours(&pair[0], &pair[1]));
            new.into_iter().for_each(|pod| node.end(pod));
            node.run_first(world);
        }
    });
}

/// The machine goes down and comes up, as far as it shows: no process of the runtime's, nothing of the network, nothing in memory, another boot.
/// What is on disk stays.
#[track_caller]
fn reboot(world: &World<'_>, node: &mut Node) {
    node.containerd.kill();
    let processes = node.containerd.processes_of_pods();
    assert!(!processes.is_empty(), "no pod is running");
    for process in processes {
        // One ends with the other.
        let _ = Cmd::new("kill").args(["-9", &process.to_string()]).output();
    }
    delete_namespaces(world);
    world.host.run(
        "ip link delete cni0; rm -rf /run/cni
         findmnt -rno TARGET | grep ^/run/containerd/ | tac | xargs -r umount --lazy; rm -rf /run/containerd",
    );
    world.boot_anew();
    node.containerd.start_again();
}
