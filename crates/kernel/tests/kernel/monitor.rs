//! Waiting for events.

use std::thread;
use std::time::{Duration, Instant};

use linkspan_kernel::monitor::Monitor;
use linkspan_kernel::rtnl::{Address, Change, Kind, LinkChange, NewLink, Peer, Rtnl};
use linkspan_testkit::{Feature, needs, sandbox};

use super::{cable, container, host_socket};

const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(200);
const ETIMEDOUT: Option<i32> = Some(110);
const EADDRINUSE: Option<i32> = Some(98);

#[test]
fn a_link_runs_when_its_peer_does() {
    sandbox(|_| {
        let rtnl = host_socket();
        let (link, peer) = cable(&rtnl);
        let set_peer =
            |change| move |rtnl: Rtnl| rtnl.change(Change::SetLink(peer.index, change)).unwrap();
        set_peer(LinkChange::down())(host_socket());
        let monitor = Monitor::open().unwrap();
        let error = monitor.await_running(&rtnl, link.index, SHORT).unwrap_err();
        assert_eq!(error.errno(), ETIMEDOUT, "{error}");
        thread::scope(|scope| {
            let started = Instant::now();
            let waiting = scope.spawn(|| {
                let rtnl = host_socket();
                let monitor = Monitor::open().unwrap();
                monitor.await_running(&rtnl, link.index, LONG)
            });
            set_peer(LinkChange::up())(host_socket());
            waiting.join().unwrap().unwrap();
            assert!(started.elapsed() < LONG / 2, "an event ends the wait");
        });
    });
}

fn make_links_without_carrier() {
    let rtnl = host_socket();
    for n in 0..20 {
        let (name, peer) = (format!("a{n}"), format!("b{n}"));
        let peer = Peer::new(peer);
        let pair = NewLink {
            up: true,
            ..NewLink::new(name, Kind::Veth(peer))
        };
        let monitor = Monitor::open().unwrap();
        let made = rtnl.create_link(&pair).unwrap();
        let error = monitor
            .await_running(&rtnl, made.index, SHORT / 10)
            .unwrap_err();
        assert_eq!(error.errno(), ETIMEDOUT, "{error}");
    }
}

#[test]
fn a_new_link_without_carrier_does_not_run() {
    sandbox(|_| make_links_without_carrier());
}

/// Kernels like Debian's 6.1 tell a link's state before they have looked at its carrier.
#[test]
fn a_new_link_without_carrier_does_not_run_on_older_kernels() {
    needs(&[Feature::VirtualMachine]).sandbox(|_| make_links_without_carrier());
}

#[test]
fn waiting_ends_when_the_link_vanishes() {
    sandbox(|_| {
        let rtnl = host_socket();
        let (link, peer) = cable(&rtnl);
        rtnl.change(Change::SetLink(peer.index, LinkChange::down()))
            .unwrap();
        let monitor = Monitor::open().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| host_socket().delete_link("a0").unwrap());
            let error = monitor.await_running(&rtnl, link.index, LONG).unwrap_err();
            assert!(error.is_not_found(), "{error}");
        });
    });
}

#[test]
fn events_of_others_neither_end_nor_prolong_the_wait() {
    sandbox(|_| {
        let rtnl = host_socket();
        let (link, peer) = cable(&rtnl);
        rtnl.change(Change::SetLink(peer.index, LinkChange::down()))
            .unwrap();
        let monitor = Monitor::open().unwrap();
        // More than the monitor's buffer holds, before it reads the first.
        let toggle = |n: u32| {
            let change = LinkChange {
                mtu: Some(1400 + n % 2),
                ..LinkChange::default()
            };
            Change::SetLink(1, change)
        };
        let changes: Vec<Change> = (0..2000).map(toggle).collect();
        rtnl.commit(&changes).unwrap();
        let started = Instant::now();
        let error = monitor.await_running(&rtnl, link.index, SHORT).unwrap_err();
        assert_eq!(error.errno(), ETIMEDOUT, "{error}");
        let elapsed = started.elapsed();
        assert!(elapsed >= SHORT && elapsed < LONG, "{elapsed:?}");
    });
}

#[test]
fn addresses_are_awaited_until_nobody_else_has_them() {
    sandbox(|host| {
        let (_a, a, in_a) = container(host, "a");
        let (_b, _, in_b) = container(host, "b");
        host.run("ip link add a0 netns a type veth peer b0 netns b; ip -n a link set a0 up; ip -n b link set b0 up");
        let (a0, b0) = (
            in_a.link("a0").unwrap().index,
            in_b.link("b0").unwrap().index,
        );
        let monitor = Monitor::open_in(&a).unwrap();
        let add = |rtnl: &Rtnl, link, text: &str| {
            let address = Address::new(text.parse().unwrap()).with_dad();
            rtnl.change(Change::AddAddress(link, address)).unwrap();
        };
        add(&in_a, a0, "fd00::1/64");
        monitor.await_addresses(&in_a, a0, LONG).unwrap();
        let addresses = in_a.addresses(a0).unwrap();
        assert!(
            addresses
                .iter()
                .all(|one| one.flags & Address::TENTATIVE == 0),
            "{addresses:?}"
        );

        let own = Monitor::open_in(&linkspan_kernel::netns::Netns::open("/run/netns/b").unwrap())
            .unwrap();
        add(&in_b, b0, "fd00::1/64");
        let error = own.await_addresses(&in_b, b0, LONG).unwrap_err();
        assert_eq!(error.errno(), EADDRINUSE, "{error}");
        assert!(error.operation().contains("fd00::1/64"), "{error}");
    });
}
