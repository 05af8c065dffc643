//! Both sides against what the reference's plugin and daemon said, Debian's 1.1.1 and that of 2026 (`tests/wire`).

use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_spec::{Dns, IpConfig, Route, Success};
use proptest::prelude::*;

use super::client::{CallError, call, probe};
use super::message::{address, lease_of, value_of};
use super::server::{Answer, Connection, ProtocolError, Request};
use super::{CONNECT, CONNECTED, CmdArgs, Method};
use crate::gob::Decoder;

macro_rules! wire {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/wire/", $name)) as &[u8]
    };
}

const CLIENTS: [&[u8]; 6] = [
    wire!("debian-add.client"),
    wire!("debian-del.client"),
    wire!("debian-error.client"),
    wire!("2026-add.client"),
    wire!("2026-del.client"),
    wire!("2026-error.client"),
];

fn requests(bytes: &[u8], piece: usize) -> Vec<Request> {
    let mut connection = Connection::new();
    let pieces = bytes.chunks(piece);
    let requests = pieces
        .flat_map(|piece| connection.feed(piece).unwrap())
        .collect();
    assert_eq!(connection.output(), CONNECTED.as_bytes());
    requests
}

#[test]
fn the_requests_of_the_references_plugins_are_understood() {
    for (index, bytes) in CLIENTS.into_iter().enumerate() {
        let all = requests(bytes, bytes.len());
        assert_eq!(requests(bytes, 1), all);
        let [request] = all.as_slice() else {
            panic!("{all:?}");
        };
        let (method, ifname, args) = match index % 3 {
            0 => (Method::Allocate, "eth0", "K8S=1;X=y"),
            1 => (Method::Release, "eth0", "K8S=1;X=y"),
            _ => (Method::Allocate, "eth9", ""),
        };
        assert_eq!((request.seq, &request.method), (0, &method));
        let CmdArgs { stdin_data, .. } = &request.arguments;
        let expected = CmdArgs {
            container_id: "c1".to_owned(),
            netns: "/run/netns/a".to_owned(),
            ifname: ifname.to_owned(),
            args: args.to_owned(),
            path: "/usr/lib/cni".to_owned(),
            netns_override: String::new(),
            stdin_data: stdin_data.clone(),
        };
        assert_eq!(request.arguments, expected);
        assert!(stdin_data.starts_with(br#"{"cniVersion":"1.0.0","name":"net1""#));
    }
}

#[test]
fn what_is_no_client_is_told_so() {
    let long = "x".repeat(8 << 10);
    for (said, quoted) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1"),
        ("CONNECT /other HTTP/1.0\n\n", "CONNECT /other HTTP/1.0"),
        (long.as_str(), &long[..80]),
    ] {
        let refused = Connection::new().feed(said.as_bytes());
        assert_eq!(refused, Err(ProtocolError::NoConnect(quoted.to_owned())));
    }
    let mut connection = Connection::new();
    let garbage = format!("{CONNECT}\u{3}abc");
    assert!(matches!(
        connection.feed(garbage.as_bytes()),
        Err(ProtocolError::Gob(_))
    ));
}

fn lease() -> Success {
    let to = Route::new("192.168.0.0/16".parse().unwrap(), "10.9.0.2".parse().ok())
        .with_mtu(1400)
        .with_advmss(1360)
        .with_priority(10)
        .with_table(100)
        .with_scope(0);
    let ip = |address: &str, gateway: &str| {
        IpConfig::new(address.parse().unwrap()).with_gateway(gateway.parse::<IpAddr>().ok())
    };
    let dns = Dns::default()
        .with_nameservers(["10.9.0.3", "10.9.0.4"].map(str::to_owned))
        .with_domain("example.net")
        .with_search(["a.example", "b.example"].map(str::to_owned))
        .with_options(["ndots:2".to_owned()]);
    Success::default()
        .with_ips([ip("10.9.0.51/24", "10.9.0.1"), ip("fd00::5/64", "")])
        .with_routes([to, Route::new("fd00::/64".parse().unwrap(), None)])
        .with_dns(dns)
}

/// Go leaves out a scope of zero, though it points to one.
#[test]
fn a_result_in_which_everything_is_said_is_read() {
    let mut decoder = Decoder::new();
    decoder.feed(wire!("full.gob"));
    let header = decoder.read().unwrap().unwrap();
    assert_eq!(header.number("Seq"), Some(7));
    let read = lease_of(&decoder.read().unwrap().unwrap()).unwrap();
    let mut expected = lease();
    expected.routes[0].scope = None;
    assert_eq!(read, expected);
    assert_eq!(lease_of(&value_of(&lease())), Ok(lease()));
}

/// Go's addresses and masks of IPv4 have 4 bytes or 16, as it happens.
#[test]
fn addresses_and_masks_are_read_in_both_lengths() {
    let short = |bytes: [u8; 4]| bytes.to_vec();
    let long = |front: [u8; 12], bytes: [u8; 4]| [&front[..], &bytes].concat();
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];
    let (ip, mask) = ([10, 9, 0, 51], [255, 255, 255, 0]);
    for (ip, mask, expected) in [
        (short(ip), short(mask), true),
        (long(mapped, ip), short(mask), true),
        (short(ip), long([255; 12], mask), true),
        (long(mapped, ip), long([255; 12], mask), true),
        (short(ip), long([0; 12], mask), false),
        (short(ip), vec![], false),
        (short(ip), vec![255, 0, 255, 0], false),
        (long([0; 12], ip), short(mask), false),
        (vec![10, 9], short(mask), false),
    ] {
        let read = lease_of(&address(ip.clone(), mask.clone()));
        let read = read.ok().map(|lease| lease.ips[0].address.to_string());
        let expected = expected.then(|| "10.9.0.51/24".to_owned());
        assert_eq!(read, expected, "{ip:?} {mask:?}");
    }
}

