//! `tap`: a device in the container whose other end is a program.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "so a test fails")]

use linkspan_testkit::{
    Netns, Outcome, Plugins, Sandbox, Snapshot, rows, sandbox, with_prev_result,
};
use serde_json::{Value, json};

struct World {
    ours: Plugins,
    host: Netns,
    netns: Netns,
}

impl World {
    fn new(sandbox: &Sandbox) -> Self {
        Self {
            ours: Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins")),
            host: sandbox.host().clone(),
            netns: sandbox.netns("container"),
        }
    }

    fn add(&self, config: &Value) -> Outcome {
        self.ours.add(config, "c1", &self.netns, "eth0")
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::of(&[&self.host, &self.netns], &["/var/lib/cni"])
    }

    /// The device as `ip` shows it.
    fn device(&self) -> Value {
        self.netns.ip_json("link show dev eth0")[0].clone()
    }
}

/// A configuration with these keys and an address.
fn network(keys: Value) -> Value {
    let mut config = layer2(keys);
    config["ipam"] = json!({
        "type": "static",
        "addresses": [{ "address": "10.1.0.2/24", "gateway": "10.1.0.1" }],
        "routes": [{ "dst": "10.9.0.0/16" }]
    });
    config
}

fn layer2(keys: Value) -> Value {
    let mut config = json!({ "cniVersion": "1.0.0", "name": "net", "type": "tap" });
    let map = config.as_object_mut().unwrap();
    map.extend(keys.as_object().unwrap().clone());
    config
}

/// Attaches to the device, which gives it a carrier, has the container ping a neighbour that nobody is, and prints the
/// first ARP request that comes out: who is asked for, and by whom.
const READER: &str = r#"
import fcntl, os, socket, struct, subprocess
tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH", b"eth0", 0x1002 | FLAGS))
ping = subprocess.Popen(["ping", "-c", "1", "-W", "2", "10.1.0.77"], stdout=subprocess.DEVNULL)
while True:
    frame = os.read(tap, 2048)
    if frame[12:14] == b"\x08\x06" and frame[38:42] == socket.inet_aton("10.1.0.77"):
        print(socket.inet_ntoa(frame[28:32]), frame[6:12].hex(":"))
        break
ping.kill()
"#;

#[test]
fn a_program_reads_what_the_container_sends() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        for (multi_queue, flags) in [(false, "0"), (true, "0x100")] {
            let config = network(json!({ "multiQueue": multi_queue, "mac": "c2:11:22:33:44:55" }));
            let before = world.snapshot();
            let result = world.add(&config).success();
            let reader = READER.replace("FLAGS", flags);
            let read = world.netns.cmd("python3").args(["-c", &reader]).run();
            assert_eq!(read.trim(), "10.1.0.2 c2:11:22:33:44:55");
            let checked = with_prev_result(&config, &result);
            world
                .ours
                .check(&checked, "c1", &world.netns, "eth0")
                .success();
            for _ in 0..2 {
                world
                    .ours
                    .del(&checked, "c1", &world.netns, "eth0")
                    .success();
                before.assert_same(&world.snapshot(), "after DEL");
            }
        }
    });
}

// plugins PR#784, container-selinux#195: the device belongs to the user and the group that the virtual machine runs as.
#[test]
fn owner_and_group_are_given() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        for (owner, group) in [
            (Some(0), Some(0)),
            (Some(0), None),
            (None, Some(0)),
            (None, None),
        ] {
            let config = layer2(json!({ "owner": owner, "group": group, "mtu": 1400 }));
            let result = world.add(&config).success();
            assert_eq!(result["interfaces"][0]["name"], "eth0");
            assert_eq!(result["interfaces"][0]["mac"], world.device()["address"]);
            let device = world.device();
            assert_eq!(device["mtu"], 1400);
            assert!(device["flags"].as_array().unwrap().contains(&"UP".into()));
            let data = &device["linkinfo"]["info_data"];
            assert_eq!(data["type"], "tap", "{device}");
            assert_eq!(data.get("user").is_some(), owner.is_some(), "{device}");
            assert_eq!(data.get("group").is_some(), group.is_some(), "{device}");
            assert_eq!(data["persist"], true, "{device}");
            let checked = with_prev_result(&config, &result);
            world
                .ours
                .check(&checked, "c1", &world.netns, "eth0")
                .success();
            world
                .ours
                .del(&config, "c1", &world.netns, "eth0")
                .success();
        }
    });
}

