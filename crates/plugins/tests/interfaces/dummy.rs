//! What `dummy` alone has.

use linkspan_testkit::Family;
use serde_json::json;

use crate::cases::another_mac_address_is_named;
use crate::plugin::dummy;
use crate::world::code;

#[test]
fn it_holds_addresses_and_swallows_what_is_sent() {
    dummy().test(|world| {
        let a = world.attach("a");
        assert_eq!(a.interface()["name"], "eth0");
        a.netns.run("ip link set lo up");
        for family in [Family::V4, Family::V6] {
            a.netns.ping(&a.address(family));
        }
        a.netns.ping_fails("10.22.0.99");
        assert_eq!(a.eth0("linkinfo")["info_kind"], "dummy");
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
        another_mac_address_is_named(&a);
    });
}

#[test]
fn what_cannot_be_is_refused() {
    dummy().test(|world| {
        let without = world.with(json!({ "ipam": null }));
        without.refuses("a", code::CONFIG, &["requires an IPAM configuration"]);
        let netns = world.sandbox.netns("b");
        netns.run("ip link add eth0 type dummy");
        world.refuses_in(
            &netns,
            code::ENVIRONMENT,
            &["eth0", "already exists", "dummy"],
        );
        world.plugins.status(&world.config).success();
    });
}
