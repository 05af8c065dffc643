//! The way to the first lease.

use super::*;

#[test]
fn an_address_is_asked_for_probed_and_held() {
    let mut lab = Lab::new(Start::Discover);
    let actions = lab.tell(Event::Wake);
    assert!(
        matches!(&actions[..], [Action::Listen, Action::Send(sent)] if sent.to == Destination::Broadcast)
    );
    assert_eq!(lab.client.state(), "SELECTING");
    let actions = lab.answer(Kind::Offer, |_| {});
    assert!(matches!(&actions[..], [Action::Send(sent)] if sent.to == Destination::Broadcast));
    assert_eq!(lab.client.state(), "REQUESTING");
    assert_eq!(
        lab.answer(Kind::Ack, |_| {}),
        [Action::Probe(ADDRESS), Action::Close]
    );
    assert_eq!((lab.client.state(), lab.client.lease()), ("PROBING", None));
    let actions = lab.tell(Event::Probed {
        address: ADDRESS,
        in_use: None,
    });
    let [
        Action::Bound {
            lease,
            change: Change::New,
        },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(lease.address.to_string(), "10.0.0.50/24");
    assert_eq!(
        (lease.server, lease.server_mac),
        (Some(SERVER), Some(SERVER_MAC))
    );
    assert_eq!(lease.parameters.routers, [SERVER]);
    assert_eq!(lab.client.lease(), Some(lease));
    assert_eq!(lab.client.state(), "BOUND");
}

#[test]
fn discover_and_request_say_who_asks_for_what() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.after(seconds(5));
    let discover = lab.last().clone();
    let common = [
        (CLIENT_ID, &b"\0c1/net/eth0"[..]),
        (LONGEST_MESSAGE, &[5, 192]),
        (12, b"web"),
        (PARAMETERS, &[1, 3]),
    ];
    assert_eq!(
        options(&discover),
        [&[(KIND, &[1][..])][..], &common].concat()
    );
    assert_eq!(
        (discover.secs, discover.chaddr, discover.broadcast),
        (4, HARDWARE, false)
    );
    lab.answer(Kind::Offer, |_| {});
    let request = lab.last();
    let of_offer = [
        (REQUESTED_ADDRESS, &ADDRESS.octets()[..]),
        (SERVER_ID, &SERVER.octets()),
    ];
    assert_eq!(
        options(request),
        [&[(KIND, &[3][..])][..], &common, &of_offer].concat()
    );
    assert_eq!(
        (request.xid, request.secs),
        (discover.xid, 4),
        "RFC 2131, 4.4.1"
    );
    assert_eq!(
        (request.ciaddr, request.yiaddr),
        (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED)
    );
}

#[test]
fn what_is_provided_stands_for_nothing_that_the_protocol_needs() {
    let provided = [
        (KIND, &[7][..]),
        (REQUESTED_ADDRESS, &[6; 4]),
        (SERVER_ID, &[6; 4]),
        (PARAMETERS, &[6]),
        (52, &[3]),
        (CLIENT_ID, b"mine"),
        (LONGEST_MESSAGE, &[2, 64]),
    ];
    let provided = provided
        .map(|(code, value)| (code, value.to_vec()))
        .to_vec();
    let settings = Settings {
        provided,
        requested: vec![],
        broadcast: true,
        ..settings()
    };
    let mut lab = Lab::with(settings, Start::Discover);
    lab.tell(Event::Wake);
    assert_eq!(
        options(lab.last()),
        [
            (KIND, &[1][..]),
            (CLIENT_ID, b"mine"),
            (LONGEST_MESSAGE, &[2, 64])
        ]
    );
    assert!(lab.last().broadcast);
    lab.give(|message| message.options.set(CLIENT_ID, b"mine"));
    lab.tell(Event::Release);
    assert_eq!(lab.last().options.get(CLIENT_ID), Some(&b"mine"[..]));
}

