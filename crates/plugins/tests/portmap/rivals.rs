//! Ports that rules of iptables lead to other containers: the reference's, or our own that somebody has saved and restored.

use std::fs;

use linkspan_testkit::{Plugins, sandbox};
use serde_json::json;

use super::world::{Container, HOST_V4, World, publish, publish_with};

/// Who made the rules that are in the way.
const MAKERS: [&str; 2] = ["reference", "restored"];

/// Has rules of iptables lead to a container, without a record of ours.
fn occupy(world: &World<'_>, container: &Container, maker: &str) {
    let keys = publish_with(&["8080:80/tcp"], json!({ "backend": "iptables" }));
    let mut config = world.config(container, &keys);
    let plugins: &Plugins = match maker {
        "reference" => {
            config.as_object_mut().unwrap().remove("backend");
            &world.reference
        }
        _ => &world.ours,
    };
    plugins
        .add(&config, &container.id, &container.netns, "eth0")
        .success();
    // A boot takes what is below /run; whoever saves rules puts them back.
    world.host.run("rm -rf /run/cni/linkspan/netns-*/netfilter");
}

fn reaches(world: &World<'_>, container: &Container) -> bool {
    let rules = world
        .host
        .run("iptables-save -t nat; nft list table inet linkspan 2>/dev/null || true");
    world.outside.talk_tcp(&format!("{HOST_V4}:8080")).is_ok() && rules.contains(&container.v4)
}

#[test]
fn a_port_that_rules_lead_elsewhere_is_refused_and_taken_over_from_the_dead() {
    for maker in MAKERS {
        for backend in ["nftables", "iptables"] {
            sandbox(|host| {
                let world = World::new(host);
                let (one, two) = (world.container("one"), world.server("two"));
                occupy(&world, &one, maker);
                let with = |mapping: &str| publish_with(&[mapping], json!({ "backend": backend }));
                let wanted = with("8080:80/tcp");
                let before = host.run("iptables-save -t nat | grep -v '^[#:]'");
                let (code, message) = world.add(&two, &wanted).failure();
                assert_eq!(code, 100, "{message}");
                for words in [
                    "host port 8080/tcp ",
                    "container one (network net)",
                    "/run/netns/one",
                    "iptables -t nat -F CNI-DN-",
                ] {
                    assert!(message.contains(words), "{words}: {message}");
                }
                if backend == "nftables" {
                    assert_eq!(host.run("iptables-save -t nat | grep -v '^[#:]'"), before);
                }
                for free in ["8081:80/tcp", "8080:80/udp"] {
                    world.add(&two, &with(free)).success();
                    world.del(&two, &with(free)).success();
                }
                one.netns.clone().delete();
                world.add(&two, &wanted).success();
                assert!(reaches(&world, &two), "{maker}, {backend}");
                world.check(&two, &wanted).success();
            });
        }
    }
}

/// The reference's nftables backend has one table for all containers, and labels its rules with the container alone.
#[test]
fn a_port_that_the_references_nftables_backend_leads_is_refused_and_taken_over_from_the_dead() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, two) = (world.container("one"), world.server("two"));
        host.run(&format!(
            "nft -f - <<'END'
table ip cni_hostport {{
    chain hostports {{
        tcp dport 8080 dnat to {0}:80 comment \"one\"
        ip daddr 192.0.2.77 udp dport 53 dnat to {0}:53 comment \"one\"
    }}
    chain hostip_hostports {{ }}
    chain hostports_all {{ jump hostip_hostports; jump hostports; }}
    chain masquerading {{ type nat hook postrouting priority srcnat; ip saddr {0} ip daddr {0} masquerade comment \"one\"; }}
    chain prerouting {{ type nat hook prerouting priority dstnat; fib daddr type local jump hostports_all; }}
}}
END",
            one.v4
        ));
        let wanted = publish(&["8080:80/tcp"]);
        let (code, message) = world.add(&two, &wanted).failure();
        assert_eq!(code, 100, "{message}");
        for words in [
            "host port 8080/tcp ",
            "container one",
            "/run/netns/one",
            "cni_hostport",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        for free in ["8081:80/tcp", "8080:80/udp"] {
            world.add(&two, &publish(&[free])).success();
            world.del(&two, &publish(&[free])).success();
        }
        let (code, message) = world.add(&two, &publish(&["53:53/udp"])).failure();
        assert_eq!(code, 100, "{message}");
        one.netns.clone().delete();
        world.add(&two, &wanted).success();
        assert!(reaches(&world, &two));
        world.check(&two, &wanted).success();
        let left = host.run("nft list table ip cni_hostport");
        assert!(!left.contains("comment"), "{left}");
    });
}

/// What the reference attached has no identity of its namespace; libcni has kept its path.
#[test]
fn what_is_not_known_to_be_gone_is_not_taken_over() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, two) = (world.container("one"), world.server("two"));
        occupy(&world, &one, "reference");
        // As the reference's host-local leaves it.
        let reservation = format!("/var/lib/cni/networks/net/{}", one.v4);
        let text = fs::read(&reservation).unwrap();
        fs::remove_file(&reservation).unwrap();
        fs::write(&reservation, text).unwrap();
        let wanted = publish(&["8080:80/tcp"]);
        let (_, message) = world.add(&two, &wanted).failure();
        assert!(
            message.contains("nobody has kept whether it is still there"),
            "{message}"
        );
        fs::create_dir_all("/var/lib/cni/results").unwrap();
        let cached = |sandbox: &str| {
            let kept = json!({ "kind": "cniCacheV1", "result": { "interfaces": [{ "name": "eth0", "sandbox": sandbox }] } });
            fs::write("/var/lib/cni/results/net-one-eth0", kept.to_string()).unwrap();
        };
        cached("/run/netns/one");
        let (_, message) = world.add(&two, &wanted).failure();
        assert!(message.contains("/run/netns/one"), "{message}");
        cached("/run/netns/gone");
        world.add(&two, &wanted).success();
        assert!(reaches(&world, &two));
    });
}

#[test]
fn check_tells_whose_rules_are_in_the_way() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, two) = (world.container("one"), world.server("two"));
        let wanted = publish(&["8080:80/tcp"]);
        world.add(&two, &wanted).success();
        world.check(&two, &wanted).success();
        let config = world.config(&one, &publish(&["8080:80/tcp"]));
        world
            .reference
            .add(&config, "one", &one.netns, "eth0")
            .success();
        let (_, message) = world.check(&two, &wanted).failure();
        for words in [
            "host port 8080/tcp",
            "CNI-DN-",
            "container one (network net)",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        host.run("iptables -t nat -F CNI-HOSTPORT-DNAT; ip6tables -t nat -F CNI-HOSTPORT-DNAT");
        world.check(&two, &wanted).success();
    });
}

#[test]
fn gc_removes_labelled_rules_of_its_network_whoever_made_them() {
    for maker in MAKERS {
        sandbox(|host| {
            let world = World::new(host);
            let one = world.container("one");
            occupy(&world, &one, maker);
            let gc = |network: &str, valid: &[(&str, &str)]| {
                let config = json!({ "cniVersion": "1.1.0", "name": network, "type": "portmap" });
                world.ours.gc(&config, valid).success();
                let saved: String = host.run("iptables-save -t nat");
                saved.contains("CNI-DN-")
            };
            assert!(gc("other", &[]));
            assert!(gc("net", &[("one", "eth0")]));
            assert!(!gc("net", &[("two", "eth0")]), "{maker}");
        });
    }
}
