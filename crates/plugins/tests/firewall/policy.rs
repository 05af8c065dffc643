//! Who may connect to a container, by `ingressPolicy` and by the administrator.

use linkspan_testkit::{Outside, Sandbox, sandbox};
use serde_json::json;

use super::world::{Forwarding, LEGACY, NFT, PORT, World, does_not_reach, reaches, reconcile};

/// With the reference they are not reached from outside there.
fn published_ports_answer(sandbox: &Sandbox, forwarding: Forwarding, publishes_first: bool) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    let one = world.attach_bridge("one");
    if publishes_first {
        world.publish(&one);
    }
    world.call("ADD", &one).run().success();
    if !publishes_first {
        world.publish(&one);
    }
    let outside = &world.outside.netns;
    reaches(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
    does_not_reach(outside, &one.v4, &one.v6, PORT);
    world.flush_conntrack();
    reaches(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
    world.del(&one).success();
    world.flush_conntrack();
    does_not_reach(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
}

cases! { published_ports_answer:
    published_ports_answer_where_iptables_drops(NFT, true);
    published_ports_answer_where_the_older_iptables_drops(LEGACY, true);
    ports_that_are_published_later_answer(NFT, false);
    ports_that_are_published_later_answer_where_the_older_iptables_drops(LEGACY, false);
}

/// What others lead to a container (NodePorts, services, the reference's ports) is theirs to admit.
fn the_translations_of_others_admit_nobody(sandbox: &Sandbox, forwarding: Forwarding) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    let [one, other] = ["one", "other"].map(|name| world.attach(name));
    world.publish(&one);
    for (command, container, host) in [
        ("iptables-nft", [&one.v4, &other.v4], Outside::HOST_V4),
        ("ip6tables-nft", [&one.v6, &other.v6], Outside::HOST_V6),
    ] {
        for (container, port) in container.into_iter().zip([30080, 30081]) {
            for protocol in ["tcp", "udp"] {
                sandbox.run(&format!(
                    "{command} -t nat -A PREROUTING -d {host} -p {protocol} --dport {port} -j DNAT --to-destination '{}:{PORT}'",
                    if container.contains(':') { format!("[{container}]") } else { container.clone() }
                ));
            }
        }
    }
    let outside = &world.outside.netns;
    does_not_reach(outside, Outside::HOST_V4, Outside::HOST_V6, 30080);
    does_not_reach(outside, Outside::HOST_V4, Outside::HOST_V6, 30081);
    reaches(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
}

cases! { the_translations_of_others_admit_nobody:
    translations_of_others_where_iptables_drops(NFT);
    translations_of_others_where_the_older_iptables_drops(LEGACY);
}

/// What the host's owner has put into our chain: it is about two ends, or drops, so it is nobody's admission.
fn rules_of_the_owner_in_our_chain_stay(sandbox: &Sandbox, forwarding: Forwarding, variant: &str) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    let [one, other] = ["one", "other"].map(|name| world.attach(name));
    let iptables = format!("iptables-{variant}");
    let drop = format!("CNI-FORWARD -s {} -d 203.0.113.9 -j DROP", one.v4);
    sandbox.run(&format!("{iptables} -I {drop}"));
    let is_there = || sandbox.run(&format!("{iptables} -C {drop}"));
    // Once more, gone, and somebody else.
    world.call("ADD", &one).run().success();
    is_there();
    world.call("CHECK", &one).run().success();
    world.call("DEL", &one).run().success();
    is_there();
    world.call("ADD", &one).run().success();
    is_there();
    world.call("CHECK", &one).run().success();
    world.call("DEL", &other).run().success();
    is_there();
}

cases! { rules_of_the_owner_in_our_chain_stay:
    rules_of_the_owner_in_our_chain_of_iptables_stay(NFT, "nft");
    rules_of_the_owner_in_our_chain_of_the_older_iptables_stay(LEGACY, "legacy");
}

/// A rule of the host's owner counts, whether it was there before (ufw, DOCKER-USER, KUBE-ROUTER, cali-FORWARD) or comes
/// later: then from the next container on, or `reconcile`. The policy alone is overcome.
fn rules_of_others_come_before_published_ports(
    sandbox: &Sandbox,
    forwarding: Forwarding,
    variant: &str,
) {
    let world = World::new(sandbox, forwarding, json!({ "backend": "nftables" }));
    let outside = &world.outside.netns;
    let [one, other] = ["one", "other"].map(|name| world.attach(name));
    let refuse = |verb: &str| {
        for command in ["iptables", "ip6tables"] {
            sandbox.run(&format!(
                "{command}-{variant} {verb} FORWARD -i uplink -j DROP"
            ));
        }
    };
    refuse("-A");
    world.publish(&one);
    does_not_reach(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
    // What the reference admits, it admits ahead of them.
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    refuse("-D");
    reaches(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
    refuse("-A");
    reconcile();
    if variant == "nft" {
        does_not_reach(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
    }
    reaches(&other.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
}

cases! { rules_of_others_come_before_published_ports:
    rules_come_before_published_ports_in_iptables(NFT, "nft");
    rules_come_before_published_ports_in_the_older_iptables(LEGACY, "legacy");
}

/// plugins#573: two networks of `same-bridge` do not reach each other, and each its own, the host and the outside.
fn same_bridge_keeps_bridges_apart(sandbox: &Sandbox, forwarding: Forwarding) {
    let keys = json!({ "backend": "nftables", "ingressPolicy": "same-bridge" });
    let world = World::new(sandbox, forwarding, keys.clone());
    let second = world.second_network(keys);
    let (one, other) = (world.attach("one"), world.attach("other"));
    let away = second.attach("away");
    reaches(&one.netns, &other.v4, &other.v6, PORT);
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    reaches(world.sandbox.host(), &one.v4, &one.v6, PORT);
    does_not_reach(&one.netns, &away.v4, &away.v6, PORT);
    does_not_reach(&away.netns, &one.v4, &one.v6, PORT);
    // From an address of nobody, too: the policy is one of the bridge.
    one.netns.run("ip addr add 10.22.99.99/32 dev eth0");
    let spoofed = one
        .netns
        .try_run(&format!("ping -n -c 1 -W 1 -I 10.22.99.99 {}", away.v4));
    assert!(!spoofed.ok(), "{spoofed}");
    second.publish(&away);
    does_not_reach(&one.netns, Outside::HOST_V4, Outside::HOST_V6, 8080);
    reaches(
        &world.outside.netns,
        Outside::HOST_V4,
        Outside::HOST_V6,
        8080,
    );
    world.call("CHECK", &one).run().success();
}

cases! { same_bridge_keeps_bridges_apart:
    same_bridge_where_everything_is_forwarded(Forwarding::Free);
    same_bridge_where_iptables_drops(NFT);
    same_bridge_where_the_older_iptables_drops(LEGACY);
}

/// A bridge without a policy is no concern of one with a policy, as in the reference.
#[test]
fn open_networks_reach_those_with_a_policy() {
    sandbox(|sandbox| {
        let keys = json!({ "backend": "nftables", "ingressPolicy": "same-bridge" });
        let world = World::new(sandbox, NFT, keys);
        let open = world.second_network(json!({ "backend": "nftables" }));
        let (one, away) = (world.attach("one"), open.attach("away"));
        reaches(&away.netns, &one.v4, &one.v6, PORT);
        reaches(&one.netns, &away.v4, &away.v6, PORT);
    });
}

/// Whether or not what bridges forward passes the tables of routed packets (br_netfilter).
fn isolated_containers_do_not_reach_their_neighbours(sandbox: &Sandbox, bridged: u8) {
    let keys = json!({ "backend": "nftables", "ingressPolicy": "isolated" });
    let world = World::new(sandbox, NFT, keys);
    let (one, other) = (world.attach("one"), world.attach("other"));
    for family in ["ip", "ip6"] {
        world.sandbox.run(&format!(
            "sysctl -qw net.bridge.bridge-nf-call-{family}tables={bridged}"
        ));
    }
    does_not_reach(&one.netns, &other.v4, &other.v6, PORT);
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    reaches(world.sandbox.host(), &one.v4, &one.v6, PORT);
    world.publish(&other);
    does_not_reach(&one.netns, Outside::HOST_V4, Outside::HOST_V6, 8080);
    reaches(
        &world.outside.netns,
        Outside::HOST_V4,
        Outside::HOST_V6,
        8080,
    );
    world.call("CHECK", &one).run().success();
    // The last one that is isolated has nobody to be kept from.
    world.del(&other).success();
    let elements = sandbox.run("nft list set bridge linkspan isolated");
    assert_eq!(
        elements.matches("comment \"mynet/").count(),
        1,
        "{elements}"
    );
}

cases! { isolated_containers_do_not_reach_their_neighbours:
    isolated_where_bridges_are_not_filtered(0);
    isolated_where_bridges_are_filtered(1);
}

#[test]
fn a_policy_needs_a_bridge() {
    sandbox(|sandbox| {
        let keys = json!({ "backend": "nftables", "ingressPolicy": "isolated" });
        let world = World::new(sandbox, Forwarding::Free, keys);
        let mut one = world.attach_bridge("one");
        one.result["interfaces"].as_array_mut().unwrap().remove(0);
        world
            .call("ADD", &one)
            .run()
            .fails(7, &["interface needs to be set for ingress policy"]);
    });
}

fn the_administrator_comes_first(sandbox: &Sandbox, forwarding: Forwarding, variant: &str) {
    let world = World::new(
        sandbox,
        forwarding,
        json!({ "backend": "nftables", "iptablesAdminChainName": "MY-RULES" }),
    );
    sandbox.run(&format!(
        "iptables-{variant} -N MY-RULES; ip6tables-{variant} -N MY-RULES"
    ));
    let (one, other) = (world.attach("one"), world.attach("other"));
    // Refuses one direction, and allows another that nobody else would.
    for (command, address, there) in [
        ("iptables", &one.v4, &other.v4),
        ("ip6tables", &one.v6, &other.v6),
    ] {
        sandbox.run(&format!(
            "{command}-{variant} -A MY-RULES -s {address} -o uplink -j DROP
             {command}-{variant} -A MY-RULES -d {there} -j ACCEPT"
        ));
    }
    does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    reaches(&other.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    reaches(&world.outside.netns, &other.v4, &other.v6, PORT);
    does_not_reach(&world.outside.netns, &one.v4, &one.v6, PORT);
}

cases! { the_administrator_comes_first:
    the_administrator_comes_first_in_iptables(NFT, "nft");
    the_administrator_comes_first_in_the_older_iptables(LEGACY, "legacy");
}
