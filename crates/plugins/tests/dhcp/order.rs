//! An IPAM plugin of others finds the container's interface, on ADD, on DEL, and when an ADD is undone. Ours that need none
//! are asked before it is made.

use linkspan_testkit::{Netns, sandbox, tests_for, with};
use serde_json::{Value, json};

use crate::attachment::{
    Kind, World, bridge, bridge_with_guard, dummy, host_device, ipvlan, mac_in, macvlan, ptp, tap,
    vlan,
};
use crate::probe::{Probe, Sight, is_up};

tests_for! {
    it_finds_the_interface: bridge bridge_with_guard dummy host_device ipvlan macvlan ptp tap vlan;
    what_fails_later_is_undone_in_reverse: bridge bridge_with_guard dummy host_device ipvlan macvlan ptp tap vlan;
    what_it_refuses_leaves_nothing: bridge bridge_with_guard dummy host_device ipvlan macvlan ptp tap vlan;
    ours_that_need_no_link_are_asked_first: bridge ptp tap;
}

/// The only thing that it has seen.
#[track_caller]
fn only(probe: &Probe, verb: &str) -> Sight {
    let mut seen = probe.seen();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let sight = seen.remove(0);
    assert_eq!(sight.verb, verb);
    sight
}

// cni#1174 (bridge with dhcp): the reference's dhcp says "Link not found" when the link comes later.
fn it_finds_the_interface(kind: Kind) {
    kind.setup().sandbox(|sandbox| {
        let world = World::new(sandbox, &kind, json!({ "type": "probe" }));
        let probe = Probe::looking(&world);
        let netns = sandbox.netns("c1");
        let before = world.snapshot(&netns);
        let added = world.plugins.add(&world.config, "c1", &netns, "eth0");
        let result = added.success();
        let sight = only(&probe, "ADD");
        let mac = mac_in(&result);
        assert_eq!(sight.link["address"], mac, "{sight:?}");
        assert_eq!(sight.is_up(), kind.is_up_early);
        assert!(sight.addresses().is_empty(), "{sight:?}");
        let host_end = |link: &&Value| link["ifname"].as_str().unwrap().starts_with("veth");
        let ends = sight.host.as_array().unwrap().iter().filter(host_end);
        let ends: Vec<&Value> = ends.collect();
        assert_eq!(ends.len(), usize::from(has_host_end(&kind)));
        for end in ends {
            assert!(is_up(end), "{end}");
            assert_eq!(end["master"] == "cni0", kind.name == "bridge", "{end}");
        }

        world
            .plugins
            .del(&world.config, "c1", &netns, "eth0")
            .success();
        let sight = only(&probe, "DEL");
        assert_eq!(sight.link["address"], mac, "{sight:?}");
        assert!(sight.is_up());
        assert_eq!(sight.addresses(), ["10.22.0.9"]);
        before.assert_same(&world.snapshot(&netns), "after DEL");
        gone_is_tolerated(&world, &probe, &netns);
    });
}

/// DEL when nothing is there, when the namespace is gone, and when there is none.
#[track_caller]
fn gone_is_tolerated(world: &World<'_>, probe: &Probe, netns: &Netns) {
    world
        .plugins
        .del(&world.config, "c1", netns, "eth0")
        .success();
    world
        .plugins
        .add(&world.config, "c1", netns, "eth0")
        .success();
    netns.delete();
    world
        .plugins
        .del(&world.config, "c1", netns, "eth0")
        .success();
    let call = world.plugins.call("DEL", &world.config);
    call.container("c1").ifname("eth0").run().success();
    assert_eq!(probe.given(), 0);
}

/// A route that the kernel refuses, after everything else was made.
fn what_fails_later_is_undone_in_reverse(kind: Kind) {
    kind.setup().sandbox(|sandbox| {
        let world = World::new(sandbox, &kind, json!({ "type": "probe" }));
        let probe = Probe::looking(&world);
        probe.answers(json!([{ "dst": "10.99.0.0/16", "gw": "203.0.113.7" }]));
        let netns = sandbox.netns("c1");
        let before = world.snapshot(&netns);
        let added = world.plugins.add(&world.config, "c1", &netns, "eth0");
        added.fails(None, &["10.99.0.0/16"]);
        let [add, undone] = &probe.seen()[..] else {
            panic!("ADD and DEL");
        };
        assert_eq!((add.verb.as_str(), undone.verb.as_str()), ("ADD", "DEL"));
        assert_eq!(undone.link["address"], add.link["address"]);
        assert!(undone.link["address"].is_string(), "{undone:?}");
        assert_eq!(probe.given(), 0);
        before.assert_same(&world.snapshot(&netns), "after an ADD that failed");
    });
}

fn what_it_refuses_leaves_nothing(kind: Kind) {
    kind.setup().sandbox(|sandbox| {
        let world = World::new(sandbox, &kind, json!({ "type": "probe" }));
        let probe = Probe::looking(&world);
        probe.refuses();
        let netns = sandbox.netns("c1");
        let before = world.snapshot(&netns);
        let added = world.plugins.add(&world.config, "c1", &netns, "eth0");
        added.fails(11, &["nothing to give"]);
        before.assert_same(&world.snapshot(&netns), "after an ADD that was refused");
    });
}

/// Where no address is to be had no link is made for it: the next one has the next number.
fn ours_that_need_no_link_are_asked_first(kind: Kind) {
    sandbox(|sandbox| {
        let full = json!({
            "type": "host-local", "subnet": "10.22.0.0/30", "rangeStart": "10.22.0.2", "rangeEnd": "10.22.0.2"
        });
        let world = World::new(sandbox, &kind, full);
        let (other, netns) = (sandbox.netns("other"), sandbox.netns("c1"));
        let host_local = with(&world.config, json!({ "type": "host-local" }));
        let taken = world.plugins.add(&host_local, "other", &other, "eth0");
        taken.success();
        let index = |name: &str| {
            netns.run(&format!("ip link add {name} type bridge"));
            netns.ip_json(&format!("link show dev {name}"))[0]["ifindex"].as_u64()
        };
        let first = index("first").unwrap();
        let refused = world.plugins.add(&world.config, "c1", &netns, "eth0");
        refused.fails(11, &[]);
        assert_eq!(index("last").unwrap(), first + 1);
    });
}

fn has_host_end(kind: &Kind) -> bool {
    ["bridge", "ptp"].contains(&kind.name)
}
