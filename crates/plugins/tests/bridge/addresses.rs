//! Addresses and routes of containers and of the bridge, and the bridge's identity.

use linkspan_testkit::{Netns, Sandbox, rows, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::host::{Family, Host, address, dual_stack, network};

fn default_routes(netns: &Netns) -> Vec<String> {
    let routes = netns.run("ip route show default; ip -6 route show default");
    routes
        .lines()
        .filter_map(|line| Some(line.split_once("via ")?.1.split(' ').next()?.to_owned()))
        .collect()
}

#[test]
fn the_gateway_can_be_the_default_one() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let with_routes = |routes: Value| {
            let mut ipam = dual_stack();
            ipam["routes"] = routes;
            network(json!({ "isGateway": null, "isDefaultGateway": true, "ipam": ipam }))
        };
        let both = ["10.22.0.1", "fd00:22::1"];
        for (name, routes) in rows! {
            ("none", json!([])),
            ("one", json!([{ "dst": "0.0.0.0/0" }])),
            ("twice", json!([{ "dst": "0.0.0.0/0" }, { "dst": "0.0.0.0/0" }, { "dst": "::/0" }])),
            ("same", json!([{ "dst": "0.0.0.0/0", "gw": "10.22.0.1" }])),
            ("others", json!([{ "dst": "192.0.2.0/24" }, { "dst": "192.0.2.0/24", "gw": "10.22.0.9" }])),
        } {
            let config = with_routes(routes);
            let a = host.attach(&config, name);
            assert_eq!(default_routes(&a.netns), both, "{name}");
            for address in both {
                a.netns.ping(address);
            }
            let checked = with_prev_result(&config, &a.result);
            host.call("CHECK", &checked, &a.netns).run().success();
        }
        let config = with_routes(json!([{ "dst": "0.0.0.0/0", "gw": "10.22.0.9" }]));
        let a = host.attach(&config, "another");
        assert_eq!(default_routes(&a.netns), ["10.22.0.9", "fd00:22::1"]);
    });
}

#[test]
fn routes_have_all_that_version_1_1_0_can_say() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipam": {
            "type": "host-local", "subnet": "10.22.0.0/16", "routes": [
                { "dst": "192.0.2.0/24", "mtu": 1400, "advmss": 1360, "priority": 7 },
                { "dst": "198.51.100.0/24", "gw": "10.22.0.9", "table": 100 },
                { "dst": "203.0.113.0/24", "gw": "10.22.0.9", "scope": 0 }
            ]
        } }));
        let a = host.attach(&config, "a");
        let route = |what: &str| a.netns.run(&format!("ip route show {what}"));
        let first = route("192.0.2.0/24");
        for part in ["via 10.22.0.1", "metric 7", "mtu 1400", "advmss 1360"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        assert!(route("table 100").contains("198.51.100.0/24 via 10.22.0.9"));
        assert!(route("203.0.113.0/24").contains("via 10.22.0.9"));
        let checked = with_prev_result(&config, &a.result);
        host.call("CHECK", &checked, &a.netns).run().success();
    });
}

#[test]
fn several_addresses_of_a_family_are_all_the_containers() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "isGateway": null, "ipMasq": true, "ipam": {
            "type": "host-local", "ranges": [
                [{ "subnet": "10.22.0.0/24" }], [{ "subnet": "10.23.0.0/16" }],
                [{ "subnet": "fd00:22::/64" }], [{ "subnet": "fd00:23::/80" }]
            ]
        } }));
        let [a, b] = ["a", "b"].map(|name| host.attach(&config, name));
        for ip in b.result["ips"].as_array().unwrap() {
            let address = ip["address"].as_str().unwrap().split('/').next().unwrap();
            a.netns.ping(address);
        }
        let elements = sandbox.run("nft list ruleset | grep -o 'mynet/a/eth0' | wc -l");
        assert_eq!(elements, "8", "two for each address");
        host.call("CHECK", &with_prev_result(&config, &a.result), &a.netns)
            .run()
            .success();
        host.del(&config, &a.netns).success();
        host.del(&config, &b.netns).success();
        assert!(!sandbox.run("nft list ruleset").contains("mynet/"));
    });
}

fn bridge_addresses(sandbox: &Sandbox) -> Vec<String> {
    let lines = sandbox.run("ip -oneline address show dev cni0 scope global");
    let fourth = |line: &str| line.split_whitespace().nth(3).map(str::to_owned);
    let mut addresses: Vec<_> = lines.lines().filter_map(fourth).collect();
    addresses.sort();
    addresses
}

