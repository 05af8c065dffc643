//! The backend iptables, in both of its implementations, and what the reference portmap and ours leave to each
//! other.

use linkspan_testkit::{Call, Outcome, Outside, Plugins, Snapshot, iptables, sandbox};
use serde_json::{Value, json};

use super::traffic::{everybody_reaches, nobody_reaches};
use super::world::{BRIDGE_V4, Container, HOST_V4, World, publish, publish_with};

/// Tests with each implementation of iptables.
macro_rules! with_both {
    ($($test:ident),* $(,)?) => {
        mod nft {
            $(#[test] fn $test() { super::$test("nft"); })*
        }
        mod legacy {
            $(#[test] fn $test() { super::$test("legacy"); })*
        }
    };
}

with_both!(
    many_at_once_by_iptables,
    the_other_implementation_may_be_in_use_too,
    everybody_reaches_a_published_port_by_iptables,
    keys_of_the_configuration_mean_the_same_by_iptables,
    each_implementation_removes_what_the_other_made,
    attachments_of_one_container_share_a_chain_by_iptables,
);

/// One call, of ours or the reference's, with one implementation of iptables.
fn call(
    world: &World<'_>,
    plugins: &Plugins,
    path: &str,
    verb: &str,
    container: &Container,
    keys: &Value,
) -> Outcome {
    let call: Call = plugins.call(verb, &world.config(container, keys));
    call.container(&container.id)
        .netns(container.netns.path())
        .ifname("eth0")
        .env("PATH", path)
        .run()
}

fn look(world: &World<'_>) -> Snapshot {
    Snapshot::of(&[world.host.host()], &["/run/cni"])
}

fn everybody_reaches_a_published_port_by_iptables(variant: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let path = iptables(variant);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let keys = json!({ "backend": "iptables" });
        let ports = publish_with(&["8080:80/tcp", "8080:80/udp"], keys);
        call(&world, &world.ours, &path, "ADD", &server, &ports).success();
        everybody_reaches(&world, &server, &neighbour);
        let rules = host.run(&format!(
            "iptables-{variant}-save; ip6tables-{variant}-save"
        ));
        assert_eq!(rules.matches(":CNI-DN-").count(), 2, "{rules}");
        call(&world, &world.ours, &path, "CHECK", &server, &ports).success();
        call(&world, &world.ours, &path, "DEL", &server, &ports).success();
        nobody_reaches(&world, &server, &neighbour);
        call(&world, &world.ours, &path, "DEL", &server, &ports).success();
    });
}

fn keys_of_the_configuration_mean_the_same_by_iptables(variant: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let path = iptables(variant);
        let server = world.server("server");
        host.run(&format!(
                "PATH={path}; iptables -t nat -N MARKED; iptables -t nat -A MARKED -j MARK --set-xmark 0x40/0x40
                 iptables -t nat -I POSTROUTING -m mark --mark 0x40/0x40 -j MASQUERADE"
            ));
        let from_outside = || world.outside.talk_tcp(&format!("{HOST_V4}:8080"));
        let from_host = || host.host().talk_tcp("127.0.0.1:8080");
        let ipv4 = |keys: Value| {
            let mut all = publish_with(&["0.0.0.0:8080:80/tcp"], keys);
            all["backend"] = "iptables".into();
            all
        };
        let masq_all = ipv4(json!({ "masqAll": true }));
        let other_bit = ipv4(json!({ "markMasqBit": 5 }));
        let other_chain = ipv4(json!({ "externalSetMarkChain": "MARKED" }));
        let no_snat = ipv4(json!({ "snat": false }));
        let conditions = ipv4(
            json!({ "conditionsV4": ["!", "-i", "uplink", "-m", "comment", "--comment", "a \"b\" c"] }),
        );
        for (keys, outside, loopback) in [
            (&masq_all, Some(BRIDGE_V4), true),
            (&other_bit, Some(Outside::ROUTER_V4), true),
            (&other_chain, Some(Outside::ROUTER_V4), true),
            (&conditions, None, true),
            (&no_snat, Some(Outside::ROUTER_V4), false),
        ] {
            call(&world, &world.ours, &path, "ADD", &server, keys).success();
            call(&world, &world.ours, &path, "CHECK", &server, keys).success();
            let seen = from_outside().ok().map(|seen| seen.ip().to_string());
            assert_eq!(seen.as_deref(), outside, "{keys}\n{}", world.ruleset());
            assert_eq!(from_host().is_ok(), loopback, "{keys}");
            call(&world, &world.ours, &path, "DEL", &server, keys).success();
            assert!(from_outside().is_err(), "{keys}");
        }
    });
}

