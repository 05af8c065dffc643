//! What neighbours know of a container: who has an address now, and whether somebody else has it already.

use linkspan_testkit::{Netns, sandbox};
use serde_json::{Value, json};

use super::host::{Attached, Family, Host, address, dual_stack, network};

/// The MAC address that a namespace believes an address to have, as long as it believes in one.
fn believed_mac(netns: &Netns, ifname: &str, address: &str) -> Option<String> {
    let neighbours = netns.ip_json(&format!("neighbour show dev {ifname}"));
    let entry = neighbours
        .as_array()?
        .iter()
        .find(|entry| entry["dst"] == address)?;
    Some(entry["lladdr"].as_str()?.to_owned())
}

fn mac_of(attached: &Attached) -> String {
    attached.result["interfaces"][2]["mac"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// plugins#858, netavark#1114, cni#84: neighbours remembered the old MAC address for many seconds.
#[test]
fn an_address_that_is_given_again_is_reached_at_once() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "macspoofchk": true, "ipam": dual_stack() }));
        let neighbour = host.attach(&config, "neighbour");
        let first = host.attach(&config, "first");
        let addresses = [Family::V4, Family::V6].map(|family| first.address(family));
        for address in &addresses {
            neighbour.netns.ping(address);
            sandbox.host().ping(address);
        }
        host.del(&config, &first.netns).success();

        let mut again = config.clone();
        again["runtimeConfig"] = json!({ "ips": addresses });
        let second = host.attach(&again, "second");
        assert_eq!(second.address(Family::V4), addresses[0]);
        assert_eq!(second.address(Family::V6), addresses[1]);
        assert_ne!(mac_of(&first), mac_of(&second));
        for address in &addresses {
            for (place, ifname) in [(&neighbour.netns, "eth0"), (sandbox.host(), "cni0")] {
                let believed = believed_mac(place, ifname, address);
                let known = [None, Some(mac_of(&second))];
                assert!(
                    known.contains(&believed),
                    "{address} is {believed:?} to {}",
                    place.name()
                );
                // The first packet arrives; nothing has to be asked for twice.
                place.run(&format!("ping -n -c 1 -W 1 {address}"));
                assert_eq!(believed_mac(place, ifname, address), Some(mac_of(&second)));
            }
        }
    });
}

/// The neighbours' entries are changed by what the new container says, before anybody asks.
#[test]
fn a_new_container_says_where_it_is() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipam": dual_stack() }));
        let neighbour = host.attach(&config, "neighbour");
        for address in ["10.22.0.3", "fd00:22::3"] {
            // As if it had talked with an earlier container; not to be asked for by itself.
            neighbour.netns.run(&format!(
                "ip neigh replace {address} dev eth0 lladdr 02:00:00:00:00:99 nud stale"
            ));
            sandbox.run(&format!(
                "ip neigh replace {address} dev cni0 lladdr 02:00:00:00:00:99 nud stale"
            ));
        }
        let a = host.attach(&config, "a");
        assert_eq!(a.address(Family::V4), "10.22.0.3");
        for address in ["10.22.0.3", "fd00:22::3"] {
            for (place, ifname) in [(&neighbour.netns, "eth0"), (sandbox.host(), "cni0")] {
                let believed = believed_mac(place, ifname, address);
                assert_eq!(believed, Some(mac_of(&a)), "{address} in {}", place.name());
            }
        }
    });
}

/// `static` addresses, so that two containers can be given the same.
fn fixed(address: &str) -> Value {
    network(json!({
        "enabledad": true, "isGateway": null,
        "ipam": { "type": "static", "addresses": [{ "address": address }] }
    }))
}

#[test]
fn an_address_that_somebody_has_is_not_taken_when_duplicates_are_looked_for() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let a = host.attach(&fixed("fd00:22::9/64"), "a");
        assert_eq!(tentative(&a.netns), Vec::<String>::new());
        let b = sandbox.netns("b");
        let before = host.snapshot(&[&a.netns, &b]);
        let outcome = host.add(&fixed("fd00:22::9/64"), &b);
        outcome.fails(11, &["fd00:22::9", "another host"]);
        before.assert_same(&host.snapshot(&[&a.netns, &b]), "after the refusal");
        let result = host.add(&fixed("fd00:22::10/64"), &b).success();
        assert_eq!(tentative(&b), Vec::<String>::new());
        a.netns.ping(&address(&result, Family::V6));
    });
}

/// The addresses that cannot be used yet.
fn tentative(netns: &Netns) -> Vec<String> {
    let addresses = netns.run("ip -6 -oneline address show tentative");
    addresses.lines().map(str::to_owned).collect()
}

/// plugins#680, k8s#54651: each container waited more than a second for its IPv6 address.
#[test]
fn no_address_of_a_container_waits_for_duplicate_address_detection() {
    sandbox(|sandbox| {
        let host = Host::new(sandbox);
        let config = network(json!({ "ipMasq": true, "ipam": dual_stack() }));
        let netns = sandbox.netns("a");
        // By the kernel's defaults it would take two seconds.
        netns.run("sysctl -qw net.ipv6.conf.default.dad_transmits=2");
        host.add(&config, &netns).success();
        assert_eq!(tentative(&netns), Vec::<String>::new());
        let gateway = sandbox.run("ip -6 -oneline address show dev cni0 tentative scope global");
        assert_eq!(gateway, "");
        netns.run("ping -n -c 1 -W 1 fd00:22::1");
    });
}
