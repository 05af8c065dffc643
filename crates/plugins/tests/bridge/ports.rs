//! What a port of the bridge does with frames: hairpin, isolation, forged addresses, and without addresses at all.

use linkspan_testkit::{Netns, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::host::{Attached, Family, Host, dual_stack, network, reaches_none};

/// The MAC address of the interface, as the kernel has it.
fn mac(netns: &Netns, ifname: &str) -> String {
    let link = netns.ip_json(&format!("link show dev {ifname}"));
    link[0]["address"].as_str().unwrap().to_owned()
}

/// How many frames that a container sends to nobody in particular come in again.
fn own_frames(a: &Attached) -> u64 {
    let mac = mac(&a.netns, "eth0");
    a.netns.run(&format!(
        "nft 'add table netdev t; add chain netdev t c {{ type filter hook ingress device eth0 priority 0; }};
         add rule netdev t c ether saddr {mac} counter'"
    ));
    // Nobody answers; the bridge sends the request to all ports.
    a.netns.run("ping -c 1 -W 1 10.22.200.200 || true");
    let ruleset = a.netns.json("nft --json list chain netdev t c");
    ruleset["nftables"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|object| object["rule"]["expr"][1]["counter"]["packets"].as_u64())
        .unwrap()
}

#[test]
fn a_frame_comes_back_by_its_port_in_hairpin_mode_only() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let plain = host.attach(&network(json!({})), "plain");
        let hairpin = host.attach(&network(json!({ "hairpinMode": true })), "hairpin");
        assert_eq!(own_frames(&plain), 0);
        assert!(own_frames(&hairpin) > 0);
        for (attached, on) in [(&plain, false), (&hairpin, true)] {
            let port = sandbox.host().json(&format!(
                "bridge -details -json link show dev {}",
                attached.host_end()
            ));
            assert_eq!(port[0]["hairpin"], on, "{port}");
        }
    });
}

/// Making and freeing as many as there are processors takes a third of the time that a pair takes.
#[test]
fn the_ends_of_a_pair_have_one_queue() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let a = host.attach(&network(json!({})), "a");
        let ends = [
            (&a.netns, "eth0".to_owned()),
            (sandbox.host(), a.host_end()),
        ];
        for (netns, name) in ends {
            let link = netns.ip_json(&format!("-details link show dev {name}"));
            for queues in ["num_tx_queues", "num_rx_queues"] {
                assert_eq!(link[0][queues], 1, "{queues}: {link}");
            }
        }
    });
}

#[test]
fn isolated_ports_reach_the_gateway_and_not_each_other() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let isolated = network(json!({ "portIsolation": true, "ipam": dual_stack() }));
        let open = network(json!({ "ipam": dual_stack() }));
        let [a, b] = ["a", "b"].map(|name| host.attach(&isolated, name));
        let c = host.attach(&open, "c");
        let both = |of: &Attached| [of.address(Family::V4), of.address(Family::V6)];
        for (from, to) in [(&a, both(&b)), (&b, both(&a))] {
            reaches_none(&from.netns, &[&to[0], &to[1]]);
        }
        for (from, to) in [(&a, both(&c)), (&c, both(&b))] {
            from.netns.ping(&to[0]);
            from.netns.ping(&to[1]);
        }
        for attached in [&a, &b, &c] {
            attached.netns.ping("10.22.0.1");
            attached.netns.ping("fd00:22::1");
        }
        host.call("CHECK", &with_prev_result(&isolated, &a.result), &a.netns)
            .run()
            .success();
        sandbox.run(&format!(
            "bridge link set dev {} isolated off",
            a.host_end()
        ));
        host.call("CHECK", &with_prev_result(&isolated, &a.result), &a.netns)
            .run()
            .fails(None, &["isolated"]);
    });
}

