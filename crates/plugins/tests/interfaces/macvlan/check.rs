//! CHECK, after each thing that somebody may have changed.

use linkspan_testkit::sandbox;
use serde_json::json;

use super::world;
use crate::world::{code, fails};

#[test]
fn what_was_changed_is_named() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let world = world.with(json!({ "mtu": 1400 }));
        let a = world.attach("a");
        let mac = a.result["interfaces"][0]["mac"].as_str().unwrap();
        a.check().success();
        a.notices(
            "ip link set eth0 type macvlan mode vepa",
            "ip link set eth0 type macvlan mode bridge",
            &["the mode of \"eth0\" in the container: expected bridge, found vepa"],
        );
        a.notices(
            "ip link set eth0 mtu 1300",
            "ip link set eth0 mtu 1400",
            &["the MTU of \"eth0\" in the container: expected 1400, found 1300"],
        );
        a.notices(
            "ip addr add 10.99.0.9/16 dev eth0; ip addr del 10.22.0.2/16 dev eth0",
            "ip addr del 10.99.0.9/16 dev eth0; ip addr add 10.22.0.2/16 dev eth0; ip route add default via 10.22.0.1",
            &["the addresses of \"eth0\" in the container: expected 10.22.0.2/16, found 10.99.0.9/16"],
        );
        a.notices(
            "ip route del default",
            "ip route add default via 10.22.0.1",
            &["the route to 0.0.0.0/0 on \"eth0\" in the container: expected via 10.22.0.1, found none"],
        );
        a.notices(
            "ip -6 route del default",
            "ip -6 route add default via fd00:22::1",
            &["the route to ::/0 on \"eth0\" in the container: expected via fd00:22::1, found none"],
        );
        a.notices(
            "ip link set eth0 address 02:00:00:00:00:09",
            &format!("ip link set eth0 address {mac}"),
            &[
                "the MAC address of \"eth0\" in the container",
                mac,
                "02:00:00:00:00:09",
            ],
        );
    });
}

#[test]
fn a_link_that_is_gone_another_or_elsewhere_is_named() {
    sandbox(|sandbox| {
        let (world, _peer) = world(sandbox);
        let a = world.attach("a");
        a.netns.run("ip link del eth0");
        fails(
            &a.check(),
            code::INTERNAL,
            &["the link \"eth0\" in the container", "nothing"],
        );
        a.netns.run("ip link add eth0 type bridge");
        let words = ["expected a macvlan in mode bridge", "bridge"];
        fails(&a.check(), code::INTERNAL, &words);
        a.netns.run("ip link del eth0");
        world.host.run("ip link add other type veth peer name other2; ip link add link other name x netns a type macvlan mode bridge");
        a.netns.run("ip link set x name eth0");
        let words = ["the master of \"eth0\" in the container: expected \"ens1\", found another"];
        fails(&a.check(), code::INTERNAL, &words);
        a.del();

        let b = world.attach("b");
        world.host.run("ip link del ens1");
        fails(
            &b.check(),
            code::INTERNAL,
            &["the master \"ens1\"", "nothing"],
        );
    });
}
