//! Killed at any change, with an IPAM plugin of others: DEL brings host, container and addresses back to where they were.

use std::time::Duration;

use linkspan_testkit::{Kill, kill_at_every_change, tests_for};
use serde_json::json;

use crate::attachment::{Kind, World, bridge, host_device, macvlan, ptp};
use crate::probe::Probe;

tests_for! {
    killed_anywhere_it_is_undone_by_del: bridge host_device macvlan ptp;
}

fn killed_anywhere_it_is_undone_by_del(kind: Kind) {
    let patient = kind.setup().deadline(Duration::from_secs(300));
    patient.sandbox(|sandbox| {
        let world = World::new(sandbox, &kind, json!({ "type": "probe" }));
        let probe = Probe::quick(&world);
        let netns = sandbox.netns("c1");
        let call = |verb| {
            let call = world.plugins.attachment("c1", &netns, "eth0");
            call.call(verb, &world.config)
        };
        // What a first ADD leaves in any case.
        call("ADD").run().success();
        call("DEL").run().success();
        let before = world.snapshot(&netns);
        let whole = |kill: Option<&Kill>| {
            call("DEL").run().success();
            let context = format!("DEL after {kill:?}");
            before.assert_same(&world.snapshot(&netns), &context);
            assert_eq!(probe.given(), 0, "{context}");
        };
        let command = |verb| call(verb).cmd().env_remove("LD_LIBRARY_PATH");
        let kills = kill_at_every_change(|| command("ADD"), whole);
        assert!(kills > 5, "{kills}");
        let del = || {
            call("ADD").run().success();
            command("DEL")
        };
        kill_at_every_change(del, whole);
    });
}