#[test]
fn what_is_sent_from_another_mac_address_is_dropped() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let guarded = network(json!({ "macspoofchk": true, "ipam": dual_stack() }));
        let a = host.attach(&guarded, "a");
        let b = host.attach(&network(json!({ "ipam": dual_stack() })), "b");
        let c = host.attach(&guarded, "c");
        let all_reached = |from: &Attached| {
            for address in ["10.22.0.1", "fd00:22::1"] {
                from.netns.ping(address);
            }
            from.netns.ping(&b.address(Family::V4));
        };
        all_reached(&a);
        let own = mac(&a.netns, "eth0");
        for forged in [
            mac(&b.netns, "eth0"),
            mac(sandbox.host(), "cni0"),
            "02:00:00:00:00:99".to_owned(),
        ] {
            a.netns.run(&format!(
                "ip link set eth0 address {forged}; ip neigh flush all"
            ));
            reaches_none(
                &a.netns,
                &["10.22.0.1", "fd00:22::1", &b.address(Family::V4)],
            );
        }
        // Where nobody asked for a guard, any address will do.
        b.netns
            .run("ip link set eth0 address 02:00:00:00:00:99; ip neigh flush all");
        b.netns.ping("10.22.0.1");
        // Others are not concerned, and neither is it once it is itself again.
        all_reached(&c);
        b.netns.ping("10.22.0.1");
        a.netns.run(&format!(
            "ip link set eth0 address {own}; ip neigh flush all"
        ));
        all_reached(&a);
        host.del(&guarded, &c.netns).success();
        all_reached(&a);
        host.del(&guarded, &a.netns).success();
        assert!(!sandbox.run("nft list ruleset").contains("mynet/"));
    });
}

/// Without ipam the containers see to their addresses themselves, whatever they are.
#[test]
fn a_network_without_addresses_connects_containers() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipam": null, "isGateway": null }));
        let [a, b] = ["a", "b"].map(|name| host.attach(&config, name));
        assert_eq!(a.result.get("ips"), None);
        a.netns.run("ip addr add 192.0.2.1/24 dev eth0");
        b.netns.run("ip addr add 192.0.2.2/24 dev eth0");
        a.netns.ping("192.0.2.2");
        let forwards = sandbox.run("sysctl -n net.ipv4.ip_forward");
        assert_eq!(forwards, "0", "nobody asked for it");
        host.call("CHECK", &with_prev_result(&config, &a.result), &a.netns)
            .run()
            .success();
        host.del(&config, &a.netns).success();
        reaches_none(&b.netns, &["192.0.2.1"]);
    });
}

#[test]
fn an_interface_can_stay_down_until_the_container_wants_it() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({
            "ipam": null, "isGateway": null, "disableContainerInterface": true
        }));
        let a = host.attach(&config, "a");
        let flags = a.netns.ip_json("link show dev eth0")[0]["flags"].clone();
        assert!(!flags.as_array().unwrap().contains(&json!("UP")), "{flags}");
        host.call("CHECK", &with_prev_result(&config, &a.result), &a.netns)
            .run()
            .success();
        a.netns
            .run("ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0");
        sandbox.run("ip addr add 192.0.2.2/24 dev cni0");
        a.netns.ping("192.0.2.2");
        host.del(&config, &a.netns).success();
    });
}

#[test]
fn promiscuous_mode_is_the_bridges() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "promiscMode": true }));
        let a = host.attach(&config, "a");
        let is_promiscuous = || {
            let bridge = sandbox.host().ip_json("link show dev cni0");
            bridge[0]["flags"]
                .as_array()
                .unwrap()
                .contains(&json!("PROMISC"))
        };
        assert!(is_promiscuous());
        let check = || {
            host.call("CHECK", &with_prev_result(&config, &a.result), &a.netns)
                .run()
        };
        check().success();
        sandbox.run("ip link set cni0 promisc off");
        check().fails(None, &["promiscuous"]);
        // An ADD puts it right, since all of the network's containers count on it.
        host.attach(&config, "b");
        assert!(is_promiscuous());
        check().success();
    });
}

/// The MAC address that somebody asks for: the runtime, the configuration's author, CNI_ARGS, in this order.
#[test]
fn the_containers_mac_address_can_be_asked_for() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let [runtime, author, args] = [
            "02:00:00:00:00:01",
            "02:00:00:00:00:02",
            "02:00:00:00:00:03",
        ];
        let add = |keys: Value, args: &str, name: &str| {
            let netns = sandbox.netns(name);
            let args = format!("IgnoreUnknown=1{args}");
            let result = host
                .call("ADD", &network(keys), &netns)
                .args(&args)
                .run()
                .success();
            let kernels = mac(&netns, "eth0");
            assert_eq!(result["interfaces"][2]["mac"], kernels);
            kernels
        };
        let wishes = json!({
            "runtimeConfig": { "mac": runtime }, "args": { "cni": { "mac": author } }
        });
        let mac_args = format!(";MAC={args}");
        assert_eq!(add(wishes.clone(), &mac_args, "a"), runtime);
        assert_eq!(
            add(json!({ "args": wishes["args"] }), &mac_args, "b"),
            author
        );
        assert_eq!(add(json!({}), &mac_args, "c"), args);
        let chance = add(json!({}), "", "d");
        assert_ne!(chance, add(json!({}), "", "e"));
    });
}
