//! Connections that the kernel is made to forget, beside what `conntrack` lists.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of tests fails the test that uses it"
)]

use std::net::IpAddr;

use linkspan_kernel::conntrack::{Connection, Connections, Conntrack};
use linkspan_kernel::requests_sent;
use linkspan_testkit::{Feature, Sandbox, needs, sandbox};

const V4: u8 = libc::AF_INET as u8;
const V6: u8 = libc::AF_INET6 as u8;
const UDP: u8 = libc::IPPROTO_UDP as u8;
const SCTP: u8 = libc::IPPROTO_SCTP as u8;

/// Connections to a published port, which a container answers, and others: a name, and what `conntrack` is told.
const CONNECTIONS: [(&str, &str); 8] = [
    (
        "published",
        "-p udp -s 192.0.2.9 -d 198.51.100.1 --sport 1001 --dport 5353 -r 10.1.0.2 -q 192.0.2.9 --reply-port-src 53 --reply-port-dst 1001",
    ),
    (
        "elsewhere",
        "-p udp -s 192.0.2.9 -d 198.51.100.7 --sport 1002 --dport 5353",
    ),
    (
        "other port",
        "-p udp -s 192.0.2.9 -d 198.51.100.1 --sport 1003 --dport 5354",
    ),
    (
        "as source port",
        "-p udp -s 192.0.2.9 -d 198.51.100.1 --sport 5353 --dport 9",
    ),
    (
        "tcp",
        "-p tcp --state ESTABLISHED -s 192.0.2.9 -d 198.51.100.1 --sport 1004 --dport 5353 -r 10.1.0.2 -q 192.0.2.9 --reply-port-src 53 --reply-port-dst 1004",
    ),
    (
        "sctp",
        "-p sctp --state ESTABLISHED --orig-vtag 1 --reply-vtag 2 -s 192.0.2.9 -d 198.51.100.1 --sport 1005 --dport 5353",
    ),
    (
        "by container",
        "-p udp -s 10.1.0.2 -d 192.0.2.9 --sport 1006 --dport 53 -r 192.0.2.9 -q 198.51.100.1 --reply-port-src 53 --reply-port-dst 1006",
    ),
    (
        "IPv6",
        "-p udp -s 2001:db8::9 -d 2001:db8::1 --sport 1007 --dport 5353 -r fd01::2 -q 2001:db8::9 --reply-port-src 53 --reply-port-dst 1007",
    ),
];

/// Nothing but these connections.
fn make(host: &Sandbox) {
    let lines = CONNECTIONS.map(|(_, connection)| format!("-I {connection} -t 300\n"));
    std::fs::write("/run/connections", format!("-F\n{}", lines.concat())).unwrap();
    host.run("conntrack --load-file /run/connections 2>&1");
}

/// The names of those that `conntrack` lists, told by their ports.
fn left(host: &Sandbox) -> Vec<&'static str> {
    let listed = host.run("conntrack -L -f ipv4 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
    let is_listed = |connection: &str| {
        let word_after = |option| {
            connection
                .split(option)
                .nth(1)
                .unwrap()
                .split(' ')
                .nth(1)
                .unwrap()
        };
        let ports = (word_after("--sport"), word_after("--dport"));
        listed.contains(&format!(" sport={} dport={} ", ports.0, ports.1))
    };
    let names = CONNECTIONS
        .into_iter()
        .filter(|(_, connection)| is_listed(connection));
    names.map(|(name, _)| name).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Deletes, and tells what went.
fn gone(host: &Sandbox, which: &[Connections]) -> Vec<&'static str> {
    gone_if(host, which, &|_| true)
}

fn gone_if(
    host: &Sandbox,
    which: &[Connections],
    is_stale: &dyn Fn(&Connection) -> bool,
) -> Vec<&'static str> {
    make(host);
    let all: Vec<&str> = CONNECTIONS.iter().map(|(name, _)| *name).collect();
    assert_eq!(left(host), all, "the test's own connections");
    let before = requests_sent();
    let count = Conntrack::open()
        .unwrap()
        .delete_those(which, is_stale)
        .unwrap();
    // A question and, when there is something to delete, that, for each family: the kernel has understood the first.
    let families = [V4, V6]
        .into_iter()
        .filter(|family| which.iter().any(|one| one.family == *family));
    assert!(requests_sent() - before <= 2 * families.count() as u64);
    let left = left(host);
    let gone: Vec<&str> = all
        .into_iter()
        .filter(|name| !left.contains(name))
        .collect();
    assert_eq!(count, gone.len(), "{gone:?}");
    gone
}