/// An external chain is one of iptables, so it chooses the backend.
#[test]
fn an_external_chain_is_enough_to_choose_iptables() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        host.run("iptables -t nat -N MARKED; ip6tables -t nat -N MARKED");
        let keys = publish_with(
            &["8080:80/tcp"],
            json!({ "externalSetMarkChain": "MARKED" }),
        );
        world.add(&server, &keys).success();
        assert!(host.run("iptables -t nat -S").contains("-j MARKED"));
        world.check(&server, &keys).success();
        world.del(&server, &keys).success();
        assert!(!host.run("iptables -t nat -S").contains("-j MARKED"));
    });
}

/// Whoever made an attachment, ours or the reference removes it, as the reference removes its own.
fn each_implementation_removes_what_the_other_made(variant: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let path = iptables(variant);
        let keys = json!({ "backend": "iptables", "conditionsV4": ["-s", "198.51.100.0/24"] });
        let servers = [world.server("one"), world.server("two")];
        let ports = |number: usize, keys: &Value| {
            let mappings = [8080 + number, 9080 + number].map(|port| format!("{port}:80/tcp"));
            publish_with(
                &[&mappings[0], &mappings[1], "5353:53/udp"][..2 + usize::from(number == 0)],
                keys.clone(),
            )
        };
        let run = |plugins: &Plugins, verb: &str, number: usize| {
            call(
                &world,
                plugins,
                &path,
                verb,
                &servers[number],
                &ports(number, &keys),
            )
            .success()
        };
        // What all attachments share stays, as the reference leaves it.
        run(&world.reference, "ADD", 0);
        run(&world.reference, "DEL", 0);
        run(&world.ours, "ADD", 0);
        run(&world.ours, "DEL", 0);
        let idle = look(&world);
        for (maker, remover) in [
            (&world.reference, &world.ours),
            (&world.ours, &world.reference),
            (&world.ours, &world.ours),
        ] {
            run(maker, "ADD", 0);
            let one = look(&world).without(&["/run/cni"]);
            run(maker, "ADD", 1);
            assert_ne!(one.diff(&look(&world)), "");
            run(remover, "DEL", 1);
            one.assert_same(
                &look(&world).without(&["/run/cni"]),
                "one is left as it was",
            );
            world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
            run(remover, "DEL", 0);
            idle.without_records()
                .assert_same(&look(&world).without_records(), variant);
            // The record of what the reference removed behind our back goes with the next DEL.
            run(&world.ours, "DEL", 0);
            run(&world.ours, "DEL", 1);
        }
        idle.assert_same(&look(&world), variant);
    });
}

trait WithoutRecords {
    fn without_records(&self) -> Snapshot;
}

impl WithoutRecords for Snapshot {
    fn without_records(&self) -> Snapshot {
        self.clone().without(&["/run/cni"])
    }
}

