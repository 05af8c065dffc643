//! `dummy`.

use linkspan_testkit::{Feature, Sandbox, needs};
use serde_json::json;

use crate::world::{Family, LONG, World, code, dual_stack, fails};

fn world(sandbox: &Sandbox) -> World<'_> {
    let mut ipam = dual_stack();
    ipam["routes"] = json!([]);
    let config = json!({ "cniVersion": "1.1.0", "name": "mynet", "type": "dummy", "ipam": ipam });
    World::new(sandbox, config)
}

#[test]
fn it_holds_addresses_and_swallows_what_is_sent() {
    needs(&[Feature::Dummy]).sandbox(|sandbox| {
        let world = world(sandbox);
        let a = world.attach("a");
        assert_eq!(a.result["interfaces"][0]["name"], "eth0");
        a.netns.run("ip link set lo up");
        for family in [Family::V4, Family::V6] {
            a.netns.ping(&a.address(family));
        }
        a.netns.ping_fails("10.22.0.99");
        let link = a.netns.ip_json("link show dev eth0");
        assert_eq!(link[0]["linkinfo"]["info_kind"], "dummy");
        a.check().success();
        a.notices(
            "ip addr del 10.22.0.2/16 dev eth0",
            "ip addr add 10.22.0.2/16 dev eth0",
            &["10.22.0.2/16"],
        );
        a.notices(
            "ip link set eth0 down",
            "ip link set eth0 up",
            &["switched off"],
        );
        let mac = a.result["interfaces"][0]["mac"].as_str().unwrap();
        a.notices(
            "ip link set eth0 address 02:00:00:00:00:09",
            &format!("ip link set eth0 address {mac}"),
            &["the MAC address of \"eth0\"", "02:00:00:00:00:09"],
        );
        a.netns.run("ip link del eth0");
        fails(&a.check(), code::INTERNAL, &["eth0", "nothing"]);
        a.netns.run("ip link add eth0 type bridge");
        fails(&a.check(), code::INTERNAL, &["eth0", "bridge", "dummy"]);
        a.del();
    });
}

#[test]
fn nothing_is_left_in_any_version() {
    needs(&[Feature::Dummy]).deadline(LONG).sandbox(|sandbox| {
        let world = world(sandbox);
        world.leaves_nothing();
        world.works_in_every_version();
    });
}

#[test]
fn what_cannot_be_is_refused() {
    needs(&[Feature::Dummy]).sandbox(|sandbox| {
        let world = world(sandbox);
        let words = "requires an IPAM configuration";
        world
            .with(json!({ "ipam": null }))
            .refuses("a", code::CONFIG, &[words]);
        let netns = sandbox.netns("b");
        netns.run("ip link add eth0 type dummy");
        world.refuses_in(
            &netns,
            code::ENVIRONMENT,
            &["eth0", "already exists", "dummy"],
        );
        world.undoes_what_fails_later();
        world.plugins.status(&world.config).success();
    });
}
