//! `status` of all networks.

use std::fs;
use std::thread;
use std::time::Duration;

use linkspan_testkit::sandbox;

use crate::node::Node;
use crate::world::status;

fn configure(file: &str, text: &str) {
    fs::write(format!("/etc/cni/net.d/{file}"), text).unwrap();
}

#[test]
fn a_healthy_node_fits_on_one_screen_and_has_nothing_in_brief() {
    sandbox(|host| {
        let node = Node::busy(host);
        insta::assert_snapshot!(node.ok(&["status"]), @"
          NETWORK  VERSION  PLUGINS                  ATTACHED  FILE
        ✓ mynet    1.0.0    bridge portmap firewall  4         /etc/cni/net.d/10-mynet.conflist
        ✓ p2p      1.0.0    ptp                      3         /etc/cni/net.d/20-p2p.conflist
        ✓ lan      0.4.0    macvlan                  3         /etc/cni/net.d/30-lan.conf

          POOL   RANGES                             USED
          lan    10.24.0.10-10.24.0.13              ▕███████████████     ▏  3 in use, 75 %
          mynet  10.22.0.1-10.22.0.254              ▕▎                   ▏  4 in use, 1 %
          mynet  fd22::1-fd22::ffff:ffff:ffff:ffff  ▕▏                   ▏  4 in use, 0 %
          p2p    10.23.0.1-10.23.0.14               ▕████▌               ▏  3 in use, 23 %

        10 attachments, 10 of containers that are there.
        ");
        assert_eq!(node.ok(&["status", "--brief"]), "");
    });
}

#[test]
fn what_is_wrong_is_told_with_the_reason_and_the_next_step() {
    sandbox(|host| {
        let node = Node::busy(host);
        host.run("ip netns del c3");
        configure(
            "40-again.conflist",
            r#"{"cniVersion":"1.0.0","name":"mynet","plugins":[{"type":"bridge"}]}"#,
        );
        configure(
            "50-x.conflist",
            r#"{"cniVersion":"1.0.0","name":"x","plugins":[{"type":"brdge"}]}"#,
        );
        configure(
            "60-y.conflist",
            r#"{"cniVersion":"1.0.0","name":"y","plugins":[{"type":"bridge"},]}"#,
        );
        configure(
            "70-z.conf",
            r#"{"cniVersion":"1.1.0","name":"z","type":"macvlan","master":"nope0","ipam":{}}"#,
        );
        let output = node.run(&["status", "--brief"]);
        assert_eq!(status(&output), 1);
        assert!(
            output.stderr.contains("3 of 6 networks are not ready")
                && output.stderr.contains("next:"),
            "{output}"
        );
        for words in [
            "never used: /etc/cni/net.d/10-mynet.conflist has a network of this name",
            "failed to find plugin \"brdge\"",
            "Install the plugin \"brdge\"",
            "trailing comma at line 1 column",
            "\"nope0\"",
            "1 is stale: its container is gone. `linkspan gc NET --dry-run`",
        ] {
            assert!(output.stdout.contains(words), "{words:?} in {output}");
        }
        assert!(
            !output.stdout.contains("20-p2p"),
            "what is well is not told: {output}"
        );
        let told = node.json(&["status"]);
        let broken: Vec<_> = told["networks"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|one| one["ready"] == false)
            .collect();
        assert_eq!(
            (broken.len(), &told["ready"], &told["attachments"]["gone"]),
            (4, &false.into(), &1.into()),
            "{told}"
        );
    });
}

#[test]
fn status_waits_for_networks_to_be_ready() {
    sandbox(|host| {
        let node = Node::empty(host);
        for (file, _) in crate::node::NETWORKS {
            fs::remove_file(format!("/etc/cni/net.d/{file}")).unwrap();
        }
        let output = node.run(&["status", "--wait", "600ms"]);
        assert_eq!(status(&output), 1);
        assert!(
            output
                .stderr
                .contains("there is no network in /etc/cni/net.d"),
            "{output}"
        );
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(700));
                let (file, text) = crate::node::NETWORKS[0];
                configure(file, text);
            });
            assert!(node.ok(&["status", "--wait", "60s"]).contains("✓ mynet"));
        });
        assert_eq!(
            status(&node.run(&["status", "nonet", "--wait", "100ms"])),
            3
        );
        node.ok(&["status", "mynet", "--wait", "60s"]);
    });
}