#[test]
fn the_first_offer_is_taken_and_other_servers_have_no_say() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    let discover = lab.last().clone();
    let others = |kind| {
        let mut message = answer(kind, &discover);
        message.options.set(SERVER_ID, &OTHER_SERVER.octets());
        message
    };
    lab.answer(Kind::Offer, |_| {});
    for kind in [Kind::Offer, Kind::Ack, Kind::Nak] {
        assert_eq!(lab.receive(&others(kind)), [], "{kind:?}");
    }
    assert_eq!(lab.last().options.server_id(), Some(SERVER));
    assert_eq!(lab.answer(Kind::Ack, |_| {})[0], Action::Probe(ADDRESS));
}

#[test]
fn what_is_no_answer_to_the_question_is_ignored() {
    let changes: [Alter; 7] = [
        |message| message.op = Op::Request,
        |message| message.xid ^= 1,
        |message| message.chaddr[5] ^= 1,
        |message| message.options.set(CLIENT_ID, b"\0c2/net/eth0"),
        |message| message.options.set(KIND, &[3]),
        |message| message.options.set(KIND, &[]),
        |message| message.options.set(KIND, &[99]),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        assert_eq!(lab.answer(Kind::Offer, change), [], "{index}");
        assert_eq!(lab.client.state(), "SELECTING");
        lab.answer(Kind::Offer, |_| {});
        assert_eq!(lab.answer(Kind::Ack, change), [], "{index}");
        assert_eq!(lab.client.state(), "REQUESTING");
        // RFC 6842: a server repeats the identifier; and one that leaves itself out is borne with.
        let actions = lab.answer(Kind::Ack, |message| {
            message.options.set(CLIENT_ID, b"\0c1/net/eth0");
            let rest: Vec<_> = message
                .options
                .iter()
                .filter(|(code, _)| *code != SERVER_ID)
                .collect();
            let mut options = Options::default();
            rest.into_iter()
                .for_each(|(code, value)| options.set(code, value));
            message.options = options;
        });
        assert_eq!(actions[0], Action::Probe(ADDRESS));
    }
}

#[test]
fn what_cannot_be_used_is_told_when_nothing_came_of_it() {
    let cases: [(Alter, &str); 2] = [
        (
            |message| message.yiaddr = Ipv4Addr::UNSPECIFIED,
            "0.0.0.0 is no address that an interface can have",
        ),
        (
            |message| message.yiaddr = Ipv4Addr::BROADCAST,
            "255.255.255.255 is no address that an interface can have",
        ),
    ];
    for (change, why) in cases {
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        for _ in 0..2 {
            let actions = lab.answer(Kind::Offer, change);
            assert!(
                matches!(&actions[..], [Action::Ignored { from: SERVER, .. }]),
                "{actions:?}"
            );
        }
        let failed = failure(&lab.after(seconds(300)));
        let expected =
            format!("2 answers of DHCP servers could not be used, the last one because: {why}");
        assert_eq!(failed, Some(expected));
    }
}

/// Some servers say what they must in the ACK alone.
#[test]
fn an_offer_without_mask_or_server_is_taken() {
    let cases: [Alter; 4] = [
        |offer| offer.options.set(SUBNET_MASK, &[]),
        |offer| offer.options.set(SUBNET_MASK, &[255, 0, 255, 0]),
        |offer| offer.options.set(SERVER_ID, &[]),
        |offer| offer.options.set(SERVER_ID, &[0; 4]),
    ];
    for (index, change) in cases.into_iter().enumerate() {
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        lab.answer(Kind::Offer, change);
        let request = lab.last();
        assert_eq!(request.options.kind(), Some(Kind::Request), "{index}");
        // The packet's source is who is asked.
        assert_eq!(request.options.server_id(), Some(SERVER), "{index}");
        assert_eq!(lab.answer(Kind::Ack, |_| {})[0], Action::Probe(ADDRESS));
    }
}

#[test]
fn an_ack_without_a_mask_is_told_when_nothing_came_of_it() {
    let no_mask: [Alter; 2] = [
        |ack| ack.options.set(SUBNET_MASK, &[]),
        |ack| ack.options.set(SUBNET_MASK, &[255, 0, 255, 0]),
    ];
    for change in no_mask {
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        lab.answer(Kind::Offer, change);
        lab.answer(Kind::Ack, change);
        let expected = "1 answers of DHCP servers could not be used, the last one because: DHCP option Subnet Mask not found \
                        in DHCPACK, or it is no mask";
        assert_eq!(failure(&lab.after(seconds(300))).as_deref(), Some(expected));
    }
}

