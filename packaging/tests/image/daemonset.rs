//! The pods of contrib/kubernetes, on a node whose files are all read-only to them but for those that they name.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use linkspan_packaging::top;
use linkspan_testkit::{Cmd, PLUGIN_NAMES, Plugins, Sandbox, Setup, kill_at_syscall};
use serde_json::{Value, json};

use crate::manifest::{BIN_DIR, daemonset, objects};
use crate::pod::{Node, has_users};

const INSTALL: &str = "install.yaml";
const UNINSTALL: &str = "uninstall.yaml";

/// The files of a directory and below: the path, and mode, owner, inode and content of each.
fn files(directory: &str) -> BTreeMap<String, (u32, u32, u64, Vec<u8>)> {
    let listed = Cmd::shell(&format!("cd {directory} && find . -type f -o -type l")).run();
    let of_path = |path: &str| {
        let path = Path::new(directory).join(path);
        let meta = fs::symlink_metadata(&path).unwrap();
        (
            meta.mode(),
            meta.uid(),
            meta.ino(),
            fs::read(path).unwrap_or_default(),
        )
    };
    let paths = listed.lines();
    paths.map(|path| (path.to_owned(), of_path(path))).collect()
}

/// What programs find in a directory, whichever file of the disk it is.
fn contents(directory: &str) -> BTreeMap<String, (u32, u32, Vec<u8>)> {
    let files = files(directory).into_iter();
    files
        .map(|(path, (mode, uid, _, content))| (path, (mode, uid, content)))
        .collect()
}

/// A node as a distribution leaves it.
fn with_the_reference(host: &Sandbox) {
    host.run("mkdir -p /opt/cni/bin && cp --recursive --preserve=mode,timestamps /usr/lib/cni/. /opt/cni/bin");
    // Of an agent of the network, which nobody may touch. // flannel-io/flannel#1471 #1721 #1730
    host.run("printf '#!/bin/sh\\n' >/opt/cni/bin/flannel && chmod 755 /opt/cni/bin/flannel");
}

/// Every plugin answers the node, by the file that is meant to be there.
#[track_caller]
fn answers(names: &[&str], when: &str) {
    answer_in(BIN_DIR, names, when);
}

#[track_caller]
fn answer_in(directory: &str, names: &[&str], when: &str) {
    let plugins = Plugins::at(directory);
    for name in names {
        let answer = plugins.call("VERSION", &json!({ "cniVersion": "1.0.0", "type": name }));
        let answer = answer.run().success();
        assert!(
            answer["supportedVersions"].is_array(),
            "{name} {when}: {answer}"
        );
    }
}

fn is_linkspan(name: &str) -> bool {
    let content = |name: &str| fs::read(Path::new(BIN_DIR).join(name)).unwrap();
    content(name) == content("linkspan-plugins")
}

fn reference_names() -> Vec<&'static str> {
    let has = |name: &&str| Path::new("/usr/lib/cni").join(name).exists();
    PLUGIN_NAMES.into_iter().filter(has).collect()
}

/// A sandbox for pods, which start more slowly than plugins.
fn node<F: FnOnce(&Sandbox, &Node<'_>)>(test: F) {
    Setup::default()
        .deadline(std::time::Duration::from_secs(100))
        .sandbox(|host| test(host, &Node::new(host, BIN_DIR)));
}

// kubernetes-sigs/kind#1575: a node with some of the plugins that its network needs.
#[test]
fn it_installs_once_and_the_way_back_leaves_no_trace() {
    node(|host, node| {
        with_the_reference(host);
        let before = contents(BIN_DIR);
        node.succeeds(INSTALL);
        answers(&PLUGIN_NAMES, "after the init container");
        assert!(PLUGIN_NAMES.iter().all(|name| is_linkspan(name)));
        let kept = contents("/opt/cni/bin/.linkspan-replaced");
        for name in reference_names() {
            let path = format!("./{name}");
            assert!(kept[&path] == before[&path], "{name} is kept");
        }

        // At each start of the node.
        let installed = files(BIN_DIR);
        node.succeeds(INSTALL);
        assert!(
            files(BIN_DIR) == installed,
            "a second run changed something"
        );

        node.succeeds(UNINSTALL);
        let after = contents(BIN_DIR);
        assert_eq!(
            after.keys().collect::<Vec<_>>(),
            before.keys().collect::<Vec<_>>()
        );
        assert!(after == before, "what was put back is another");
        node.succeeds(UNINSTALL);
        assert!(
            contents(BIN_DIR) == before,
            "a second run changed something"
        );
    });
}