/// What the reference leaves on a node that is upgraded with containers running, its nftables backend included,
/// is removed by our DEL; what it made for others stays.
#[test]
fn what_the_references_nftables_backend_made_is_removed() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, other) = (world.server("server"), world.server("other"));
        for (family, server_address, other_address) in [
            ("ip", &server.v4, &other.v4),
            ("ip6", &server.v6, &other.v6),
        ] {
            let at = |address: &str| match family {
                "ip6" => format!("[{address}]:80"),
                _ => format!("{address}:80"),
            };
            let rules = format!(
                "table {family} cni_hostport {{
                   comment \"CNI portmap plugin\"
                   chain hostports {{
                     tcp dport 8080 dnat to {} comment \"server\"
                     tcp dport 8081 dnat to {} comment \"other\"
                   }}
                   chain hostip_hostports {{
                   }}
                   chain hostports_all {{
                     jump hostip_hostports
                     jump hostports
                   }}
                   chain prerouting {{
                     type nat hook prerouting priority dstnat; policy accept;
                     fib daddr type local jump hostports_all
                   }}
                   chain masquerading {{
                     type nat hook postrouting priority srcnat; policy accept;
                     {family} saddr {server_address} {family} daddr {server_address} masquerade comment \"server\"
                     {family} saddr {other_address} {family} daddr {other_address} masquerade comment \"other\"
                   }}
                 }}",
                at(server_address),
                at(other_address)
            );
            std::fs::write("/run/rules", rules).unwrap();
            host.run("nft -f /run/rules");
        }
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
        world.del(&server, &publish(&["8080:80/tcp"])).success();
        assert!(world.outside.talk_tcp(&format!("{HOST_V4}:8080")).is_err());
        world.outside.talk_tcp(&format!("{HOST_V4}:8081")).unwrap();
        let ruleset = world.ruleset();
        assert!(!ruleset.contains("\"server\""), "{ruleset}");
        assert_eq!(ruleset.matches("\"other\"").count(), 4, "{ruleset}");
    });
}

/// plugins#1280, promise 12: neither `nft` nor anything else of PATH is needed, and no process is started.
#[test]
fn the_default_backend_needs_no_program() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        let ports = publish(&["8080:80/tcp", "8080:80/udp"]);
        for verb in ["ADD", "CHECK", "DEL"] {
            let call = world.ours.call(verb, &world.config(&server, &ports));
            let call = call
                .container("server")
                .netns(server.netns.path())
                .ifname("eth0");
            let call = call.env("PATH", "/nowhere");
            let strace = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/run/trace",
                "-e",
                "trace=execve,fork,vfork,clone,clone3",
            ];
            call.cmd()
                .env("PATH", std::env::var("PATH").unwrap())
                .under(&strace)
                .run();
            let trace = std::fs::read_to_string("/run/trace").unwrap();
            let processes = trace.lines().filter(|line| !line.contains("CLONE_THREAD"));
            assert_eq!(
                processes.count(),
                1,
                "{verb}: its own execve alone\n{trace}"
            );
        }
    });
}

/// Promise 12: the backend that made a mapping is remembered, so that DEL removes it after the configuration was
/// changed.
#[test]
fn a_mapping_is_removed_from_the_backend_that_made_it() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let by = |backend: &str| {
            publish_with(
                &["8080:80/tcp", "8080:80/udp"],
                json!({ "backend": backend }),
            )
        };
        for (made_by, removed_by) in [("iptables", "nftables"), ("nftables", "iptables")] {
            world.add(&server, &by(made_by)).success();
            everybody_reaches(&world, &server, &neighbour);
            world.check(&server, &by(removed_by)).success();
            world.del(&server, &by(removed_by)).success();
            nobody_reaches(&world, &server, &neighbour);
            assert!(!world.ruleset().contains("dnat to"), "{}", world.ruleset());
        }
    });
}

