//! Attachments of one container.

use linkspan_testkit::sandbox;
use serde_json::{Value, json};

use super::{RECORDS, World, chain, firewall, portmap};

/// The second network's ADD is refused, since the name is taken; its DEL, which the specification demands, is none of
/// the first's business.
fn a_refused_network_takes_nothing_from_the_first(backend: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let mut ports = portmap(&[8080]);
        ports["backend"] = backend.into();
        let others = [
            ports,
            json!({ "type": "firewall", "backend": backend }),
            json!({ "type": "tuning", "mtu": 1400 }),
            json!({ "type": "bandwidth", "ingressRate": 1000000, "ingressBurst": 1000000 }),
        ];
        let first = chain("one", "bridge", "10.22.0.0/16", &others);
        let second = chain("two", "bridge", "10.23.0.0/16", &others);
        let done = world.add(&first, &netns, "eth0");
        world.call("ADD", &second[0], &netns, "eth0").failure();
        let before = (world.files("/run/cni"), host.run("nft list ruleset"));
        world.del(&second, &netns, "eth0");
        assert_eq!(
            (world.files("/run/cni"), host.run("nft list ruleset")),
            before
        );
        world.check(&done, &netns, "eth0");
        world.del(&done, &netns, "eth0");
        assert_eq!(host.run(&format!("find {RECORDS} ! -type d")), "");
    });
}

#[test]
fn a_refused_network_takes_nothing_from_the_first_by_nftables() {
    a_refused_network_takes_nothing_from_the_first("nftables");
}

#[test]
fn a_refused_network_takes_nothing_from_the_first_by_iptables() {
    a_refused_network_takes_nothing_from_the_first("iptables");
}

/// A runtime sends the mappings to each of a container's networks.
fn a_port_is_handed_over(backend: &str) {
    sandbox(|host| {
        let world = World::new(host);
        let outside = host.outside().netns;
        let netns = host.netns("c1");
        netns.serve_tcp("0.0.0.0:80");
        let mut ports = portmap(&[8080]);
        ports["backend"] = backend.into();
        let configs = [
            ("one", "10.22.0.0/16"),
            ("two", "10.23.0.0/16"),
            ("three", "10.24.0.0/16"),
        ];
        let chains = configs
            .map(|(name, subnet)| chain(name, "bridge", subnet, std::slice::from_ref(&ports)));
        let done: Vec<Vec<Value>> = ["eth0", "eth1", "eth2"]
            .iter()
            .zip(&chains)
            .map(|(ifname, chain)| world.add(chain, &netns, ifname))
            .collect();
        netns.run("ip route replace default via 10.22.0.1");
        let reach = || outside.talk_tcp("198.51.100.1:8080").is_ok();
        assert!(reach());
        world.del(&done[0], &netns, "eth0");
        netns.run("ip route replace default via 10.23.0.1 || true");
        world.check(&done[1][1..], &netns, "eth1");
        world.check(&done[2][1..], &netns, "eth2");
        assert!(reach(), "by the second: {}", host.run("nft list ruleset"));
        // Whoever waited and goes leaves no trace, and the last has it again after a loss of all records.
        world.del(&done[1], &netns, "eth1");
        netns.run("ip route replace default via 10.24.0.1 || true");
        world.check(&done[2][1..], &netns, "eth2");
        assert!(reach(), "by the third");
        world.del(&done[2], &netns, "eth2");
        assert!(!reach());
        assert_eq!(host.run(&format!("find {RECORDS} ! -type d")), "");
    });
}

#[test]
fn a_port_is_handed_over_by_nftables() {
    a_port_is_handed_over("nftables");
}

#[test]
fn a_port_is_handed_over_by_iptables() {
    a_port_is_handed_over("iptables");
}

/// The first is gone without having handed its port over: CHECK of the second says so, and `reconcile` mends it.
#[test]
fn check_says_that_nobody_has_the_port() {
    sandbox(|host| {
        let world = World::new(host);
        let netns = host.netns("c1");
        let first = chain(
            "one",
            "bridge",
            "10.22.0.0/16",
            &[portmap(&[8080]), firewall()],
        );
        let second = chain("two", "bridge", "10.23.0.0/16", &[portmap(&[8080])]);
        world.add(&first, &netns, "eth0");
        let done = world.add(&second, &netns, "eth1");
        world.check(&done, &netns, "eth1");
        host.run(&format!("rm {RECORDS}/one:c1:eth0:portmap.json"));
        let (_, text) = world.call("CHECK", &done[1], &netns, "eth1").failure();
        assert!(text.contains("host port 8080/tcp"), "{text}");
        linkspan_netfilter::reconcile().unwrap();
        world.check(&done, &netns, "eth1");
    });
}