/// Listens, and does that with whoever comes first.
fn listening<T: Send>(act: impl FnOnce(UnixListener) -> T + Send, then: impl FnOnce(&Path)) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::scope(|scope| {
        let acting = scope.spawn(|| act(listener));
        then(&path);
        acting.join().unwrap()
    })
}

/// Says what it was told to, the first line's answer alone and then the rest, and keeps the connection until the client ends it.
fn says(said: &[u8]) -> impl FnOnce(UnixListener) + Send {
    move |listener| {
        let (mut stream, _) = listener.accept().unwrap();
        let mut room = vec![0; 64 << 10];
        let greeting = said.len().min(CONNECTED.len());
        for part in [&said[..greeting], &said[greeting..]] {
            let _ = stream.read(&mut room).unwrap();
            stream.write_all(part).unwrap();
        }
        let _ = stream.read(&mut room);
    }
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn the_answers_of_the_references_daemons_are_understood() {
    type Outcome = fn(Result<Option<Success>, CallError>);
    let has_lease: Outcome = |outcome| {
        let lease = outcome.unwrap().unwrap();
        let address = lease.ips[0].address.to_string();
        assert!(["10.9.0.51/24", "10.9.0.53/24"].contains(&address.as_str()));
        assert_eq!(lease.ips[0].gateway, "10.9.0.1".parse().ok());
        assert_eq!(lease.routes.len(), 1);
    };
    let is_empty: Outcome = |outcome| assert_eq!(outcome.unwrap(), None);
    let failed: Outcome = |outcome| match outcome {
        Err(CallError::Daemon(error)) => {
            assert_eq!(error, "error looking up \"eth9\": Link not found")
        }
        other => panic!("{other:?}"),
    };
    for (daemon, method, check) in [
        (wire!("debian-add.daemon"), Method::Allocate, has_lease),
        (wire!("debian-del.daemon"), Method::Release, is_empty),
        (wire!("debian-error.daemon"), Method::Allocate, failed),
        (wire!("2026-add.daemon"), Method::Allocate, has_lease),
        (wire!("2026-del.daemon"), Method::Release, is_empty),
        (wire!("2026-error.daemon"), Method::Allocate, failed),
    ] {
        listening(says(daemon), |path| {
            check(call(path, &method, &CmdArgs::default(), LONG))
        });
    }
}

#[test]
fn what_a_connection_answers_a_client_understands() {
    let arguments = CmdArgs {
        container_id: "c1".to_owned(),
        stdin_data: vec![b'{', b'}'],
        ..CmdArgs::default()
    };
    let daemon = |answer: fn(&mut Connection, &Request)| {
        move |listener: UnixListener| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = Connection::new();
            let mut room = vec![0; 64 << 10];
            loop {
                let length = stream.read(&mut room).unwrap();
                if length == 0 {
                    break;
                }
                for request in connection.feed(&room[..length]).unwrap() {
                    assert_eq!(request.arguments.container_id, "c1");
                    assert_eq!(request.arguments.stdin_data, b"{}");
                    answer(&mut connection, &request);
                }
                stream.write_all(&connection.output()).unwrap();
            }
        }
    };
    listening(
        daemon(|connection, request| {
            connection.answer(request.seq, &request.method, Ok(Answer::Lease(lease())));
        }),
        |path| {
            let answered = call(path, &Method::Allocate, &arguments, LONG);
            assert_eq!(answered.unwrap(), Some(lease()));
        },
    );
    listening(
        daemon(|connection, request| {
            connection.answer(request.seq, &request.method, Ok(Answer::Nothing));
        }),
        |path| {
            assert_eq!(
                call(path, &Method::Collect, &arguments, LONG).unwrap(),
                None
            )
        },
    );
    listening(
        daemon(|connection, request| {
            connection.answer(
                request.seq,
                &request.method,
                Err("no address is left".to_owned()),
            );
        }),
        |path| {
            let failed = call(path, &Method::Allocate, &arguments, LONG).unwrap_err();
            assert!(matches!(failed, CallError::Daemon(error) if error == "no address is left"));
        },
    );
    for (name, words) in [
        ("DHCP.Fly", "rpc: can't find method DHCP.Fly"),
        ("Bird.Fly", "rpc: can't find service Bird.Fly"),
    ] {
        listening(daemon(Connection::answer_unknown), |path| {
            let method = Method::Other(name.to_owned());
            let failed = call(path, &method, &arguments, LONG).unwrap_err();
            assert!(matches!(failed, CallError::UnknownMethod(error) if error == words));
        });
    }
}

