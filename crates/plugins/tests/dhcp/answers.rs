//! Servers that answer late, wrongly, or otherwise than before.

use std::net::Ipv4Addr;

use linkspan_testkit::{DhcpDaemon, DhcpMessage, dhcp_option as option, sandbox};

use crate::attachment::macvlan;
use crate::lan::Lan;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 10);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 77);
const MASK: (u8, &[u8]) = (option::MASK, &[255, 255, 0, 0]);
const ROUTER: (u8, &[u8]) = (option::ROUTER, &[10, 9, 0, 1]);
const SERVER: (u8, &[u8]) = (option::SERVER, &[10, 9, 0, 1]);
const LONG: (u8, &[u8]) = (option::LEASE_TIME, &[0, 0, 2, 88]);
/// Renewed after two seconds.
const SHORT: (u8, &[u8]) = (option::LEASE_TIME, &[0, 0, 0, 20]);
const SOON: (u8, &[u8]) = (option::T1, &[0, 0, 0, 2]);

/// What a good server answers: an address with these options.
fn answer(message: &DhcpMessage, address: Ipv4Addr, options: &[(u8, &[u8])]) -> Vec<Vec<u8>> {
    let kind = match message.kind() {
        DhcpMessage::DISCOVER => DhcpMessage::OFFER,
        DhcpMessage::REQUEST => DhcpMessage::ACK,
        _ => return Vec::new(),
    };
    vec![message.answer(kind, address, options).bytes()]
}

fn is_renewal(message: &DhcpMessage) -> bool {
    message.kind() == DhcpMessage::REQUEST && !message.ciaddr.is_unspecified()
}

/// What passes for an answer, and is none.
fn bad_answers(message: &DhcpMessage) -> Vec<Vec<u8>> {
    let kind = match message.kind() {
        DhcpMessage::DISCOVER => DhcpMessage::OFFER,
        _ => DhcpMessage::ACK,
    };
    let whole = [MASK, ROUTER, SERVER, LONG];
    let good = message.answer(kind, OTHER, &whole);
    let with = |change: fn(&mut DhcpMessage)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.bytes()
    };
    let without = |code: u8| {
        let options: Vec<_> = whole
            .iter()
            .copied()
            .filter(|(own, _)| *own != code)
            .collect();
        message.answer(kind, OTHER, &options).bytes()
    };
    let bytes = good.bytes();
    let mut no_cookie = bytes.clone();
    no_cookie[236] = 0;
    let mut runs_over = bytes.clone();
    runs_over.pop();
    runs_over.extend([option::ROUTER, 200, 1]);
    vec![
        Vec::new(),
        vec![0xff; 1400],
        bytes[..100].to_vec(),
        bytes[..240].to_vec(),
        no_cookie,
        runs_over,
        with(|bad| bad.op = 1),
        with(|bad| bad.xid ^= 1),
        with(|bad| bad.mac[5] ^= 1),
        with(|bad| bad.yiaddr = Ipv4Addr::UNSPECIFIED),
        with(|bad| bad.yiaddr = Ipv4Addr::BROADCAST),
        with(|bad| bad.yiaddr = Ipv4Addr::new(224, 0, 0, 1)),
        with(|bad| bad.yiaddr = Ipv4Addr::LOCALHOST),
        with(|bad| bad.options[0].1 = vec![99]),
        with(|bad| bad.options[0].1 = Vec::new()),
        with(|bad| bad.options[1].1 = vec![255, 0, 255, 0]),
        with(|bad| bad.options[1].1 = vec![255, 255]),
        without(option::MASK),
        message.answer(kind, OTHER, &[]).bytes(),
    ]
}

#[test]
fn what_is_no_answer_is_passed_over() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let mut daemon = DhcpDaemon::start(lan.plugins());
        let _server = lan.script(|message| {
            let mut answers = bad_answers(message);
            answers.extend(answer(message, ADDRESS, &[MASK, ROUTER, SERVER, LONG]));
            answers
        });
        let held = lan.attach("c1");
        assert_eq!(held.address, ADDRESS);
        lan.check(&held.netns, &held.result).success();
        let pid = daemon.pid();
        assert!(
            std::path::Path::new(&format!("/proc/{pid}/exe")).exists(),
            "{}",
            daemon.log()
        );
        // Nor when it asks whether the lease holds.
        daemon.kill();
        daemon.start_again();
        lan.tap.wait_for("confirmation", |one| {
            let message = one.message(DhcpMessage::REQUEST);
            message.is_some_and(|(message, ..)| message.option(option::SERVER).is_none())
        });
        lan.check(&held.netns, &held.result).success();
        assert_eq!(held.addresses(), [ADDRESS]);
    });
}

