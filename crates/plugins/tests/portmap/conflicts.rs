//! Ports that two want.

use linkspan_testkit::{Snapshot, rows, sandbox};
use serde_json::json;

use super::world::{HOST_V4, World, publish, publish_with};

fn look(world: &World<'_>) -> Snapshot {
    Snapshot::of(&[world.host.host()], &["/run/cni"])
}

/// Promise 35: the second is told who has the port, and nothing of it stays. The same port of another protocol is free
/// (moby#41631).
#[test]
fn the_second_container_is_refused_and_told_who_has_the_port() {
    for_each_backend(|world, backend| {
        let (one, two) = (world.server("one"), world.server("two"));
        let with = |mappings: &[&str]| publish_with(mappings, json!({ "backend": backend }));
        let first = with(&["8080:80/tcp", "198.51.100.1:9090:80/tcp", "7070:80/udp"]);
        world.add(&one, &first).success();
        let before = look(world);
        for (wanted, port) in [
            ("8080:80/tcp", "8080/tcp"),
            ("0.0.0.0:8080:80/tcp", "8080/tcp"),
            ("198.51.100.1:8080:80/tcp", "198.51.100.1:8080/tcp"),
            ("127.0.0.1:8080:80/tcp", "127.0.0.1:8080/tcp"),
            ("[2001:db8:51::1]:8080:80/tcp", "[2001:db8:51::1]:8080/tcp"),
            ("9090:80/tcp", "9090/tcp"),
            ("198.51.100.1:9090:80/tcp", "198.51.100.1:9090/tcp"),
            ("7070:53/udp", "7070/udp"),
        ] {
            let keys = with(&["6060:80/tcp", wanted]);
            let (code, message) = world.add(&two, &keys).failure();
            assert_eq!(code, 100, "{wanted}: {message}");
            let holder = "is already published by container one (network net, interface eth0)";
            for words in [&format!("host port {port} "), holder, "/run/netns/one"] {
                assert!(message.contains(words), "{wanted}: {message}");
            }
            before.assert_same(&look(world), wanted);
        }
        for free in [
            "8080:80/udp",
            "8080:80/sctp",
            "198.51.100.7:9090:80/tcp",
            "[::]:9090:80/tcp",
        ] {
            let keys = with(&[free]);
            world.add(&two, &keys).success();
            world.del(&two, &keys).success();
        }
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
        world.del(&one, &first).success();
        world.add(&two, &with(&["8080:80/tcp"])).success();
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
    });
}

fn for_each_backend(body: impl Fn(&World<'_>, &str)) {
    sandbox(|host| {
        let world = World::new(host);
        body(&world, "nftables");
        host.run(
            "for n in one two; do ip netns delete $n; done; nft flush ruleset; rm -rf /run/cni /var/lib/cni/networks",
        );
        body(&world, "iptables");
    });
}

/// nerdctl#3488: a port is not lost with a container that was never detached.
#[test]
fn a_port_of_a_container_that_is_gone_is_free_again() {
    sandbox(|host| {
        let world = World::new(host);
        // Sockets of a server would keep its namespace alive.
        let (one, two) = (world.container("one"), world.server("two"));
        world
            .add(&one, &publish(&["8080:80/tcp", "8081:80/tcp"]))
            .success();
        world.add(&two, &publish(&["8080:80/tcp"])).failure();
        one.netns.clone().delete();
        world.add(&two, &publish(&["8080:80/tcp"])).success();
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
        let ruleset = world.ruleset();
        assert!(!ruleset.contains("net/one/eth0"), "{ruleset}");
        // Its late removal harms nobody.
        world
            .del(&one, &publish(&["8080:80/tcp", "8081:80/tcp"]))
            .success();
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
        world.check(&two, &publish(&["8080:80/tcp"])).success();
    });
}

#[test]
fn a_claim_without_a_record_is_no_claim() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, two) = (world.server("one"), world.server("two"));
        world.add(&one, &publish(&["8080:80/tcp"])).success();
        host.run("rm /run/cni/linkspan/netns-*/netfilter/net:one:eth0:portmap.json");
        world.add(&two, &publish(&["8080:80/tcp"])).success();
        world.check(&two, &publish(&["8080:80/tcp"])).success();
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
    });
}

/// Runtimes send the same mappings to each of a container's networks; the first publishes them.
#[test]
fn the_same_container_on_several_networks_is_no_conflict() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        for backend in ["nftables", "iptables"] {
            let keys = publish_with(&["8080:80/tcp"], json!({ "backend": backend }));
            world.add(&server, &keys).success();
            let mut second = world.config(&server, &keys);
            second["name"] = "other".into();
            second["prevResult"]["interfaces"][2]["name"] = "eth1".into();
            world
                .ours
                .add(&second, "server", &server.netns, "eth1")
                .success();
            world
                .ours
                .check(&second, "server", &server.netns, "eth1")
                .success();
            world.check(&server, &keys).success();
            world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
            world
                .ours
                .del(&second, "server", &server.netns, "eth1")
                .success();
            world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
            world.del(&server, &keys).success();
            assert!(world.outside.talk_tcp(&format!("{HOST_V4}:8080")).is_err());
        }
    });
}

#[test]
fn what_contradicts_itself_is_refused_early() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.container("server");
        for (mappings, words) in rows! {
            (
                json!([{ "hostPort": 80, "containerPort": 80, "protocol": "tcp" }, { "hostPort": 80, "containerPort": 81, "protocol": "TCP" }]),
                "host port 80/tcp is to lead to the container's ports 80 and 81",
            ),
            (json!([{ "hostPort": 0, "containerPort": 80, "protocol": "tcp" }]), "Invalid host port number: 0"),
            (json!([{ "hostPort": 80, "protocol": "tcp" }]), "Invalid container port number: 0"),
            (json!([{ "hostPort": 65536, "containerPort": 80, "protocol": "tcp" }]), "Invalid host port number: 65536"),
            (json!([{ "hostPort": 80, "containerPort": -1, "protocol": "tcp" }]), "Invalid container port number: -1"),
            (json!([{ "hostPort": 80, "containerPort": 80 }]), "none of tcp, udp and sctp"),
            (json!([{ "hostPort": 80, "containerPort": 80, "protocol": "icmp" }]), "none of tcp, udp and sctp"),
            (json!([{ "hostPort": 80, "containerPort": 80, "protocol": "tcp", "hostIP": "localhost" }]), "invalid hostIP \"localhost\""),
        } {
            let keys = json!({ "runtimeConfig": { "portMappings": mappings } });
            world.add(&server, &keys).fails(7, &[words]);
        }
        let twice = publish(&[
            "8080:80/tcp",
            "8080:80/tcp",
            "0.0.0.0:8080:80/tcp",
            "[::]:8080:80/tcp",
        ]);
        world.add(&server, &twice).success();
        world.del(&server, &twice).success();
    });
}
