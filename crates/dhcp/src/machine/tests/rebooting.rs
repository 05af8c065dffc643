//! A lease of before: after a restart of the daemon, or of another program.

use super::*;

#[test]
fn after_a_reboot_the_lease_of_before_is_asked_for() {
    let lab = in_state("REBOOTING");
    let (request, to) = renewal(&lab);
    let expected: [(u8, &[u8]); 6] = [
        (KIND, &[3]),
        (CLIENT_ID, b"\0c1/net/eth0"),
        (LONGEST_MESSAGE, &[5, 192]),
        (12, b"web"),
        (PARAMETERS, &[1, 3]),
        (REQUESTED_ADDRESS, &ADDRESS.octets()),
    ];
    assert_eq!(options(request), expected, "no server");
    assert_eq!(
        (request.ciaddr, to),
        (Ipv4Addr::UNSPECIFIED, Destination::Broadcast)
    );
}

#[test]
fn after_a_reboot_without_an_answer_the_lease_is_held_until_its_end() {
    let mut lab = in_state("REBOOTING");
    let Term::Until {
        renew_at,
        expires_at,
        ..
    } = lab.client.lease().unwrap().term
    else {
        unreachable!()
    };
    let actions = lab.after(seconds(20));
    assert_eq!(change(&actions), Some(&Change::Kept));
    assert_eq!(lab.times(Kind::Request)[1..], [0, 2, 4, 6]);
    assert_eq!(
        (lab.client.state(), lab.client.wake_at()),
        ("BOUND", Some(renew_at))
    );
    assert_eq!(lost(&lab.until(expires_at)), Some(&Loss::Expired));
}

#[test]
fn after_a_reboot_a_lease_goes_on_where_it_would_be() {
    let lease = Lab::bound().client.lease().unwrap().clone();
    for (passed, state) in [(100, "BOUND"), (2000, "RENEWING"), (3300, "REBINDING")] {
        let mut lab = Lab::new(Start::Discover);
        lab.now = BEGIN + seconds(passed);
        lab.client = Client::new(settings(), Start::Reboot(Box::new(lease.clone())), lab.now);
        assert_eq!(lost(&lab.after(seconds(20))), None);
        assert_eq!(lab.client.state(), state);
    }
    let mut lab = Lab::new(Start::Discover);
    lab.now = BEGIN + seconds(3600);
    lab.client = Client::new(settings(), Start::Reboot(Box::new(lease)), lab.now);
    assert_eq!(lost(&lab.tell(Event::Wake)), Some(&Loss::Expired));
    assert_eq!(lab.client.state(), "SELECTING");
    assert_eq!(failure(&lab.after(seconds(1000))), None);
}

#[test]
fn a_lease_of_another_program_is_held_until_a_server_says_otherwise() {
    let adopted = Lease::adopted("10.0.0.50/24".parse().unwrap(), Parameters::default());
    let mut lab = Lab::new(Start::Reboot(Box::new(adopted)));
    let actions = lab.after(seconds(86_400));
    assert_eq!(
        (lost(&actions), change(&actions)),
        (None, Some(&Change::Kept))
    );
    assert_eq!(lab.client.state(), "REBINDING");
    let times = lab.times(Kind::Request);
    assert_eq!(times[..7], [0, 2, 4, 6, 8, 12, 20]);
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] <= 63),
        "{times:?}"
    );
    let (request, to) = renewal(&lab);
    assert_eq!((request.ciaddr, to), (ADDRESS, Destination::Broadcast));
    lab.wake();
    if lab.client.listening.is_none() {
        lab.wake();
    }
    let mut refused = Lab {
        client: lab.client.clone(),
        sent: lab.sent.clone(),
        ..lab
    };
    let actions = lab.answer(Kind::Ack, |_| {});
    assert!(
        matches!(change(&actions), Some(Change::Changed { .. })),
        "{actions:?}"
    );
    assert!(lab.client.lease().unwrap().expires_at().is_some());
    refused.answer(Kind::Nak, |_| {});
    assert!(matches!(
        lost(&refused.after(seconds(3))),
        Some(Loss::Refused(_))
    ));
}
