//! How a test ends, and what is left then: nothing.

use linkspan_testkit::{Cmd, sandbox};
use serde_json::json;

use super::{LINKSPAN, NOTHING, Node, bridge, failures, portmap};
use crate::demo::build_plugins;
use crate::world::status;

/// Runs it in the background; sends a signal as soon as a line says so much.
fn interrupted(node: &Node<'_>, signal: &str, line: &str) -> String {
    let out = node.bin.join("out");
    let script = format!(
        "env --default-signal=INT,TERM {LINKSPAN} test mynet > {out} 2>&1 & pid=$!
         until grep -q '{line}' {out}; do sleep 0.01; done
         kill -{signal} $pid; code=0; wait $pid || code=$?; echo $code",
        out = out.display()
    );
    let output = Cmd::shell(&script).env("CNI_PATH", &node.bin).output();
    output.success().trim().to_owned()
}

#[test]
fn a_signal_ends_it_with_everything_removed() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        node.network(&json!([bridge(), portmap(), {"type": "firewall"}]));
        node.report(&[]);
        let before = node.snapshot();
        for (signal, line, code) in [
            ("INT", "Attaches", "130"),
            ("TERM", "ADD c1", "143"),
            ("INT", "ADD c2", "130"),
            ("TERM", "by tcp", "143"),
        ] {
            assert_eq!(interrupted(&node, signal, line), code, "{signal} at {line}");
            before.assert_same(&node.snapshot(), &format!("{signal} at {line}"));
        }
    });
}

#[test]
fn what_a_killed_one_left_is_removed_by_the_next_or_by_gc() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        node.network(&json!([bridge(), portmap(), {"type": "firewall"}]));
        node.report(&[]);
        let before = node.snapshot();
        // On a busy machine it may be through before it is killed.
        let killed = |line| (0..10).any(|_| interrupted(&node, "KILL", line) == "137");
        for line in ["Attaches", "ADD c1", "by tcp"] {
            assert!(killed(line), "{line}");
            let left = host.run("ls /run/netns");
            assert!(
                left.contains("linkspan-test-") || line == "Attaches",
                "{line}: {left}"
            );
            let output = node.command(&[]).output();
            let text = output.success();
            assert!(!text.contains('✗'), "{output}");
            before.assert_same(&node.snapshot(), &format!("after a kill at {line}"));
        }
        assert!(killed("by tcp"));
        let gc = |args: &[&str]| {
            let words = [&["gc", "mynet"], args].concat();
            Cmd::new(LINKSPAN)
                .args(words)
                .env("CNI_PATH", &node.bin)
                .output()
        };
        let told = gc(&["--dry-run"]);
        assert!(
            told.success().contains("go     `linkspan test` was killed"),
            "{told}"
        );
        assert_eq!(status(&gc(&[])), 0);
        before.assert_same(&node.snapshot(), "after gc");
    });
}

#[test]
fn one_that_runs_is_left_alone() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        node.network(&json!([bridge(), portmap()]));
        // Both test at once, while somebody collects.
        let script = format!(
            "{LINKSPAN} test mynet --json > {out}1 & a=$!
             {LINKSPAN} test mynet --json > {out}2 & b=$!
             sleep 0.3; {LINKSPAN} gc mynet
             wait $a && wait $b",
            out = node.bin.join("out").display()
        );
        let output = Cmd::shell(&script).env("CNI_PATH", &node.bin).output();
        assert_eq!(status(&output), 0, "{output}");
    });
}

#[test]
fn containers_can_be_kept_and_removed() {
    build_plugins();
    sandbox(|host| {
        let node = Node::new(host);
        node.network(&json!([bridge()]));
        node.report(&[]);
        let before = node.snapshot();
        let report = node.report(&["--keep"]);
        let kept: Vec<_> = report["kept"].as_array().unwrap().iter().collect();
        assert_eq!(kept.len(), 2, "{report:#}");
        assert_eq!(failures(&report), NOTHING);
        // The next does not take them for a killed one's.
        assert_eq!(failures(&node.report(&[])), NOTHING);
        let there = host.run("ls /run/netns");
        assert!(
            kept.iter().all(|id| there.contains(id.as_str().unwrap())),
            "{there}"
        );
        let cleaned = node.report(&["--clean"]);
        assert_eq!(
            cleaned["removed"].as_array().unwrap().len(),
            3,
            "{cleaned:#}"
        );
        before.assert_same(&node.snapshot(), "after --clean");
    });
}

#[test]
fn only_root_may() {
    sandbox(|host| {
        let node = Node::new(host);
        node.network(&json!([bridge()]));
        let output = node
            .command(&[])
            .under(&[
                "setpriv",
                "--bounding-set=-net_admin",
                "--inh-caps=-net_admin",
                "--",
            ])
            .output();
        assert_eq!(status(&output), 5, "{output}");
        assert!(output.stderr.contains("only root may do"), "{output}");
    });
}