// cni#329: "no more tries".
#[test]
fn a_server_that_is_heard_late_is_heard() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let _daemon = DhcpDaemon::start(lan.plugins());
        let mut messages = 0;
        let _server = lan.script(move |message| {
            messages += 1;
            // The first DISCOVER is lost, and then the first REQUEST.
            match messages {
                1 | 3 => Vec::new(),
                _ => answer(message, ADDRESS, &[MASK, ROUTER, SERVER, LONG]),
            }
        });
        assert_eq!(lan.attach("c1").address, ADDRESS);
    });
}

#[test]
fn what_a_server_gives_otherwise_at_renewal_is_put_into_effect() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let _daemon = DhcpDaemon::start(lan.plugins());
        let gives = |router: &'static [u8], mtu: &'static [u8]| {
            let options = [
                MASK,
                (option::ROUTER, router),
                SERVER,
                SHORT,
                SOON,
                (option::MTU, mtu),
            ];
            move |message: &DhcpMessage| answer(message, ADDRESS, &options)
        };
        let server = lan.script(gives(&[10, 9, 0, 1], &[5, 120]));
        lan.world.outside().address("eth0", "10.9.0.2/16");
        let held = lan.attach("c1");
        let route = || held.netns.run("ip route show default");
        assert!(route().contains("via 10.9.0.1 dev eth0"), "{}", route());
        assert!(route().contains("mtu 1400"), "{}", route());
        server.answer_by(gives(&[10, 9, 0, 2], &[5, 20]));
        held.wait_until("another router", || {
            route().contains("via 10.9.0.2 dev eth0") && route().contains("mtu 1300")
        });
        assert_eq!(route().lines().count(), 1, "{}", route());
        assert_eq!(held.addresses(), [ADDRESS]);
        held.netns.ping("10.9.0.2");

        server.answer_by(|message| answer(message, OTHER, &[MASK, ROUTER, SERVER, SHORT, SOON]));
        held.wait_for_addresses(&[OTHER]);
        held.wait_until("its router", || route().contains("via 10.9.0.1 dev eth0"));
        held.netns.ping("10.9.0.1");
    });
}

#[test]
fn a_lease_that_is_refused_at_renewal_is_used_no_longer() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let _daemon = DhcpDaemon::start(lan.plugins());
        let mut refused = false;
        let _server = lan.script(move |message| {
            refused |= is_renewal(message);
            let address = if refused { OTHER } else { ADDRESS };
            if is_renewal(message) && message.ciaddr == ADDRESS {
                return vec![
                    message
                        .answer(DhcpMessage::NAK, Ipv4Addr::UNSPECIFIED, &[SERVER])
                        .bytes(),
                ];
            }
            answer(message, address, &[MASK, ROUTER, SERVER, SHORT, SOON])
        });
        let held = lan.attach("c1");
        assert_eq!(held.address, ADDRESS);
        held.wait_for_addresses(&[OTHER]);
        held.netns.ping("10.9.0.1");
        lan.del(&held.netns).success();
        let release = lan
            .tap
            .wait_for("RELEASE", |one| one.is(DhcpMessage::RELEASE));
        assert_eq!(release.message(DhcpMessage::RELEASE).unwrap().1, OTHER);
    });
}

/// Nobody but the server that gave the lease may end it while that answers.
#[test]
fn what_others_refuse_at_renewal_is_kept() {
    sandbox(|sandbox| {
        let lan = Lan::new(sandbox, &macvlan());
        let _daemon = DhcpDaemon::start(lan.plugins());
        let _server = lan.script(|message| {
            let mut answers = Vec::new();
            if is_renewal(message) {
                let stranger: (u8, &[u8]) = (option::SERVER, &[10, 9, 0, 66]);
                let nak = message.answer(DhcpMessage::NAK, Ipv4Addr::UNSPECIFIED, &[stranger]);
                answers.push(nak.bytes());
            }
            answers.extend(answer(
                message,
                ADDRESS,
                &[MASK, ROUTER, SERVER, SHORT, SOON],
            ));
            answers
        });
        let held = lan.attach("c1");
        let is_second = |packets: usize| {
            lan.tap.wait_after(packets, "renewal", |one| {
                one.message(DhcpMessage::REQUEST)
                    .is_some_and(|(message, ..)| is_renewal(message))
            })
        };
        is_second(0);
        let seen = lan.tap.count();
        is_second(seen);
        assert_eq!(held.addresses(), [ADDRESS]);
    });
}