#[test]
fn two_requests_on_one_connection_are_answered_in_any_order() {
    let mut connection = Connection::new();
    let first = requests(CLIENTS[0], CLIENTS[0].len()).remove(0);
    connection.feed(CLIENTS[0]).unwrap();
    connection.output();
    connection.answer(2, &first.method, Err("no".to_owned()));
    connection.answer(1, &first.method, Ok(Answer::Lease(lease())));
    let mut decoder = Decoder::new();
    decoder.feed(&connection.output());
    let seqs: [Option<u64>; 4] =
        std::array::from_fn(|_| decoder.read().unwrap().unwrap().number("Seq"));
    assert_eq!(seqs, [Some(2), None, Some(1), None]);
}

#[test]
fn who_is_no_daemon_is_told_so() {
    for (said, expected) in [
        (
            "HTTP/1.0 404 Not Found\n\n",
            "unexpected HTTP response: HTTP/1.0 404 Not Found",
        ),
        (
            "SSH-2.0-OpenSSH_9.2\r\n\r\n",
            "unexpected HTTP response: SSH-2.0-OpenSSH_9.2",
        ),
    ] {
        listening(says(said.as_bytes()), |path| {
            let expected = format!("dial-http unix {}: {expected}", path.display());
            assert_eq!(probe(path).unwrap_err().to_string(), expected);
        });
    }
    let garbage = format!("{CONNECTED}\u{3}abc");
    listening(says(garbage.as_bytes()), |path| {
        let failed = call(path, &Method::Allocate, &CmdArgs::default(), LONG);
        assert!(matches!(failed, Err(CallError::Protocol(_))), "{failed:?}");
    });
    let closes = |listener: UnixListener| drop(listener.accept().unwrap());
    listening(closes, |path| assert!(probe(path).is_err()));
}

#[test]
fn nobody_is_waited_for_in_vain() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.sock");
    let words = format!(
        "dial unix {}: connect: no such file or directory",
        missing.display()
    );
    assert_eq!(probe(&missing).unwrap_err().to_string(), words);
    let dead = folder.path().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    let words = format!("dial unix {}: connect: connection refused", dead.display());
    assert_eq!(probe(&dead).unwrap_err().to_string(), words);
    let begun = Instant::now();
    listening(
        |listener| {
            drop(
                listener
                    .accept()
                    .unwrap()
                    .0
                    .read(&mut [0; 100])
                    .map(|_| thread::park_timeout(Duration::from_millis(1500))),
            )
        },
        |path| {
            assert!(matches!(probe(path), Err(CallError::Silent { .. })));
        },
    );
    assert!(begun.elapsed() < Duration::from_secs(3));
    let silent = CONNECTED.as_bytes();
    listening(says(silent), |path| {
        let failed = call(
            path,
            &Method::Allocate,
            &CmdArgs::default(),
            Duration::from_millis(50),
        );
        assert!(matches!(failed, Err(CallError::TimedOut(_))), "{failed:?}");
    });
}

proptest! {
    /// Whatever a client sends ends in requests or in an error.
    #[test]
    fn anything_is_a_request_or_refused(
        which in 0..CLIENTS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        piece in 1_usize..200,
    ) {
        let mut bytes = CLIENTS[which].to_vec();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let mut connection = Connection::new();
        for piece in bytes.chunks(piece) {
            if connection.feed(piece).is_err() {
                break;
            }
        }
    }
}
