//! What happens to a lease until its end.

use super::*;

const HOLDING: [&str; 3] = ["RENEWING", "REBINDING", "REBOOTING"];

#[test]
fn a_lease_is_renewed_by_its_server_from_its_address() {
    let mut lab = Lab::bound();
    let actions = lab.wake();
    assert_eq!(actions[0], Action::Listen);
    let passed = (lab.now - BEGIN).as_secs();
    assert!((1620..=1800).contains(&passed), "{passed}");
    let (request, to) = renewal(&lab);
    let expected: [(u8, &[u8]); 5] = [
        (KIND, &[3]),
        (CLIENT_ID, b"\0c1/net/eth0"),
        (LONGEST_MESSAGE, &[5, 192]),
        (12, b"web"),
        (PARAMETERS, &[1, 3]),
    ];
    assert_eq!(
        options(request),
        expected,
        "neither requested address nor server"
    );
    assert_eq!((request.ciaddr, request.secs), (ADDRESS, 0));
    assert_eq!(
        to,
        Destination::Unicast {
            from: ADDRESS,
            to: SERVER,
            mac: Some(SERVER_MAC)
        }
    );
    let asked = lab.now;
    lab.now = lab.now + seconds(3);
    let actions = lab.answer(Kind::Ack, |_| {});
    let [
        Action::Bound {
            lease,
            change: Change::Renewed,
        },
        Action::Close,
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(
        lease.expires_at(),
        Some(asked + seconds(3600)),
        "counted from the question"
    );
    assert_eq!(lab.client.state(), "BOUND");
}

#[test]
fn a_silent_server_is_asked_at_half_times_and_then_any_server_until_the_end() {
    let mut lab = Lab::bound();
    let actions = lab.until(BEGIN + seconds(3599));
    assert_eq!(lost(&actions), None);
    let mut kinds = lab.sent.iter().skip(2).map(|(at, message, to)| {
        assert_eq!(message.ciaddr, ADDRESS);
        assert_eq!(message.options.get(12), Some(&b"web"[..]));
        (*at - BEGIN, *to == Destination::Broadcast)
    });
    let times: Vec<_> = kinds.by_ref().collect();
    assert!(
        times.is_sorted_by_key(|(_, broadcast)| *broadcast),
        "{times:?}"
    );
    assert!((8..=12).contains(&times.len()), "{times:?}");
    for pair in times.windows(2) {
        let apart = pair[1].0 - pair[0].0;
        assert!(apart >= seconds(60) || pair[1].1 != pair[0].1, "{times:?}");
    }
    let actions = lab.until(BEGIN + seconds(3600));
    assert_eq!(lost(&actions), Some(&Loss::Expired));
    assert_eq!(lab.client.lease(), None);
    assert_eq!(lab.last().options.kind(), Some(Kind::Discover));
    assert_eq!(
        lab.last().options.get(REQUESTED_ADDRESS),
        Some(&ADDRESS.octets()[..])
    );
}

#[test]
fn renewing_and_rebinding_are_a_second_apart() {
    let mut lab = in_state("RENEWING");
    let Term::Until { rebind_at, .. } = lab.client.lease().unwrap().term else {
        unreachable!()
    };
    lab.until(Time(rebind_at.0 - Duration::from_millis(200)));
    assert!(!lab.tell(Event::LinkUp).is_empty());
    let renewed = lab.now;
    lab.wake();
    assert_eq!(
        (lab.client.state(), lab.now),
        ("REBINDING", renewed + seconds(1))
    );
}

/// cni#329: the reference stops after a lease has expired.
#[test]
fn whoever_has_held_an_address_asks_for_ever() {
    let mut lab = Lab::bound();
    let actions = lab.after(seconds(86_400));
    assert_eq!(failure(&actions), None);
    let times = lab.times(Kind::Discover);
    assert!(times.len() > 1000);
    assert!(times.windows(2).skip(1).all(|pair| pair[1] - pair[0] <= 63));
    assert_eq!(
        change(&lab.give(|_| {})),
        None,
        "between two questions nobody listens"
    );
    lab.wake();
    let found = lab.client.state() == "SELECTING" || !lab.wake().is_empty();
    assert!(found);
    assert_eq!(change(&lab.give(|_| {})), Some(&Change::New));
}

#[test]
fn a_refusal_by_our_server_ends_the_lease_at_once() {
    for state in HOLDING {
        let mut lab = in_state(state);
        let actions = lab.answer(Kind::Nak, |message| {
            message.options.set(TEXT, b"wrong network")
        });
        let expected = "the DHCP server 10.0.0.1 refused 10.0.0.50: \"wrong network\"";
        assert_eq!(
            lost(&actions).map(Loss::to_string).as_deref(),
            Some(expected),
            "{state}"
        );
        assert_eq!(
            (lab.client.state(), lab.client.lease()),
            ("SELECTING", None)
        );
        assert_eq!(lab.last().options.get(REQUESTED_ADDRESS), None);
        assert_eq!(change(&lab.give(|_| {})), Some(&Change::New), "{state}");
    }
}

fn other(message: &mut Message) {
    message.options.set(SERVER_ID, &OTHER_SERVER.octets());
}

#[test]
fn a_refusal_by_another_server_counts_where_it_is_asked_and_ours_is_silent() {
    for state in HOLDING {
        let mut lab = in_state(state);
        assert_eq!(lab.answer(Kind::Nak, other), [], "{state}");
        assert!(lab.client.lease().is_some());
        let asked = lab.last().clone();
        let actions = lab.after(seconds(3));
        assert_eq!(lost(&actions).is_some(), state != "RENEWING", "{state}");

        let mut lab = in_state(state);
        lab.answer(Kind::Nak, other);
        let actions = lab.answer(Kind::Ack, |_| {});
        assert!(change(&actions).is_some(), "{state}");
        assert_eq!(
            lost(&lab.after(seconds(3))),
            None,
            "{state}: ours has contradicted"
        );
        assert_eq!(
            lab.receive(&answer(Kind::Nak, &asked)),
            [],
            "nothing is asked in BOUND"
        );
    }
}

#[test]
fn another_server_may_give_more_time_when_any_is_asked() {
    for state in HOLDING {
        let mut lab = in_state(state);
        let actions = lab.answer(Kind::Ack, other);
        assert_eq!(change(&actions).is_some(), state != "RENEWING", "{state}");
        let server = if state == "RENEWING" {
            SERVER
        } else {
            OTHER_SERVER
        };
        assert_eq!(lab.client.lease().unwrap().server, Some(server), "{state}");
    }
}

#[test]
fn what_a_renewal_changes_is_told_with_what_was_before() {
    let changes: [(Alter, bool); 9] = [
        (|_| {}, false),
        (
            |message| message.options.set(LEASE_TIME, &7200_u32.to_be_bytes()),
            false,
        ),
        (|message| message.options.set(SUBNET_MASK, &[]), false),
        (|message| message.options.set(ROUTERS, &[]), false),
        (|message| message.options.set(DNS, &[]), false),
        (
            |message| message.options.set(SUBNET_MASK, &[255, 255, 0, 0]),
            true,
        ),
        (
            |message| message.options.set(ROUTERS, &[10, 0, 0, 254]),
            true,
        ),
        (|message| message.options.set(MTU, &[5, 0]), true),
        (|message| message.options.set(DNS, &[10, 0, 0, 3]), true),
    ];
    for state in HOLDING {
        for (index, (alter, changes)) in changes.into_iter().enumerate() {
            let mut lab = in_state(state);
            let old = lab.client.lease().unwrap().clone();
            let actions = lab.answer(Kind::Ack, alter);
            let same = if state == "REBOOTING" {
                Change::Confirmed
            } else {
                Change::Renewed
            };
            let expected = if changes {
                Change::Changed {
                    from: Box::new(old),
                }
            } else {
                same
            };
            assert_eq!(change(&actions), Some(&expected), "{state} {index}");
        }
    }
}

#[test]
fn another_address_is_probed_and_the_old_one_held_meanwhile() {
    let new = Ipv4Addr::new(10, 0, 0, 77);
    for state in HOLDING {
        let mut lab = in_state(state);
        let old = lab.client.lease().unwrap().clone();
        let actions = lab.answer(Kind::Ack, |message| message.yiaddr = new);
        assert_eq!(actions, [Action::Probe(new), Action::Close], "{state}");
        assert_eq!(lab.client.lease(), Some(&old));
        let mut in_use = Lab {
            client: lab.client.clone(),
            sent: vec![],
            ..lab
        };
        let actions = lab.tell(Event::Probed {
            address: new,
            in_use: None,
        });
        assert_eq!(
            change(&actions),
            Some(&Change::Changed {
                from: Box::new(old.clone())
            })
        );
        assert_eq!(lab.client.lease().unwrap().address.addr(), new);

        in_use.tell(Event::Probed {
            address: new,
            in_use: Some(SOMEBODY),
        });
        assert_eq!(in_use.last().options.kind(), Some(Kind::Decline));
        assert_eq!(in_use.client.lease(), Some(&old));
        in_use.after(seconds(11));
        assert_eq!(in_use.last().ciaddr, ADDRESS);
        assert_eq!(
            change(&in_use.answer(Kind::Ack, |_| {})),
            Some(&Change::Renewed)
        );
    }
}

#[test]
fn an_old_address_that_ends_while_a_new_one_is_probed_is_given_up() {
    let mut lab = in_state("REBINDING");
    let new = Ipv4Addr::new(10, 0, 0, 77);
    lab.answer(Kind::Ack, |message| message.yiaddr = new);
    let expires_at = lab.now + seconds(2);
    lab.client.lease.as_mut().unwrap().term = Term::Until {
        acquired: BEGIN,
        renew_at: BEGIN,
        rebind_at: BEGIN,
        expires_at,
    };
    assert_eq!(lost(&lab.after(seconds(2))), Some(&Loss::Expired));
    assert_eq!(lab.client.state(), "PROBING");
    assert_eq!(change(&lab.after(seconds(2))), Some(&Change::New));
}

/// plugins#1278: servers ignore a RELEASE from 0.0.0.0.
#[test]
fn an_address_is_given_back_in_any_state() {
    for state in ["BOUND", "RENEWING", "REBINDING", "REBOOTING"] {
        let mut lab = in_state(state);
        let sent = lab.sent.len();
        let actions = lab.tell(Event::Release);
        let (_, release, to) = &lab.sent[sent];
        let expected: [(u8, &[u8]); 3] = [
            (KIND, &[7]),
            (CLIENT_ID, b"\0c1/net/eth0"),
            (SERVER_ID, &SERVER.octets()),
        ];
        assert_eq!(options(release), expected, "{state}");
        assert_eq!((release.ciaddr, lab.sent.len()), (ADDRESS, sent + 1));
        assert_eq!(
            *to,
            Destination::Unicast {
                from: ADDRESS,
                to: SERVER,
                mac: Some(SERVER_MAC)
            }
        );
        assert_eq!(actions.contains(&Action::Close), state != "BOUND");
        assert_eq!(actions.last(), Some(&Action::Done));
        assert_eq!((lab.client.wake_at(), lab.client.lease()), (None, None));
        assert_eq!(lab.tell(Event::Wake), []);
    }
}

#[test]
fn what_a_server_may_have_given_is_given_back_too() {
    let mut lab = Lab::new(Start::Discover);
    assert_eq!(lab.tell(Event::Release), [Action::Done]);
    for steps in [1, 2] {
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        for kind in [Kind::Offer, Kind::Ack].into_iter().take(steps) {
            lab.answer(kind, |_| {});
        }
        lab.tell(Event::Release);
        assert_eq!(
            (lab.last().options.kind(), lab.last().ciaddr),
            (Some(Kind::Release), ADDRESS)
        );
    }
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    assert_eq!(lab.tell(Event::Release), [Action::Close, Action::Done]);
}

#[test]
fn a_lease_for_ever_is_never_asked_for_again() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.give(|message| message.options.set(LEASE_TIME, &[255; 4]));
    assert_eq!((lab.client.state(), lab.client.wake_at()), ("BOUND", None));
    let lease = lab.client.lease().unwrap().clone();
    lab.client = Client::new(settings(), Start::Reboot(Box::new(lease)), lab.now);
    assert_eq!(change(&lab.after(seconds(20))), Some(&Change::Kept));
    assert_eq!(lab.client.wake_at(), None);
}

