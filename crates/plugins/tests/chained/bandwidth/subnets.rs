//! Limits on the traffic with some subnets only.

use std::time::Duration;

use linkspan_testkit::sandbox;
use serde_json::json;

use super::measure::tcp;
use super::world;
use crate::world::Pair;

const SECOND: Duration = Duration::from_secs(1);
const MEGABIT: f64 = 1_000_000.0;

/// The host has addresses near and far, the container one of each family.
#[test]
fn traffic_with_some_subnets_is_limited_and_the_rest_is_not() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for address in ["10.9.0.1/32", "fd09::1/128"] {
            world.host.address("lo", address);
        }
        world.netns.run("ip route add 10.9.0.0/16 via 10.1.0.1");
        world.netns.run("ip route add fd09::/16 via fd01::1");
        let subnets = json!(["10.9.0.0/16", "fd09::/16"]);
        for (key, limited) in [
            ("shapedSubnets", ["10.9.0.1", "fd09::1"]),
            ("unshapedSubnets", ["10.1.0.1", "fd01::1"]),
        ] {
            let mut keys = json!({ "ingressRate": 8_000_000, "egressRate": 8_000_000 });
            keys[key] = subnets.clone();
            let config = world.config(keys);
            world.add(&config).success();
            world.check(&config).success();
            for far in ["10.9.0.1", "fd09::1", "10.1.0.1", "fd01::1"] {
                for to_container in [false, true] {
                    let rate = rate(&world, far, to_container);
                    let context = format!("{key}, {far}, to the container: {to_container}: {rate}");
                    if limited.contains(&far) {
                        // How exactly is measured elsewhere.
                        assert!((0.5..1.3).contains(&(rate / 8.0)), "{context}");
                    } else {
                        assert!(rate > 100.0, "{context}");
                    }
                }
            }
            world.del(&config).success();
            assert_eq!((world.ifbs(), world.qdiscs()), (vec![], String::new()));
        }
    });
}

/// Mbit/s between the container and an address of the host.
fn rate(world: &Pair, far: &str, to_container: bool) -> f64 {
    let near = if far.contains(':') {
        "fd01::2"
    } else {
        "10.1.0.2"
    };
    let transfer = if to_container {
        // From that very address.
        let prefix = if far.contains(':') { "-6 " } else { "" };
        world.host.run(&format!(
            "ip {prefix}route replace {near} dev veth0 src {far}"
        ));
        tcp(&world.host, &world.netns, near, 2 * SECOND)
    } else {
        tcp(&world.netns, &world.host, far, 2 * SECOND)
    };
    transfer.rate_between(SECOND / 2, 2 * SECOND) / MEGABIT
}

#[test]
fn check_looks_at_the_subnets() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = |subnets| {
            world.config(json!({
                "ingressRate": 8_000_000, "ingressBurst": 200_000, "shapedSubnets": subnets
            }))
        };
        let made = config(json!(["10.9.0.0/16"]));
        world.add(&made).success();
        world.check(&made).success();
        for other in [json!(["10.8.0.0/16"]), json!([])] {
            let outcome = world.check(&config(other.clone()));
            assert_eq!(outcome.output.ok(), other == json!([]), "{other}");
        }
        world
            .host
            .run("tc filter delete dev veth0 parent 1: prio 16");
        world
            .check(&made)
            .fails(None, &["packets from 10.9.0.0/16"]);
    });
}
