//! What `ptp` alone has.

mod traffic;

use std::time::{Duration, Instant};

use linkspan_testkit::{Family, rows, with_prev_result};
use serde_json::json;

use crate::crash;
use crate::plugin::{ptp, ptp_with_masquerading};
use crate::world::{LONG, World, addresses, code, dual_stack};

#[test]
fn what_was_changed_of_the_way_to_the_host_is_named() {
    ptp().setup().deadline(LONG).sandbox(|sandbox| {
        let world = World::new(sandbox, &ptp()).with(json!({ "mtu": 1400, "ipMasq": true }));
        let a = world.attach("a");
        let link = a.host_end();
        a.notices(
            "ip route replace 10.22.0.0/16 dev eth0",
            "ip route replace 10.22.0.0/16 via 10.22.0.1 dev eth0 src 10.22.0.2",
            &["the route to 10.22.0.0/16", "expected via 10.22.0.1, found directly"],
        );
        a.notices_on_the_host(
            &format!("ip link set {link} mtu 1300"),
            &format!("ip link set {link} mtu 1400"),
            &[&format!("the MTU of {link:?}: expected 1400, found 1300")],
        );
        a.notices_on_the_host(
            "ip route del 10.22.0.2",
            &format!("ip route add 10.22.0.2 dev {link} scope host"),
            &["the route to 10.22.0.2/32", link],
        );
        a.notices_on_the_host(
            &format!("ip addr del 10.22.0.1/32 dev {link}"),
            &format!("ip addr add 10.22.0.1/32 dev {link}; ip route replace 10.22.0.2 dev {link} scope host"),
            &["the addresses of", "10.22.0.1/32"],
        );
        world.host.run("nft flush ruleset");
        a.check().fails(code::INTERNAL, &["netfilter"]);
    });
}

/// `sbr` has moved all routes of the main table into one of its own.
#[test]
fn routes_that_sbr_has_moved_are_found() {
    ptp().test(|world| {
        let a = world.attach("a");
        let sbr = json!({ "cniVersion": "1.0.0", "name": "net", "type": "sbr" });
        let attachment = world.plugins.attachment("a", &a.netns, "eth0");
        attachment.add(&with_prev_result(&sbr, &a.result)).success();
        assert_eq!(a.routes("-4"), [""; 0]);
        a.check().success();
        a.netns.run("ip route flush table 100");
        a.check()
            .fails(code::INTERNAL, &["the route to 10.22.0.0/16"]);
    });
}

#[test]
fn a_link_or_an_address_that_is_gone_is_named() {
    ptp().test(|world| {
        let a = world.attach("a");
        a.netns.run("ip link del eth0");
        a.check().fails(code::INTERNAL, &["eth0"]);
        a.netns.run("ip link add eth0 type bridge");
        let link = a.host_end();
        a.check()
            .fails(code::INTERNAL, &[link, "expected it, found nothing"]);
        a.del();
        let b = world.attach("b");
        let address = b.address(Family::V6);
        b.netns
            .run(&format!("ip -6 addr del {address}/64 dev eth0"));
        b.check()
            .fails(code::INTERNAL, &["the addresses of \"eth0\"", &address]);
        b.del();
        let b = world.attach("c");
        world.host.run("rm /var/lib/cni/networks/mynet/[1f]*");
        b.check().fails(101, &["Failed to find address"]);
    });
}

#[test]
fn the_dns_of_the_configuration_comes_before_that_of_ipam() {
    ptp().test(|world| {
        let mut ipam = dual_stack();
        std::fs::write("/run/resolv.conf", "nameserver 10.1.1.1\n").unwrap();
        ipam["resolvConf"] = "/run/resolv.conf".into();
        let world = world.with(json!({ "ipam": ipam }));
        assert_eq!(
            world.attach("a").result["dns"]["nameservers"],
            json!(["10.1.1.1"])
        );
        let own =
            world.with(json!({ "dns": { "nameservers": ["10.2.2.2"], "domain": "example" } }));
        let dns = own.attach("b").result["dns"].clone();
        assert_eq!(
            dns,
            json!({ "nameservers": ["10.2.2.2"], "domain": "example" })
        );
        let none = own.with(json!({ "dns": { "nameservers": [] } }));
        let dns = none.attach("c").result["dns"].clone();
        assert!(dns.is_null() || dns == json!({}), "{dns}");
    });
}

#[test]
fn status_tells_what_add_would_meet() {
    ptp_with_masquerading().test(|world| {
        world.plugins.status(&world.config).success();
        let full = json!({ "type": "host-local", "subnet": "10.22.0.0/30" });
        let world = world.with(json!({ "ipam": full }));
        world.plugins.status(&world.config).success();
        world.attach("a");
        world
            .plugins
            .status(&world.config)
            .fails(code::NOT_AVAILABLE, &["10.22.0.1-10.22.0.2"]);
    });
}

#[test]
fn what_cannot_be_is_refused() {
    ptp_with_masquerading().test(|world| {
        let without = [("10.22.0.2/16", Some("10.22.0.1")), ("fd00:22::2/64", None)];
        world.refuses_each(&rows! {
            (json!({ "ipam": addresses(&without) }), code::CONFIG, &["fd00:22::2/64", "gateway"]),
            (json!({ "mtu": 65536 }), code::CONFIG, &["mtu", "65535"]),
            (json!({ "mtu": "auto" }), code::CONFIG, &["auto", "default route"]),
            (json!({ "ipMasqBackend": "ipchains" }), code::CONFIG, &["ipMasqBackend", "ipchains", "nftables"]),
        });
    });
}

/// The last step of ADD fails: everything before it is undone.
#[test]
fn masquerading_that_fails_undoes_all_the_rest() {
    ptp_with_masquerading().test(|world| {
        // Nowhere to write down what is going to be made.
        world
            .sandbox
            .run("mkdir -p /run/cni/linkspan; echo > /run/cni/linkspan/netfilter");
        world.refuses(
            "a",
            5,
            &["\"netfilter\" below /run/cni/linkspan", "Not a directory"],
        );
    });
}

/// Here of `bridge`: both ends, and what the host's is connected to.
#[test]
fn a_lost_answer_leaves_no_bridge() {
    crash::patient(ptp().setup()).sandbox(|sandbox| {
        let keys = json!({ "type": "bridge", "bridge": "lost0", "isGateway": true });
        crash::lost_answers_leave_nothing(&World::new(sandbox, &ptp()).with(keys));
    });
}

/// In half a second; one after the other they took most of a minute.
#[test]
fn a_thousand_stale_links_are_collected_at_once() {
    ptp().setup().deadline(LONG).sandbox(|sandbox| {
        let world = World::new(sandbox, &ptp());
        let kept = world.attach("kept");
        let network = world.config["name"].as_str().unwrap();
        let stale = |number| {
            let name = format!("veth{number:011x}");
            format!(
                "link add {name} type veth peer name p{number}\n\
                 link set {name} alias {network}/stale{number}/eth0\n"
            )
        };
        let ip = world.host.cmd("ip").args(["-batch", "-"]);
        ip.stdin((0..1000).map(stale).collect::<String>()).run();
        let begun = Instant::now();
        let valid = [("kept", "eth0")];
        world.plugins.gc(&world.config, &valid).success();
        let elapsed = begun.elapsed();
        assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
        let links = world.host.run("ip -brief link | grep -c veth");
        assert_eq!(links.trim(), "1");
        kept.check().success();
    });
}
