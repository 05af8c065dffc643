//! Each command, as a runtime calls it.

use linkspan_testkit::{Snapshot, rows, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::{MAC, World, layer2, network, records};

#[test]
fn the_device_serves_the_container_and_comes_home() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        let before = Snapshot::of(&[&world.host, &world.netns], &["/run/cni"]);
        let result = world.add(&config).success();
        assert_eq!(result["interfaces"][0]["name"], "eth0");
        assert_eq!(result["interfaces"][0]["mac"], MAC);
        assert_eq!(
            result["interfaces"][0]["sandbox"],
            world.netns.path().to_str().unwrap()
        );
        assert_eq!(result["ips"][0]["interface"], 0);
        world.netns.ping("10.1.0.1");
        world.netns.ping("fd00:1::1");
        world.peer.ping("10.1.0.2");
        let link = world.netns.ip_json("link show dev eth0");
        assert_eq!(link[0]["ifalias"], "nic0");
        let checked = with_prev_result(&config, &result);
        world
            .ours
            .check(&checked, "c1", &world.netns, "eth0")
            .success();
        world.del(&checked).success();
        world.assert_home("after DEL");
        // Moving has switched it off, as with the reference.
        world.host.run("ip link set nic0 up");
        before.assert_same(
            &Snapshot::of(&[&world.host, &world.netns], &["/run/cni"]).without(&["/run/cni"]),
            "after DEL",
        );
        world.del(&config).success();
    });
}

#[test]
fn a_device_is_found_by_its_mac_address() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        for keys in [
            json!({ "hwaddr": MAC }),
            json!({ "HWADDR": MAC.to_uppercase() }),
            json!({ "device": "nic0", "hwaddr": "02:00:00:00:00:ee" }),
        ] {
            let config = layer2(keys);
            let result = world.add(&config).success();
            assert_eq!(result["interfaces"][0]["mac"], MAC);
            assert_eq!(result.get("ips"), None);
            world.del(&config).success();
            world.assert_home("after DEL");
        }
    });
}

#[test]
fn every_version_tells_what_it_can() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        for version in [
            "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
        ] {
            let mut config = network(json!({ "device": "nic0" }));
            config["cniVersion"] = version.into();
            let result = world.add(&config).success();
            let address = match version {
                "0.1.0" | "0.2.0" => &result["ip4"]["ip"],
                _ => &result["ips"][0]["address"],
            };
            assert_eq!(address, "10.1.0.2/24", "{version}: {result}");
            world.del(&config).success();
            world.assert_home(version);
        }
    });
}

#[test]
fn check_tells_what_was_changed() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        for (change, words) in rows! {
            ("ip address del 10.1.0.2/24 dev eth0", "10.1.0.2/24"),
            ("ip route del 10.9.0.0/16", "10.9.0.0/16"),
            ("ip link set eth0 address 02:00:00:00:00:ff", "02:00:00:00:00:ff"),
            ("ip link set eth0 down", "switched off"),
            ("ip link set eth0 down; ip link set eth0 name other", "eth0"),
        } {
            let result = world.add(&config).success();
            let checked = with_prev_result(&config, &result);
            world.netns.run(change);
            let outcome = world.ours.check(&checked, "c1", &world.netns, "eth0");
            outcome.fails(999, &[words]);
            world.netns.try_run("ip link set other name eth0");
            world.netns.run(&format!("ip link set eth0 address {MAC}"));
            world.del(&checked).success();
            world.assert_home(change);
        }
    });
}

#[test]
fn status_misses_a_device_that_is_not_there() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = layer2(json!({ "device": "nic0" }));
        config["cniVersion"] = "1.1.0".into();
        world.ours.status(&config).success();
        world.add(&config).success();
        world.ours.status(&config).fails(50, &["nic0"]);
    });
}

/// Each row: keys, the code, and words of the message.
const BAD: [(&str, u64, &str); 12] = rows! {
    (r#"{}"#, 7, "specify either"),
    (r#"{ "device": "" }"#, 7, "specify either"),
    (r#"{ "device": 5 }"#, 6, "device"),
    (r#"{ "device": "nonesuch" }"#, 999, "nonesuch"),
    (r#"{ "device": "lo" }"#, 999, "lo"),
    (r#"{ "hwaddr": "02:00" }"#, 7, "02:00"),
    (r#"{ "hwaddr": "02:00:00:00:00:99" }"#, 999, "02:00:00:00:00:99"),
    (r#"{ "kernelpath": "/etc" }"#, 7, "/sys/devices/"),
    (r#"{ "kernelpath": "/sys/devices/../../etc" }"#, 7, "/sys/devices/"),
    (r#"{ "kernelpath": "/sys/devices/nonesuch" }"#, 999, "nonesuch"),
    (r#"{ "pciBusID": "../../../etc" }"#, 7, "pciBusID"),
    (r#"{ "runtimeConfig": { "deviceID": "0000:ff:00.0" } }"#, 999, "0000:ff:00.0"),
};

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let before = Snapshot::of(&[&world.host, &world.netns], &[]);
        for (keys, code, words) in BAD {
            let keys: Value = serde_json::from_str(keys).unwrap();
            world.add(&layer2(keys.clone())).fails(code, &[words]);
            world.del(&layer2(keys)).success();
        }
        let after = Snapshot::of(&[&world.host, &world.netns], &[]);
        before.assert_same(&after, "after all refusals");
        assert_eq!(records(), 0);
    });
}

#[test]
fn an_add_that_fails_gives_the_device_back_as_it_was() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        world
            .host
            .run("ip address add 10.77.0.1/24 brd + dev nic0; ip link set nic0 alias wire");
        let before = Snapshot::of(&[&world.host, &world.netns], &[]);
        let mut config = network(json!({ "device": "nic0" }));
        config["ipam"]["routes"] = json!([{ "dst": "10.9.0.0/16", "gw": "172.31.0.1" }]);
        world.add(&config).fails(999, &["172.31.0.1"]);
        before.assert_same(
            &Snapshot::of(&[&world.host, &world.netns], &[]),
            "after ADD",
        );

        world
            .netns
            .run("ip link add eth0 type veth peer name other");
        let before = Snapshot::of(&[&world.host, &world.netns], &[]);
        world
            .add(&layer2(json!({ "device": "nic0" })))
            .fails(4, &["eth0"]);
        before.assert_same(
            &Snapshot::of(&[&world.host, &world.netns], &[]),
            "after ADD",
        );
    });
}