#[test]
fn the_strongest_wish_for_a_mac_address_wins() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = layer2(json!({ "mac": "c2:00:00:00:00:01" }));
        let mut mac_of = |keys: Value, args: &str| {
            config
                .as_object_mut()
                .unwrap()
                .extend(keys.as_object().unwrap().clone());
            let call = world
                .ours
                .call("ADD", &config)
                .container("c1")
                .ifname("eth0");
            let result = call.netns(world.netns.path()).args(args).run().success();
            world
                .ours
                .del(&config, "c1", &world.netns, "eth0")
                .success();
            result["interfaces"][0]["mac"].as_str().unwrap().to_owned()
        };
        assert_eq!(mac_of(json!({}), ""), "c2:00:00:00:00:01");
        assert_eq!(
            mac_of(json!({}), "MAC=c2:00:00:00:00:02"),
            "c2:00:00:00:00:02"
        );
        let runtime = json!({ "runtimeConfig": { "mac": "c2:00:00:00:00:03" } });
        assert_eq!(
            mac_of(runtime, "MAC=c2:00:00:00:00:02"),
            "c2:00:00:00:00:03"
        );
    });
}

#[test]
fn the_device_is_a_port_of_a_bridge_in_the_container() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = layer2(json!({ "bridge": "br0" }));
        world.add(&config).fails(7, &["br0"]);
        world.netns.run("ip link add br0 type bridge");
        let result = world.add(&config).success();
        assert_eq!(world.device()["master"], "br0");
        let checked = with_prev_result(&config, &result);
        world
            .ours
            .check(&checked, "c1", &world.netns, "eth0")
            .success();
        world.netns.run("ip link set eth0 nomaster");
        world
            .ours
            .check(&checked, "c1", &world.netns, "eth0")
            .fails(999, &["br0"]);
    });
}

#[test]
fn check_tells_what_was_changed() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "mtu": 1400, "owner": 0 }));
        for (change, words) in rows! {
            ("ip address del 10.1.0.2/24 dev eth0", "10.1.0.2/24"),
            ("ip route del 10.9.0.0/16", "10.9.0.0/16"),
            ("ip link set eth0 mtu 1300", "1300"),
            ("ip link set eth0 address 02:00:00:00:00:ff", "02:00:00:00:00:ff"),
            ("ip link set eth0 down", "switched off"),
            ("ip link del eth0", "nothing"),
            ("ip link del eth0; ip link add eth0 type veth peer name x", "veth"),
        } {
            let result = world.add(&config).success();
            let checked = with_prev_result(&config, &result);
            world.netns.run(change);
            let outcome = world.ours.check(&checked, "c1", &world.netns, "eth0");
            outcome.fails(999, &[words]);
            world
                .ours
                .del(&checked, "c1", &world.netns, "eth0")
                .success();
        }
    });
}

