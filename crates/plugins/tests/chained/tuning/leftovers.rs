//! Killed at every system call, detached when things are missing, and collected.

use std::fs;
use std::time::Duration;

use linkspan_testkit::{lose_every_answer, needs, sandbox};
use serde_json::{Value, json};

use super::{DATA_DIR, files, world};

/// Where attachments are noted whose settings are kept.
const INDEX: &str = "/run/cni/linkspan/tuning";

fn nothing_is_kept(context: &str) {
    assert_eq!(files(DATA_DIR), Vec::<String>::new(), "{context}");
    assert_eq!(files(INDEX), Vec::<String>::new(), "{context}");
}

#[test]
fn killed_anywhere_the_settings_are_put_back_by_del() {
    let setup = needs(&[]).deadline(Duration::from_secs(300));
    setup.sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({
            "mac": "02:00:00:00:00:01", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 77
        }));
        let look = || -> Vec<Value> {
            let ends = [(&world.netns, "eth0"), (&world.host, "veth0")];
            let ends = ends.map(|(netns, link)| netns.ip_json(&format!("link show dev {link}")));
            ends.into()
        };
        let before = look();
        world.is_undone_by_del_wherever_killed(&config, |killed| {
            assert_eq!(look(), before, "{killed}");
            nothing_is_kept(killed);
        });
    });
}

#[test]
fn a_namespace_or_an_interface_that_is_gone_leaves_no_file() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({ "mtu": 1400 }));
        world.add(&config).success();
        assert_eq!(files(DATA_DIR), ["c1_eth0.json"]);
        world.netns.run("ip link delete eth0");
        world.del(&config).success();
        nothing_is_kept("without the interface");

        world.host.connect("veth0", &world.netns, "eth0");
        world.add(&config).success();
        world.netns.delete();
        world.del(&config).success();
        nothing_is_kept("without the namespace");
        // As containerd asks the second time: no namespace at all.
        let call = world.ours.call("DEL", &config).container("c1").netns("");
        call.ifname("eth0").run().success();
    });
}

#[test]
fn a_configuration_that_is_wrong_does_not_keep_a_container_from_being_detached() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let mut config = world.config(json!({ "mtu": 1400, "dataDir": "/run/elsewhere" }));
        world.add(&config).success();
        assert_eq!(files("/run/elsewhere"), ["c1_eth0.json"]);
        config["sysctl"] = json!([1]);
        config["mtu"] = json!("1400");
        world.del(&config).success();
        assert_eq!(world.eth0("mtu"), 1500);
        assert_eq!(files("/run/elsewhere"), Vec::<String>::new());
        nothing_is_kept("DEL");
    });
}

#[test]
fn what_cannot_be_read_is_removed() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({ "mtu": 1400 }));
        world.add(&config).success();
        fs::write(format!("{DATA_DIR}/c1_eth0.json"), "{").unwrap();
        world.del(&config).success();
        nothing_is_kept("a half file");
    });
}

/// It is tried again by the next DEL; what the kernel refuses for good keeps nobody attached.
#[test]
fn settings_that_cannot_be_put_back_just_now_are_kept() {
    let setup = needs(&[]).deadline(Duration::from_secs(120));
    setup.sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({ "mtu": 1400, "mac": "02:00:00:00:00:01" }));
        let (mtu, mac) = (world.eth0("mtu"), world.eth0("address"));
        let add = || {
            world.add(&config).success();
            world.command("DEL", &config)
        };
        let failures = lose_every_answer(add, |output, context| {
            if !output.ok() {
                assert_eq!(files(DATA_DIR), ["c1_eth0.json"], "{context}");
                assert!(output.stdout.contains("\"code\": 11"), "{context}");
                world.del(&config).success();
            }
            assert_eq!(
                (world.eth0("mtu"), world.eth0("address")),
                (mtu.clone(), mac.clone())
            );
            nothing_is_kept(context);
        });
        assert!(failures > 2, "{failures}");

        world.del(&config).success();
        world.add(&config).success();
        let kept = r#"{ "mac": "01:00:00:00:00:01", "mtu": 1500 }"#;
        fs::write(format!("{DATA_DIR}/c1_eth0.json"), kept).unwrap();
        world.del(&config).success();
        assert_eq!(world.eth0("mtu"), 1500);
        nothing_is_kept("what cannot be set");
    });
}

/// What is kept for attachments that are gone goes; what is of others, and of other networks, stays.
#[test]
fn garbage_is_collected_by_attachment() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = |name: &str| {
            let mut config = world.config(json!({ "mtu": 1400 }));
            config["cniVersion"] = "1.1.0".into();
            config["prevResult"]["cniVersion"] = "1.1.0".into();
            config["name"] = name.into();
            config
        };
        let mut elsewhere = config("net");
        elsewhere["dataDir"] = "/run/elsewhere".into();
        for (config, container) in [
            (&config("net"), "c1"),
            (&config("net"), "c2"),
            (&config("net2"), "c3"),
            (&elsewhere, "c4"),
        ] {
            world
                .ours
                .add(config, container, &world.netns, "eth0")
                .success();
        }
        world
            .ours
            .gc(&config("net"), &[("c1", "eth0"), ("c2", "eth1")])
            .success();
        let mut kept = files(DATA_DIR);
        kept.sort();
        assert_eq!(kept, ["c1_eth0.json", "c3_eth0.json"]);
        assert_eq!(files("/run/elsewhere"), Vec::<String>::new());
        world.ours.gc(&config("net"), &[]).success();
        world.ours.gc(&config("net2"), &[]).success();
        nothing_is_kept("GC");
        world.ours.gc(&config("net"), &[]).success();
        world.ours.status(&config("net")).success();
    });
}
