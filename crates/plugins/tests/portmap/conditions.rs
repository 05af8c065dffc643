//! Conditions: who is led to the container, and what happens to others.

use linkspan_testkit::{Outside, rows, sandbox};
use serde_json::{Value, json};

use super::world::{HOST_V4, HOST_V6, World, publish_with};

/// Who reaches a port with these conditions: outside, the host by its address, a neighbour.
fn reached_by(world: &World<'_>, conditions: &Value) -> [bool; 3] {
    let container = world.container("server");
    container.netns.serve_tcp(&format!("{}:80", container.v4));
    let neighbour = world.container("neighbour");
    let keys = publish_with(&["8080:80/tcp"], json!({ "conditionsV4": conditions }));
    world.add(&container, &keys).success();
    world.check(&container, &keys).success();
    let to = format!("{HOST_V4}:8080");
    let reached = [&world.outside, world.host.host(), &neighbour.netns]
        .map(|from| from.talk_tcp(&to).is_ok());
    world.del(&container, &keys).success();
    assert!(world.outside.talk_tcp(&to).is_err());
    assert!(!world.ruleset().contains("net/server"));
    reached
}

macro_rules! conditions {
    ($($test:ident: $conditions:tt => $outside:literal, $host:literal, $neighbour:literal;)*) => {$(
        #[test]
        fn $test() {
            sandbox(|host| {
                let reached = reached_by(&World::new(host), &json!($conditions));
                assert_eq!(reached, [$outside, $host, $neighbour], "outside, host, neighbour");
            });
        }
    )*};
}

conditions! {
    an_empty_list_is_no_condition: [] => true, true, true;
    a_source: ["-s", Outside::ROUTER_V4] => true, false, false;
    any_other_source: ["!", "-s", "198.51.100.2"] => false, true, true;
    several_sources: ["--source", "198.51.100.2,10.22.0.0/16"] => true, false, true;
    a_destination: ["-d", HOST_V4, "-m", "comment", "--comment", "for -s nobody"] => true, true, true;
    another_destination: ["!", "-d", HOST_V4] => false, false, false;
    an_interface: ["-i", "uplink"] => true, false, false;
    any_other_interface: ["!", "-i", "up+"] => false, true, true;
    two_conditions: ["-i", "uplink", "!", "-s", "203.0.113.0/24"] => true, false, false;
    a_range_of_sources: ["-m", "iprange", "--src-range", "10.22.0.1-10.22.255.254"] => false, false, true;
    a_type_of_sources: ["-m", "addrtype", "!", "--src-type", "LOCAL"] => true, false, true;
    ports_of_clients: ["-p", "tcp", "-m", "tcp", "--sport", "1:1023"] => false, false, false;
    a_mark_that_nobody_sets: ["-m", "mark", "!", "--mark", "0x10/0xff"] => true, true, true;
    a_state: ["-m", "conntrack", "--ctstate", "NEW"] => true, true, true;
    words_of_nft: ["ip saddr", "{ 198.51.100.2, 203.0.113.9 }"] => true, false, false;
    more_words_of_nft: ["iifname != \"cni*\"", "tcp dport 8080"] => true, true, false;
}

/// Each list of conditions is for the mappings of its configuration; mappings without any are unaffected.
#[test]
fn configurations_with_different_conditions_live_side_by_side() {
    sandbox(|host| {
        let world = World::new(host);
        let servers = ["one", "two", "three"].map(|id| world.server(id));
        let on_the_wire =
            json!({ "conditionsV4": ["-i", "uplink"], "conditionsV6": ["-i", "uplink"] });
        let elsewhere = json!({ "conditionsV4": ["!", "-i", "uplink"] });
        let keys = [
            publish_with(&["8080:80/tcp"], on_the_wire),
            publish_with(&["0.0.0.0:8080:80/tcp"], elsewhere),
            publish_with(&["8081:80/tcp"], json!({})),
        ];
        for (server, keys) in servers.iter().zip(&keys) {
            world.add(server, keys).success();
            world.check(server, keys).success();
        }
        let connections = |server: &str| {
            let listed = host.run("conntrack -L 2>/dev/null");
            listed.matches(&format!(" src={server} dst=")).count()
        };
        for (from, port, answered_by) in [
            (&world.outside, 8080, 0),
            (host.host(), 8080, 1),
            (&world.outside, 8081, 2),
        ] {
            let before = connections(&servers[answered_by].v4);
            from.talk_tcp(&format!("{HOST_V4}:{port}")).unwrap();
            assert_eq!(connections(&servers[answered_by].v4), before + 1, "{port}");
        }
        world
            .outside
            .talk_tcp(&format!("[{HOST_V6}]:8080"))
            .unwrap();
        assert!(host.host().talk_tcp(&format!("[{HOST_V6}]:8080")).is_err());
        world.del(&servers[0], &keys[0]).success();
        assert!(world.outside.talk_tcp(&format!("{HOST_V4}:8080")).is_err());
        host.host().talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
    });
}

#[test]
fn what_cannot_be_translated_is_told_with_the_way_out() {
    sandbox(|host| {
        let world = World::new(host);
        let server = world.container("server");
        for (keys, words) in rows! {
            (json!({ "conditionsV4": ["-m", "recent", "--rcheck"] }), &["\"conditionsV4\"", "\"-m recent\"", "\"backend\": \"iptables\""][..]),
            (json!({ "conditionsV6": ["-s", "10.0.0.0/8"] }), &["\"conditionsV6\"", "other version of IP"]),
            (json!({ "conditionsV4": ["-s", "nowhere"] }), &["\"nowhere\" is not an address"]),
            (json!({ "conditionsV4": ["-s", "10.0.0.1\n*filter"] }), &["control character"]),
            (json!({ "conditionsV4": ["ip saddr 10.0.0.1"], "backend": "iptables" }), &["nftables-specific options [conditionsV4]"]),
            (json!({ "externalSetMarkChain": "X", "backend": "nftables" }), &["iptables-specific options [externalSetMarkChain]"]),
            (json!({ "externalSetMarkChain": "X", "markMasqBit": 3 }), &["Cannot specify externalSetMarkChain and markMasqBit"]),
            (json!({ "markMasqBit": 32 }), &["MasqMarkBit must be between 0 and 31"]),
            (json!({ "backend": "ipset" }), &["unrecognized backend", "nftables or iptables"]),
        } {
            let keys = publish_with(&["8080:80/tcp"], keys);
            world.add(&server, &keys).fails(7, words);
            // Nothing of it keeps the container from being detached.
            world.del(&server, &keys).success();
        }
        assert_eq!(world.ruleset(), "");
    });
}
