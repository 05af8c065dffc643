//! Messages byte by byte, and what options mean.

use std::net::Ipv4Addr;

use super::options::*;
use super::{Kind, MalformedMessage, Message, Op, Options};

const CHADDR: [u8; 6] = [2, 0, 0, 0xaa, 0xbb, 0xcc];

/// A reply whose options' field is `area`, with `sname` and `file` where they are given.
fn reply(area: &[u8], sname: &[u8], file: &[u8]) -> Vec<u8> {
    let mut bytes = Message::request(Kind::Ack, 7, CHADDR).to_bytes();
    bytes[0] = 2;
    bytes[44..44 + sname.len()].copy_from_slice(sname);
    bytes[108..108 + file.len()].copy_from_slice(file);
    bytes.truncate(240);
    bytes.extend(area);
    bytes
}

fn options(area: &[u8]) -> Options {
    Message::parse(&reply(area, &[], &[])).unwrap().options
}

fn with(code: u8, value: &[u8]) -> Options {
    let mut options = Options::default();
    options.set(code, value);
    options
}

#[test]
fn the_fixed_fields_lie_where_the_rfc_has_them() {
    let mut message = Message::request(Kind::Request, 0x0102_0304, CHADDR);
    message.secs = 0x0506;
    message.broadcast = true;
    message.ciaddr = Ipv4Addr::new(10, 0, 0, 1);
    message.yiaddr = Ipv4Addr::new(10, 0, 0, 2);
    message.siaddr = Ipv4Addr::new(10, 0, 0, 3);
    message.giaddr = Ipv4Addr::new(10, 0, 0, 4);
    message.options.set(CLIENT_ID, b"\0ab");
    let bytes = message.to_bytes();
    assert_eq!(bytes[..12], [1, 1, 6, 0, 1, 2, 3, 4, 5, 6, 0x80, 0]);
    assert_eq!(
        bytes[12..28],
        [10, 0, 0, 1, 10, 0, 0, 2, 10, 0, 0, 3, 10, 0, 0, 4]
    );
    assert_eq!(bytes[28..34], CHADDR);
    assert!(bytes[34..236].iter().all(|byte| *byte == 0));
    assert_eq!(bytes[236..240], [99, 130, 83, 99]);
    assert_eq!(bytes[240..249], [53, 1, 3, 61, 3, 0, b'a', b'b', 255]);
    assert_eq!(bytes.len(), 300);
    assert_eq!(Message::parse(&bytes), Ok(message));
}

#[test]
fn what_is_no_message_is_refused() {
    let good = reply(&[53, 1, 5, 255], &[], &[]);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let cases = [
        (good[..239].to_vec(), MalformedMessage::Short(239)),
        (vec![], MalformedMessage::Short(0)),
        (vec![0; 65_508], MalformedMessage::Long(65_508)),
        (changed(0, 3), MalformedMessage::Op(3)),
        (
            changed(1, 32),
            MalformedMessage::Hardware { kind: 32, bytes: 6 },
        ),
        (
            changed(2, 16),
            MalformedMessage::Hardware { kind: 1, bytes: 16 },
        ),
        (changed(239, 0), MalformedMessage::Cookie),
        (reply(&[53, 2, 5], &[], &[]), MalformedMessage::Option(53)),
        (reply(&[53, 1, 5, 3], &[], &[]), MalformedMessage::Option(3)),
        // The overload option says that `file` has options, and there is one that does not end in it.
        (
            reply(&[52, 1, 1], &[], &[15; 128]),
            MalformedMessage::Option(15),
        ),
    ];
    for (bytes, why) in cases {
        assert_eq!(Message::parse(&bytes), Err(why));
    }
}

#[test]
fn an_end_or_padding_more_or_less_makes_no_difference() {
    for area in [
        &[53, 1, 5][..],
        &[53, 1, 5, 255],
        &[0, 0, 53, 1, 5, 0, 255, 53, 9],
        &[53, 1, 5, 0, 0],
    ] {
        assert_eq!(options(area), with(KIND, &[5]), "{area:?}");
    }
    assert_eq!(options(&[255]), Options::default());
    assert_eq!(options(&[12, 0]).get(12), Some(&[][..]));
}

