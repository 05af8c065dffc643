//! Beside the reference: the same state, and each detaches what the other attached.

use linkspan_testkit::{Plugins, Snapshot, sandbox};
use serde_json::json;

use super::world;

#[test]
fn the_state_is_the_same_and_either_continues_what_the_other_began() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let reference = Plugins::reference();
        // What marks ours, and the random address of an ifb; the reference's filter redirects twice.
        let look = || {
            let words = ["ifalias", "bwp623e1c388032 address", "host tc "];
            Snapshot::of(&[&world.host, &world.netns], &[]).without(&words)
        };
        let before = look();
        for keys in [
            json!({ "ingressRate": 8_000_000, "ingressBurst": 200_000, "egressRate": 16_000_000, "egressBurst": 400_000 }),
            // As Kubernetes' runtimes ask for.
            json!({ "ingressRate": 100_000_000, "ingressBurst": i32::MAX, "egressRate": 1_000_000, "egressBurst": i32::MAX }),
            json!({ "ingressRate": 8, "ingressBurst": 8, "egressRate": 16, "egressBurst": 8 }),
            json!({ "egressRate": 999_999, "egressBurst": 65_535 }),
        ] {
            let config = world.config(keys);
            let outcome = |one: &Plugins, other: &Plugins| {
                let mut result = one.add(&config, "c1", &world.netns, "eth0").success();
                if let Some(ifb) = result["interfaces"].get_mut(2) {
                    ifb["mac"] = json!("random");
                }
                let state = (look(), world.qdiscs());
                for plugins in [one, other] {
                    plugins.check(&config, "c1", &world.netns, "eth0").success();
                }
                other.del(&config, "c1", &world.netns, "eth0").success();
                // Debian's leaves the qdiscs to the link, which goes.
                world.host.run("tc qdisc delete dev veth0 root || true; tc qdisc delete dev veth0 ingress || true");
                before.assert_same(&look(), "after the other's DEL");
                (result, state)
            };
            let (ours, our_state) = outcome(&world.ours, &reference);
            let (theirs, their_state) = outcome(&reference, &world.ours);
            assert_eq!(ours, theirs);
            their_state.0.assert_same(&our_state.0, "after ADD");
            assert_eq!(their_state.1, our_state.1);
        }
    });
}

/// What the reference has left behind, of containers that are gone: GC finds it by nobody redirecting to it.
#[test]
fn what_the_reference_left_is_collected() {
    sandbox(|sandbox| {
        let world = world(sandbox);
        let reference = Plugins::reference();
        let config = world.config(json!({ "egressRate": 16_000_000, "egressBurst": 400_000 }));
        reference.add(&config, "c1", &world.netns, "eth0").success();
        let mut gc = config.clone();
        gc["cniVersion"] = "1.1.0".into();
        world.ours.gc(&gc, &[]).success();
        assert_eq!(world.ifbs().len(), 1, "in use");
        world.host.run("ip link delete veth0");
        world.ours.gc(&gc, &[("c1", "eth0")]).success();
        assert_eq!(world.ifbs().len(), 1, "valid");
        // One that is being made: it has no limit yet.
        world.host.run("ip link add bwp000000000000 type ifb");
        world.ours.gc(&gc, &[]).success();
        assert_eq!(world.ifbs(), ["bwp000000000000"]);
    });
}
