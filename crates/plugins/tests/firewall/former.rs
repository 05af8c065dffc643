//! A host whose containers an earlier version has admitted, by a mark.

use linkspan_testkit::{Outside, Sandbox};
use serde_json::json;

use super::world::{Container, NFT, PORT, World, reaches, reconcile};

/// Makes of a container that is attached what that version had made.
fn as_formerly(sandbox: &Sandbox, one: &Container) {
    sandbox.run(&format!(
        "for command in iptables-nft ip6tables-nft; do
             $command -F CNI-FORWARD; $command -D FORWARD -m comment --comment 'CNI firewall plugin rules' -j CNI-FORWARD
             $command -X CNI-FORWARD
             $command -F LINKSPAN-PORTS; $command -D FORWARD -m comment --comment 'ports that Linkspan published' -j LINKSPAN-PORTS
             $command -X LINKSPAN-PORTS
             $command -N LINKSPAN-FORWARD
             $command -A LINKSPAN-FORWARD -m comment --comment 'CNI firewall plugin admin overrides' -j CNI-ADMIN
             $command -A LINKSPAN-FORWARD -m mark --mark 0x1000/0x1000 -j ACCEPT
             $command -I FORWARD -m comment --comment 'containers attached by Linkspan' -j LINKSPAN-FORWARD
         done
         nft -f - <<'END'
table inet linkspan {{
    set admitted4 {{ type ipv4_addr; elements = {{ {} comment \"mynet/one/eth0\" }} }}
    set admitted6 {{ type ipv6_addr; elements = {{ {} comment \"mynet/one/eth0\" }} }}
    chain admit {{ meta mark set meta mark or 0x1000; }}
    chain inbound {{ ct state established,related goto admit; ct status dnat goto admit; }}
    chain forward {{ type filter hook forward priority -10; ip saddr @admitted4 goto admit; ip daddr @admitted4 goto inbound;
        ip6 saddr @admitted6 goto admit; ip6 daddr @admitted6 goto inbound; }}
    chain forwarded {{ type filter hook forward priority 200; meta mark set meta mark and 0xffffefff; }}
}}
END",
        one.v4, one.v6
    ));
}

fn is_replaced(sandbox: &Sandbox, by: impl FnOnce(&World<'_>)) {
    let world = World::new(sandbox, NFT, json!({ "backend": "nftables" }));
    let one = world.attach("one");
    world.publish(&one);
    as_formerly(sandbox, &one);
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    // Nothing is wrong, until somebody takes away what that version has made.
    world.call("CHECK", &one).run().success();
    world.publish_call("CHECK", &one).run().success();
    let lead = "FORWARD -m comment --comment 'containers attached by Linkspan' -j LINKSPAN-FORWARD";
    sandbox.run(&format!("iptables-nft -D {lead}"));
    world.call("CHECK", &one).run().fails(None, &["expected"]);
    sandbox.run(&format!("iptables-nft -I {lead}"));
    by(&world);
    let rules = sandbox.run("nft list ruleset");
    for word in ["LINKSPAN-FORWARD", "admitted", "forwarded", "0x00001000"] {
        assert!(!rules.contains(word), "{word}: {rules}");
    }
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    world.call("CHECK", &one).run().success();
}

cases! { is_replaced:
    replaced_by_the_next_add(|world| drop(world.attach("two")));
    replaced_by_reconcile(|_| assert_ne!(reconcile(), Vec::<String>::new()));
    replaced_by_gc(|world| {
        world.plugins.gc(&world.firewall, &[("one", "eth0")]).success();
    });
}

/// Whoever is detached before that leaves nothing.
#[test]
fn detached_before_it_is_replaced() {
    linkspan_testkit::sandbox(|sandbox| {
        let world = World::new(sandbox, NFT, json!({ "backend": "nftables" }));
        let one = world.attach("one");
        world.publish(&one);
        as_formerly(sandbox, &one);
        world.del(&one).success();
        for set in ["admitted4", "admitted6"] {
            let admitted = sandbox.run(&format!("nft list set inet linkspan {set}"));
            assert!(!admitted.contains("mynet/one"), "{admitted}");
        }
    });
}
