//! Killed at its system calls: whatever is left, DEL and GC remove it.

use std::time::Duration;

use linkspan_testkit::{Cmd, kill_at_every_change, needs};
use serde_json::{Value, json};

use super::world::{Container, HOST_V4, World, publish_with};

/// How long a loop may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(400);

fn cmd(world: &World<'_>, verb: &str, container: &Container, keys: &Value) -> Cmd {
    let call = world.ours.call(verb, &world.config(container, keys));
    let call = call.container(&container.id).netns(container.netns.path());
    call.ifname("eth0").cmd()
}

/// What a plugin may leave.
fn left(world: &World<'_>) -> String {
    world.host.run(
        "nft --stateless list ruleset; iptables-nft -t nat -S; cat /proc/sys/net/ipv4/conf/cni0/route_localnet
         mkdir -p /run/cni; find /run/cni -path '*/events' -prune -o ! -type d -print",
    )
}

fn gc(world: &World<'_>, container: &Container, valid: &[(&str, &str)]) {
    let config = world.config(container, &json!({ "cniVersion": "1.1.0" }));
    world.ours.gc(&config, valid).success();
}

/// All that an ADD can do: ports of every and of single addresses, TCP and UDP, conditions, the first of its kind.
fn everything() -> Value {
    publish_with(
        &["8080:80/tcp", "8080:80/udp", "198.51.100.1:8081:80/tcp"],
        json!({ "conditionsV4": ["-i", "uplink"] }),
    )
}

fn an_add_is_undone(keys: &Value, remove: impl Fn(&World<'_>, &Container, &Value)) {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let world = World::new(host);
        let (server, other) = (world.server("server"), world.container("other"));
        remove(&world, &server, keys);
        gc(&world, &server, &[]);
        let before = left(&world);
        let kills = kill_at_every_change(
            || cmd(&world, "ADD", &server, keys),
            |kill| {
                remove(&world, &server, keys);
                gc(&world, &server, &[]);
                assert_eq!(left(&world), before, "{kill:?}");
                // The ports are free for others.
                world.add(&other, keys).success();
                world.del(&other, keys).success();
                gc(&world, &server, &[]);
                assert_eq!(left(&world), before, "{kill:?}, then another");
            },
        );
        assert!(kills > 15, "{kills}");
    });
}

#[test]
fn an_add_killed_anywhere_is_undone_by_del() {
    an_add_is_undone(&everything(), |world, server, keys| {
        world.del(server, keys).success();
    });
}

#[test]
fn an_add_killed_anywhere_is_undone_by_gc_alone() {
    an_add_is_undone(&everything(), |_, _, _| {});
}

/// Promise 4: whoever tries again gets what was wanted.
#[test]
fn an_add_killed_anywhere_can_be_repeated() {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.server("neighbour"));
        let keys = everything();
        let theirs = publish_with(&["7070:80/tcp"], json!({}));
        world.add(&neighbour, &theirs).success();
        kill_at_every_change(
            || cmd(&world, "ADD", &server, &keys),
            |kill| {
                world.add(&server, &keys).success();
                world.check(&server, &keys).success();
                world
                    .outside
                    .talk_tcp(&format!("{HOST_V4}:8080"))
                    .unwrap_or_else(|error| panic!("{kill:?}: {error}"));
                world.del(&server, &keys).success();
                world.check(&neighbour, &theirs).success();
            },
        );
        world.outside.talk_tcp(&format!("{HOST_V4}:7070")).unwrap();
    });
}

#[test]
fn a_del_killed_anywhere_is_completed_by_another() {
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.server("server"), world.server("neighbour"));
        let keys = everything();
        let theirs = publish_with(&["7070:80/tcp"], json!({}));
        world.add(&neighbour, &theirs).success();
        world.add(&server, &keys).success();
        world.del(&server, &keys).success();
        let before = left(&world);
        kill_at_every_change(
            || {
                world.add(&server, &keys).success();
                cmd(&world, "DEL", &server, &keys)
            },
            |kill| {
                world.del(&server, &keys).success();
                assert_eq!(left(&world), before, "{kill:?}");
            },
        );
        world.check(&neighbour, &theirs).success();
    });
}

/// With iptables, what all containers share stays, as the reference leaves it.
#[test]
fn an_add_by_iptables_killed_anywhere_is_undone_by_del() {
    let mut keys = everything();
    keys["backend"] = "iptables".into();
    needs(&[]).deadline(DEADLINE).sandbox(|host| {
        let world = World::new(host);
        let server = world.server("server");
        world.add(&server, &keys).success();
        world.del(&server, &keys).success();
        gc(&world, &server, &[]);
        let before = left(&world);
        let mut number = 0;
        kill_at_every_change(
            || cmd(&world, "ADD", &server, &keys),
            |kill| {
                number += 1;
                if number % 2 == 0 {
                    world.del(&server, &keys).success();
                }
                gc(&world, &server, &[]);
                assert_eq!(left(&world), before, "{kill:?}");
            },
        );
        world.add(&server, &keys).success();
        world.outside.talk_tcp(&format!("{HOST_V4}:8080")).unwrap();
    });
}