#[test]
fn a_server_that_gives_seconds_causes_no_storm() {
    for lease in 0..6_u32 {
        let short = |message: &mut Message| message.options.set(LEASE_TIME, &lease.to_be_bytes());
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        lab.give(short);
        while lab.now < BEGIN + seconds(60) {
            lab.wake();
            if lab.client.listening.is_some() {
                lab.answer(Kind::Ack, short);
            }
        }
        assert!(lab.client.lease().is_some());
        let most = 60 / lease.max(4) as usize * 5 / 2;
        assert!(
            lab.sent.len() <= most,
            "{lease} s: {} in a minute",
            lab.sent.len()
        );
        let before = lab.sent.len();
        lab.after(seconds(60));
        assert!(
            lab.sent.len() - before < 20,
            "{lease} s, then silence: {}",
            lab.sent.len() - before
        );
    }
}

/// A machine that slept, or a daemon that was stopped.
#[test]
fn whoever_wakes_long_after_the_end_has_no_address() {
    let mut lab = Lab::bound();
    lab.now = BEGIN + seconds(100_000);
    let actions = lab.tell(Event::Wake);
    assert_eq!(lost(&actions), Some(&Loss::Expired));
    assert_eq!(lab.client.state(), "SELECTING");
    lab.now = BEGIN;
    lab.client.handle(BEGIN, Event::Wake, &mut || 0);
    assert!(
        lab.client.wake_at() > Some(BEGIN + seconds(100_000)),
        "time that goes back does not count"
    );
}

/// The answer to a REQUEST of 12 seconds ago does not give four seconds from now.
#[test]
fn an_answer_that_comes_after_the_end_of_what_it_gives_is_asked_for_anew() {
    let short = |message: &mut Message| message.options.set(LEASE_TIME, &5_u32.to_be_bytes());
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.answer(Kind::Offer, short);
    lab.after(seconds(5));
    let late = lab.last().xid;
    assert_eq!(lab.answer(Kind::Ack, short), [Action::Close]);
    lab.wake();
    assert_ne!(lab.last().xid, late);
    lab.answer(Kind::Ack, short);
    assert_eq!(
        change(&lab.tell(Event::Probed {
            address: ADDRESS,
            in_use: None
        })),
        Some(&Change::New)
    );
}
