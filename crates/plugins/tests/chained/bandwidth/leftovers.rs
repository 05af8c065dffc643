//! plugins PR#562, projectcalico/calico#13986: links that shaped what containers sent outlived them.

use std::time::Duration;

use linkspan_testkit::{Snapshot, kill_at_every_syscall, needs, sandbox};
use serde_json::{Value, json};

use super::world;

fn both() -> Value {
    json!({ "ingressRate": 8_000_000, "egressRate": 16_000_000 })
}

fn nothing() -> (Vec<String>, String) {
    (Vec::new(), String::new())
}

#[test]
fn killed_anywhere_nothing_is_left_after_del() {
    let setup = needs(&[]).deadline(Duration::from_secs(300));
    setup.sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(both());
        let look = || (world.ifbs(), world.qdiscs());
        world.is_undone_by_del_wherever_killed(&config, |killed| {
            assert_eq!(look(), nothing(), "{killed}");
            world.host.ping("10.1.0.2");
        });
    });
}

/// What a killed ADD has left, GC knows at once.
#[test]
fn killed_anywhere_nothing_is_left_after_gc() {
    let setup = needs(&[]).deadline(Duration::from_secs(300));
    setup.sandbox(|sandbox| {
        let world = world(sandbox);
        let mut config = world.config(json!({ "egressRate": 16_000_000 }));
        config["cniVersion"] = "1.1.0".into();
        kill_at_every_syscall(
            || world.command("ADD", &config),
            |kill| {
                world.host.run("ip link delete veth0");
                world.ours.gc(&config, &[]).success();
                assert_eq!(world.ifbs(), Vec::<String>::new(), "{kill:?}");
                world.connect();
            },
        );
    });
}

#[test]
fn without_the_namespace_nothing_is_left() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(both());
        let mut bare = config.clone();
        bare.as_object_mut().unwrap().remove("prevResult");
        let mut silent = bare.clone();
        for key in ["ingressRate", "egressRate"] {
            silent.as_object_mut().unwrap().remove(key);
        }
        for (number, config_of_del) in [&config, &bare, &silent].into_iter().enumerate() {
            let netns = sandbox.netns(&format!("n{number}"));
            world.host.connect("v", &netns, "eth0");
            let mut config = config.clone();
            config["prevResult"]["interfaces"][0]["name"] = "v".into();
            world.ours.add(&config, "c1", &netns, "eth0").success();
            assert_eq!(world.ifbs().len(), 1);
            world.host.run("ip link delete v");
            netns.delete();
            let call = world.ours.call("DEL", config_of_del).container("c1");
            let path = if number == 0 {
                netns.path().to_owned()
            } else {
                "".into()
            };
            call.netns(path).ifname("eth0").run().success();
            assert_eq!((world.ifbs(), world.qdiscs()), nothing(), "{config_of_del}");
        }
    });
}

#[test]
fn del_tolerates_everything_that_is_missing() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(both());
        let before = Snapshot::of(&[&world.host, &world.netns], &[]);
        for damage in [
            "true",
            "ip link delete $(ip -br link show type ifb | cut -d' ' -f1)",
            "tc qdisc delete dev veth0 root",
            "tc qdisc delete dev veth0 ingress",
        ] {
            world.add(&config).success();
            world.host.run(damage);
            world.del(&config).success();
            world.del(&config).success();
            let after = Snapshot::of(&[&world.host, &world.netns], &[]);
            before.assert_same(&after, damage);
        }
        let mut wrong = config.clone();
        wrong["ingressRate"] = "fast".into();
        world.add(&config).success();
        world.del(&wrong).success();
        assert_eq!(world.ifbs(), Vec::<String>::new());
        world.host.run("ip link delete veth0");
        world.del(&config).success();
    });
}

