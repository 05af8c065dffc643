//! Beside a firewalld that runs, with a bus of its own.

use std::fs;

use linkspan_netfilter::Backend;
use linkspan_testkit::{Background, Cmd, Outside, Plugins, Sandbox, sandbox, with_prev_result};
use serde_json::json;

use super::world::{Forwarding, NFT, PORT, World, does_not_reach, drop_by, reaches, reconcile};

const BUS: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_type="method_call"/><allow send_destination="*"/>
    <allow receive_type="method_call"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

/// A bus, and firewalld at it; both end when they are dropped.
pub(crate) struct Firewalld {
    daemon: Background,
    _bus: Background,
}

fn bus(sandbox: &Sandbox) -> Background {
    sandbox.run("mkdir -p /run/dbus");
    fs::write("/run/dbus/bus.conf", BUS).unwrap();
    let bus = Cmd::new("dbus-daemon")
        .args([
            "--config-file=/run/dbus/bus.conf",
            "--nofork",
            "--nopidfile",
        ])
        .arg("--print-address=1")
        .start();
    bus.wait_for("unix:path=");
    bus
}

pub(crate) fn firewalld(sandbox: &Sandbox) -> Firewalld {
    let bus = bus(sandbox);
    let daemon = Cmd::new("firewalld").args(["--nofork", "--nopid"]).start();
    sandbox
        .run("for i in $(seq 200); do firewall-cmd --state >&2 && exit 0; sleep 0.1; done; exit 1");
    Firewalld { daemon, _bus: bus }
}

fn sources(sandbox: &Sandbox, zone: &str) -> String {
    sandbox.run(&format!("firewall-cmd --zone={zone} --list-sources"))
}

/// firewalld#779, podman#5431: a reload takes what firewalld was told; it is missed and told again.
fn passes_beside_firewalld(sandbox: &Sandbox, forwarding: Forwarding) {
    let _firewalld = firewalld(sandbox);
    let world = World::new(sandbox, forwarding, json!({}));
    let (one, other) = (world.attach("one"), world.attach("other"));
    let record =
        sandbox.run("cat /run/cni/linkspan/netns-*/netfilter/mynet:one:eth0:firewall.json");
    assert!(record.contains("\"backend\":\"firewalld\""), "{record}");
    world.publish(&one);
    let traffic = || {
        let outside = &world.outside.netns;
        reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
        reaches(&one.netns, &other.v4, &other.v6, PORT);
        reaches(sandbox.host(), &one.v4, &one.v6, PORT);
        reaches(outside, Outside::HOST_V4, Outside::HOST_V6, 8080);
        does_not_reach(outside, &one.v4, &one.v6, PORT);
    };
    traffic();
    world.flush_conntrack();
    traffic();
    world.call("CHECK", &one).run().success();

    sandbox.run("firewall-cmd --reload");
    world
        .call("CHECK", &one)
        .run()
        .fails(None, &["in the zone \"trusted\" of firewalld"]);
    world.flush_conntrack();
    does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    assert_ne!(reconcile(), Vec::<String>::new());
    world.call("CHECK", &one).run().success();
    traffic();

    world.del(&one).success();
    world.del(&one).success();
    let left = sources(sandbox, "trusted");
    assert!(
        !left.contains(&one.v4) && left.contains(&other.v4),
        "{left}"
    );
    world.flush_conntrack();
    does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
}

cases! { passes_beside_firewalld:
    passes_beside_firewalld_alone(Forwarding::Free);
    passes_beside_firewalld_where_iptables_drops_too(NFT);
}

#[test]
fn another_zone_and_one_that_there_is_not() {
    sandbox(|sandbox| {
        let _firewalld = firewalld(sandbox);
        let keys = |zone: &str| json!({ "backend": "firewalld", "firewalldZone": zone });
        let world = World::new(sandbox, Forwarding::Free, keys("internal"));
        let one = world.attach("one");
        assert!(sources(sandbox, "internal").contains(&one.v4));
        // The zone is remembered: DEL needs no configuration that is right.
        let mut config = with_prev_result(&world.firewall, &one.result);
        config["firewalldZone"] = json!("nowhere");
        world
            .call_with(&world.plugins, &config, "ADD", &one)
            .run()
            .fails(None, &["INVALID_ZONE", "firewalldZone"]);
        assert_eq!(sources(sandbox, "internal").trim(), "");
        world.call("ADD", &one).run().success();
        world
            .call_with(&world.plugins, &config, "DEL", &one)
            .run()
            .success();
        assert_eq!(sources(sandbox, "internal").trim(), "");
        // Somebody put the address elsewhere.
        sandbox.run(&format!(
            "firewall-cmd --zone=drop --add-source={}/32",
            one.v4
        ));
        world
            .call("ADD", &one)
            .run()
            .fails(None, &["ZONE_CONFLICT", "another zone"]);
        assert_eq!(sources(sandbox, "internal").trim(), "");
    });
}

/// A late DEL takes nothing from who has the address now, and GC takes what nobody has.
#[test]
fn addresses_stay_with_those_who_have_them() {
    sandbox(|sandbox| {
        let _firewalld = firewalld(sandbox);
        let world = World::new(sandbox, Forwarding::Free, json!({}));
        let one = world.attach_bridge("one");
        world.detach_late(&one);
        assert!(sources(sandbox, "trusted").contains(&one.v4));
        world.plugins.gc(&world.firewall, &[]).success();
        assert_eq!(sources(sandbox, "trusted").trim(), "");
    });
}