#[test]
fn options_in_file_and_sname_are_read_where_the_overload_option_says_so() {
    let (sname, file) = ([15, 2, b'.', b'b', 255], [15, 1, b'a', 26, 2, 5, 0, 255]);
    let cases: [(u8, &[u8], Option<u16>); 4] = [
        (0, b"x", None),
        (1, b"xa", Some(1280)),
        (2, b"x.b", None),
        (3, b"xa.b", Some(1280)),
    ];
    for (overload, domain, mtu) in cases {
        let area = [15, 1, b'x', 52, 1, overload, 255];
        let message = Message::parse(&reply(&area, &sname, &file)).unwrap();
        assert_eq!(message.options.get(DOMAIN), Some(domain), "{overload}");
        assert_eq!(message.options.mtu(), mtu, "{overload}");
        assert_eq!(message.options.get(52), None);
    }
}

/// RFC 3396.
#[test]
fn a_long_option_travels_in_pieces() {
    let value: Vec<u8> = (0..600_u32).map(|at| at as u8).collect();
    let mut message = Message::request(Kind::Ack, 1, CHADDR);
    message.op = Op::Reply;
    message.options.set(CLASSLESS_ROUTES, &value);
    let bytes = message.to_bytes();
    assert_eq!(bytes[243..245], [121, 255]);
    assert_eq!(bytes[500..502], [121, 255]);
    assert_eq!(bytes[757..759], [121, 90]);
    assert_eq!(
        Message::parse(&bytes)
            .unwrap()
            .options
            .get(CLASSLESS_ROUTES),
        Some(&value[..])
    );
}

#[test]
fn what_says_how_options_lie_is_no_option() {
    let mut options = with(0, b"a");
    options.set(52, &[3]);
    options.set(255, b"b");
    assert_eq!(options, Options::default());
    let mut options = with(12, b"a");
    options.set(15, b"b");
    options.set(12, b"c");
    assert_eq!(
        options.iter().collect::<Vec<_>>(),
        [(12, &b"c"[..]), (15, b"b")]
    );
}

#[test]
fn numbers_and_addresses_of_another_length_are_as_good_as_none() {
    assert_eq!(with(LEASE_TIME, &[0, 0, 14, 16]).lease_time(), Some(3600));
    assert_eq!(with(LEASE_TIME, &[0, 14, 16]).lease_time(), None);
    assert_eq!(
        with(SERVER_ID, &[10, 0, 0, 1]).server_id(),
        Some(Ipv4Addr::new(10, 0, 0, 1))
    );
    for id in [
        &[10, 0, 0][..],
        &[0; 4],
        &[255; 4],
        &[224, 0, 0, 1],
        &[127, 0, 0, 1],
    ] {
        assert_eq!(with(SERVER_ID, id).server_id(), None, "{id:?}");
    }
    for (mask, prefix) in [
        (&[255, 255, 255, 0][..], Some(24)),
        (&[255; 4], Some(32)),
        (&[255, 0, 255, 0], None),
        (&[0; 4], None),
        (&[255, 255], None),
    ] {
        assert_eq!(with(SUBNET_MASK, mask).prefix(), prefix, "{mask:?}");
    }
    for (bytes, mtu) in [
        (&[5, 220][..], Some(1500)),
        (&[0, 68], Some(68)),
        (&[0, 67], None),
        (&[5], None),
    ] {
        assert_eq!(with(MTU, bytes).mtu(), mtu, "{bytes:?}");
    }
    let dns = with(DNS, &[1, 1, 1, 1, 0, 0, 0, 0, 8, 8, 8, 8, 9]).dns();
    assert_eq!(dns, [Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8)]);
    for (kind, byte) in [
        (Some(Kind::Discover), 1),
        (Some(Kind::Inform), 8),
        (None, 0),
        (None, 9),
    ] {
        assert_eq!(with(KIND, &[byte]).kind(), kind);
    }
    assert_eq!(with(KIND, &[5, 5]).kind(), None);
}

#[test]
fn text_and_names_are_fit_for_logs_and_files() {
    for (bytes, text) in [
        (&b"pool is full\0"[..], Some("pool is full")),
        (b"a\nb\x1b[31m", Some("a b [31m")),
        (b"\xff!", Some("\u{fffd}!")),
        (b"  \0", None),
        (b"", None),
    ] {
        assert_eq!(with(TEXT, bytes).text().as_deref(), text);
    }
    assert_eq!(with(TEXT, &[b'x'; 400]).text().unwrap().len(), 255);
    for (bytes, domain) in [
        (&b"example.org"[..], Some("example.org")),
        (b"example.org.\0", Some("example.org")),
        (b"example.org\nnameserver 6.6.6.6", None),
        (b"a b", None),
        (b"", None),
        (&[b'a'; 254], None),
    ] {
        assert_eq!(with(DOMAIN, bytes).domain().as_deref(), domain);
    }
}

