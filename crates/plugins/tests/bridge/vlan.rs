//! VLANs of the bridge: who talks to whom, tagged and untagged. plugins#939, plugins#965: what the keys mean, seen from
//! the containers.

use linkspan_testkit::{Feature, Netns, Sandbox, Setup, kill_at_syscall, needs, with_prev_result};
use serde_json::{Value, json};

use super::host::{Attached, Family, Host, left, network, reaches_none, request_number};

fn vlans() -> Setup {
    needs(&[Feature::BridgeVlanFiltering, Feature::Vlan])
}

/// One pool of addresses for all, so that nothing but VLANs keeps containers apart.
fn layer2(keys: Value) -> Value {
    let mut config = network(json!({ "isGateway": null }));
    for (key, value) in keys.as_object().unwrap() {
        config[key] = value.clone();
    }
    config
}

/// The VLANs of a port: `100 pvid untagged`.
fn vlans_of(sandbox: &Sandbox, attached: &Attached) -> Vec<String> {
    let port = sandbox.host().json(&format!(
        "bridge -json vlan show dev {}",
        attached.host_end()
    ));
    let vlans = port[0]["vlans"].as_array().cloned().unwrap_or_default();
    let vlan = |vlan: &Value| {
        let flags = vlan["flags"].as_array().into_iter().flatten();
        let flags: Vec<_> = flags
            .filter_map(Value::as_str)
            .map(str::to_lowercase)
            .collect();
        let last = vlan["vlanEnd"]
            .as_u64()
            .map(|last| format!("-{last}"))
            .unwrap_or_default();
        format!("{}{last} {}", vlan["vlan"], flags.join(" "))
            .trim_end()
            .to_owned()
    };
    vlans.iter().map(vlan).collect()
}

fn check(host: &Host<'_>, config: &Value, attached: &Attached) -> linkspan_testkit::Outcome {
    let config = with_prev_result(config, &attached.result);
    host.call("CHECK", &config, &attached.netns).run()
}

#[test]
fn containers_of_the_same_vlan_talk_and_others_do_not() {
    vlans().sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let [one, two, none] =
            [json!({ "vlan": 100 }), json!({ "vlan": 200 }), json!({})].map(layer2);
        let a = host.attach(&one, "a");
        let b = host.attach(&one, "b");
        let c = host.attach(&two, "c");
        let d = host.attach(&none, "d");
        assert_eq!(vlans_of(sandbox, &a), ["100 pvid egress untagged"]);
        a.netns.ping(&b.address(Family::V4));
        let address = |of: &Attached| of.address(Family::V4);
        reaches_none(&a.netns, &[&address(&c), &address(&d)]);
        reaches_none(&c.netns, &[&address(&b), &address(&d)]);
        for (config, attached) in [(&one, &a), (&two, &c), (&none, &d)] {
            check(&host, config, attached).success();
        }
        let port = a.host_end();
        sandbox.run(&format!(
            "bridge vlan del dev {port} vid 100; bridge vlan add dev {port} vid 200 pvid untagged"
        ));
        check(&host, &one, &a).fails(
            None,
            &["the native VLAN of", "expected VLAN 100", "found VLAN 200"],
        );
        for (config, attached) in [(&one, &a), (&one, &b), (&two, &c), (&none, &d)] {
            host.del(config, &attached.netns).success();
        }
        assert_eq!(
            left(&[]).len(),
            1,
            "the host's loopback interface: {:?}",
            left(&[])
        );
    });
}

#[test]
fn tagged_frames_pass_a_trunk() {
    vlans().sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let trunk = layer2(json!({ "vlanTrunk": [{ "id": 101 }, { "minID": 200, "maxID": 202 }] }));
        let t = host.attach(&trunk, "t");
        assert_eq!(
            vlans_of(sandbox, &t),
            ["1 pvid egress untagged", "101", "200", "201", "202"]
        );
        let in_101 = host.attach(&layer2(json!({ "vlan": 101 })), "in101");
        let in_202 = host.attach(&layer2(json!({ "vlan": 202 })), "in202");
        let plain = host.attach(&layer2(json!({})), "plain");
        // Untagged frames are of the native VLAN, in which ports without vlan are.
        t.netns.ping(&plain.address(Family::V4));
        reaches_none(
            &t.netns,
            &[&in_101.address(Family::V4), &in_202.address(Family::V4)],
        );
        for (id, ends) in [(101, &in_101), (202, &in_202)] {
            t.netns.run(&format!(
                "ip link add link eth0 name eth0.{id} type vlan id {id}; ip link set eth0.{id} up"
            ));
            t.netns.run(&format!(
                "ip addr add 192.0.2.{}/24 dev eth0.{id}",
                id - 100
            ));
            ends.netns.run("ip addr add 192.0.2.200/24 dev eth0");
            t.netns
                .run(&format!("ping -n -c 1 -W 3 -I eth0.{id} 192.0.2.200"));
        }
        t.netns
            .run("ip link add link eth0 name eth0.999 type vlan id 999; ip link set eth0.999 up");
        let other = t.netns.try_run("ping -n -c 1 -W 1 -I eth0.999 192.0.2.200");
        assert!(!other.ok(), "{other}");
        check(&host, &trunk, &t).success();
        sandbox.run(&format!("bridge vlan del dev {} vid 201", t.host_end()));
        check(&host, &trunk, &t).fails(None, &["VLAN 201 on", "it does not"]);

        // With a native VLAN of its own, and with the bridge's default one beside it.
        let own = layer2(json!({ "vlan": 100, "vlanTrunk": [{ "id": 101 }] }));
        assert_eq!(
            vlans_of(sandbox, &host.attach(&own, "own")),
            ["100 pvid egress untagged", "101"]
        );
        let beside = layer2(json!({ "vlan": 100, "preserveDefaultVlan": true }));
        let beside = host.attach(&beside, "beside");
        assert_eq!(
            vlans_of(sandbox, &beside),
            ["1 egress untagged", "100 pvid egress untagged"]
        );
    });
}

