//! What becomes of a lease while a container holds it.

use std::net::Ipv4Addr;
use std::time::Duration;

use linkspan_testkit::{
    DhcpDaemon, DhcpMessage, Given, Packet, Pool, Sandbox, Software, dhcp_option, sandbox,
};

use crate::attachment::{bridge, macvlan};
use crate::lan::{Held, Lan};

const LONG: Pool = Pool {
    network: 9,
    own: 1,
    first: 10,
    last: 200,
    lifetime: 600,
    timers: None,
};

/// Renewed after 2 seconds, rebound after 5, long before its end.
const BUSY: Pool = Pool {
    lifetime: 60,
    timers: Some((2, 5)),
    ..LONG
};

/// Ends soon.
const SHORT: Pool = Pool {
    lifetime: 5,
    ..LONG
};

/// A macvlan's network, whose daemon is ours.
fn lan(sandbox: &Sandbox) -> (Lan<'_>, DhcpDaemon) {
    let lan = Lan::new(sandbox, &macvlan());
    let daemon = DhcpDaemon::start(lan.plugins());
    (lan, daemon)
}

/// When the lease of an address ends, by the server's file.
fn end_of(leases: &[Given], address: Ipv4Addr) -> Option<u64> {
    let lease = leases.iter().find(|lease| lease.address == address);
    lease.map(|lease| lease.ends)
}

/// A request for more time.
fn asks_for_more(packet: &Packet) -> bool {
    let message = packet.message(DhcpMessage::REQUEST);
    message.is_some_and(|(message, ..)| !message.ciaddr.is_unspecified())
}

#[track_caller]
fn mac_of_server(lan: &Lan<'_>) -> String {
    let link = lan.world.outside().ip_json("link show dev eth0");
    link[0]["address"].as_str().unwrap().to_owned()
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

// plugins#1092: renewals had the options of a first request, and were refused.
#[test]
fn a_lease_is_renewed_by_unicast_from_its_address() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, BUSY);
        let held = lan.attach("c1");
        let first = end_of(&server.leases(), held.address);
        let acknowledged = lan.tap.wait_for("ACK", |one| one.is(DhcpMessage::ACK));
        let renewal = lan.tap.wait_for("renewal", asks_for_more);
        let (message, from, to) = renewal.message(DhcpMessage::REQUEST).unwrap();
        assert_eq!((from, to), (held.address, BUSY.router()));
        assert_eq!(text(renewal.to_mac), mac_of_server(&lan));
        assert_eq!(message.ciaddr, held.address);
        assert_eq!(message.option(dhcp_option::REQUESTED), None);
        assert_eq!(message.option(dhcp_option::SERVER), None);
        let identifier: &[u8] = b"\0c1/net/eth0";
        assert_eq!(message.option(dhcp_option::CLIENT), Some(identifier));
        let passed = renewal.at - acknowledged.at;
        assert!(passed > Duration::from_millis(1500), "{passed:?}");
        server.wait_until("renewed", |leases| end_of(leases, held.address) > first);
        assert_eq!(held.addresses(), [held.address]);
    });
}

/// At the same address and with the same leases there is another server by then.
#[test]
fn a_lease_is_rebound_when_its_server_was_replaced() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let mut server = lan.serve(Software::Kea, BUSY);
        let held = lan.attach("c1");
        assert_eq!(held.gateway(), "10.9.0.1");
        let first = end_of(&server.leases(), held.address);
        server.restart(Pool { own: 2, ..BUSY });
        let is_broadcast = |packet: &Packet| asks_for_more(packet) && packet.to_mac == [0xff; 6];
        let rebinding = lan.tap.wait_for("rebinding", is_broadcast);
        let (_, from, to) = rebinding.message(DhcpMessage::REQUEST).unwrap();
        assert_eq!((from, to), (held.address, Ipv4Addr::BROADCAST));
        server.wait_until("rebound", |leases| end_of(leases, held.address) > first);
        held.wait_for_addresses(&[held.address]);
        held.netns.ping("10.9.0.2");
        assert_eq!(held.gateway(), "10.9.0.2");
        // From now on the new one is asked.
        let seen = lan.tap.count();
        let renewal = lan.tap.wait_after(seen, "renewal", asks_for_more);
        assert_eq!(
            renewal.message(DhcpMessage::REQUEST).unwrap().2,
            Ipv4Addr::new(10, 9, 0, 2)
        );
    });
}

/// Its addresses have moved, and it says so when a daemon that was started again asks whether the lease holds.
#[test]
fn another_address_takes_the_place_of_one_that_is_refused() {
    sandbox(|sandbox| {
        let (lan, mut daemon) = lan(sandbox);
        let mut server = lan.serve(Software::Dnsmasq, Pool::default());
        let held = lan.attach("c1");
        daemon.kill();
        let moved = Pool {
            first: 100,
            last: 100,
            ..Pool::default()
        };
        server.start_anew_with(moved);
        daemon.start_again();
        lan.tap.wait_for("NAK", |one| one.is(DhcpMessage::NAK));
        held.wait_for_addresses(&[moved.address(100)]);
        held.netns.ping("10.9.0.1");
        assert_eq!(held.gateway(), "10.9.0.1");
        assert_eq!(server.wait_for_leases(1)[0].address, moved.address(100));
        // The runtime still tells the former address.
        lan.del(&held.netns).success();
        server.wait_for_leases(0);
    });
}