/// Each row: keys, the code, and words of the message.
const BAD: [(&str, u64, &str); 8] = rows! {
    (r#"{ "owner": "root" }"#, 6, "owner"),
    (r#"{ "group": -1 }"#, 7, "group"),
    (r#"{ "mtu": 70000 }"#, 7, "mtu"),
    (r#"{ "mtu": 10 }"#, 7, "mtu"),
    (r#"{ "mac": "c2:00" }"#, 7, "c2:00"),
    (r#"{ "multiQueue": "yes" }"#, 6, "multiQueue"),
    (r#"{ "selinuxContext": "system_u:system_r:container_t:s0" }"#, 7, "SELinux is off"),
    (r#"{ "ipam": { "type": "nonesuch" } }"#, 5, "nonesuch"),
};

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let before = world.snapshot();
        for (keys, code, words) in BAD {
            let keys: Value = serde_json::from_str(keys).unwrap();
            world.add(&layer2(keys.clone())).fails(code, &[words]);
            before.assert_same(&world.snapshot(), &keys.to_string());
        }
        let mut config = network(json!({}));
        config["ipam"]["routes"] = json!([{ "dst": "10.9.0.0/16", "gw": "172.31.0.1" }]);
        world.add(&config).failure();
        before.assert_same(&world.snapshot(), "a route that cannot be");
        world.add(&layer2(json!({}))).success();
        world.add(&layer2(json!({}))).fails(4, &["eth0"]);
        world.device();
    });
}

#[test]
fn status_misses_the_device_of_which_others_are_made() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = layer2(json!({}));
        config["cniVersion"] = "1.1.0".into();
        world.ours.status(&config).success();
        sandbox.run("mount -t tmpfs none /dev/net");
        world.ours.status(&config).fails(50, &["/dev/net/tun"]);
        sandbox.run("umount /dev/net");
        world.ours.status(&config).success();
    });
}

#[test]
fn every_command_in_every_version() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        for version in [
            "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
        ] {
            let mut config = network(json!({}));
            config["cniVersion"] = version.into();
            world.add(&config).success();
            world
                .ours
                .del(&config, "c1", &world.netns, "eth0")
                .success();
        }
        let mut config = network(json!({}));
        config["cniVersion"] = "1.1.0".into();
        world.ours.status(&config).success();
        world.add(&config).success();
        world.ours.gc(&config, &[]).success();
        let call = world
            .ours
            .call("DEL", &config)
            .container("c1")
            .ifname("eth0");
        call.netns("").run().success();
    });
}

/// kubernetes#100648: the process has died whose namespace it was, and its number was given to another container's.
#[test]
fn a_path_that_leads_to_another_container_changes_nothing_there() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = layer2(json!({}));
        let result = world.add(&config).success();
        let other = sandbox.netns("other");
        world.ours.add(&config, "c2", &other, "eth0").success();
        let del = |config: &Value, words: &str| {
            let before = Snapshot::of(&[&other], &[]);
            world.ours.del(config, "c1", &other, "eth0").success();
            before.assert_same(&Snapshot::of(&[&other], &[]), words);
        };
        del(&config, "its alias tells");
        other.run("ip link set eth0 alias ''");
        del(&with_prev_result(&config, &result), "its MAC address tells");
        world.ours.del(&config, "c2", &other, "eth0").success();
        assert_eq!(other.run("ip -oneline link | wc -l"), "1");
    });
}

/// A device of ours is removed by whatever settings a plugin of the chain, or the container, has given it.
#[test]
fn a_device_with_another_mac_address_is_removed() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = layer2(json!({}));
        let result = world.add(&config).success();
        world
            .netns
            .run("ip link set eth0 address 02:00:00:00:00:ff");
        let config = with_prev_result(&config, &result);
        world
            .ours
            .del(&config, "c1", &world.netns, "eth0")
            .success();
        assert_eq!(world.netns.run("ip -oneline link | wc -l"), "1");
    });
}

#[test]
fn a_namespace_that_is_gone_does_not_keep_the_container_from_being_detached() {
    sandbox(|sandbox| {
        let world = World::new(sandbox);
        let mut config = network(json!({}));
        config["ipam"] = json!({ "type": "host-local", "subnet": "10.1.0.0/24" });
        let result = world.add(&config).success();
        let path = world.netns.path().to_path_buf();
        world.netns.clone().delete();
        for config in [&with_prev_result(&config, &result), &config] {
            let call = world.ours.call("DEL", config).container("c1");
            call.ifname("eth0").netns(&path).run().success();
            assert_eq!(
                sandbox.run("ls /var/lib/cni/networks/net | grep -c '^10' || true"),
                "0"
            );
        }
    });
}
