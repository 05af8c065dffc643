//! CHECK, after each thing that somebody may have changed.

use linkspan_testkit::needs;
use serde_json::json;

use super::world;
use crate::world::{Family, LONG, code, fails};

#[test]
fn what_was_changed_is_named() {
    needs(&[]).deadline(LONG).sandbox(|sandbox| {
        let world = world(sandbox).with(json!({ "mtu": 1400, "ipMasq": true }));
        let a = world.attach("a");
        let link = a.result["interfaces"][0]["name"].as_str().unwrap().to_owned();
        let mac = a.result["interfaces"][1]["mac"].as_str().unwrap();
        a.check().success();

        a.notices(
            "ip route del default",
            "ip route add default via 10.22.0.1",
            &["the route to 0.0.0.0/0 on \"eth0\" in the container: expected via 10.22.0.1, found none"],
        );
        a.notices(
            "ip -6 route del default",
            "ip -6 route add default via fd00:22::1",
            &["the route to ::/0 on \"eth0\""],
        );
        a.notices(
            "ip route replace 10.22.0.0/16 dev eth0",
            "ip route replace 10.22.0.0/16 via 10.22.0.1 dev eth0 src 10.22.0.2",
            &["the route to 10.22.0.0/16", "expected via 10.22.0.1, found directly"],
        );
        a.notices(
            "ip link set eth0 mtu 1300",
            "ip link set eth0 mtu 1400",
            &["the MTU of \"eth0\" in the container: expected 1400, found 1300"],
        );
        a.notices(
            "ip link set eth0 address 02:00:00:00:00:09",
            &format!("ip link set eth0 address {mac}"),
            &["the MAC address of \"eth0\"", "02:00:00:00:00:09"],
        );
        a.notices_on_the_host(
            &format!("ip link set {link} mtu 1300"),
            &format!("ip link set {link} mtu 1400"),
            &[&format!("the MTU of {link:?}: expected 1400, found 1300")],
        );
        a.notices_on_the_host(
            "ip route del 10.22.0.2",
            &format!("ip route add 10.22.0.2 dev {link} scope host"),
            &["the route to 10.22.0.2/32", &link],
        );
        a.notices_on_the_host(
            &format!("ip addr del 10.22.0.1/32 dev {link}"),
            &format!("ip addr add 10.22.0.1/32 dev {link}; ip route replace 10.22.0.2 dev {link} scope host"),
            &["the addresses of", "10.22.0.1/32"],
        );
        world.host.run("nft flush ruleset");
        fails(&a.check(), code::INTERNAL, &["netfilter"]);
    });
}

#[test]
fn a_link_or_an_address_that_is_gone_is_named() {
    needs(&[]).sandbox(|sandbox| {
        let world = world(sandbox);
        let a = world.attach("a");
        a.netns.run("ip link del eth0");
        fails(&a.check(), code::INTERNAL, &["eth0"]);
        a.netns.run("ip link add eth0 type bridge");
        let link = a.result["interfaces"][0]["name"].as_str().unwrap();
        fails(
            &a.check(),
            code::INTERNAL,
            &[link, "expected it, found nothing"],
        );
        a.del();
        let b = world.attach("b");
        let address = b.address(Family::V4);
        b.netns.run(&format!(
            "ip addr add 10.99.0.9/16 dev eth0; ip addr del {address}/16 dev eth0"
        ));
        let words = format!(
            "the addresses of \"eth0\" in the container: expected {address}/16, found 10.99.0.9/16"
        );
        fails(&b.check(), code::INTERNAL, &[&words]);
        b.del();
        let b = world.attach("c");
        let address = b.address(Family::V6);
        b.netns
            .run(&format!("ip -6 addr del {address}/64 dev eth0"));
        fails(
            &b.check(),
            code::INTERNAL,
            &["the addresses of \"eth0\"", &address],
        );
        b.del();
        let b = world.attach("d");
        world.host.run("rm /var/lib/cni/networks/mynet/[1f]*");
        fails(&b.check(), 101, &["Failed to find address"]);
    });
}