/// RFC 3397 and RFC 1035, 4.1.4.
#[test]
fn search_domains_are_read_with_their_pointers() {
    let cases: [(&[u8], &[&str]); 11] = [
        (
            b"\x03eng\x05apple\x03com\0\x09marketing\xc0\x04",
            &["eng.apple.com", "marketing.apple.com"],
        ),
        (b"\x01a\0\x01b\xc0\x00\x01c\xc0\x03", &["a", "b.a", "c.b.a"]),
        // To itself, to what comes, in a circle of two.
        (b"\x01a\xc0\x00", &[]),
        (b"\x01a\0\xc0\x03", &["a"]),
        (b"\x01a\0\xc0\x09\x01b\0", &["a"]),
        (b"\xc0\x02\xc0\x00", &[]),
        // Cut off, another kind of label, a dot within a label, the root, and what is no name.
        (b"\x01a\0\x05apple\x03co", &["a"]),
        (b"\x01a\0\x41b\0", &["a"]),
        (b"\x01a\0\x03b.c\0", &["a"]),
        (b"\0\x01a\0", &["a"]),
        (b"\x03a\nb\0\x01c\0", &["c"]),
    ];
    for (bytes, names) in cases {
        assert_eq!(
            with(DOMAIN_SEARCH, bytes).search(),
            names,
            "{:?}",
            String::from_utf8_lossy(bytes)
        );
    }
    let long: Vec<u8> = [&[63][..], &[b'a'; 63]].concat().repeat(5);
    assert!(
        with(DOMAIN_SEARCH, &[&long[..], &[0]].concat())
            .search()
            .is_empty()
    );
    let many = b"\x01a\0".repeat(500);
    assert_eq!(with(DOMAIN_SEARCH, &many).search().len(), 64);
}

/// RFC 3442, RFC 2132 (3.5, 5.8).
#[test]
fn routes_are_classless_or_else_classful_with_the_router() {
    let router = |options: &mut Options| options.set(ROUTERS, &[10, 0, 0, 1, 10, 0, 0, 2]);
    let classless = [
        0, 10, 0, 0, 1, 24, 192, 168, 7, 10, 0, 0, 9, 32, 169, 254, 169, 254, 0, 0, 0, 0, 9, 10,
        129, 1, 1, 1, 1,
    ];
    let expected = [
        "0.0.0.0/0 by 10.0.0.1",
        "192.168.7.0/24 by 10.0.0.9",
        "169.254.169.254/32 on the link",
        "10.128.0.0/9 by 1.1.1.1",
    ];
    let classful = [
        172, 16, 5, 0, 10, 0, 0, 3, 192, 168, 9, 1, 10, 0, 0, 4, 44, 1, 1, 1, 10, 0, 0, 5, 0, 0, 0,
        0, 6, 6, 6, 6,
    ];
    let default = "0.0.0.0/0 by 10.0.0.1";
    let classful_expected = [
        "172.16.0.0/16 by 10.0.0.3",
        "192.168.9.0/24 by 10.0.0.4",
        "44.0.0.0/8 by 10.0.0.5",
        default,
    ];
    type Case<'a> = (&'a [(u8, &'a [u8])], &'a [&'a str]);
    let cases: [Case<'_>; 7] = [
        (
            &[(CLASSLESS_ROUTES, &classless), (STATIC_ROUTES, &classful)],
            &expected,
        ),
        (&[(OLD_CLASSLESS_ROUTES, &classless)], &expected),
        (
            &[
                (CLASSLESS_ROUTES, &classless[..5]),
                (OLD_CLASSLESS_ROUTES, &classless),
            ],
            &expected[..1],
        ),
        // Cut off, and a prefix that there is not: as if it were not there.
        (&[(CLASSLESS_ROUTES, &classless[..9])], &[default]),
        (
            &[(CLASSLESS_ROUTES, &[33, 1, 2, 3, 4, 5, 10, 0, 0, 1])],
            &[default],
        ),
        (
            &[(CLASSLESS_ROUTES, &[]), (STATIC_ROUTES, &classful)],
            &classful_expected,
        ),
        (&[], &[default]),
    ];
    for (pairs, expected) in cases {
        let mut options = Options::default();
        router(&mut options);
        pairs
            .iter()
            .for_each(|(code, value)| options.set(*code, value));
        let routes = options.routes().into_iter().map(|route| match route.via {
            Some(via) => format!("{} by {via}", route.destination),
            None => format!("{} on the link", route.destination),
        });
        assert_eq!(routes.collect::<Vec<_>>(), expected, "{pairs:?}");
    }
    assert!(Options::default().routes().is_empty());
}
