//! Records that are lost, damaged or of another version, and what nobody needs any more.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linkspan_testkit::{needs, sandbox};
use serde_json::json;

use super::{RECORDS, World, chain, firewall, portmap};

/// The kernel knows whose the rules are: without a record, what all need stays as long as one needs it.
#[test]
fn gc_without_records_leaves_what_valid_attachments_need() {
    sandbox(|host| {
        let world = World::new(host);
        host.run("iptables-nft -P FORWARD DROP");
        let netns = host.netns("c1");
        let config = chain("one", "bridge", "10.22.0.0/16", &[firewall()]);
        let done = world.add(&config, &netns, "eth0");
        let other = chain("two", "bridge", "10.23.0.0/16", &[firewall()]);
        let rules = host.run("iptables-nft -S");
        host.run("rm -r /run/cni/linkspan");
        world.gc(&config, &[("c1", "eth0")]);
        world.gc(&other, &[]);
        assert_eq!(host.run("iptables-nft -S"), rules);
        world.check(&done, &netns, "eth0");
        world.gc(&config, &[]);
        assert!(!host.run("iptables-nft -S").contains("LINKSPAN"));
    });
}

/// An ADD that has found the rule in FORWARD does not lose it to a GC that has found no attachment.
#[test]
fn gc_does_not_race_with_an_add() {
    needs(&[])
        .deadline(Duration::from_secs(120))
        .sandbox(|host| {
            let world = World::new(host);
            host.run("iptables-nft -P FORWARD DROP");
            let netns = host.netns("c1");
            let config = chain("one", "bridge", "10.22.0.0/16", &[firewall()]);
            let other = chain("two", "bridge", "10.23.0.0/16", &[firewall()]);
            let over = AtomicBool::new(false);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        while !over.load(Ordering::Relaxed) {
                            world.gc(&other[1..], &[]);
                        }
                    });
                }
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    for _ in 0..40 {
                        let done = world.add(&config, &netns, "eth0");
                        world.check(&done, &netns, "eth0");
                        world.del(&done, &netns, "eth0");
                    }
                }));
                over.store(true, Ordering::Relaxed);
                outcome.unwrap();
            });
        });
}

/// A dead container's port is free after a GC that does not name it, whatever its record is.
#[test]
fn records_that_are_not_understood_are_collected() {
    sandbox(|host| {
        let world = World::new(host);
        let ports = portmap(&[8080]);
        let config = chain("one", "bridge", "10.22.0.0/16", &[ports]);
        for (number, spoil) in [
            ": > $record",
            "sed -i 's/\"version\":1/\"version\":9/' $record",
            "sed -i 's/\"parts\":\\[/\"parts\":[{\"teleport\":{}},/' $record",
            "sed -i 's/\"nftables\"/\"ebpf\"/' $record",
            "head -c 20 $record > /run/half; cat /run/half > $record",
        ]
        .iter()
        .enumerate()
        {
            let name = format!("old{number}");
            let (old, kept) = (host.netns(&name), host.netns(&format!("kept{number}")));
            let valid = kept.name().to_owned();
            world.add(&config[..1], &kept, "eth0");
            world.add(&config, &old, "eth0");
            host.run(&format!(
                "record=$(ls {RECORDS}/one:{name}:eth0:portmap.json); {spoil}"
            ));
            // One that is in use is not touched.
            world.gc(&config, &[(&name, "eth0"), (&valid, "eth0")]);
            assert!(
                host.run("nft list ruleset")
                    .contains(&format!("one/{name}/eth0")),
                "{spoil}"
            );
            host.run(&format!("ls {RECORDS}/one:{name}:eth0:portmap.json"));
            world.gc(&config, &[(&valid, "eth0")]);
            let ruleset = host.run("nft list ruleset");
            assert!(
                !ruleset.contains(&format!("one/{name}/eth0")),
                "{spoil}: {ruleset}"
            );
            let done = world.add(&config, &kept, "eth1");
            world.check(&done, &kept, "eth1");
            world.del(&done, &kept, "eth1");
        }
    });
}

/// containerd never calls GC: what DEL leaves must not grow.
#[test]
fn round_after_round_nothing_more_is_left() {
    needs(&[]).deadline(Duration::from_secs(120)).sandbox(|host| {
        let world = World::new(host);
        let rate = json!({ "type": "bandwidth", "ingressRate": 1000000, "ingressBurst": 1000000,
            "egressRate": 1000000, "egressBurst": 1000000 });
        let others = |port| [portmap(&[port]), firewall(), json!({ "type": "tuning", "mtu": 1400 }), rate.clone(), json!({ "type": "sbr" })];
        let living = host.netns("living");
        let bridge = chain("bridged", "bridge", "10.22.0.0/16", &others(8080));
        let ptp = chain("pair", "ptp", "10.23.0.0/16", &others(8081));
        world.add(&bridge, &living, "eth0");
        world.add(&ptp, &living, "eth1");
        let look = || {
            let marks = host.run("grep -H . /proc/sys/net/ipv4/conf/*/route_localnet; ip -o link | wc -l; find /run/cni /var/lib/cni -type d | wc -l");
            (world.files("/run/cni /var/lib/cni"), marks, host.run("nft list ruleset"))
        };
        let before = look();
        for number in 0..12 {
            let netns = host.netns(&format!("c{number}"));
            let bridge = chain("bridged", "bridge", "10.22.0.0/16", &others(9080));
            let ptp = chain("pair", "ptp", "10.23.0.0/16", &others(9081));
            let done = [(world.add(&bridge, &netns, "eth0"), "eth0"), (world.add(&ptp, &netns, "eth1"), "eth1")];
            if number % 2 == 1 {
                netns.delete();
            }
            for (done, ifname) in &done {
                world.del(done, &netns, ifname);
            }
        }
        let after = look();
        assert_eq!((after.0, after.1), (before.0, before.1));
        assert_eq!(after.2.matches("comment").count(), before.2.matches("comment").count());
    });
}

/// An interface that stays is set back when the last published port is gone, without GC; one that others have set is left.
#[test]
fn route_localnet_goes_with_the_last_port() {
    sandbox(|host| {
        let world = World::new(host);
        let config = |port| chain("one", "bridge", "10.22.0.0/16", &[portmap(&[port])]);
        let value = || host.run("cat /proc/sys/net/ipv4/conf/br-one/route_localnet");
        let (one, two) = (host.netns("c1"), host.netns("c2"));
        let first = world.add(&config(8080), &one, "eth0");
        let second = world.add(&config(8081), &two, "eth0");
        world.del(&first, &one, "eth0");
        assert_eq!(value(), "1");
        world.call("DEL", &second[1], &two, "eth0").success();
        assert_eq!(value(), "0");
        host.run("sysctl -qw net.ipv4.conf.br-one.route_localnet=1");
        world.call("ADD", &second[1], &two, "eth0").success();
        world.call("DEL", &second[1], &two, "eth0").success();
        assert_eq!(value(), "1", "somebody else's setting");
    });
}
