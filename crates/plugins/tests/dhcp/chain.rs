//! Interfaces of every kind with an address from a server, which has it back after DEL.

use linkspan_testkit::{DhcpDaemon, DhcpMessage, Given, Packet, Pool, Software, tests_for};

use crate::attachment::{Kind, bridge, host_device, ipvlan, mac_in, macvlan, vlan};
use crate::lan::{Held, Lan, Whose};

tests_for! {
    addresses_come_and_go: bridge host_device ipvlan macvlan vlan;
    // A server's unicast answer does not reach an ipvlan that has no address yet, and the reference does not ask for broadcast.
    with_the_references_plugin_and_daemon: bridge host_device macvlan vlan;
    with_the_references_plugin: bridge host_device macvlan;
    with_the_references_daemon: bridge host_device macvlan;
}

// cni#1174: bridge with dhcp.
fn addresses_come_and_go(kind: Kind) {
    come_and_go(&kind, Whose::Ours, Whose::Ours);
}

fn with_the_references_plugin_and_daemon(kind: Kind) {
    come_and_go(&kind, Whose::References, Whose::References);
}

fn with_the_references_plugin(kind: Kind) {
    come_and_go(&kind, Whose::References, Whose::Ours);
}

fn with_the_references_daemon(kind: Kind) {
    come_and_go(&kind, Whose::Ours, Whose::References);
}

/// As many attachments as there can be have addresses by the server's file, and none is left there.
fn come_and_go(kind: &Kind, plugin: Whose, daemon: Whose) {
    kind.setup().sandbox(|sandbox| {
        let lan = Lan::new(sandbox, kind);
        let server = lan.serve(Software::Dnsmasq, Pool::default());
        let _daemon = DhcpDaemon::start(&daemon.plugins(lan.plugins()));
        plugin.install(lan.plugins());
        let containers = if kind.is_shared() { 3 } else { 1 };
        let mut attached = Vec::new();
        for number in 0..containers {
            let held = lan.attach(&format!("c{number}"));
            held.netns.ping(&server.pool().router().to_string());
            lan.check(&held.netns, &held.result).success();
            attached.push(held);
        }
        let leases = server.leases();
        assert_eq!(leases.len(), containers, "{leases:?}");
        for held in &attached {
            let is_it = |lease: &&Given| lease.address == held.address;
            let lease = leases.iter().find(is_it).unwrap();
            assert_eq!(mac_in(&held.result), lease.mac);
        }
        for Held { netns, .. } in &attached {
            lan.del(netns).success();
            lan.del(netns).success();
        }
        server.wait_for_leases(0);
        let is_release = |packet: &Packet| packet.is(DhcpMessage::RELEASE);
        lan.tap.wait_for("RELEASE", is_release);
    });
}
