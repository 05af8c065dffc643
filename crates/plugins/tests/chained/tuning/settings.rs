//! Settings of the interface, where they come from, and back.

use std::fs;

use linkspan_testkit::{rows, sandbox};
use serde_json::json;

use super::{DATA_DIR, files, world};

/// plugins#493, plugins PR#540: DEL puts back what was there.
#[test]
fn settings_are_made_checked_and_put_back() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let (mac, queue) = (world.eth0("address"), world.eth0("txqlen"));
        world.netns.run("ip link set eth0 allmulticast on");
        let config = world.config(json!({
            "mac": "02:00:00:00:00:01", "mtu": 1400, "promisc": true, "allmulti": false, "txQLen": 77
        }));
        let result = world.add(&config).success();
        let mut expected = config["prevResult"].clone();
        expected["interfaces"][1]["mac"] = json!("02:00:00:00:00:01");
        assert_eq!(result, expected, "all of prevResult, with the new MAC");

        assert_eq!(world.eth0("address"), "02:00:00:00:00:01");
        assert_eq!(world.eth0("mtu"), 1400);
        assert_eq!(world.eth0("txqlen"), 77);
        assert!(world.eth0_is("PROMISC") && !world.eth0_is("ALLMULTI"));
        world.netns.ping("10.1.0.1");
        let neighbour = world.host.run("ip neigh show 10.1.0.2");
        assert!(neighbour.contains("02:00:00:00:00:01"), "{neighbour}");
        world.check(&config).success();

        let kept = fs::read_to_string(format!("{DATA_DIR}/c1_eth0.json")).unwrap();
        let text = format!(
            "{{\n \"mac\": {mac},\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": true,\n \"txQLen\": {queue}\n}}"
        );
        assert_eq!(kept, text, "the reference's format");

        world.del(&config).success();
        assert_eq!((world.eth0("address"), world.eth0("txqlen")), (mac, queue));
        assert_eq!(world.eth0("mtu"), 1500);
        assert!(!world.eth0_is("PROMISC") && world.eth0_is("ALLMULTI"));
        assert_eq!(files(DATA_DIR), Vec::<String>::new());
        world.del(&config).success();
    });
}

#[test]
fn what_differs_is_named() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({
            "mac": "02:00:00:00:00:01", "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 77
        }));
        world.add(&config).success();
        for (line, back, words) in rows! {
            ("address 02:00:00:00:00:02", "address 02:00:00:00:00:01", "the MAC address of \"eth0\""),
            ("mtu 1401", "mtu 1400", "the MTU of \"eth0\" in the container: expected 1400, found 1401"),
            ("promisc off", "promisc on", "the promiscuous mode of \"eth0\""),
            ("allmulticast off", "allmulticast on", "the all-multicast mode of \"eth0\""),
            ("txqueuelen 78", "txqueuelen 77", "the transmit queue length of \"eth0\""),
        } {
            world.netns.run(&format!("ip link set eth0 {line}"));
            world.check(&config).fails(None, &[words]);
            world.netns.run(&format!("ip link set eth0 {back}"));
            world.check(&config).success();
        }
        // Somebody listens; the configuration does not speak of it.
        let silent = world.config(json!({ "mtu": 1400 }));
        world.check(&silent).success();
    });
}

#[test]
fn a_mac_address_is_taken_from_whoever_is_strongest() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let mac = |last: u8| format!("02:00:00:00:00:{last:02x}");
        let config = |runtime: bool, args: bool| {
            let mut keys = json!({ "mac": mac(1) });
            if runtime {
                keys["runtimeConfig"] = json!({ "Mac": mac(3) });
            }
            if args {
                keys["args"] = json!({ "cni": { "mac": mac(4) } });
            }
            world.config(keys)
        };
        for (runtime, cni_args, args, strongest) in [
            (false, "", false, 1),
            (false, "MAC=02:00:00:00:00:02", false, 2),
            (true, "MAC=02:00:00:00:00:02", false, 3),
            (true, "MAC=02:00:00:00:00:02", true, 4),
        ] {
            let config = config(runtime, args);
            let call = world.ours.call("ADD", &config).container("c1");
            let call = call.netns(world.netns.path()).ifname("eth0");
            let result = call.args(cni_args).run().success();
            assert_eq!(result["interfaces"][1]["mac"], mac(strongest).as_str());
            assert_eq!(world.eth0("address"), mac(strongest).as_str());
            world.del(&config).success();
        }
        world
            .add(&world.config(json!({ "mac": "02:00" })))
            .fails(7, &["02:00 for MAC addr"]);
    });
}