#[test]
fn a_failed_add_leaves_everything_as_it_was() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for occupied in [
            "tc qdisc add dev veth0 root handle 7: tbf rate 1mbit burst 9000 limit 9000",
            "tc qdisc add dev veth0 ingress",
        ] {
            world.host.run(occupied);
            let before = Snapshot::of(&[&world.host, &world.netns], &[]);
            world
                .add(&world.config(both()))
                .fails(None, &["File exists"]);
            let after = Snapshot::of(&[&world.host, &world.netns], &[]);
            before.assert_same(&after, occupied);
            // Nor does the DEL that follows take away what was in the way.
            world.del(&world.config(both())).success();
            let after = Snapshot::of(&[&world.host, &world.netns], &[]);
            before.assert_same(&after, occupied);
            world
                .host
                .run("tc qdisc delete dev veth0 root||tc qdisc delete dev veth0 ingress");
        }
        // A second ADD without a DEL between says so, and does not cut what the first made.
        let config = world.config(both());
        world.add(&config).success();
        world.add(&config).fails(None, &["is shaped already"]);
        world.check(&config).success();
        world.netns.ping("10.1.0.1");
    });
}

/// Two interfaces of one container in one network: the reference gives both the same name, and fails.
#[test]
fn each_interface_of_a_container_has_its_own() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        world.host.connect("veth1", &world.netns, "eth1");
        let config = world.config(both());
        let mut second = config.clone();
        second["prevResult"]["interfaces"][0]["name"] = "veth1".into();
        second["prevResult"]["interfaces"][1]["name"] = "eth1".into();
        world.add(&config).success();
        world
            .ours
            .add(&second, "c1", &world.netns, "eth1")
            .success();
        assert_eq!(world.ifbs().len(), 2);
        world.check(&config).success();
        world
            .ours
            .check(&second, "c1", &world.netns, "eth1")
            .success();
        world.del(&config).success();
        world
            .ours
            .check(&second, "c1", &world.netns, "eth1")
            .success();
        world
            .ours
            .del(&second, "c1", &world.netns, "eth1")
            .success();
        assert_eq!((world.ifbs(), world.qdiscs()), nothing());
    });
}

#[test]
fn garbage_is_collected_by_attachment() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = |network: &str, number: usize| {
            let mut config = world.config(both());
            config["cniVersion"] = "1.1.0".into();
            config["name"] = network.into();
            config["prevResult"]["cniVersion"] = "1.1.0".into();
            config["prevResult"]["interfaces"][0]["name"] = format!("v{number}").into();
            config
        };
        for (number, network) in ["net", "net", "net2"].into_iter().enumerate() {
            world
                .host
                .connect(&format!("v{number}"), &world.netns, &format!("e{number}"));
            let (container, ifname) = (format!("c{number}"), format!("e{number}"));
            world
                .ours
                .add(&config(network, number), &container, &world.netns, &ifname)
                .success();
        }
        world
            .host
            .run("ip link add other type ifb; ip link set other alias net/c7/e0");
        world
            .host
            .run("ip link add bwp0 type dummy 2>/dev/null || ip link add bwp0 type bridge");
        let alias = |name: &String| {
            world.host.ip_json(&format!("link show dev {name}"))[0]["ifalias"].clone()
        };
        world
            .ours
            .gc(&config("net", 0), &[("c1", "e1"), ("c0", "e7")])
            .success();
        let left: Vec<Value> = world.ifbs().iter().map(alias).collect();
        assert!(
            !left.contains(&json!("net/c0/e0")) && left.len() == 3,
            "{left:?}"
        );
        world.ours.gc(&config("net", 0), &[]).success();
        world.ours.gc(&config("net2", 0), &[]).success();
        assert_eq!(world.ifbs(), ["other"]);
        world.host.run("ip link show bwp0");
        world.ours.status(&config("net", 0)).success();
    });
}

/// As monitoring names links.
#[test]
fn an_alias_of_others_keeps_no_link() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(both());
        for result in [true, false] {
            let added = world.add(&config).success();
            let ifb = world.ifbs().remove(0);
            world.host.run(&format!("ip link set {ifb} alias web-1"));
            let mut config = config.clone();
            config["prevResult"] = added;
            if !result {
                config.as_object_mut().unwrap().remove("prevResult");
            }
            world.del(&config).success();
            assert_eq!((world.ifbs(), world.qdiscs()), nothing(), "{result}");
        }
    });
}
