//! Where /run is shared by several hosts, or cannot be written.

use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, fail_at_syscall, sandbox};

use super::{World, chain, firewall, portmap};

#[test]
fn two_hosts_that_share_run_do_not_know_of_each_other() {
    sandbox(|host| {
        let world = World::new(host);
        let other = host.netns("other");
        let (one, two) = (host.netns("c1"), host.netns("c2"));
        let config = chain(
            "one",
            "bridge",
            "10.22.0.0/16",
            &[portmap(&[8080]), firewall()],
        );
        let done = world.add(&config, &one, "eth0");
        let enter = format!("--net={}", other.path().display());
        let there = |verb: &str, config: &serde_json::Value| {
            let call = world
                .plugins
                .call(verb, config)
                .container("c2")
                .netns(two.path());
            call.ifname("eth0")
                .cmd()
                .under(&["nsenter", &enter])
                .output()
        };
        let mut result = serde_json::Value::Null;
        let mut added = Vec::new();
        for config in &config {
            let config = match &result {
                serde_json::Value::Null => config.clone(),
                result => linkspan_testkit::with_prev_result(config, result),
            };
            let output = there("ADD", &config);
            assert!(output.ok(), "{output}");
            result = serde_json::from_str(&output.stdout).unwrap();
            added.push(linkspan_testkit::with_prev_result(&config, &result));
        }
        // GC of one, with no valid attachment, is none of the other's business either.
        let mut gc = config[1].clone();
        gc["cni.dev/valid-attachments"] = serde_json::json!([]);
        assert!(there("GC", &gc).ok());
        world.check(&done, &one, "eth0");
        for config in added.iter().rev() {
            let output = there("DEL", config);
            assert!(output.ok(), "{output}");
        }
        world.check(&done, &one, "eth0");
        assert_eq!(host.run("ls -d /run/cni/linkspan/netns-* | wc -l"), "2");
        // The folder of a host that is gone goes with the next GC.
        other.delete();
        world.gc(&config, &[("c1", "eth0")]);
        assert_eq!(host.run("ls -d /run/cni/linkspan/netns-* | wc -l"), "1");
        world.check(&done, &one, "eth0");
    });
}

#[test]
fn where_run_is_read_only_everything_is_kept_elsewhere() {
    sandbox(|host| {
        let world = World::new(host);
        host.run("mkdir -p /run/cni; mount -t tmpfs -o ro none /run/cni");
        let netns = host.netns("c1");
        let config = chain(
            "one",
            "ptp",
            "10.22.0.0/16",
            &[portmap(&[8080]), firewall()],
        );
        let done = world.add(&config, &netns, "eth0");
        world.check(&done, &netns, "eth0");
        let (code, _) = world
            .call(
                "ADD",
                &super::with_prev_result(&config[1], &done[0]["prevResult"]),
                &host.netns("c2"),
                "eth0",
            )
            .failure();
        assert_eq!(code, 100, "the port is claimed");
        world.del(&done, &netns, "eth0");
        assert_eq!(world.files("/var/lib/cni/linkspan"), [""; 0]);
        assert!(!host.run("nft list ruleset").contains("one/c1"));
    });
}

/// Nothing can be kept, so nothing is set up; and DEL, which has nothing to look for, succeeds.
#[test]
fn where_nothing_can_be_written_add_says_so_and_del_succeeds() {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let config = chain(
            "one",
            "bridge",
            "10.22.0.0/16",
            &[portmap(&[8080]), firewall()],
        );
        let read_only = "for d in /run/cni /var/lib/cni/linkspan; do mkdir -p $d; mount -t tmpfs -o ro none $d; done";
        let writable = "umount /run/cni /var/lib/cni/linkspan";
        host.run(read_only);
        let (code, text) = world.call("ADD", &config[0], &netns, "eth0").failure();
        assert!(
            code == 5 && text.contains("/run must be writable"),
            "{code} {text}"
        );
        world.del(&config, &netns, "eth0");
        host.run(writable);
        let done = world.add(&config, &netns, "eth0");
        host.run(
            "mount -t tmpfs -o ro none /run/cni; mount -t tmpfs -o ro none /var/lib/cni/linkspan",
        );
        world.del(&done, &netns, "eth0");
        assert!(!host.run("nft list ruleset").contains("one/c1"));
        host.run("umount /run/cni /var/lib/cni/linkspan");
        // That it was read-only when they were to be removed harms nobody afterwards.
        let other = host.netns("c2");
        netns.delete();
        let done = world.add(&config, &other, "eth0");
        world.check(&done, &other, "eth0");
    });
}

/// Without it everybody would be told by the inode alone: locks of two would be in two places.
#[test]
fn a_namespace_whose_cookie_cannot_be_asked_for_just_now_gets_no_second_folder() {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let [config] = &chain("one", "bridge", "10.22.0.0/16", &[])[..] else {
            panic!("a plugin")
        };
        for occurrence in 1.. {
            world.call("DEL", config, &netns, "eth0").success();
            let call = world.plugins.call("ADD", config).container("c1");
            let add = call.netns(netns.path()).ifname("eth0").cmd();
            if fail_at_syscall(add, "getsockopt", "ENOMEM", occurrence).is_none() {
                assert!(occurrence > 1, "it asks");
                break;
            }
            let folders = host.run("ls /run/cni/linkspan | grep netns- || true");
            let with_cookie = |name: &str| name.matches('-').count() == 2;
            assert!(folders.lines().all(with_cookie), "{occurrence}: {folders}");
        }
    });
}

/// The namespace's own file, which took the place of the lock, is everybody's to hold.
#[test]
fn where_nothing_can_be_written_users_keep_nobody_waiting() {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let mut config = chain("one", "bridge", "10.22.0.0/16", &[]).remove(0);
        config["ipMasq"] = false.into();
        config["ipam"] = serde_json::json!({
            "type": "static", "addresses": [{ "address": "10.22.0.2/16", "gateway": "10.22.0.1" }]
        });
        host.run(
            "for d in /run/cni /var/lib/cni; do mkdir -p $d; mount -t tmpfs -o ro none $d; done",
        );
        let held =
            Cmd::shell("exec 9</proc/self/ns/net; flock 9; echo held; exec sleep 60").start();
        held.wait_for("held");
        let begin = Instant::now();
        world.call("ADD", &config, &netns, "eth0").success();
        world.call("DEL", &config, &netns, "eth0").success();
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        drop(held);
    });
}