/// plugins#306, podman#12306: an address of an earlier configuration.
#[test]
fn another_address_of_the_bridge_is_replaced_only_when_that_is_asked_for() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let old = "ip link add cni0 type bridge; ip addr add 10.99.0.1/24 dev cni0
                   ip addr add fd00:22::99/64 dev cni0 nodad; ip addr add fd00:99::1/64 dev cni0 nodad";
        sandbox.run(old);
        let netns = sandbox.netns("a");
        let before = bridge_addresses(sandbox);
        let config = network(json!({ "ipam": dual_stack() }));
        host.add(&config, &netns).fails(7, &[]);
        assert_eq!(bridge_addresses(sandbox), before);

        // A failure after the replacement gives back what was there.
        let mut forced = config.clone();
        forced["forceAddress"] = true.into();
        forced["ipMasq"] = true.into();
        sandbox.run("mkdir -p /run/cni; mount -t tmpfs -o nr_inodes=1 none /run/cni");
        host.add(&forced, &netns).failure();
        assert_eq!(bridge_addresses(sandbox), before);
        sandbox.run("umount /run/cni");

        host.add(&forced, &netns).success();
        // IPv6 addresses in other subnets are in nobody's way.
        assert_eq!(
            bridge_addresses(sandbox),
            ["10.22.0.1/16", "fd00:22::1/64", "fd00:99::1/64"]
        );
        netns.ping("10.22.0.1");
        netns.ping("fd00:22::1");
    });
}

#[test]
fn the_gateway_of_an_add_that_failed_goes_though_others_use_the_bridge() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let layer2 = network(json!({ "ipam": null, "isGateway": null }));
        let [a, b] = ["a", "b"].map(|name| host.attach(&layer2, name).netns);
        let c = sandbox.netns("c");
        sandbox.run("mkdir -p /run/cni; mount -t tmpfs -o nr_inodes=1 none /run/cni");
        let before = host.snapshot(&[&a, &b, &c]);
        host.add(
            &network(json!({ "ipMasq": true, "ipam": dual_stack() })),
            &c,
        )
        .failure();
        before.assert_same(&host.snapshot(&[&a, &b, &c]), "after the failure");
    });
}

/// cni#285, flannel-io/flannel#1381: half a minute of interruption each time that a port came or went.
#[test]
fn the_bridges_mac_address_stays_as_ports_come_and_go() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipam": dual_stack() }));
        let mac = || {
            let link = sandbox.run("ip -brief link show cni0");
            link.split_whitespace().nth(2).unwrap().to_owned()
        };
        let a = host.attach(&config, "a");
        let first = mac();
        assert_eq!(a.result["interfaces"][0]["mac"], first);
        for name in ["b", "c"] {
            host.attach(&config, name);
            assert_eq!(mac(), first);
        }
        // A port with a lower address than any, which would become the bridge's.
        sandbox.run("ip link add low address 02:00:00:00:00:01 type veth peer name low1; ip link set low master cni0");
        assert_eq!(mac(), first);
        sandbox.run("ip link del low");
        host.del(&config, &a.netns).success();
        assert_eq!(mac(), first);
        // The same after a reboot: it is made of the bridge's name and the machine's.
        sandbox.run("ip link del cni0");
        host.add(&config, &a.netns).success();
        assert_eq!(mac(), first);
    });
}

/// Each network has its own bridge, addresses and names; a container can be in both.
#[test]
fn a_container_in_two_networks_has_an_interface_in_each() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let first = network(json!({ "ipMasq": true, "macspoofchk": true }));
        let second = network(json!({
            "name": "other", "bridge": "cni1", "ipMasq": true, "macspoofchk": true,
            "ipam": { "type": "host-local", "subnet": "10.23.0.0/16" }
        }));
        let a = host.attach(&first, "a");
        let call = |verb| host.call(verb, &second, &a.netns).ifname("eth1");
        call("ADD").run().success();
        a.netns.ping("10.22.0.1");
        a.netns.ping("10.23.0.1");
        host.del(&first, &a.netns).success();
        a.netns.ping("10.23.0.1");
        let ruleset = sandbox.run("nft list ruleset");
        assert!(
            ruleset.contains("other/a/eth1") && !ruleset.contains("mynet/a/eth0"),
            "{ruleset}"
        );
        call("DEL").run().success();
    });
}

/// What belongs to one of its interfaces is told from what belongs to the other by the interface's name.
#[test]
fn a_container_can_be_in_a_network_twice() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "macspoofchk": true }));
        let a = host.attach(&config, "a");
        let again = |verb| {
            host.call(verb, &config, &a.netns)
                .ifname("eth1")
                .run()
                .success()
        };
        let second = again("ADD");
        assert_ne!(a.address(Family::V4), address(&second, Family::V4));
        host.del(&config, &a.netns).success();
        let left = sandbox.run("nft list ruleset");
        assert!(
            left.contains("mynet/a/eth1") && !left.contains("mynet/a/eth0"),
            "{left}"
        );
        a.netns.ping("10.22.0.1");
        again("DEL");
        assert!(!sandbox.run("nft list ruleset").contains("mynet/"));
    });
}
