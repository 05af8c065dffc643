//! What is forwarded.

use linkspan_testkit::{Outside, sandbox};
use serde_json::json;

use super::world::{Container, Forwarding, LEGACY, NFT, PORT, World, does_not_reach, reaches};

/// Everything that a policy of DROP must not stop, and what it must.
#[track_caller]
fn traffic(world: &World<'_>, one: &Container, other: &Container, forwarding: Forwarding) {
    let outside = &world.outside.netns;
    let host = world.sandbox.host();
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    reaches(&one.netns, &other.v4, &other.v6, PORT);
    reaches(host, &one.v4, &one.v6, PORT);
    match forwarding {
        Forwarding::Free => reaches(outside, &one.v4, &one.v6, PORT),
        Forwarding::DroppedBy(_) => does_not_reach(outside, &one.v4, &one.v6, PORT),
    }
}

fn passes_where(forwarding: Forwarding) {
    sandbox(|sandbox| {
        let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
        let one = world.attach("one");
        let other = world.attach("other");
        traffic(&world, &one, &other, forwarding);
        world.flush_conntrack();
        traffic(&world, &one, &other, forwarding);
        world.call("CHECK", &one).run().success();

        world.del(&one).success();
        let left = |one: &Container| (one.v4.clone(), one.v6.clone());
        let (v4, v6) = left(&other);
        match forwarding {
            Forwarding::Free => reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT),
            Forwarding::DroppedBy(_) => {
                world.flush_conntrack();
                does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
            }
        }
        reaches(&other.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
        reaches(world.sandbox.host(), &v4, &v6, PORT);
    });
}

#[test]
fn a_host_that_forwards_everything_still_does() {
    passes_where(Forwarding::Free);
}

/// plugins#430: under FORWARD DROP containers of one node did not reach each other.
#[test]
fn containers_talk_where_iptables_drops() {
    passes_where(NFT);
}

#[test]
fn containers_talk_where_the_older_iptables_drops() {
    passes_where(LEGACY);
}
