//! `linkspan network rm` and `inspect`: what goes with a network, and what keeps it.

use linkspan_testkit::{Sandbox, Snapshot, sandbox};
use serde_json::Value;

use crate::node::Node;

/// The networks of a node of which mynet has a container that lives, one that is gone, and one whose reservation alone is left.
fn with_leftovers<'s>(host: &'s Sandbox) -> Node<'s> {
    let node = Node::empty(host);
    for name in ["c1", "c2"] {
        let netns = host.netns(name);
        let path = netns.path().to_str().unwrap();
        let ports = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#;
        let ports = if name == "c2" { ports } else { "" };
        node.ok(&[
            "add",
            "mynet",
            path,
            "--container-id",
            name,
            "--cap-args",
            ports,
        ]);
    }
    // Of before this boot; the kernel takes its time to remove c2's link.
    host.run(
        "ip netns del c2; while ip link | grep -q 'alias mynet/c2/'; do sleep 0.05; done
         cd /var/lib/cni/networks/mynet; printf 'c9\\r\\neth0' >10.22.0.99; touch -d 2001-01-01 10.22.0.99",
    );
    node
}

fn outcomes(told: &Value) -> Vec<String> {
    let steps = told["networks"][0]["steps"].as_array().unwrap().iter();
    steps
        .map(|step| {
            format!(
                "{}: {}",
                step["outcome"].as_str().unwrap(),
                step["what"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn what_containers_are_on_stays() {
    sandbox(|host| {
        let node = with_leftovers(host);
        let before = Snapshot::of(&[host.host()], &["/var/lib/cni", "/etc/cni"]);
        for flags in [&["--yes"][..], &["--force"], &["--dry-run"]] {
            let output = node.run(&[&["network", "rm", "p2p", "mynet"], flags].concat());
            assert_eq!(output.status.code(), Some(1), "{output}");
            assert!(
                output.stderr.contains("c1 is attached to mynet by eth0"),
                "{output}"
            );
            assert!(!output.stderr.contains("c2"), "{output}");
        }
        for (words, status) in [
            ("network rm p2p", 2),
            ("network rm none --yes", 3),
            ("network rm p2p --dry-run", 0),
        ] {
            let output = node.run(&words.split(' ').collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(status), "{output}");
        }
        before.assert_same(
            &Snapshot::of(&[host.host()], &["/var/lib/cni", "/etc/cni"]),
            "nothing was removed",
        );
    });
}

#[test]
fn what_is_left_of_a_network_goes_with_it() {
    sandbox(|host| {
        let node = with_leftovers(host);
        host.run("ip netns del c1");
        let inspected = node.json(&["network", "inspect", "mynet"]);
        assert_eq!(
            inspected["networks"][0]["attachments"]
                .as_array()
                .map(Vec::len),
            Some(3)
        );
        let planned = outcomes(&node.json(&["network", "rm", "mynet", "--dry-run"]));
        let told = node.json(&["network", "rm", "mynet", "--yes"]);
        let wanted = [
            "remove what is left of c1 (eth0): its network namespace is gone",
            "remove what is left of c2 (eth0): its network namespace is gone",
            "remove what is left of c9 (eth0): it was made before the machine was started again",
            "remove /etc/cni/net.d/10-mynet.conflist",
            "remove /var/lib/cni/networks/mynet, in which nothing is reserved then",
            "remove the bridge cni0, which nothing is on",
        ];
        assert_eq!(planned, wanted.map(|step| format!("planned: {step}")));
        assert_eq!(
            outcomes(&told),
            wanted.map(|step| format!("done: {step}")),
            "{told:#}"
        );
        let left =
            host.run("find /var/lib/cni /etc/cni -path '*mynet*'; ip -br link; nft list ruleset");
        for word in ["mynet", "cni0", "8080", "c2"] {
            assert!(!left.contains(word), "{word}: {left}");
        }
        assert_eq!(node.ok(&["network", "ls", "-q"]), "p2p\nlan\n");
    });
}

/// A bridge that is not this network's alone stays.
#[test]
fn a_bridge_of_somebody_else_stays() {
    for (why, words) in [
        (
            "ip link add port0 type veth peer name port1; ip link set port0 master cni0",
            "port0 is on it",
        ),
        (
            "ip address add 192.0.2.77/24 dev cni0",
            "it has the address 192.0.2.77/24",
        ),
        (
            "sed s/mynet/second/ /etc/cni/net.d/10-mynet.conflist >/etc/cni/net.d/11-second.conflist",
            "network second is on it",
        ),
        (
            "ip link del cni0; ip link add cni0 type dummy || ip link add cni0 type veth peer name cni1",
            "it is no bridge",
        ),
    ] {
        sandbox(|host| {
            let node = Node::empty(host);
            let c1 = host.netns("c1");
            let path = c1.path().to_str().unwrap();
            node.ok(&["add", "mynet", path]);
            node.ok(&["del", "mynet", path]);
            host.run(why);
            let told = node.json(&["network", "rm", "mynet", "--yes"]);
            let remark = told["networks"][0]["remarks"][0].as_str().unwrap();
            assert!(remark.contains(words), "{remark}");
            host.run("ip link show cni0");
            assert!(!std::path::Path::new("/etc/cni/net.d/10-mynet.conflist").exists());
        });
    }
}
