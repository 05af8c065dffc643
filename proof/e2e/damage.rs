//! What others do to a node while pods run.

use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, Outside, PodConfig, Protocol::Tcp, Protocol::Udp, rows};

use crate::node::{Node, configure, network, node, small_network};
use crate::traffic::Published;
use crate::world::{Serving, whole_alone};

const PORTS: [Published; 2] = [(Tcp, "", 8080), (Udp, "", 8080)];

/// How long containerd may take to see that its directory has changed.
const NOTICED: Duration = Duration::from_secs(60);

/// k8s#133081, netavark#1451, plugins#810: pods whose namespaces have been deleted are ended, and nothing of theirs is left.
#[test]
fn namespaces_are_deleted() {
    node(&network(), |world, node| {
        let other = node.run("other", &[]);
        let pod = node.run("pod", &PORTS);
        pod.pod.netns.delete();
        node.end(pod);
        // The last of it has gone, and its links with it.
        let pod = node.run("pod", &PORTS);
        let netns = pod.pod.netns.clone();
        let id = pod.stop_serving();
        let kill = node
            .containerd
            .ctr()
            .args(["task", "kill", "--signal", "SIGKILL", &id]);
        kill.run();
        netns.delete();
        node.cri.end(&id).unwrap();
        let pod = node.run("pod", &PORTS);
        world.assert_works(&pod);
        world.assert_neighbours(&other, &pod);
        node.end(pod);
        node.end(other);
    });
}

/// podman#5431, podman#3842, netavark#491: a firewall's script flushes everybody's rules. The next pod has its own at once, `linkspan reconcile` gives back
/// those of the pods that run, and the end of a pod misses none.
#[test]
fn the_ruleset_is_flushed() {
    node(&network(), |world, node| {
        let old = node.run("old", &PORTS);
        world.flush_ruleset();
        let new = node.run("new", &[(Tcp, "", 8090), (Udp, "", 8090)]);
        world.assert_works(&new);
        let published = format!("{}:8080", Outside::HOST_V4);
        assert!(
            world.outside.netns.talk_tcp(&published).is_err(),
            "flushed, and yet it answers"
        );
        Cmd::new(linkspan_proof::linkspan()).arg("reconcile").run();
        world.assert_works(&old);
        world.assert_neighbours(&new, &old);
        world.flush_ruleset();
        node.end(old);
        node.end(new);
        node.run_first(world);
    });
}

/// host-local's range is full: the error says which and who holds it, and an address that comes back is given again.
#[test]
fn the_range_is_full() {
    if !whole_alone() {
        return;
    }
    node(&small_network(), |world, node| {
        let mut pods: Vec<_> = (0..5)
            .map(|number| node.run(&format!("pod-{number}"), &[]))
            .collect();
        for round in 0..3 {
            let more = PodConfig::new(format!("more-{round}"));
            let full = node.try_run(more.clone(), &PORTS).unwrap_err();
            assert!(
                full.contains("10.22.0.1-10.22.0.6; 5 of 5 addresses are in use"),
                "{full}"
            );
            assert!(full.contains(&pods[0].pod.id), "{full}");
            node.end(pods.remove(0));
            let pod = node.try_run(more.attempt(1), &[]).unwrap();
            world.assert_works(&pod);
            pods.push(pod);
        }
        pods.into_iter().for_each(|pod| node.end(pod));
    });
}

/// A configuration that is no good: what is wrong with it, how it is made from a good one, and what the runtime says of it.
type Broken = (&'static str, fn(&str) -> String, &'static str);

/// Of the first two, which it cannot read, only that there is no network. cni#670.
const BROKEN: [Broken; 7] = rows![
    (
        "half a file",
        |good| good[..200].to_owned(),
        "cni plugin not initialized"
    ),
    (
        "an empty file",
        |_| String::new(),
        "cni plugin not initialized"
    ),
    (
        "an unknown plugin",
        |good| good.replace("portmap", "portmop"),
        r#"failed to find plugin "portmop" in path [/opt/cni/bin]"#
    ),
    (
        "an MTU that is none",
        |good| good.replace(r#""type":"bridge""#, r#""type":"bridge","mtu":"much""#),
        "mtu"
    ),
    (
        "a wrong subnet",
        |good| good.replace("10.22.0.0/16", "10.22.0.0/33"),
        "invalid CIDR address: 10.22.0.0/33"
    ),
    (
        "a wrong number, last in the chain",
        |good| good.replace(
            r#""type":"bandwidth""#,
            r#""type":"bandwidth","ingressRate":"much""#
        ),
        "ingressRate"
    ),
    (
        "a version to come",
        |good| good.replace("1.0.0", "9.9.9"),
        "unknown CNI version"
    ),
];

/// containerd#6490: a configuration is broken, and containerd started anew, while a pod runs. It says why the next pod does not start; the one that runs
/// is reached, and is ended then or when a good file has mended it.
#[test]
fn the_configuration_is_broken() {
    let good = network().to_string();
    node(&network(), |world, node| {
        for (what, broken, says) in BROKEN {
            let running = node.run("running", &PORTS);
            configure("10-pods.conflist", &broken(&good));
            node.containerd.kill();
            node.containerd.start_again();
            let said = node.try_run(PodConfig::new("tried"), &[]).unwrap_err();
            assert!(said.contains(says), "{what}: {said}");
            world.assert_works(&running);
            // Kubelet tries again and again what fails.
            let _ = node.cri.end(&running.stop_serving());
            configure("10-pods.conflist", &good);
            let pod = starts(node);
            world.assert_works(&pod);
            node.end(pod);
            for (id, _) in node.cri.list().unwrap() {
                node.cri.end(&id).unwrap();
            }
            world.assert_nothing_left(what);
        }
    });
}

/// The network has become one of another kind when a pod ends, so that nobody calls the plugin that attached it. What that had is found by
/// `linkspan doctor`.
#[test]
fn the_network_becomes_another() {
    let bridge = network().to_string();
    let macvlan = bridge.replace(
        r#""type":"bridge""#,
        r#""type":"macvlan","master":"uplink""#,
    );
    node(&network(), |world, node| {
        let pod = node.run("pod", &PORTS).stop_serving();
        configure("10-pods.conflist", &macvlan);
        node.containerd.kill();
        node.containerd.start_again();
        node.cri.end(&pod).unwrap();
        configure("10-pods.conflist", &bridge);
        let next = starts(node);
        let doctor = Cmd::new(linkspan_proof::linkspan());
        doctor.args(["doctor", "--fix", "--yes"]).run();
        world.assert_works(&next);
        node.end(next);
    });
}

/// A pod, when the runtime has seen that one can be started: it looks some time after its directory has changed.
#[track_caller]
fn starts(node: &Node) -> Serving {
    let began = Instant::now();
    let mut attempts = (1..).map(|attempt| PodConfig::new("tried").attempt(attempt));
    loop {
        match node.try_run(attempts.next().unwrap(), &[]) {
            Ok(pod) => return pod,
            Err(error) => assert!(began.elapsed() < NOTICED, "{error}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}
