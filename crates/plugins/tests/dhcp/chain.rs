//! Interfaces of every kind with an address from a server, which has it back after DEL.

use linkspan_testkit::{
    DhcpDaemon, DhcpMessage, Family, Given, Packet, Pool, Software, address, tests_for,
};

use crate::attachment::{Kind, bridge, host_device, mac_in, macvlan, vlan};
use crate::lan::{Lan, Whose};

tests_for! {
    // A server's unicast answer does not reach an ipvlan that has no address yet, and the reference does not ask for broadcast.
    with_the_references_plugin_and_daemon: bridge host_device macvlan vlan;
}

// cni#1174: bridge with dhcp.
fn with_the_references_plugin_and_daemon(kind: Kind) {
    addresses_come_and_go(&kind, Whose::References, Whose::References);
}

/// As many attachments as there can be have addresses by the server's file, and none is left there.
fn addresses_come_and_go(kind: &Kind, plugin: Whose, daemon: Whose) {
    kind.setup().sandbox(|sandbox| {
        let lan = Lan::new(sandbox, kind, Software::Dnsmasq, Pool::default());
        let _daemon = DhcpDaemon::start(&daemon.plugins(lan.plugins()));
        plugin.install(lan.plugins());
        let containers = if kind.is_shared() { 3 } else { 1 };
        let mut attached = Vec::new();
        for number in 0..containers {
            let netns = sandbox.netns(&format!("c{number}"));
            let result = lan.add(&netns).success();
            netns.ping(&Pool::default().router().to_string());
            lan.check(&netns, &result).success();
            attached.push((netns, result));
        }
        let leases = lan.server.leases();
        assert_eq!(leases.len(), containers, "{leases:?}");
        for (_, result) in &attached {
            let address = address(result, Family::V4);
            let is_it = |lease: &&Given| lease.address.to_string() == address;
            let lease = leases.iter().find(is_it).unwrap();
            if kind.name != "ipvlan" {
                assert_eq!(mac_in(result), lease.mac, "{result}");
            }
        }
        for (netns, _) in &attached {
            lan.del(netns).success();
            lan.del(netns).success();
        }
        lan.server.wait_for_leases(0);
        let is_release = |packet: &Packet| packet.is(DhcpMessage::RELEASE);
        lan.tap.wait_for("RELEASE", is_release);
    });
}
