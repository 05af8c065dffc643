//! Kernel parameters: which, where, and who allows them.

use std::fs;

use linkspan_testkit::sandbox;
use serde_json::{Value, json};

use super::{DATA_DIR, files, world};
use crate::world::Pair;

fn sysctl(world: &Pair, name: &str, value: &str) -> Value {
    world.config(json!({ "sysctl": { name: value } }))
}

#[test]
fn parameters_change_what_the_container_does_and_nothing_on_the_host() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let before = world
            .host
            .run("cat /proc/sys/net/ipv4/icmp_echo_ignore_all");
        let config = world.config(json!({
            "sysctl": {
                "net.ipv4.icmp_echo_ignore_all": "1",
                "net/ipv4/conf/IFNAME/arp_announce": "2",
                "net.ipv4.ip_local_port_range": "20001 30000",
            },
            "args": { "cni": { "sysctl": { "net.ipv4.conf.IFNAME.arp_announce": "1" } } },
        }));
        world.host.ping("10.1.0.2");
        assert_eq!(world.add(&config).success(), config["prevResult"]);
        world.host.ping_fails("10.1.0.2");
        world.netns.ping("10.1.0.1");
        assert_eq!(world.sysctl("net.ipv4.conf.eth0.arp_announce"), "1");
        assert_eq!(
            world
                .host
                .run("cat /proc/sys/net/ipv4/icmp_echo_ignore_all"),
            before
        );
        assert_eq!(files(DATA_DIR), Vec::<String>::new(), "nothing to put back");

        let config = sysctl(&world, "net.ipv4.ip_local_port_range", "20001 30000");
        world.check(&config).success();
        world
            .netns
            .run("echo 20001 30002 > /proc/sys/net/ipv4/ip_local_port_range");
        world.check(&config).fails(
            None,
            &["net/ipv4/ip_local_port_range is 20001 30000, current value is 20001\t30002"],
        );
        world.del(&config).success();
    });
}

#[test]
fn a_link_with_a_dot_in_its_name_has_parameters() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        world
            .netns
            .run("ip link set eth0 down; ip link set eth0 name eth0.5; ip link set eth0.5 up");
        for (number, name) in [
            "net.ipv4.conf.IFNAME.arp_announce",
            "net/ipv4/conf/eth0.5/arp_announce",
            "net.ipv4.conf.eth0/5.arp_announce",
        ]
        .iter()
        .enumerate()
        {
            let value = (number % 3).to_string();
            let config = sysctl(&world, name, &value);
            world
                .ours
                .add(&config, "c1", &world.netns, "eth0.5")
                .success();
            let found = world
                .netns
                .run("cat /proc/sys/net/ipv4/conf/eth0.5/arp_announce");
            assert_eq!(found.trim_end(), value, "{name}");
        }
    });
}

#[test]
fn one_that_can_only_be_written_is_written() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = sysctl(&world, "net.ipv4.route.flush", "1");
        world.add(&config).success();
        world.check(&config).success();
    });
}

/// plugins PR#693, openshift/cluster-network-operator PR#1347: any kernel parameter could be set.
#[test]
fn only_parameters_of_the_network_can_be_set() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for name in [
            "kernel.hostname",
            "kernel/shmmax",
            "vm.swappiness",
            "net/../kernel/hostname",
            "net/ipv4/../../kernel/hostname",
            "../../etc/motd",
            "/etc/motd",
            "net",
            "",
        ] {
            let config = sysctl(&world, name, "x");
            let (code, message) = world.add(&config).failure();
            let refused = message.contains("invalid net sysctl key");
            // Read as the reference reads it, .. separates nothing and there is no such parameter.
            assert!(
                refused || message.contains("No such file"),
                "{name}: {code} {message}"
            );
        }
        // What the kernel keeps for all namespaces together cannot be written from one of them.
        let max = world.host.run("cat /proc/sys/net/core/rmem_max");
        for name in ["net.core.rmem_max", "net.core.netdev_max_backlog"] {
            world.add(&sysctl(&world, name, "4096")).failure();
        }
        assert_eq!(world.host.run("cat /proc/sys/net/core/rmem_max"), max);
        world
            .add(&world.config(json!({ "sysctl": { "net.core.somaxconn": 5 } })))
            .fails(6, &["even of a number"]);
    });
}