#[test]
fn a_node_without_plugins_gets_them_and_loses_them_again() {
    const ELSEWHERE: &str = "/run/k3s/data/cni";
    Setup::default().sandbox(|host| {
        let node = Node::new(host, ELSEWHERE);
        // One that joins while the others go back, and must not hold up the rollout.
        node.succeeds(UNINSTALL);
        node.succeeds(INSTALL);
        answer_in(ELSEWHERE, &PLUGIN_NAMES, "on a node that had none");
        node.succeeds(UNINSTALL);
        assert!(files(ELSEWHERE).is_empty());
    });
}

// kubernetes-sigs/kubespray#13378: root without capabilities may not write to a directory that is another user's.
#[test]
fn the_directory_may_be_another_users() {
    node(|host, node| {
        with_the_reference(host);
        // Where the sandbox is an ordinary user's there is but one user.
        let is_other = host.run("chown -R 997 /opt/cni/bin 2>/dev/null && echo yes || true");
        let before = contents(BIN_DIR);
        node.succeeds(INSTALL);
        answers(&PLUGIN_NAMES, &format!("of another user: {is_other}"));
        node.succeeds(UNINSTALL);
        assert!(contents(BIN_DIR) == before);
    });
}

// multus-cni#1221: after a reboot the file was in use ("Text file busy"), and the node never recovered.
#[test]
fn plugins_that_run_go_on_and_are_no_obstacle() {
    node(|host, node| {
        with_the_reference(host);
        for turn in ["the reference's", "Linkspan's"] {
            let daemon =
                Cmd::new("/opt/cni/bin/dhcp").args(["daemon", "-socketpath", "/run/d.sock"]);
            let daemon = daemon.start();
            host.run("while [ ! -S /run/d.sock ]; do sleep 0.02; done");
            node.succeeds(INSTALL);
            answers(&PLUGIN_NAMES, turn);
            let _ = daemon.kill();
            host.run("rm -f /run/d.sock");
        }
    });
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    node(|host, node| {
        host.run(
            "mkdir -p /opt/cni/bin && mount -t tmpfs -o size=9m tmpfs /opt/cni/bin
             cp --recursive --preserve=mode,timestamps /usr/lib/cni/loopback /usr/lib/cni/bridge /opt/cni/bin",
        );
        let before = files(BIN_DIR);
        let output = node.init(INSTALL);
        assert!(!output.ok(), "{output}");
        assert!(files(BIN_DIR) == before);
        answers(&["bridge", "loopback"], "on the full disk");
    });
}

#[test]
fn a_pod_that_is_killed_leaves_plugins_that_work_and_the_next_one_makes_it_whole() {
    node(|host, node| {
        with_the_reference(host);
        let mut kills = 0;
        // Names change by this call alone; every second one, for the time that it takes. The first is crun's own.
        for nth in (2..).step_by(2) {
            let Some(_) = kill_at_syscall(node.init_command(INSTALL), "rename", nth) else {
                break;
            };
            kills += 1;
            answers(&reference_names(), &format!("killed at rename {nth}"));
        }
        assert!(kills > 5, "it was killed {kills} times");
        host.run("rm -f /opt/cni/bin/bridge");
        node.succeeds(INSTALL);
        assert!(PLUGIN_NAMES.iter().all(|name| is_linkspan(name)));
    });
}

/// What stays in the pod has no rights at all, tells whether the plugins are there, and ends when it is told to.
#[test]
fn what_stays_tells_when_somebody_replaces_a_plugin() {
    node(|host, node| {
        with_the_reference(host);
        node.succeeds(INSTALL);
        let _ = node.probe(INSTALL).success();
        let (stays, id) = node.start_main(INSTALL);
        let state: Value = serde_json::from_str(&node.crun(&["state", &id])).unwrap();
        let status = host.run(&format!("cat /proc/{}/status", state["pid"]));
        for line in [
            "CapPrm:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
        ] {
            assert!(status.contains(line), "{line}: {status}");
        }
        assert!(
            status.contains("Uid:\t65534\t65534\t65534\t65534") || !has_users(),
            "{status}"
        );
        node.crun(&["kill", &id, "TERM"]);
        let _ = stays.wait().success();

        // A package of the distribution that was upgraded.
        host.run("cp --remove-destination /usr/lib/cni/bridge /opt/cni/bin/bridge");
        let output = node.probe(INSTALL);
        assert!(!output.ok(), "{output}");
        let told = output.stdout.clone() + &output.stderr;
        assert!(told.contains("bridge"), "{output}");
    });
}