fn forget(host: &Sandbox) {
    let to_port = Connections::to_port(V4, UDP, 5353);
    assert_eq!(gone(host, &[to_port]), ["published", "elsewhere"]);
    let elsewhere = gone_if(host, &[to_port], &|one| {
        one.answered_by != Some(ip("10.1.0.2"))
    });
    assert_eq!(elsewhere, ["elsewhere"]);
    let to_both = Connections {
        destination: Some(ip("198.51.100.1")),
        ..to_port
    };
    assert_eq!(gone(host, &[to_both]), ["published"]);
    assert_eq!(
        gone(host, &[Connections::to_port(V4, SCTP, 5353)]),
        ["sctp"]
    );
    assert_eq!(gone(host, &[Connections::to_port(V6, UDP, 5353)]), ["IPv6"]);
    let to_address = Connections::to_address(ip("198.51.100.7"));
    assert_eq!(gone(host, &[to_address]), ["elsewhere"]);
    assert_eq!(
        gone(host, &[Connections::answered_by(ip("10.1.0.2"))]),
        ["published", "tcp"]
    );
    assert_eq!(
        gone(host, &[Connections::answered_by(ip("fd01::2"))]),
        ["IPv6"]
    );
    assert_eq!(
        gone(host, &[Connections::to_address(ip("2001:db8::1"))]),
        ["IPv6"]
    );
    let none = [
        Connections::to_address(ip("2001:db8::2")),
        Connections::answered_by(ip("fd01::3")),
    ];
    assert_eq!(gone(host, &none), [""; 0]);
    // Without a protocol, the kernel does not look at ports.
    let any_protocol = Connections {
        protocol: None,
        ..to_port
    };
    assert_eq!(
        gone(host, &[any_protocol]),
        ["published", "elsewhere", "tcp", "sctp"]
    );

    // Several at once, with something in common and with nothing.
    let ports = [
        Connections::to_port(V4, UDP, 9),
        Connections::to_port(V4, UDP, 5354),
    ];
    assert_eq!(gone(host, &ports), ["other port", "as source port"]);
    let mixed = [
        ports[1],
        Connections::answered_by(ip("fd01::2")),
        Connections::to_port(V4, SCTP, 5353),
    ];
    assert_eq!(gone(host, &mixed), ["other port", "sctp", "IPv6"]);
    let overlapping = [to_port, to_both, to_address];
    assert_eq!(gone(host, &overlapping), ["published", "elsewhere"]);

    assert_eq!(gone(host, &[]), [""; 0]);
    assert_eq!(gone(host, &[Connections::to_port(V4, UDP, 1)]), [""; 0]);
    assert_eq!(gone(host, &[Connections::of_family(V6)]), ["IPv6"]);
}

#[test]
fn the_connections_that_are_asked_for_are_forgotten_and_no_others() {
    sandbox(forget);
}

#[test]
fn the_connections_that_are_asked_for_are_forgotten_by_debians_kernel() {
    needs(&[Feature::VirtualMachine]).sandbox(forget);
}

/// Many, beside many others: in one walk and few sends, and what does not match does not even come here.
#[test]
fn many_connections_are_few_requests() {
    sandbox(|host| {
        let lines = (0..250).map(|number| {
            let port = 2000 + number;
            format!(
                "-I -p udp -s 192.0.2.9 -d 198.51.100.1 --sport {port} --dport 5353 -t 300\n\
                 -I -p udp -s 192.0.2.9 -d 198.51.100.1 --sport {port} --dport 80 -t 300\n"
            )
        });
        std::fs::write("/run/connections", lines.collect::<String>()).unwrap();
        host.run("conntrack --load-file /run/connections 2>&1");
        assert_eq!(host.run("conntrack -L 2>/dev/null | wc -l").trim(), "500");
        let before = requests_sent();
        let conntrack = Conntrack::open().unwrap();
        assert_eq!(
            conntrack
                .delete(&[Connections::to_port(V4, UDP, 5353)])
                .unwrap(),
            250
        );
        // One question, and 250 deletions by 32.
        assert_eq!(requests_sent() - before, 1 + 8);
        assert_eq!(host.run("conntrack -L 2>/dev/null | wc -l").trim(), "250");
    });
}

/// What a zone has is told from what another has.
#[test]
fn connections_in_zones_are_forgotten() {
    sandbox(|host| {
        for zone in [0, 7] {
            let zone = if zone == 0 {
                String::new()
            } else {
                format!("--zone {zone}")
            };
            host.run(&format!(
                "conntrack -I {zone} {} -t 300 2>&1",
                CONNECTIONS[0].1
            ));
        }
        let conntrack = Conntrack::open().unwrap();
        assert_eq!(
            conntrack
                .delete(&[Connections::to_port(V4, UDP, 5353)])
                .unwrap(),
            2
        );
        assert_eq!(host.run("conntrack -L 2>/dev/null | wc -l").trim(), "0");
    });
}

/// Some kernels track connections and cannot be asked about them.
#[test]
fn a_kernel_that_cannot_be_asked_about_connections_is_told_from_one_that_fails() {
    needs(&[Feature::VirtualMachine]).sandbox(|host| {
        // Netfilter itself can be asked.
        host.run("nft list tables");
        host.run(
            "if grep -q nf_conntrack_netlink /proc/modules; then rmmod nf_conntrack_netlink; fi",
        );
        host.run("cat /proc/sys/kernel/modprobe >/run/modprobe");
        host.run("echo /nowhere >/proc/sys/kernel/modprobe");
        let outcome = Conntrack::open()
            .and_then(|conntrack| conntrack.delete(&[Connections::to_port(V4, UDP, 5353)]));
        host.run("cat /run/modprobe >/proc/sys/kernel/modprobe");
        let error = outcome.unwrap_err();
        assert!(error.is_unsupported(), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("cannot list tracked connections: "),
            "{error}"
        );
    });
}