#[test]
fn the_gateway_is_in_the_vlan() {
    vlans().sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let outside = sandbox.outside();
        outside.netns.serve_tcp("0.0.0.0:80");
        let config = network(json!({ "vlan": 100, "ipMasq": true }));
        let a = host.attach(&config, "a");
        let b = host.attach(&config, "b");
        assert_eq!(
            a.result["interfaces"][3]["name"], "cni0.100",
            "{}",
            a.result
        );
        assert_eq!(a.result["interfaces"][3], b.result["interfaces"][3]);
        a.netns.ping("10.22.0.1");
        b.netns.ping("10.22.0.1");
        let seen = a.netns.talk_tcp("198.51.100.2:80").unwrap();
        assert_eq!(seen.ip().to_string(), "198.51.100.1");
        check(&host, &config, &a).success();
        // Another VLAN of the same bridge has a gateway of its own.
        let other = network(json!({
            "name": "other", "vlan": 200, "ipam": { "type": "host-local", "subnet": "10.23.0.0/16" }
        }));
        let c = host.attach(&other, "c");
        c.netns.ping("10.23.0.1");
        // The first of a VLAN fails late: what it made goes again, and what others have stays.
        sandbox.run("mount -t tmpfs -o nr_inodes=1 none /run/cni");
        let third = network(json!({
            "name": "third", "vlan": 300, "macspoofchk": true,
            "ipam": { "type": "host-local", "subnet": "10.24.0.0/16" }
        }));
        host.add(&third, &sandbox.netns("d")).failure();
        let links = sandbox.run("ip -brief link show type veth");
        assert!(
            !links.contains("cni0.300") && links.contains("cni0.200"),
            "{links}"
        );
        sandbox.run("umount /run/cni");
        host.del(&config, &a.netns).success();
        b.netns.ping("10.22.0.1");
    });
}

/// The bridge's interface in a VLAN is shared; who dies while making it leaves it to be completed by the next.
#[test]
fn an_add_that_died_while_making_the_vlans_interface_is_completed_by_the_next() {
    vlans().sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "vlan": 100 }));
        let [a, b] = ["a", "b"].map(|name| sandbox.netns(name));
        let number = request_number(
            sandbox,
            host.cmd("ADD", &config, &a),
            &["RTM_NEWLINK", "\"cni0.100\""],
        );
        // It has been made, and not more; it is complete, but for its address.
        for occurrence in [number + 1, number + 4] {
            // On a busy machine it may have asked once more before.
            let is_made = |occurrence: &u32| {
                forget(sandbox, &host, &config, [&a, &b]);
                kill_at_syscall(host.cmd("ADD", &config, &a), "sendto", *occurrence);
                sandbox.run("ip -brief link").contains("cni0.100")
            };
            assert!((occurrence..occurrence + 4).find(is_made).is_some());
            host.add(&config, &b).success();
            b.ping("10.22.0.1");
        }
        forget(sandbox, &host, &config, [&a, &b]);
    });
}

fn forget(sandbox: &Sandbox, host: &Host<'_>, config: &Value, containers: [&Netns; 2]) {
    for netns in containers {
        host.del(config, netns).success();
    }
    let links = sandbox.run("ip -oneline link | grep -c veth || true");
    assert!(
        ["0", "2"].contains(&links.as_str()),
        "the interface and its port: {links}"
    );
    sandbox.run("ip link del cni0.100 || true; ip link del cni0 || true");
}

/// As the reference, ours leaves a bridge as it is that somebody else has made; but it says so.
#[test]
fn a_bridge_that_does_not_filter_is_used_as_it_is() {
    vlans().sandbox(|sandbox| {
        let host = Host::new(sandbox);
        sandbox.run("ip link add cni0 type bridge");
        let config = layer2(json!({ "vlan": 100 }));
        let netns = sandbox.netns("a");
        let outcome = host.add(&config, &netns);
        let result = outcome.success();
        let words = &outcome.output.stderr;
        assert!(
            words.contains("does not filter VLANs") && words.contains("vlan_filtering 1"),
            "{words}"
        );
        let a = Attached { netns, result };
        assert_eq!(vlans_of(sandbox, &a), ["100 pvid egress untagged"]);
        check(&host, &config, &a).success();
    });
}
