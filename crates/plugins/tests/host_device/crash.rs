//! Killed at every system call that changes anything.

use linkspan_testkit::{Cmd, Setup, kill_at_every_change, lose_every_answer};
use serde_json::json;
use std::time::Duration;

use super::{World, network};

fn command(world: &World, verb: &str) -> Cmd {
    world
        .ours
        .call(verb, &network(json!({ "device": "nic0" })))
        .container("c1")
        .netns(world.netns.path())
        .ifname("eth0")
        .cmd()
}

/// plugins#773, multus#1134: whatever dies, the device comes home with its name.
#[test]
fn killed_anywhere_the_device_is_not_lost() {
    let setup = Setup::default().deadline(Duration::from_secs(240));
    setup.sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        let kills = kill_at_every_change(
            || command(&world, "ADD"),
            |kill| {
                world.del(&config).success();
                world.assert_home(&format!("ADD killed: {kill:?}"));
            },
        );
        assert!(kills > 4, "{kills}");
        let kills = kill_at_every_change(
            || {
                world.del(&config).success();
                world.add(&config).success();
                command(&world, "DEL")
            },
            |kill| {
                world.del(&config).success();
                world.assert_home(&format!("DEL killed: {kill:?}"));
            },
        );
        assert!(kills > 4, "{kills}");
    });
}

/// ADD that loses one of the kernel's answers, whichever it is, succeeds or brings the device home, without a DEL.
#[test]
fn a_lost_answer_loses_no_device() {
    let setup = Setup::default().deadline(Duration::from_secs(240));
    setup.sandbox(|sandbox| {
        let world = World::new(sandbox);
        let config = network(json!({ "device": "nic0" }));
        let failures = lose_every_answer(
            || {
                world.del(&config).success();
                command(&world, "ADD")
            },
            |output, context| {
                if output.ok() {
                    world.del(&config).success();
                }
                world.assert_home(context);
            },
        );
        assert!(failures > 2, "{failures}");
    });
}
