//! The ways home.

use linkspan_testkit::{Plugins, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::{MAC, World, layer2, network, records};

// plugins#773: the name is taken on the host when the device comes back.
#[test]
fn a_device_whose_name_is_taken_comes_home_under_another_and_gets_its_own_from_gc() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = layer2(json!({ "device": "nic0" }));
        config["cniVersion"] = "1.1.0".into();
        world.add(&config).success();
        world.host.run("ip link add nic0 type veth peer name taker");
        world.del(&config).success();
        let devices = world.devices();
        assert!(
            matches!(devices.as_slice(), [(name, alias, _)] if name.starts_with("dev") && alias == "nic0"),
            "{devices:?}"
        );
        world.ours.gc(&config, &[]).fails(None, &["File exists"]);
        world.host.run("ip link del taker");
        world.ours.gc(&config, &[]).success();
        world.assert_home("after GC");
    });
}

// multus#1134: the container's namespace died with the device in it, and the kernel returned it as "eth0".
#[test]
fn a_device_that_the_kernel_returned_gets_its_name_back() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = network(json!({ "device": "nic0" }));
        config["cniVersion"] = "1.1.0".into();
        for returned_as in ["eth0", "dev7"] {
            world.add(&config).success();
            // What the kernel does with hardware; virtual devices die with their namespace.
            world.netns.run("ip link set eth0 down netns 1; true");
            world
                .host
                .run(&format!("ip link set eth0 name {returned_as} || true"));
            let bare = world
                .ours
                .call("DEL", &config)
                .container("c1")
                .ifname("eth0")
                .netns("");
            if returned_as == "eth0" {
                bare.run().success();
            } else {
                world.ours.gc(&config, &[("other", "eth0")]).success();
            }
            world.assert_home(returned_as);
        }
    });
}

#[test]
fn gc_leaves_devices_of_attachments_in_use_alone() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = network(json!({ "device": "nic0" }));
        config["cniVersion"] = "1.1.0".into();
        world.add(&config).success();
        world.ours.gc(&config, &[("c1", "eth0")]).success();
        world.netns.ping("10.1.0.1");
        assert_eq!(records(), 1);
    });
}

#[test]
fn a_device_that_died_with_its_namespace_leaves_nothing() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        world.add(&config).success();
        let path = world.netns.path().to_owned();
        world.netns.delete();
        let call = |netns: &std::path::Path| {
            let call = world
                .ours
                .call("DEL", &config)
                .container("c1")
                .ifname("eth0");
            call.netns(netns).run().success()
        };
        call(&path);
        call("".as_ref());
        assert_eq!(records(), 0);
    });
}

#[test]
fn a_device_that_was_renamed_inside_comes_home() {
    for by in ["alias", "nothing but its name"] {
        sandbox(|sandbox| {
            let world = World::new(sandbox);
            let config = network(json!({ "device": "nic0" }));
            world.add(&config).success();
            world.netns.run("ip link set eth0 down name uplink0");
            // A link on top has the device's MAC address, and is not the device.
            world
                .netns
                .run("ip link add link uplink0 name top0 type macvlan mode passthru");
            if by == "alias" {
                world
                    .netns
                    .run("ip link set uplink0 address 02:00:00:00:00:77");
            }
            world.del(&config).success();
            assert_eq!(world.devices().len(), usize::from(by != "alias"));
            world.host.run("ip link show dev nic0");
            assert_eq!(records(), 0);
        });
    }
}

/// As monitoring names links.
#[test]
fn an_alias_of_others_does_not_become_the_devices_name() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        world.add(&config).success();
        world.netns.run("ip link set eth0 alias web-1");
        world.del(&config).success();
        world.assert_home("after DEL");
    });
}

#[test]
fn a_device_that_was_deleted_inside_leaves_nothing() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        world.add(&config).success();
        world.netns.run("ip link del eth0");
        world.del(&config).success();
        assert_eq!(records(), 0);
    });
}

