//! Beside the reference: the same state, and each detaches what the other attached.

use linkspan_testkit::{Plugins, Snapshot};
use serde_json::json;

use super::vrf;

#[test]
fn the_state_is_the_same_and_either_continues_what_the_other_began() {
    vrf(|world| {
        let reference = Plugins::reference();
        let look = || {
            Snapshot::of(&[&world.netns], &[]).without(&[
                "l3mdev",
                "red index",
                "red address",
                "red txqlen",
            ])
        };
        world.make_routes(1);
        let config = super::config(world, 1, json!({ "vrfname": "red", "table": 10 }));
        let outcome = |one: &Plugins, other: &Plugins| {
            let result = one.add(&config, "c1", &world.netns, "net1").success();
            // Debian's version carries no routes.
            world
                .netns
                .run("ip route append default via 10.1.0.1 table 10 || true");
            world
                .netns
                .run("ip -6 route replace default via fd01::1 table 10 || true");
            let state = look();
            for plugins in [one, other] {
                plugins.check(&config, "c1", &world.netns, "net1").success();
            }
            other.del(&config, "c1", &world.netns, "net1").success();
            assert_eq!(world.vrfs(), []);
            // Nor does it give back what is lost on the way back.
            world.netns.run("ip addr replace fd01::2/64 dev net1 nodad");
            world.netns.run(
                "ip route replace default via 10.1.0.1; ip -6 route replace default via fd01::1",
            );
            (result, state)
        };
        let (ours, our_state) = outcome(&world.ours, &reference);
        let (theirs, their_state) = outcome(&reference, &world.ours);
        assert_eq!(ours, theirs);
        their_state.assert_same(&our_state, "after ADD");
    });
}
