//! What each command asks of the kernel, and what it leaves.

use std::fs;

use linkspan_testkit::{Call, Snapshot, sandbox};
use serde_json::{Value, json};

use super::traffic::{everybody_reaches, nobody_reaches};
use super::world::{Container, HOST_V4, World, merge, publish, publish_with, reconcile};

/// The system calls that a call makes which speak to netfilter, or open something to do so.
fn netfilter_calls(call: &Call) -> Vec<String> {
    let strace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/run/trace",
        "-e",
        "trace=socket,execve,clone,clone3,fork,vfork",
    ];
    call.cmd().under(&strace).run();
    let trace = fs::read_to_string("/run/trace").unwrap();
    let foreign = trace.lines().skip(1).filter(|line| {
        line.contains("NETLINK_NETFILTER")
            || (line.contains("exec") || line.contains("fork"))
            || line.contains("clone")
    });
    foreign.map(str::to_owned).collect()
}

fn call(world: &World<'_>, verb: &str, container: &Container, keys: &Value) -> Call {
    let call = world.ours.call(verb, &world.config(container, keys));
    call.container(&container.id)
        .netns(container.netns.path())
        .ifname("eth0")
}

/// plugins#464, plugins#510, cni#605, promise 6: no mappings and no state of ours, not one netfilter request.
#[test]
fn without_mappings_netfilter_is_not_asked_at_all() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.container("server");
        for nothing in [json!({}), publish(&[]), json!({ "runtimeConfig": {} })] {
            for verb in ["ADD", "CHECK", "DEL"] {
                let calls = netfilter_calls(&call(&world, verb, &server, &nothing));
                assert_eq!(calls, [""; 0], "{verb} {nothing}");
            }
        }
        assert!(!host.run("ls -R /run/cni").contains("netfilter"));
        let some = publish(&["8080:80/tcp"]);
        assert_ne!(
            netfilter_calls(&call(&world, "ADD", &server, &some)),
            [""; 0],
            "the test sees them"
        );
        // State of ours is removed whatever the configuration says by now.
        world.del(&server, &json!({})).success();
        assert!(!world.ruleset().contains("net/server"));
    });
}

#[test]
fn a_container_without_addresses_of_its_own_publishes_nothing() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.container("server");
        let mut config = world.config(&server, &publish(&["8080:80/tcp"]));
        config["prevResult"]["ips"] = json!([{ "address": "10.22.0.9/16", "interface": 0 }]);
        world
            .ours
            .add(&config, "server", &server.netns, "eth0")
            .success();
        assert_eq!(world.ruleset(), "");
        config["prevResult"] = Value::Null;
        world
            .ours
            .add(&config, "server", &server.netns, "eth0")
            .fails(7, &["must be called as chained plugin"]);
    });
}

/// containerd writes the keys of runtimeConfig with capital letters, and Go reads them in any.
#[test]
fn keys_are_read_in_any_capitalisation() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        let mut config = world.config(&server, &json!({}));
        merge(
            &mut config,
            &json!({ "RuntimeConfig": { "PortMappings": [
                { "HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": "" },
                { "hostport": 8081, "containerport": 80, "protocol": "tcp", "hostip": "198.51.100.1" }
            ] }, "SNAT": true, "MasqAll": true }),
        );
        world
            .ours
            .add(&config, "server", &server.netns, "eth0")
            .success();
        for port in [8080, 8081] {
            let seen = world
                .outside
                .talk_tcp(&format!("{HOST_V4}:{port}"))
                .unwrap();
            assert_eq!(seen.ip().to_string(), "10.22.0.1");
        }
        world
            .ours
            .del(&config, "server", &server.netns, "eth0")
            .success();
    });
}

/// The reference's rules of both would stand beside each other.
#[test]
fn an_add_with_other_mappings_replaces_the_first() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        for backend in ["nftables", "iptables"] {
            let keys = |mapping| publish_with(&[mapping], json!({ "backend": backend }));
            world.add(&server, &keys("8080:80/tcp")).success();
            world.add(&server, &keys("8081:80/tcp")).success();
            let reaches = |port| world.outside.talk_tcp(&format!("{HOST_V4}:{port}")).is_ok();
            assert_eq!((reaches(8080), reaches(8081)), (false, true), "{backend}");
            world.del(&server, &keys("8081:80/tcp")).success();
            assert!(!reaches(8081), "{backend}");
        }
    });
}