#[test]
fn an_ack_that_cannot_be_used_is_asked_for_again() {
    let changes: [Alter; 3] = [
        |message| message.options.set(SUBNET_MASK, &[]),
        |message| message.yiaddr = Ipv4Addr::new(10, 0, 0, 255),
        |message| message.yiaddr = Ipv4Addr::new(10, 0, 0, 0),
    ];
    for change in changes {
        let mut lab = Lab::new(Start::Discover);
        lab.tell(Event::Wake);
        lab.answer(Kind::Offer, |_| {});
        assert!(matches!(
            lab.answer(Kind::Ack, change)[..],
            [Action::Ignored { .. }]
        ));
        lab.wake();
        assert_eq!(lab.times(Kind::Request), [0, 2]);
        assert_eq!(lab.answer(Kind::Ack, |_| {})[0], Action::Probe(ADDRESS));
    }
}

#[test]
fn what_is_no_message_is_counted() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    let garbage = Message::parse(b"garbage").unwrap_err();
    lab.tell(Event::Malformed(garbage));
    let failed = failure(&lab.after(seconds(300)));
    let expected = "1 answers of DHCP servers could not be used, the last one because: 7 bytes are too few for a DHCP message, \
                    whose fixed part has 240";
    assert_eq!(failed.as_deref(), Some(expected));
}

#[test]
fn the_first_resends_come_soon_and_then_ever_later_until_it_gives_up() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    let actions = lab.after(seconds(400));
    assert_eq!(
        lab.times(Kind::Discover),
        [0, 2, 4, 6, 8, 12, 20, 36, 68, 130, 192]
    );
    let expected = "no DHCP server answered 11 requests within 208 seconds";
    assert_eq!(failure(&actions).as_deref(), Some(expected));
    assert_eq!((lab.client.state(), lab.client.wake_at()), ("ENDED", None));
    assert_eq!(lab.tell(Event::LinkUp), []);
    assert_eq!(lab.tell(Event::Release), [Action::Done]);
}

/// An open socket keeps the namespace of a container that has ended.
#[test]
fn answers_are_awaited_for_a_while_after_each_send() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.until(BEGIN + seconds(29));
    let discover = lab.last().clone();
    assert_eq!(*lab.times(Kind::Discover).last().unwrap(), 20);
    assert_eq!(lab.after(seconds(2)), [Action::Close]);
    assert_eq!(
        lab.receive(&answer(Kind::Offer, &discover)),
        [],
        "nobody listens"
    );
    let actions = lab.after(seconds(6));
    assert_eq!(actions[0], Action::Listen);
    assert_ne!(lab.last().xid, discover.xid);
    assert_eq!(
        lab.receive(&answer(Kind::Offer, &discover)),
        [],
        "an answer to the question before"
    );
    assert_eq!(lab.answer(Kind::Offer, |_| {}).len(), 1);
}

#[test]
fn a_server_that_offers_and_then_is_silent_is_left() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.answer(Kind::Offer, |_| {});
    lab.after(seconds(11));
    assert_eq!(lab.times(Kind::Request), [0, 2, 4, 6]);
    assert_eq!(lab.times(Kind::Discover), [0, 10]);
    let expected =
        "the DHCP server 10.0.0.1 offered 10.0.0.50 and then did not answer the request for it";
    assert_eq!(failure(&lab.after(seconds(300))).as_deref(), Some(expected));
}

/// The server may have noted the address down: no lease is to be left at it.
#[test]
fn whoever_gives_up_between_offer_and_ack_gives_back() {
    let settings = Settings {
        give_up: seconds(5),
        ..settings()
    };
    let mut lab = Lab::with(settings, Start::Discover);
    lab.tell(Event::Wake);
    lab.answer(Kind::Offer, |_| {});
    let actions = lab.after(seconds(10));
    assert_eq!(
        failure(&actions).as_deref(),
        Some("no DHCP server answered 1 requests within 5 seconds")
    );
    assert_eq!(lab.last().options.kind(), Some(Kind::Release));
}

