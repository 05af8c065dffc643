//! Rates, measured.

use std::ops::Range;
use std::time::Duration;

use linkspan_testkit::{Netns, Plugins, Sandbox, sandbox, with_prev_result};
use serde_json::{Value, json};

use super::measure::{tcp, udp};
use super::world;
use crate::world::{CONTAINER, CONTAINER_V6, HOST, HOST_V6};

const MEGABIT: f64 = 1_000_000.0;
const SECOND: Duration = Duration::from_secs(1);

/// Asserts that a measured share of a rate is within these bounds. What keeps a busy machine from sending for a while is
/// not the limit's: what is too slow is measured once more.
#[track_caller]
fn assert_share(what: &str, bounds: &Range<f64>, mut measure: impl FnMut() -> f64) {
    let first = measure();
    if bounds.contains(&first) {
        return;
    }
    assert!(first < bounds.start, "{what}: {first:.3} of the rate");
    let second = measure();
    assert!(
        bounds.contains(&second),
        "{what}: {first:.3} and {second:.3} of the rate"
    );
}

/// Asserts that TCP gets a rate, within 10 %.
#[track_caller]
fn assert_rate(from: &Netns, to: &Netns, address: &str, rate: f64) {
    let what = format!("{} to {address}", from.name());
    assert_share(&what, &(0.9..1.1), || {
        let transfer = tcp(from, to, address, 4 * SECOND);
        transfer.rate_between(SECOND / 2, 4 * SECOND) / rate
    });
}

#[test]
fn a_transfer_is_as_fast_as_was_set() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let config = world.config(json!({
            "ingressRate": 20_000_000, "ingressBurst": 400_000, "egressRate": 10_000_000, "egressBurst": 200_000
        }));
        world.add(&config).success();
        world.check(&config).success();
        assert_rate(&world.host, &world.netns, CONTAINER, 20.0 * MEGABIT);
        assert_rate(&world.netns, &world.host, HOST, 10.0 * MEGABIT);
        assert_rate(&world.host, &world.netns, CONTAINER_V6, 20.0 * MEGABIT);
        assert_rate(&world.netns, &world.host, HOST_V6, 10.0 * MEGABIT);
        world.del(&config).success();
        let free = tcp(&world.netns, &world.host, HOST, SECOND);
        let rate = free.rate_between(Duration::ZERO, SECOND);
        assert!(
            rate > 100.0 * MEGABIT,
            "after DEL: {:.2} Mbit/s",
            rate / MEGABIT
        );
    });
}

/// plugins#609, kubernetes#90838: with the burst that runtimes ask for, the first seconds had no limit. Without a
/// burst, or with deriveBurst, the first second is as fast as the others.
#[test]
fn without_a_burst_it_is_as_fast_from_the_beginning() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        for keys in [
            json!({ "ingressRate": 8_000_000, "egressRate": 8_000_000 }),
            json!({ "deriveBurst": true, "runtimeConfig": { "bandwidth": {
                "ingressRate": 8_000_000, "ingressBurst": i32::MAX, "egressRate": 8_000_000, "egressBurst": i32::MAX
            } } }),
        ] {
            let config = world.config(keys);
            world.add(&config).success();
            world.check(&config).success();
            for (from, to, address) in [
                (&world.host, &world.netns, CONTAINER),
                (&world.netns, &world.host, HOST),
            ] {
                let share = |begin: Duration, end: Duration| {
                    let transfer = tcp(from, to, address, end);
                    transfer.rate_between(begin, end) / 8.0 / MEGABIT
                };
                let first = || share(Duration::ZERO, SECOND);
                // TCP needs its time to find the rate.
                assert_share("the first second", &(0.8..1.2), first);
                assert_share("later", &(0.9..1.1), || share(SECOND, 3 * SECOND));
            }
            world.del(&config).success();
        }
    });
}

#[test]
fn datagrams_are_limited_as_well() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let (unlimited, _) = udp(&world.netns, &world.host, HOST);
        assert!(unlimited > 3000, "{unlimited} of 5000");
        let config = world.config(json!({ "ingressRate": 8_000_000, "egressRate": 16_000_000 }));
        world.add(&config).success();
        for (from, to, addresses, rate) in [
            (&world.host, &world.netns, [CONTAINER, CONTAINER_V6], 8.0),
            (&world.netns, &world.host, [HOST, HOST_V6], 16.0),
        ] {
            for address in addresses {
                // A burst and what waited come on top of what passes in the second.
                assert_share(address, &(0.9..1.15), || {
                    let (count, elapsed) = udp(from, to, address);
                    let seconds = elapsed.as_secs_f64();
                    count as f64 * 1242.0 * 8.0 / MEGABIT / seconds / rate
                });
            }
        }
    });
}

/// Two containers on a bridge: the one's limits are not the other's.
#[test]
fn containers_on_a_bridge_are_limited_each_by_itself() {
    sandbox(|sandbox| {
        let plugins = Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"));
        let limits = json!({ "bandwidth": { "ingressRate": 8_000_000, "egressRate": 16_000_000 } });
        let limited = attach(sandbox, &plugins, "limited", &limits);
        let free = attach(sandbox, &plugins, "free", &json!({}));
        assert_rate(&free, &limited, "10.22.0.2", 8.0 * MEGABIT);
        assert_rate(&limited, &free, "10.22.0.3", 16.0 * MEGABIT);
        let transfer = tcp(sandbox.host(), &free, "10.22.0.3", SECOND);
        assert!(transfer.rate_between(Duration::ZERO, SECOND) > 100.0 * MEGABIT);
    });
}

fn attach(sandbox: &Sandbox, plugins: &Plugins, name: &str, runtime: &Value) -> Netns {
    let netns = sandbox.netns(name);
    let network = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bridge", "isGateway": true,
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/24" }
    });
    let result = plugins.add(&network, name, &netns, "eth0").success();
    let config = json!({
        "cniVersion": "1.0.0", "name": "net", "type": "bandwidth", "runtimeConfig": runtime
    });
    let config = with_prev_result(&config, &result);
    plugins.add(&config, name, &netns, "eth0").success();
    netns
}