#[test]
fn nothing_is_left_after_del_and_gc() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        let before = Snapshot::of(&[host.host()], &["/run/cni", "/var/lib/cni"]);
        let keys = publish_with(
            &["8080:80/tcp", "198.51.100.1:8081:80/udp"],
            json!({ "conditionsV4": ["-i", "uplink"] }),
        );
        world.add(&server, &keys).success();
        world.del(&server, &keys).success();
        world.del(&server, &keys).success();
        let config = world.config(&server, &json!({ "cniVersion": "1.1.0" }));
        world.ours.gc(&config, &[]).success();
        let after = Snapshot::of(&[host.host()], &["/run/cni", "/var/lib/cni"]);
        // The directories themselves, which are empty.
        let directories = [" = directory"];
        before
            .without(&directories)
            .assert_same(&after.without(&directories), "after DEL and GC");
    });
}

/// plugins#810, promise 4: DEL needs neither prevResult nor the namespace, and bears that anything is missing.
#[test]
fn del_needs_nothing_and_misses_nothing() {
    sandbox(|host| {
        let world = World::new(host);
        for (number, spoil) in [
            "true",
            "nft flush ruleset",
            "nft delete table inet linkspan",
            "nft flush map inet linkspan ports4",
            "nft flush table inet linkspan",
            "ip netns delete NAME",
            "ip link delete cni0",
            "rm -rf /run/cni/linkspan/netns-*/netfilter/ports /run/cni/linkspan/netns-*/netfilter/route_localnet",
            "rm -rf /run/cni",
            "truncate -s 9 /run/cni/linkspan/netns-*/netfilter/net:NAME:eth0:portmap.json",
        ]
        .iter()
        .enumerate()
        {
            let name = format!("server{number}");
            let server = world.container(&name);
            let keys = publish(&["8080:80/tcp", "8080:80/udp"]);
            world.add(&server, &keys).success();
            let spoil = spoil.replace("NAME", &name);
            host.run(&spoil);
            let mut config = world.config(&server, &keys);
            config["prevResult"] = Value::Null;
            let call = world
                .ours
                .call("DEL", &config)
                .container(&name)
                .ifname("eth0");
            call.run().success();
            assert!(!world.ruleset().contains(&name), "{spoil}");
            call.run().success();
        }
    });
}

/// The identity in an element's comment says whose it is, with and without a record.
#[test]
fn gc_removes_what_no_attachment_has() {
    sandbox(|host| {
        let world = World::new(host);
        let servers = ["one", "two", "three"].map(|id| world.server(id));
        for (server, port) in servers.iter().zip(8080..) {
            world
                .add(server, &publish(&[&format!("{port}:80/tcp")]))
                .success();
        }
        host.run("rm /run/cni/linkspan/netns-*/netfilter/net:two:eth0:portmap.json");
        let gc = json!({ "cniVersion": "1.1.0" });
        let other = json!({ "cniVersion": "1.1.0", "name": "other" });
        world
            .ours
            .gc(&world.config(&servers[0], &other), &[])
            .success();
        for port in 8080..8083 {
            world
                .outside
                .talk_tcp(&format!("{HOST_V4}:{port}"))
                .unwrap();
        }
        world
            .ours
            .gc(&world.config(&servers[0], &gc), &[("three", "eth0")])
            .success();
        let reached = [8080, 8081, 8082]
            .map(|port| world.outside.talk_tcp(&format!("{HOST_V4}:{port}")).is_ok());
        assert_eq!(reached, [false, false, true]);
        world
            .ours
            .gc(&world.config(&servers[0], &gc), &[])
            .success();
        assert_eq!(world.ruleset(), "");
        assert_eq!(
            host.run("cat /proc/sys/net/ipv4/conf/cni0/route_localnet"),
            "0"
        );
        assert_eq!(
            host.run("find /run/cni -path '*/events' -prune -o ! -type d -print"),
            ""
        );
    });
}

