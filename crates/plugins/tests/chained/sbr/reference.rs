//! Beside the reference: the same state, and each detaches what the other attached.

use linkspan_testkit::{Plugins, Snapshot, sandbox};
use serde_json::{Value, json};

use super::world;
use crate::world::Routers;

/// The state after ADD of `one` and after DEL of `other`, of a world of their own.
fn states(world: &Routers, one: &Plugins, other: &Plugins, config: &Value) -> [Snapshot; 2] {
    let look = || Snapshot::of(&[&world.netns], &[]);
    let result = one.add(config, "c1", &world.netns, "net2").success();
    assert_eq!(result, config["prevResult"]);
    let after_add = look();
    world.check(2, config).success();
    other.del(config, "c1", &world.netns, "net2").success();
    [after_add, look()]
}

fn both(sandbox: &linkspan_testkit::Sandbox, prepare: &str, change: impl Fn(&mut Value)) {
    let world = world(sandbox, 2);
    let reference = Plugins::reference();
    world.netns.run(prepare);
    let mut config = world.config(2, json!({}));
    change(&mut config);
    let start = Snapshot::of(&[&world.netns], &[]);
    let theirs = states(&world, &reference, &world.ours, &config);
    // Anew, as it was.
    let restart = "ip addr flush dev net2 scope global; ip addr add 10.2.0.2/24 dev net2; \
                   ip addr add fd02::2/64 dev net2 nodad; for t in 100 101 102; do ip route flush table $t || true; \
                   ip -6 route flush table $t || true; done";
    world.netns.run(restart);
    world.netns.run(prepare);
    start.assert_same(
        &Snapshot::of(&[&world.netns], &[]),
        "the world is as it was",
    );
    let ours = states(&world, &world.ours, &reference, &config);
    theirs[0].assert_same(&ours[0], "after ADD");
    let empty = |snapshot: &Snapshot| {
        !snapshot
            .lines()
            .any(|line| line.contains(" rule ") && line.contains("10.2.0.2"))
    };
    assert!(empty(&ours[1]) && empty(&theirs[1]), "rules are left");
}

#[test]
fn one_address_of_ipv4() {
    sandbox(|sandbox| {
        both(
            sandbox,
            "ip -6 addr del fd02::2/64 dev net2 || true; ip route add 10.77.0.0/16 via 10.2.0.1; ip route add 10.78.0.0/16 dev net2",
            |config| {
                config["prevResult"]["ips"]
                    .as_array_mut()
                    .unwrap()
                    .remove(1);
            },
        );
    });
}

#[test]
fn two_addresses_of_ipv4() {
    sandbox(|sandbox| {
        both(
            sandbox,
            "ip -6 addr del fd02::2/64 dev net2 || true; ip addr add 10.22.0.2/24 dev net2; ip route add 10.77.0.0/16 via 10.22.0.1",
            |config| {
                config["prevResult"]["ips"][1] =
                    json!({ "address": "10.22.0.2/24", "gateway": "10.22.0.1", "interface": 0 });
            },
        );
    });
}
