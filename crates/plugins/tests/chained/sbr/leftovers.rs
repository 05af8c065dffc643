//! DEL, whatever is missing.

use std::time::Duration;

use linkspan_testkit::{kill_at_every_syscall, needs, sandbox};
use serde_json::json;

use super::world;

#[test]
fn rules_go_without_the_interface_and_without_a_result() {
    sandbox(|sandbox| {
        let world = world(sandbox, 3);
        let config = world.config(2, json!({}));
        world.add(2, &config).success();
        world.netns.run("ip link delete net2");
        assert_eq!(world.rules().len(), 2);
        world.del(2, &config).success();
        assert_eq!(world.rules(), Vec::<String>::new());

        let mut bare = world.config(3, json!({}));
        world.add(3, &bare).success();
        bare.as_object_mut().unwrap().remove("prevResult");
        bare["gateways"] = json!("wrong");
        world.netns.run("ip rule add from 192.0.2.1 lookup 500");
        world
            .netns
            .run("ip rule add from 10.3.0.2 fwmark 7 lookup 501");
        world.del(3, &bare).success();
        let rules = world.rules();
        assert_eq!(rules.len(), 2, "those of others stay: {rules:?}");
        world.del(3, &bare).success();
    });
}

#[test]
fn the_tables_are_empty_after_del() {
    sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let config = world.config(2, json!({}));
        world.add(2, &config).success();
        assert!(
            world.routes_of_table("", "100").contains("default")
                && world.routes_of_table("-6", "101").contains("default")
        );
        world.del(2, &config).success();
        assert_eq!(
            [
                world.routes_of_table("", "100"),
                world.routes_of_table("-6", "101")
            ],
            ["", ""]
        );
        assert_eq!(world.rules(), Vec::<String>::new());
    });
}

#[test]
fn killed_anywhere_no_rule_is_left_after_del() {
    let setup = needs(&[]).deadline(Duration::from_secs(300));
    setup.sandbox(|sandbox| {
        let world = world(sandbox, 2);
        let config = world.config(2, json!({}));
        let kills = kill_at_every_syscall(
            || {
                let call = world.ours.call("ADD", &config).container("c1");
                call.netns(world.netns.path()).ifname("net2").cmd()
            },
            |kill| {
                world.del(2, &config).success();
                assert_eq!(world.rules(), Vec::<String>::new(), "{kill:?}");
                for table in 100..104 {
                    let routes = [
                        world.routes_of_table("", &table.to_string()),
                        world.routes_of_table("-6", &table.to_string()),
                    ];
                    assert_eq!(routes, ["", ""], "{kill:?}");
                }
                world.netns.run("ip addr flush dev net2 scope global");
                world.netns.address("net2", "10.2.0.2/24");
                world.netns.address("net2", "fd02::2/64");
            },
        );
        assert!(kills > 50, "{kills}");
    });
}
