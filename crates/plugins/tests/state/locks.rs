//! What plugins wait for, nobody but root can hold.

use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, sandbox};
use serde_json::json;

use super::{World, chain, firewall, portmap};

/// Everybody may lock what he can open for reading: the namespaces' own files are that, and were what plugins took.
#[test]
fn a_namespace_that_somebody_locks_keeps_nobody_from_being_attached() {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let config = chain(
            "one",
            "bridge",
            "10.22.0.0/16",
            &[portmap(&[8080]), firewall(), json!({ "type": "sbr" })],
        );
        let held = ["/proc/self/ns/net", "/run/netns/c1"].map(|file| {
            let held =
                Cmd::shell(&format!("exec 9<{file}; flock 9; echo held; exec sleep 60")).start();
            held.wait_for("held");
            held
        });
        let begin = Instant::now();
        let done = world.add(&config, &netns, "eth0");
        world.check(&done, &netns, "eth0");
        world.del(&done, &netns, "eth0");
        // The first waited for 5 s, and sbr for 10.
        assert!(
            begin.elapsed() < Duration::from_secs(4),
            "{:?}",
            begin.elapsed()
        );
        drop(held);
    });
}

/// All that is locked lies below a folder that root alone enters.
#[test]
fn what_is_locked_is_out_of_reach() {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let mut by_iptables = portmap(&[8080]);
        by_iptables["backend"] = "iptables".into();
        let admission = json!({ "type": "firewall", "backend": "iptables" });
        let config = chain(
            "one",
            "bridge",
            "10.22.0.0/16",
            &[by_iptables, admission, json!({ "type": "sbr" })],
        );
        let mut result = serde_json::Value::Null;
        let mut locked = Vec::new();
        for config in &config {
            let config = match &result {
                serde_json::Value::Null => config.clone(),
                result => linkspan_testkit::with_prev_result(config, result),
            };
            let call = world
                .plugins
                .call("ADD", &config)
                .container("c1")
                .netns(netns.path())
                .ifname("eth0");
            let strace = [
                "strace",
                "-f",
                "-qq",
                "-y",
                "-e",
                "trace=flock",
                "-o",
                "/run/trace",
            ];
            result = serde_json::from_str(&call.cmd().under(&strace).run()).unwrap();
            let trace = std::fs::read_to_string("/run/trace").unwrap();
            locked.extend(
                trace
                    .lines()
                    .filter(|line| line.contains("flock("))
                    .map(str::to_owned),
            );
        }
        let ours = |line: &&String| {
            !line.contains("/xtables.lock") && !line.contains("/networks/one/lock")
        };
        let locked: Vec<_> = locked.iter().filter(ours).collect();
        assert!(locked.len() >= 4, "{locked:?}");
        for line in locked {
            assert!(line.contains("</run/cni/linkspan/"), "{line}");
        }
    });
}