#[test]
fn a_refusal_is_followed_by_another_attempt_and_told_in_the_end() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.answer(Kind::Offer, |_| {});
    let actions = lab.answer(Kind::Nak, |message| {
        message.options.set(TEXT, b"pool is gone")
    });
    assert_eq!(actions, [Action::Close]);
    lab.after(seconds(3));
    assert_eq!(lab.times(Kind::Discover), [0, 2]);
    let expected = "the DHCP server 10.0.0.1 refused 10.0.0.50: \"pool is gone\"";
    assert_eq!(failure(&lab.after(seconds(300))).as_deref(), Some(expected));
}

#[test]
fn an_address_that_is_in_use_is_declined() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    for declined in 1..=4 {
        let xid = lab.last().xid;
        lab.answer(Kind::Offer, |_| {});
        lab.answer(Kind::Ack, |_| {});
        lab.tell(Event::Probed {
            address: Ipv4Addr::new(10, 0, 0, 51),
            in_use: Some(SOMEBODY),
        });
        assert_eq!(lab.client.state(), "PROBING", "another address");
        let sent = lab.sent.len();
        lab.tell(Event::Probed {
            address: ADDRESS,
            in_use: Some(SOMEBODY),
        });
        let (_, decline, to) = &lab.sent[sent];
        let expected: [(u8, &[u8]); 4] = [
            (KIND, &[4]),
            (CLIENT_ID, b"\0c1/net/eth0"),
            (SERVER_ID, &SERVER.octets()),
            (REQUESTED_ADDRESS, &ADDRESS.octets()),
        ];
        assert_eq!(options(decline), expected);
        assert_eq!(
            (decline.ciaddr, *to),
            (Ipv4Addr::UNSPECIFIED, Destination::Broadcast)
        );
        assert_ne!(decline.xid, xid);
        if declined >= 3 {
            assert_eq!(lab.client.state(), "INIT");
            lab.wake();
        }
        assert_eq!(lab.client.state(), "SELECTING");
    }
    assert_eq!(lab.times(Kind::Discover), [0, 0, 0, 10, 20]);
    let expected = "every address that DHCP servers offered is in use by somebody else, the last one, 10.0.0.50, by \
                    02:00:00:00:00:09";
    assert_eq!(failure(&lab.after(seconds(300))).as_deref(), Some(expected));
}

#[test]
fn a_probe_that_is_never_answered_is_no_obstacle() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.answer(Kind::Offer, |_| {});
    lab.answer(Kind::Ack, |_| {});
    lab.now = lab.now + seconds(2);
    assert_eq!(lab.tell(Event::Wake), []);
    assert_eq!(change(&lab.after(seconds(2))), Some(&Change::New));
    assert_eq!(
        lab.tell(Event::Probed {
            address: ADDRESS,
            in_use: Some(SOMEBODY)
        }),
        []
    );
}

/// A daemon that was stopped between probe and answer has heard nothing.
#[test]
fn a_probe_that_was_slept_through_is_repeated() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.answer(Kind::Offer, |_| {});
    lab.answer(Kind::Ack, |_| {});
    lab.now = lab.now + seconds(60);
    assert_eq!(lab.tell(Event::Wake), [Action::Probe(ADDRESS)]);
    lab.tell(Event::Probed {
        address: ADDRESS,
        in_use: Some(SOMEBODY),
    });
    assert_eq!(lab.times(Kind::Decline), [60]);
}

#[test]
fn a_link_that_comes_up_is_a_reason_to_ask_at_once() {
    let mut lab = Lab::new(Start::Discover);
    lab.tell(Event::Wake);
    lab.until(BEGIN + seconds(75));
    assert!(matches!(lab.tell(Event::LinkUp)[..], [Action::Send(_)]));
    assert_eq!(lab.tell(Event::LinkUp), [], "not twice within a second");
    lab.after(seconds(6));
    assert_eq!(
        lab.times(Kind::Discover),
        [0, 2, 4, 6, 8, 12, 20, 36, 68, 75, 76, 78, 80]
    );
    let mut lab = Lab::bound();
    assert_eq!(lab.tell(Event::LinkUp), []);
}
