//! Containers of `ctr run --cni`, which attaches what it runs by itself, without CRI.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, Pod};
use serde_json::{Value, json};

use crate::node::{Node, network, node};
use crate::world::{Serving, World};

/// How long a container may take to start.
const STARTED: Duration = Duration::from_secs(60);

/// `ctr run` detaches a container from its network when it has ended. One that runs in the background it never does; `linkspan gc` is told
/// that nothing is in use any more, since a sandbox does not see all processes and cannot tell by itself.
#[test]
fn containers_are_attached_and_detached() {
    node(&network(), |world, node| {
        let spec = spec(world, node);
        let run = |options: &[&str], id: &str| {
            let ctr = node.containerd.ctr().args(["run", "--cni", "--config"]);
            ctr.arg(&spec).args(options).arg(id).deadline(STARTED * 4)
        };
        let watched = ["one", "two"].map(|id| (id, run(&["--rm"], id).start()));
        let _ = run(&["--detach"], "left").output().success();
        let containers = ["one", "two", "left"].map(|id| serve(world, node, id));
        containers.iter().for_each(|one| world.assert_works(one));
        world.assert_neighbours(&containers[0], &containers[1]);
        world.assert_neighbours(&containers[2], &containers[0]);
        drop(containers);
        for (id, running) in watched {
            kill(world, node, id);
            let ended = running.wait();
            assert!(!ended.timed_out, "{ended}");
        }
        kill(world, node, "left");
        let words = ["container", "delete", "left"];
        node.containerd.ctr().args(words).run();
        Cmd::new(linkspan_proof::linkspan())
            .args(["gc", "pods", "--all"])
            .run();
    });
}

/// What is run, as an OCI runtime reads it: without cgroups and higher limits, which a sandbox has none of.
#[track_caller]
fn spec(world: &World<'_>, node: &Node) -> PathBuf {
    let printed = node.containerd.ctr().args(["oci", "spec"]).run();
    let mut spec: Value = serde_json::from_str(&printed).unwrap();
    spec["linux"]["resources"] = Value::Null;
    spec["linux"]["cgroupsPath"] = json!("");
    spec["process"]["rlimits"] = Value::Null;
    spec["process"]["args"] = json!(["/bin/busybox", "sleep", "100000"]);
    spec["root"]["path"] = json!(node.containerd.rootfs());
    let path = world.host.dir().join("spec.json");
    fs::write(&path, spec.to_string()).unwrap();
    path
}

/// Serves in a container as soon as it has been attached; its namespace, which has no name, gets one.
#[track_caller]
fn serve(world: &World<'_>, node: &Node, id: &str) -> Serving {
    let began = Instant::now();
    let result = PathBuf::from(format!("/var/lib/cni/results/pods-k8s.io-{id}-eth0"));
    while !result.exists() {
        assert!(
            began.elapsed() < STARTED,
            "{id} is not attached\n{}",
            node.containerd.log()
        );
        thread::sleep(Duration::from_millis(20));
    }
    let tasks = node.containerd.ctr().args(["task", "list"]).run();
    let task = tasks
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let process = task
        .filter(|words| words[0] == id)
        .map(|words| words[1].to_owned())
        .next()
        .unwrap();
    world.host.run(&format!("ip netns attach {id} {process}"));
    let cached: Value = serde_json::from_slice(&fs::read(result).unwrap()).unwrap();
    let ips = cached["result"]["ips"].as_array().unwrap().iter();
    let ips = ips.map(|ip| {
        ip["address"]
            .as_str()
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    });
    let pod = Pod {
        id: id.to_owned(),
        ips: ips.collect(),
        netns: world.host.existing_netns(id),
    };
    Serving::of(pod, &[])
}

#[track_caller]
fn kill(world: &World<'_>, node: &Node, id: &str) {
    world.host.existing_netns(id).delete();
    node.containerd
        .ctr()
        .args(["task", "kill", "--signal", "SIGKILL", id])
        .run();
}