/// What the reference told firewalld is taken back by ours, and the other way round.
#[test]
fn from_the_reference_and_back() {
    sandbox(|sandbox| {
        let _firewalld = firewalld(sandbox);
        let world = World::new(sandbox, Forwarding::Free, json!({}));
        let one = world.attach_bridge("one");
        let mut result = one.result.clone();
        result["cniVersion"] = json!("1.0.0");
        let mut config = with_prev_result(&world.firewall, &result);
        config["cniVersion"] = json!("1.0.0");
        let reference = Plugins::reference();
        world
            .call_with(&reference, &config, "ADD", &one)
            .run()
            .success();
        assert!(sources(sandbox, "trusted").contains(&one.v4));
        world.call("CHECK", &one).run().success();
        world.del(&one).success();
        assert_eq!(sources(sandbox, "trusted").trim(), "");
        world.call("ADD", &one).run().success();
        world
            .call_with(&reference, &config, "DEL", &one)
            .run()
            .success();
        assert_eq!(sources(sandbox, "trusted").trim(), "");
        world.del(&one).success();
    });
}

/// Without a bus, without firewalld, and after firewalld has gone.
#[test]
fn firewalld_need_not_be_there() {
    sandbox(|sandbox| {
        let world = World::new(sandbox, Forwarding::Free, json!({ "backend": "firewalld" }));
        let one = world.attach_bridge("one");
        let fails = || {
            world
                .call("ADD", &one)
                .run()
                .fails(None, &["firewalld is not running"]);
            world.plugins.status(&world.firewall).fails(50, &[]);
            world.del(&one).success();
        };
        fails();
        let only_bus = bus(sandbox);
        fails();
        drop(only_bus);
        sandbox.run("rm -r /run/dbus");
        let firewalld = firewalld(sandbox);
        world.call("ADD", &one).run().success();
        drop(firewalld.daemon);
        world.del(&one).success();
        let admitted = sandbox.run("iptables-nft -S");
        assert!(!admitted.contains(&one.v4), "{admitted}");
    });
}

/// Who has firewalld running and wants nftables alone gets it; nothing passes then that firewalld is not told of.
#[test]
fn the_backend_is_chosen_by_the_configuration_first() {
    sandbox(|sandbox| {
        let _firewalld = firewalld(sandbox);
        let world = World::new(sandbox, Forwarding::Free, json!({ "backend": "nftables" }));
        let status = world.plugins.status(&world.firewall);
        status.success();
        assert!(
            status.output.stderr.contains("firewalld"),
            "{}",
            status.output
        );
        let one = world.attach("one");
        assert_eq!(sources(sandbox, "trusted").trim(), "");
        does_not_reach(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    });
}

/// A firewalld that says how it leads ports, as those from 2.3 on do.
struct Strict(&'static str);

#[zbus::interface(name = "org.fedoraproject.FirewallD1.config")]
impl Strict {
    #[zbus(property)]
    fn strict_forward_ports(&self) -> &str {
        self.0
    }
}

/// netavark PR#1165: firewalld's StrictForwardPorts is honoured.
#[test]
fn no_port_is_published_where_firewalld_is_to_lead_all_of_them() {
    sandbox(|sandbox| {
        let _bus = bus(sandbox);
        let world = World::new(sandbox, Forwarding::Free, json!({}));
        sandbox.run("nft add table inet firewalld");
        let attached = world.attach_bridge("one");
        let served = |setting| {
            let path = "/org/fedoraproject/FirewallD1/config";
            let service = zbus::connection::Builder::system()
                .name("org.fedoraproject.FirewallD1")
                .serve_at(path, Strict(setting));
            zbus::block_on(service.build())
        };
        let strict = served("yes").unwrap();
        world
            .publish_call("ADD", &attached)
            .run()
            .fails(999, &["StrictForwardPorts is on"]);
        let left = sandbox.run("nft list ruleset");
        assert!(!left.contains("8080"), "{left}");
        drop(strict);
        let _free = served("no").unwrap();
        world.publish_call("ADD", &attached).run().success();
    });
}

/// Who goes back to the reference plugins, which tell firewalld alone, cuts off nobody whom FORWARD's policy would drop.
fn handed_over_nobody_is_cut_off(sandbox: &Sandbox, forwarding: Forwarding, then: &str) {
    let mut firewalld = Some(firewalld(sandbox));
    let world = World::new(sandbox, forwarding, json!({}));
    let one = world.attach("one");
    world.publish(&one);
    match then {
        "stop" => {
            drop(firewalld.take());
            drop_by(sandbox, "nft");
        }
        rule => drop(sandbox.run(rule)),
    }
    let moved = linkspan_netfilter::migrate(Backend::Iptables).unwrap();
    for (record, outcome) in moved {
        assert!(outcome.is_ok(), "{record:?}: {outcome:?}");
    }
    let outcome = linkspan_netfilter::hand_over(&[]).unwrap();
    assert_eq!(outcome.kept, []);
    world.flush_conntrack();
    reaches(&one.netns, Outside::ROUTER_V4, Outside::ROUTER_V6, PORT);
    let rules = sandbox.run("iptables-nft -S");
    assert_eq!(
        rules.contains(&one.v4),
        then != "true" || forwarding == NFT,
        "{rules}"
    );
    if forwarding == NFT {
        reaches(
            &world.outside.netns,
            Outside::HOST_V4,
            Outside::HOST_V6,
            8080,
        );
    }
}

cases! { handed_over_nobody_is_cut_off:
    handed_over_where_nothing_else_filters(Forwarding::Free, "true");
    handed_over_where_the_policy_drops(NFT, "true");
    handed_over_where_the_policy_of_one_protocol_drops(Forwarding::Free, "iptables-nft -P FORWARD DROP");
    handed_over_where_a_rule_drops(Forwarding::Free, "iptables-nft -A FORWARD -j DROP; ip6tables-nft -A FORWARD -j DROP");
    handed_over_when_firewalld_has_gone(NFT, "stop");
}
