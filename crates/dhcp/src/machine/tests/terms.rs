//! Times: T1, T2, the end of a lease, and back-off with any chance.

use super::*;
use crate::machine::pace;

fn ack(lease: Option<u32>, t1: Option<u32>, t2: Option<u32>) -> Message {
    let mut message = answer(Kind::Ack, &Message::request(Kind::Request, 1, HARDWARE));
    message.options.set(LEASE_TIME, &[]);
    for (code, value) in [
        (LEASE_TIME, lease),
        (RENEWAL_TIME, t1),
        (REBINDING_TIME, t2),
    ] {
        if let Some(value) = value {
            message.options.set(code, &value.to_be_bytes());
        }
    }
    message
}

/// T1, T2 and the end in seconds from when it was asked for; with this chance.
fn term(ack: &Message, chance: u32) -> Option<(f64, f64, f64)> {
    let lease = Lease::from_ack(ack, SERVER_MAC, BEGIN, None, &mut || chance).unwrap();
    match lease.term {
        Term::Until {
            acquired: BEGIN,
            renew_at,
            rebind_at,
            expires_at,
        } => {
            let [t1, t2, end] =
                [renew_at, rebind_at, expires_at].map(|at| (at - BEGIN).as_secs_f64());
            Some((t1, t2, end))
        }
        _ => None,
    }
}

#[test]
fn t1_and_t2_are_what_the_server_says_if_that_makes_sense() {
    let cases = [
        ((Some(3600), None, None), (1800.0, 3150.0, 3600.0)),
        ((None, None, None), (1800.0, 3150.0, 3600.0)),
        ((Some(3600), Some(600), Some(1200)), (600.0, 1200.0, 3600.0)),
        ((Some(3600), Some(600), None), (600.0, 3150.0, 3600.0)),
        ((Some(700), None, Some(350)), (200.0, 350.0, 700.0)),
        // T2 not before the end, T1 not before T2, zeros, and for ever for one of them.
        ((Some(3600), Some(600), Some(3600)), (600.0, 3150.0, 3600.0)),
        (
            (Some(3600), Some(1200), Some(1200)),
            (1200.0 * 4.0 / 7.0, 1200.0, 3600.0),
        ),
        ((Some(3600), Some(0), Some(120)), (2.0, 120.0, 3600.0)),
        ((Some(3600), Some(120), Some(121)), (120.0, 121.0, 3600.0)),
        ((Some(3600), Some(0), Some(0)), (2.0, 3150.0, 3600.0)),
        (
            (Some(3600), Some(u32::MAX), Some(u32::MAX)),
            (1800.0, 3150.0, 3600.0),
        ),
        // Short ones.
        ((Some(10), None, None), (5.0, 8.75, 10.0)),
        ((Some(0), None, None), (2.0, 3.5, 4.0)),
        ((Some(1), Some(0), Some(0)), (2.0, 3.5, 4.0)),
        (
            (Some(u32::MAX - 1), None, None),
            (2_147_483_647.0, 3_758_096_382.25, 4_294_967_294.0),
        ),
    ];
    for ((lease, t1, t2), expected) in cases {
        for (chance, part) in [(0, 1.0), (1000, 0.9)] {
            let (first, second, end) = term(&ack(lease, t1, t2), chance).unwrap();
            let expected = [
                f64::max(expected.0 * part, 2.0),
                expected.1 * part,
                expected.2,
            ];
            let near = [first, second, end]
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-6);
            assert!(
                near,
                "{lease:?} {t1:?} {t2:?}: {first} {second} {end}, not {expected:?}"
            );
        }
    }
    assert_eq!(term(&ack(Some(u32::MAX), None, None), 0), None);
}

#[test]
fn resends_are_a_second_early_or_late_by_chance() {
    let most = seconds(62);
    for (sent, base) in [
        (1, 2),
        (4, 2),
        (5, 4),
        (6, 8),
        (8, 32),
        (9, 62),
        (10, 62),
        (40, 62),
        (u32::MAX, 62),
    ] {
        assert_eq!(
            pace::resend(sent, most, &mut || 0),
            seconds(base - 1),
            "{sent}"
        );
        assert_eq!(
            pace::resend(sent, most, &mut || u32::MAX),
            seconds(base + 1),
            "{sent}"
        );
    }
    assert_eq!(
        pace::resend(9, Duration::ZERO, &mut || 0),
        seconds(1),
        "whatever the flags say"
    );
}

#[test]
fn a_lease_is_stored_and_read_back() {
    let lease = Lease::from_ack(
        &ack(Some(10), None, None),
        SERVER_MAC,
        BEGIN,
        None,
        &mut || 0,
    )
    .unwrap();
    for term in [lease.term, Term::Forever, Term::Unknown] {
        let lease = Lease {
            term,
            ..lease.clone()
        };
        let text = serde_json::to_string(&lease).unwrap();
        assert_eq!(
            serde_json::from_str::<Lease>(&text).unwrap(),
            lease,
            "{text}"
        );
    }
}
