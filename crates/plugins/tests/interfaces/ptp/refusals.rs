//! What fails, with which words, and that nothing is left of it.

use linkspan_testkit::{needs, sandbox};
use serde_json::json;

use super::world;
use crate::world::{LONG, addresses, code, dual_stack};

#[test]
fn what_cannot_be_is_refused_and_undone() {
    needs(&[]).deadline(LONG).sandbox(|sandbox| {
        let world = world(sandbox).with(json!({ "ipMasq": true }));
        let taken = sandbox.netns("taken");
        taken.run("ip link add eth0 type bridge");
        world.refuses_in(
            &taken,
            code::ENVIRONMENT,
            &["eth0", "already exists", "bridge", "DEL"],
        );

        let mut ipam = dual_stack();
        ipam["routes"] = json!([{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }]);
        let unreachable = world.with(json!({ "ipam": ipam }));
        unreachable.refuses(
            "a",
            code::INTERNAL,
            &["192.168.0.0/16", "172.31.0.1", "subnets"],
        );

        let without = addresses(&[("10.22.0.2/16", Some("10.22.0.1")), ("fd00:22::2/64", None)]);
        let no_gateway = world.with(json!({ "ipam": without }));
        no_gateway.refuses("b", code::CONFIG, &["fd00:22::2/64", "gateway"]);

        let small = world.with(json!({ "mtu": 1000 }));
        small.refuses("c", code::CONFIG, &["1000", "1280", "mtu"]);
        let large = world.with(json!({ "mtu": 65536 }));
        large.refuses("d", code::CONFIG, &["mtu", "65535"]);

        let lost = world.with(json!({ "mtu": "auto" }));
        lost.refuses("e", code::CONFIG, &["auto", "default route"]);

        let backend = world.with(json!({ "ipMasqBackend": "ipchains" }));
        backend.refuses(
            "f",
            code::CONFIG,
            &["ipMasqBackend", "ipchains", "nftables"],
        );

        let nonesuch = world.with(json!({ "ipam": { "type": "nonesuch" } }));
        nonesuch.refuses("g", 5, &["nonesuch"]);
        let exhausted = json!({ "type": "host-local", "subnet": "10.23.0.0/30" });
        let exhausted = world.with(json!({ "ipam": exhausted }));
        exhausted.attach("one");
        exhausted.refuses("two", code::TRY_AGAIN, &["10.23.0.1-10.23.0.2"]);
    });
}

/// The last step of ADD fails: everything before it is undone.
#[test]
fn masquerading_that_fails_undoes_all_the_rest() {
    sandbox(|sandbox| {
        let world = world(sandbox).with(json!({ "ipMasq": true }));
        // Nowhere to write down what is going to be made.
        sandbox.run("mkdir -p /run/cni/linkspan; echo > /run/cni/linkspan/netfilter");
        world.refuses("a", 5, &["/run/cni/linkspan/netfilter"]);
    });
}