/// podman#5431, podman#3842, firewalld#779, promise 11: what others flush is seen by CHECK and restored from the
/// records.
#[test]
fn what_others_removed_is_seen_and_restored() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let keys = [
            publish_with(&["8080:80/tcp", "8080:80/udp"], json!({})),
            publish_with(
                &["8080:80/tcp", "8080:80/udp"],
                json!({ "backend": "iptables" }),
            ),
        ];
        let spoiled = [
            (0, "nft flush ruleset", "ports4"),
            (0, "nft flush table inet linkspan", "ports4"),
            (0, "nft flush chain inet linkspan hairpin", "marked with bit 13"),
            (0, "nft flush chain inet linkspan hairpin; nft delete chain inet linkspan hairpin", "marked with bit 13"),
            (0, "nft flush chain inet linkspan output; nft delete chain inet linkspan output", "chain inet linkspan output"),
            (0, "nft flush map inet linkspan ports4", "tcp . 8080"),
            (0, "nft delete element inet linkspan hairpin4-16 '{ 10.22.0.0 . tcp . 8080 }'", "10.22.0.0 . tcp . 8080"),
            (
                0,
                "nft delete element inet linkspan ports4 '{ tcp . 8080 }'
                 nft add element inet linkspan ports4 '{ tcp . 8080 comment \"net/server/eth0\" : 10.22.0.9 . 80 }'",
                "found tcp . 8080 : 10.22.0.9 . 80",
            ),
            (0, "sysctl -qw net.ipv4.conf.cni0.route_localnet=0", "route_localnet to be 1, found 0"),
            (1, "nft flush ruleset", "CNI-HOSTPORT-DNAT"),
            (1, "iptables -t nat -F PREROUTING", "leads from PREROUTING to CNI-HOSTPORT-DNAT"),
            (1, "iptables -t nat -F POSTROUTING", "leads from POSTROUTING to CNI-HOSTPORT-MASQ"),
            (1, "iptables -t nat -F CNI-HOSTPORT-DNAT", "leads from CNI-HOSTPORT-DNAT to CNI-DN-"),
        ];
        for (number, spoil, words) in spoiled {
            let keys = &keys[number];
            world.add(&server, keys).success();
            let before = world.ruleset();
            host.run(spoil);
            world.check(&server, keys).fails(None, &[words]);
            assert_eq!(reconcile(), 1, "{spoil}");
            world.check(&server, keys).success();
            everybody_reaches(&world, &server, &neighbour);
            if number == 0 {
                assert_eq!(sorted(&world.ruleset()), sorted(&before), "{spoil}");
            }
            assert_eq!(reconcile(), 0, "{spoil}");
            world.del(&server, keys).success();
            nobody_reaches(&world, &server, &neighbour);
        }
    });
}

/// CHECK looks at the kernel: the record may be lost, and is no proof.
#[test]
fn check_needs_no_record() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        for (backend, spoil) in [
            ("nftables", "nft flush map inet linkspan ports4"),
            ("iptables", "iptables -t nat -F CNI-HOSTPORT-DNAT"),
        ] {
            let keys = publish_with(&["8080:80/tcp"], json!({ "backend": backend }));
            world.check(&server, &keys).fails(None, &["expected"]);
            world.add(&server, &keys).success();
            host.run("rm -r /run/cni/linkspan/netns-*/netfilter");
            world.check(&server, &keys).success();
            host.run(spoil);
            world.check(&server, &keys).fails(None, &["expected"]);
            world.del(&server, &keys).success();
            world.check(&server, &keys).fails(None, &["expected"]);
        }
    });
}

/// podman#5431: `nft flush table` leaves chains and sets, and takes all rules; the next ADD notices.
#[test]
fn the_next_add_places_flushed_rules() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, two) = (world.server("one"), world.server("two"));
        let ports = |port: u16| publish(&[&format!("{port}:80/tcp"), &format!("{port}:80/udp")]);
        world.add(&one, &ports(8081)).success();
        world.add(&two, &ports(8080)).success();
        let before = world.ruleset();
        for flush in [
            "nft flush table inet linkspan",
            "nft flush chain inet linkspan prerouting",
        ] {
            world.del(&two, &ports(8080)).success();
            host.run(flush);
            world.add(&two, &ports(8080)).success();
            everybody_reaches(&world, &two, &one);
            let seen = world.outside.talk_tcp(&format!("{HOST_V4}:8081"));
            assert!(seen.is_ok(), "{flush}: {seen:?}");
            assert_eq!(sorted(&world.ruleset()), sorted(&before), "{flush}");
            world.check(&one, &ports(8081)).success();
        }
    });
}

/// Chains and elements are listed in the order in which they were made.
fn sorted(ruleset: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = ruleset
        .split([',', '\n'])
        .map(|line| {
            line.trim()
                .trim_start_matches("elements = { ")
                .trim_end_matches(" }")
        })
        .collect();
    lines.sort_unstable();
    lines
}

#[test]
fn status_tells_whether_ports_can_be_published() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.container("server");
        let config = |backend: Value| {
            let mut config = world.config(&server, &json!({ "cniVersion": "1.1.0" }));
            config["backend"] = backend;
            config
        };
        for backend in [Value::Null, "nftables".into(), "iptables".into()] {
            world.ours.status(&config(backend)).success();
        }
        let call = world.ours.call("STATUS", &config("iptables".into()));
        host.run("mount -t tmpfs none /usr/sbin");
        call.env("PATH", "/nowhere")
            .run()
            .fails(50, &["iptables-restore"]);
    });
}
