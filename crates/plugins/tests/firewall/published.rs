//! Published ports where the host drops: from outside, from the host by its address and by 127.0.0.1, from the container
//! itself and from its neighbour; by TCP and UDP, IPv4 and IPv6.

use linkspan_netfilter::Backend;
use linkspan_testkit::{Outside, Sandbox};
use serde_json::{Value, json};

use super::firewalld::firewalld;
use super::world::{
    Container, Forwarding, LEGACY, NFT, PORT, World, does_not_reach, reaches, reconcile,
};

fn traffic(world: &World<'_>, one: &Container, neighbour: &Container) {
    let host = world.sandbox.host();
    let published = |from| reaches(from, Outside::HOST_V4, Outside::HOST_V6, 8080);
    published(&world.outside.netns);
    published(host);
    published(&neighbour.netns);
    published(&one.netns);
    for loopback in [
        host.talk_tcp("127.0.0.1:8080"),
        host.talk_udp("127.0.0.1:8080"),
    ] {
        assert!(loopback.is_ok(), "{loopback:?}");
    }
    does_not_reach(&world.outside.netns, &one.v4, &one.v6, PORT);
}

/// The same after connection tracking was flushed.
fn from_everywhere(world: &World<'_>, one: &Container, neighbour: &Container) {
    traffic(world, one, neighbour);
    world.flush_conntrack();
    traffic(world, one, neighbour);
}

/// Two containers, the first with a published port. Where bridged frames pass iptables, a container reaches itself only
/// if its port sends back what it was sent by.
fn attached(world: &mut World<'_>) -> [Container; 2] {
    world.bridge["hairpinMode"] = true.into();
    let containers = ["one", "neighbour"].map(|name| world.attach(name));
    world.publish(&containers[0]);
    containers
}

fn answers_everybody(sandbox: &Sandbox, forwarding: Forwarding, keys: Value) {
    let mut world = World::new(sandbox, forwarding, keys);
    let [one, neighbour] = attached(&mut world);
    from_everywhere(&world, &one, &neighbour);
    world.del(&one).success();
    world.flush_conntrack();
    does_not_reach(
        &world.outside.netns,
        Outside::HOST_V4,
        Outside::HOST_V6,
        8080,
    );
}

cases! { answers_everybody:
    everybody_where_iptables_drops(NFT, json!({ "backend": "nftables" }));
    everybody_where_the_older_iptables_drops(LEGACY, json!({ "backend": "nftables" }));
    everybody_where_iptables_drops_by_iptables(NFT, json!({ "backend": "iptables" }));
}

/// firewalld#779, podman#5431: before and after a reload.
fn answers_everybody_beside_firewalld(sandbox: &Sandbox, forwarding: Forwarding) {
    let _firewalld = firewalld(sandbox);
    let mut world = World::new(sandbox, forwarding, json!({}));
    let [one, neighbour] = attached(&mut world);
    from_everywhere(&world, &one, &neighbour);
    sandbox.run("firewall-cmd --reload");
    assert_ne!(reconcile(), Vec::<String>::new());
    from_everywhere(&world, &one, &neighbour);
}

cases! { answers_everybody_beside_firewalld:
    everybody_beside_firewalld(Forwarding::Free);
    everybody_beside_firewalld_where_iptables_drops_too(NFT);
}

/// Who goes back to the reference plugins, where one protocol alone is dropped, keeps what is admitted of that.
fn handed_over_where_one_drops(sandbox: &Sandbox, command: &str) {
    let world = World::new(sandbox, Forwarding::Free, json!({}));
    let one = world.attach("one");
    world.publish(&one);
    sandbox.run(&format!("{command} -P FORWARD DROP"));
    for (record, outcome) in linkspan_netfilter::migrate(Backend::Iptables).unwrap() {
        assert!(outcome.is_ok(), "{record:?}: {outcome:?}");
    }
    assert_eq!(linkspan_netfilter::hand_over(&[]).unwrap().kept, []);
    world.flush_conntrack();
    let outside = &world.outside.netns;
    reaches(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
    let rules = sandbox.run("iptables-nft -S; ip6tables-nft -S");
    let (stays, goes) = match command {
        "iptables-nft" => (&one.v4, &one.v6),
        _ => (&one.v6, &one.v4),
    };
    let has = |address: &str| rules.contains(&format!("LINKSPAN-PORTS -d {address}/"));
    assert!(has(stays) && !has(goes), "{rules}");
}

cases! { handed_over_where_one_drops:
    handed_over_where_ipv4_is_dropped("iptables-nft");
    handed_over_where_ipv6_is_dropped("ip6tables-nft");
}