#[test]
fn a_server_that_was_away_for_a_while_finds_its_leases_kept() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let mut server = lan.serve(Software::Kea, BUSY);
        let held = lan.attach("c1");
        let first = end_of(&server.leases(), held.address);
        server.stop();
        lan.tap.wait_for("renewal", asks_for_more);
        server.start_again();
        server.wait_until("renewed", |leases| end_of(leases, held.address) > first);
        assert_eq!(held.addresses(), [held.address]);
    });
}

/// An address is not used beyond its lease, and asked for again.
#[test]
fn a_lease_that_ends_unrenewed_is_acquired_anew() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let mut server = lan.serve(Software::Kea, SHORT);
        let held = lan.attach("c1");
        server.stop();
        held.wait_for_addresses(&[]);
        let seen = lan.tap.count();
        server.start_again();
        held.wait_for_addresses(&[held.address]);
        held.netns.ping("10.9.0.1");
        let discover = lan
            .tap
            .wait_after(seen, "DISCOVER", |one| one.is(DhcpMessage::DISCOVER));
        let (message, ..) = discover.message(DhcpMessage::DISCOVER).unwrap();
        let wanted = message.option(dhcp_option::REQUESTED);
        assert_eq!(wanted, Some(&held.address.octets()[..]));
        assert_eq!(server.leases().len(), 1);
    });
}

#[test]
fn a_full_pool_gives_again_what_comes_back() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let _daemon = DhcpDaemon::start_with(lan.plugins(), &["-resendtimeout", "4s"]);
        let server = lan.serve(Software::Kea, Pool { last: 10, ..LONG });
        let first = lan.attach("c1");
        let other = sandbox.netns("c2");
        let refused = lan.add(&other);
        assert!(
            refused.output.elapsed < Duration::from_secs(8),
            "{}",
            refused.output
        );
        refused.fails(None, &["DHCP"]);
        assert_eq!(server.leases().len(), 1);
        lan.del(&first.netns).success();
        server.wait_for_leases(0);
        lan.add(&other).success();
        assert_eq!(
            server.leases()[0].client,
            "00:63:32:2f:6e:65:74:2f:65:74:68:30"
        );
    });
}

/// Each has its own addresses. When the one that was chosen falls silent, the other is asked.
#[test]
fn of_two_servers_one_is_chosen_and_the_other_steps_in() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &bridge());
        let _daemon = DhcpDaemon::start(lan.plugins());
        let other = sandbox.netns("other");
        sandbox.host().connect("port1", &other, "eth0");
        sandbox.run("ip link set port1 master cni0");
        let second = Pool {
            own: 2,
            first: 100,
            ..SHORT
        };
        let one = lan.serve(Software::Kea, Pool { last: 50, ..SHORT });
        let two = linkspan_testkit::DhcpServer::start(
            Software::Kea,
            &other,
            "eth0",
            sandbox.dir(),
            second,
        );
        let held = lan.attach("c1");
        let (mut chosen, left) = if held.address < second.address(100) {
            (one, two)
        } else {
            (two, one)
        };
        assert_eq!((chosen.leases().len(), left.leases().len()), (1, 0));
        chosen.stop();
        let given = left.wait_for_leases(1);
        held.wait_for_addresses(&[given[0].address]);
        held.netns.ping(&left.pool().router().to_string());
    });
}

/// Somebody uses it who has not asked for it.
#[test]
fn an_address_that_is_in_use_is_declined() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, LONG);
        lan.world.outside().address("eth0", "10.9.0.10/16");
        let held = lan.attach("c1");
        assert_eq!(held.address, LONG.address(11));
        let declined = lan
            .tap
            .wait_for("DECLINE", |one| one.is(DhcpMessage::DECLINE));
        let (message, from, to) = declined.message(DhcpMessage::DECLINE).unwrap();
        assert_eq!((from, to), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        let refused = LONG.address(10).octets();
        assert_eq!(message.option(dhcp_option::REQUESTED), Some(&refused[..]));
        server.wait_until("one lease", |leases| leases.len() == 1);
    });
}

// plugins#1278: servers ignore a RELEASE from 0.0.0.0.
#[test]
fn a_lease_is_given_back_by_unicast_from_its_address() {
    sandbox(|sandbox| {
        let (lan, _daemon) = lan(sandbox);
        let server = lan.serve(Software::Kea, Pool::default());
        let Held { netns, address, .. } = lan.attach("c1");
        lan.del(&netns).success();
        let release = lan
            .tap
            .wait_for("RELEASE", |one| one.is(DhcpMessage::RELEASE));
        let (message, from, to) = release.message(DhcpMessage::RELEASE).unwrap();
        assert_eq!((from, to), (address, Pool::default().router()));
        assert_eq!(text(release.to_mac), mac_of_server(&lan));
        assert_eq!(message.ciaddr, address);
        assert_eq!(
            message.option(dhcp_option::SERVER),
            Some(&[10, 9, 0, 1][..])
        );
        server.wait_for_leases(0);
    });
}