#[test]
fn a_link_of_others_is_left_where_it_is() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        world
            .netns
            .run("ip link add eth0 type veth peer name other");
        world.del(&layer2(json!({ "device": "nic0" }))).success();
        world.netns.run("ip link show dev eth0");
        world.assert_home("after DEL of nothing");
    });
}

/// What the reference has moved in is brought home by ours, and the other way round.
#[test]
fn either_brings_home_what_the_other_has_taken() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let reference = Plugins::reference();
        let config = layer2(json!({ "device": "nic0" }));
        for (add, del) in [(&reference, &world.ours), (&world.ours, &reference)] {
            let result = add.add(&config, "c1", &world.netns, "eth0").success();
            let checked = with_prev_result(&config, &result);
            del.check(&checked, "c1", &world.netns, "eth0").success();
            del.del(&checked, "c1", &world.netns, "eth0").success();
            assert_eq!(world.devices()[0].0, "nic0");
            // The reference knows nothing of what we have written down.
            world.del(&config).success();
            assert_eq!(records(), 0);
            world.host.run("ip link set nic0 alias ''");
        }
    });
}

/// What the container can write on its links tells nothing of which one the device is.
#[test]
fn the_device_is_told_by_what_the_container_cannot_change() {
    let forged = "ip link set eth0 down name hidden; ip link add eth0 type veth peer name evil; ip link set eth0 alias nic0";
    for script in [
        forged.to_owned(),
        format!("{forged} address {MAC}"),
        format!("{forged}; ip link set hidden address 02:00:00:00:00:66 alias other"),
        "ip link set eth0 address 02:00:00:00:00:66 alias other".to_owned(),
    ] {
        sandbox(|sandbox| {
            let world = World::new(sandbox);
            let config = network(json!({ "device": "nic0" }));
            let index = world.host.ip_json("link show dev nic0")[0]["link_index"].clone();
            world.add(&config).success();
            world.netns.run(&script);
            world.del(&config).success();
            let home = &world.host.ip_json("link show dev nic0")[0];
            assert_eq!(home["link_index"], index, "{script}");
            assert_eq!(home["ifalias"], json!(null), "{script}");
            assert_eq!(records(), 0, "{script}");
            // A container that lives on forges its next link, and DEL comes again.
            world.netns.run("ip link del eth0; ip link add eth0 type veth peer name evil2; ip link set eth0 alias nic0");
            world.del(&config).success();
            world.netns.run("ip link show dev eth0");
        });
    }
}

/// Nothing was written down of what the reference has moved in.
#[test]
fn without_a_record_an_alias_names_no_other_device_than_the_configured() {
    let mac = json!({ "hwaddr": "02:00:00:00:00:99" });
    for (keys, alias) in [(json!({ "device": "nic0" }), "nic9"), (mac, "nic9")] {
        sandbox(|sandbox| {
            let world = World::new(sandbox);
            world.netns.run(&format!(
                "ip link add eth0 type veth peer name evil; ip link set eth0 alias {alias}"
            ));
            world.del(&layer2(keys.clone())).success();
            world.netns.run("ip link show dev eth0");
        });
    }
}

/// Those of the host come back with it, those of the container stay there: one that is taken kept it from coming.
#[test]
fn a_device_comes_home_with_the_other_names_that_it_had() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "wire0" }));
        world.host.run("ip link property add dev nic0 altname wire0 altname wire1; ip link add br0 type bridge");
        world.add(&config).success();
        world.netns.run(
            "ip link property del dev eth0 altname wire1; ip link property add dev eth0 altname br0 altname cni0",
        );
        world.del(&config).success();
        world.assert_home("after DEL");
        let link = &world.host.ip_json("link show dev nic0")[0];
        let mut names: Vec<&str> = link["altnames"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_str)
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["wire0", "wire1"]);
    });
}

/// More than fit into the usual answer of the kernel, given by root in the container.
#[test]
fn a_device_with_hundreds_of_names_comes_home() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        world.add(&config).success();
        world.netns.run(
            "for n in $(seq 330); do printf 'link property add dev eth0 altname %0127d\\n' $n; done \
             | ip -batch -",
        );
        world.del(&config).success();
        world.assert_home("after DEL");
    });
}