/// plugins PR#693: never in the host's namespace, even where the rest of the plugin may work.
#[test]
fn parameters_of_the_host_are_not_set() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let before = world.host.run("cat /proc/sys/net/core/somaxconn");
        let config = sysctl(&world, "net.core.somaxconn", "99");
        for path in ["/proc/1/ns/net", "/proc/self/ns/net"] {
            let call = world.ours.call("ADD", &config).container("c1");
            let call = call
                .netns(path)
                .ifname("veth0")
                .env("CNI_NETNS_OVERRIDE", "1");
            call.run().fails(8, &["parameters of the host's namespace"]);
        }
        assert_eq!(world.host.run("cat /proc/sys/net/core/somaxconn"), before);
        // The rest is allowed there, as the variable says.
        let config = world.config(json!({ "txQLen": 50 }));
        let call = world.ours.call("ADD", &config).container("c1");
        let call = call.netns("/proc/1/ns/net").ifname("veth0");
        call.env("CNI_NETNS_OVERRIDE", "1").run().success();
    });
}

/// plugins PR#693: the host's administrator says which.
#[test]
fn the_allowlist_is_followed() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        fs::create_dir_all("/etc/cni/tuning").unwrap();
        let list = |text: &str| fs::write("/etc/cni/tuning/allowlist.conf", text).unwrap();
        let allowed = sysctl(&world, "net.ipv4.conf.IFNAME.arp_filter", "1");
        let other = sysctl(&world, "net.ipv4.icmp_echo_ignore_all", "1");
        list("^net.ipv4.conf.IFNAME.[a-z_]*$\n\n");
        world.add(&allowed).success();
        world.ours.status(&with_version(&allowed)).success();
        assert_eq!(world.sysctl("net.ipv4.conf.eth0.arp_filter"), "1");
        world
            .add(&other)
            .fails(7, &["Sysctl net.ipv4.icmp_echo_ignore_all is not allowed"]);
        assert_eq!(world.sysctl("net.ipv4.icmp_echo_ignore_all"), "0");
        world
            .ours
            .status(&with_version(&other))
            .fails(50, &["is not allowed"]);
        // By args as well.
        let args =
            world.config(json!({ "args": { "cni": { "sysctl": { "net.core.somaxconn": "5" } } } }));
        world.add(&args).failure();
        // A list without a line allows nothing, one with a wrong line says so.
        list("\n");
        world.add(&allowed).failure();
        list("(\n");
        world.add(&allowed).fails(None, &["no regular expression"]);
        // What asks for no parameter does not mind.
        world.add(&world.config(json!({ "mtu": 1400 }))).success();
        world.del(&allowed).success();
    });
}

fn with_version(config: &Value) -> Value {
    let mut config = config.clone();
    config["cniVersion"] = "1.1.0".into();
    config
}

#[test]
fn a_failed_add_leaves_everything_as_it_was() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let look = || linkspan_testkit::Snapshot::of(&[&world.host, &world.netns], &[DATA_DIR]);
        fs::create_dir_all(DATA_DIR).unwrap();
        let before = look();
        for keys in [
            json!({ "sysctl": { "net.ipv4.icmp_echo_ignore_all": "1", "net.ipv4.conf.all.arp_filter": "1", "net.none": "1" } }),
            json!({ "sysctl": { "net.ipv4.conf.all.arp_filter": "1", "net.ipv4.conf.IFNAME.arp_filter": "many" } }),
            // A pair has no MTU below 68, and the request fails after the MAC address was set.
            json!({ "sysctl": { "net.ipv4.conf.all.arp_filter": "1" }, "mac": "02:00:00:00:00:01", "txQLen": 9, "mtu": 10 }),
        ] {
            let (_, message) = world.add(&world.config(keys.clone())).failure();
            before.assert_same(&look(), &format!("{keys}: {message}"));
            assert_eq!(world.sysctl("net.ipv4.icmp_echo_ignore_all"), "0");
        }
    });
}