/// The chain of a container is shared by its attachments to a network.
fn attachments_of_one_container_share_a_chain_by_iptables(variant: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let path = iptables(variant);
        let server = world.server("server");
        let ports = |port: u16| {
            publish_with(
                &[&format!("{port}:80/tcp")],
                json!({ "backend": "iptables" }),
            )
        };
        let run = |verb: &str, ifname: &str, port: u16| {
            let mut config = world.config(&server, &ports(port));
            config["prevResult"]["interfaces"][2]["name"] = ifname.into();
            let call = world.ours.call(verb, &config).env("PATH", &path);
            call.container("server")
                .netns(server.netns.path())
                .ifname(ifname)
                .run()
                .success();
        };
        let reached = || {
            [8080, 8081].map(|port| world.outside.talk_tcp(&format!("{HOST_V4}:{port}")).is_ok())
        };
        run("ADD", "eth0", 8080);
        run("ADD", "eth1", 8081);
        assert_eq!(reached(), [true, true]);
        run("CHECK", "eth0", 8080);
        run("DEL", "eth0", 8080);
        assert_eq!(reached(), [false, true]);
        run("CHECK", "eth1", 8081);
        run("DEL", "eth1", 8081);
        assert_eq!(reached(), [false, false]);
    });
}

/// A host on which the other implementation has rules of its own, and chains of these names from earlier.
fn the_other_implementation_may_be_in_use_too(variant: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let other = if variant == "nft" { "legacy" } else { "nft" };
        let (path, other_path) = (iptables(variant), iptables(other));
        let (server, neighbour) = (world.server("server"), world.container("neighbour"));
        let keys = json!({ "backend": "iptables" });
        let ports = publish_with(&["8080:80/tcp", "8080:80/udp"], keys);
        call(&world, &world.ours, &other_path, "ADD", &server, &ports).success();
        call(&world, &world.ours, &other_path, "DEL", &server, &ports).success();
        call(&world, &world.ours, &path, "ADD", &server, &ports).success();
        everybody_reaches(&world, &server, &neighbour);
        let own = |variant: &str| {
            let rules = host.run(&format!("iptables-{variant}-save -t nat"));
            rules.matches(":CNI-DN-").count()
        };
        assert_eq!((own(variant), own(other)), (1, 0));
        call(&world, &world.ours, &path, "CHECK", &server, &ports).success();
        // Whichever is the host's by now.
        call(&world, &world.ours, &other_path, "DEL", &server, &ports).success();
        assert_eq!((own(variant), own(other)), (0, 0));
        nobody_reaches(&world, &server, &neighbour);
    });
}

/// hashicorp/nomad#6567: the chains that all share are made once, whoever is first.
fn many_at_once_by_iptables(variant: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let path = iptables(variant);
        let server = world.container("server");
        let run = |verb: &str, number: usize| {
            let keys = json!({ "backend": "iptables" });
            let ports = publish_with(&[&format!("{}:80/tcp", 8000 + number)], keys);
            let call = world.ours.call(verb, &world.config(&server, &ports));
            let call = call
                .container(&format!("c{number}"))
                .netns(server.netns.path());
            call.ifname("eth0").env("PATH", &path)
        };
        for verb in ["ADD", "CHECK", "DEL"] {
            std::thread::scope(|scope| {
                let calls: Vec<_> = (0..20)
                    .map(|number| {
                        let call = run(verb, number);
                        scope.spawn(move || call.run().success())
                    })
                    .collect();
                calls.into_iter().for_each(|call| {
                    call.join().unwrap();
                });
            });
            let rules = host.run(&format!("iptables-{variant}-save -t nat"));
            let count = |words: &str| rules.lines().filter(|line| line.contains(words)).count();
            let containers = if verb == "DEL" { 0 } else { 20 };
            assert_eq!(count(":CNI-DN-"), containers, "{verb}\n{rules}");
            assert_eq!(
                count("-A CNI-HOSTPORT-DNAT "),
                containers,
                "{verb}\n{rules}"
            );
            for from in ["-A PREROUTING ", "-A OUTPUT ", "-A POSTROUTING "] {
                assert_eq!(count(from), 1, "{verb}\n{rules}");
            }
        }
    });
}