/// Containers that run keep their network on the way back, and the plugins that were there before detach them.
#[test]
fn the_way_back_takes_no_container_s_network() {
    node(|host, node| {
        with_the_reference(host);
        node.succeeds(INSTALL);
        fs::create_dir_all("/etc/cni/net.d").unwrap();
        let network = json!({ "cniVersion": "1.0.0", "name": "mynet", "plugins": [
            { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": { "type": "host-local",
                "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "firewall" }] });
        fs::write("/etc/cni/net.d/10-mynet.conflist", network.to_string()).unwrap();
        let container = host.netns("web");
        let outside = host.outside().netns;
        let ports = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#;
        node.linkspan(&["add", "mynet", "/run/netns/web", "--cap-args", ports]);
        container.serve_tcp("0.0.0.0:80");
        let flows = |when: &str| {
            let answer = outside.talk_tcp("198.51.100.1:8080");
            assert!(answer.is_ok(), "{when}: {answer:?}");
        };
        flows("attached");
        assert!(host.run("nft list ruleset").contains("mynet/"));

        node.succeeds(UNINSTALL);
        flows("after the way back");
        assert!(!host.run("nft list ruleset").contains("mynet/"));
        assert_eq!(host.run("ls -A /run/cni"), "");
        assert!(!Path::new("/opt/cni/bin/linkspan-plugins").exists());
        node.linkspan(&["del", "mynet", "/run/netns/web"]);
        let left =
            "nft list ruleset 2>/dev/null | grep -e 10.22.0 -e CNI-DN -i -e linkspan || true";
        assert_eq!(host.run(left), "");
    });
}

/// A node of the other architecture would be left without plugins, and nothing would say so.
#[test]
fn nodes_of_each_architecture_of_the_image_get_a_pod() {
    let steps = fs::read_to_string(top().join("scripts/new-version")).unwrap();
    let joined =
        |arch: &&str| steps.contains(&format!("linkspan-installer_{{version}}_{arch}.oci.tar"));
    let joined: Vec<_> = ["amd64", "arm64", "riscv64"]
        .into_iter()
        .filter(joined)
        .collect();
    for file in [INSTALL, UNINSTALL] {
        let pod = daemonset(file, BIN_DIR)["spec"]["template"]["spec"].take();
        assert_eq!(
            pod["nodeSelector"],
            json!({ "kubernetes.io/os": "linux" }),
            "{file}"
        );
        let needed =
            &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
        let terms = json!([{ "matchExpressions": [
            { "key": "kubernetes.io/arch", "operator": "In", "values": joined }] }]);
        assert_eq!(needed["nodeSelectorTerms"], terms, "{file}");
    }
}

/// The way back replaces the installer: both are one DaemonSet, and differ in what its pods do.
#[test]
fn both_manifests_are_one_daemonset() {
    let of_file = |file| {
        let mut object = daemonset(file, BIN_DIR);
        let pod = &mut object["spec"]["template"]["spec"];
        for key in ["initContainers", "containers", "volumes"] {
            assert!(pod[key].take().is_array(), "{key} of {file}");
        }
        (object, objects(file, BIN_DIR)[0].clone())
    };
    let (object, namespace) = of_file(INSTALL);
    assert_eq!((object.clone(), namespace.clone()), of_file(UNINSTALL));
    assert_eq!(
        object["metadata"]["namespace"],
        namespace["metadata"]["name"]
    );
    let labels = &object["spec"]["selector"]["matchLabels"];
    assert_eq!(*labels, object["spec"]["template"]["metadata"]["labels"]);
    let directory = |file| daemonset(file, BIN_DIR)["spec"]["template"]["spec"]["volumes"].take();
    let path = |volumes: &Value| {
        let mut volumes = volumes.as_array().unwrap().iter();
        let plugins = volumes.find(|volume| volume["name"] == "plugins").unwrap();
        plugins["hostPath"]["path"].clone()
    };
    assert_eq!(path(&directory(INSTALL)), path(&directory(UNINSTALL)));
}