/// plugins#352: only the container's end got the MTU, and the other dropped what was larger.
#[test]
fn both_ends_of_a_pair_get_the_mtu() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({ "mtu": 9000 }));
        let mut latest = config.clone();
        latest["cniVersion"] = "1.1.0".into();
        latest["prevResult"]["cniVersion"] = "1.1.0".into();
        let result = world.add(&latest).success();
        assert_eq!(result["interfaces"][1]["mtu"], 9000);
        assert_eq!(result["interfaces"][0]["mtu"], 9000, "on the host");
        for (netns, address) in [(&world.netns, "10.1.0.1"), (&world.host, "10.1.0.2")] {
            netns.run(&format!("ping -n -c 1 -W 2 -M do -s 8900 {address}"));
        }
        world.del(&latest).success();
        let host = world.host.ip_json("link show dev veth0")[0]["mtu"].clone();
        assert_eq!((world.eth0("mtu"), host), (json!(1500), json!(1500)));
        // A result has the key since 1.1.0.
        let result = world.add(&config).success();
        assert_eq!(result["interfaces"][1]["mtu"], json!(null));
    });
}

/// On a bridge, one container's smaller MTU would be everybody's.
#[test]
fn a_bridge_keeps_its_mtu() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        world
            .host
            .run("ip link add br0 type bridge; ip link set veth0 master br0; ip link set br0 up");
        let mtu =
            |link: &str| world.host.ip_json(&format!("link show dev {link}"))[0]["mtu"].clone();
        for (wanted, host_end) in [(1400, 1500), (9000, 9000)] {
            let config = world.config(json!({ "mtu": wanted }));
            world.add(&config).success();
            assert_eq!(world.eth0("mtu"), wanted);
            assert_eq!(
                (mtu("veth0"), mtu("br0")),
                (json!(host_end), json!(host_end))
            );
            world.del(&config).success();
        }
    });
}

/// A link of the same index as the pair's other end is on the host too, and is none of the container's.
#[test]
fn another_link_of_the_same_index_is_left_alone() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let other = sandbox.netns("other");
        other.run("ip link add peer0 index 77 type veth peer name peer1 netns container");
        world
            .host
            .run("ip link add same index 77 type veth peer name same1");
        let config = world.config(json!({ "mtu": 1400 }));
        let call = world.ours.add(&config, "c1", &world.netns, "peer1");
        call.success();
        let mtu = |netns: &linkspan_testkit::Netns, link: &str| {
            netns.ip_json(&format!("link show dev {link}"))[0]["mtu"].clone()
        };
        assert_eq!(mtu(&world.netns, "peer1"), 1400);
        assert_eq!(mtu(&world.host, "same"), 1500);
    });
}

#[test]
fn two_of_a_chain_put_back_what_both_replaced() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let first = world.config(json!({ "mtu": 1400 }));
        let second = world.config(json!({ "txQLen": 50 }));
        let queue = world.eth0("txqlen");
        world.add(&first).success();
        world.add(&second).success();
        world.del(&second).success();
        world.del(&first).success();
        assert_eq!(
            (world.eth0("mtu"), world.eth0("txqlen")),
            (json!(1500), queue)
        );
    });
}

#[test]
fn old_versions_have_their_result() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for version in ["0.1.0", "0.2.0"] {
            let mut config = world.config(json!({ "mtu": 1400 }));
            config["cniVersion"] = version.into();
            config["prevResult"] = json!({
                "cniVersion": version, "ip4": { "ip": "10.1.0.2/24", "gateway": "10.1.0.1" }, "dns": {}
            });
            let result = world.add(&config).success();
            assert_eq!(result, config["prevResult"], "{version}");
            assert_eq!(world.eth0("mtu"), 1400);
            world.del(&config).success();
        }
    });
}
