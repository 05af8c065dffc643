//! Connections that the kernel remembers.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use linkspan_testkit::{Netns, Outside, Sandbox, rows, sandbox};
use serde_json::json;

use super::world::{BRIDGE_V4, HOST_V4, HOST_V6, World, publish, publish_with};

/// A client that keeps sending from the same port, as resolvers and monitors do.
struct Client(UdpSocket);

impl Client {
    fn new(netns: &Netns, from: &str, to: &str) -> Self {
        let socket = netns.enter(|| {
            let socket = UdpSocket::bind(from).unwrap();
            socket.connect(to).unwrap();
            socket
        });
        socket
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        Self(socket)
    }

    /// Sends a datagram; who the server says that it was from.
    fn ask(&self) -> io::Result<String> {
        let mut buffer = [0; 100];
        // What an earlier datagram was answered, a refusal included, says nothing about this one.
        self.0.set_nonblocking(true)?;
        while !matches!(self.0.recv(&mut buffer), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        {
        }
        self.0.set_nonblocking(false)?;
        self.0.send(b"?")?;
        let length = self.0.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}

/// plugins#123, plugins PR#553, plugins#1190, kubernetes#95258, promise 8: a client that sent before the port was
/// published, or to the container before, reaches the one that has it now.
#[test]
fn clients_that_do_not_stop_sending_reach_the_new_container() {
    sandbox(|host| {
        let world = World::new(host);
        let (one, two) = (world.server("one"), world.server("two"));
        let clients = [
            Client::new(&world.outside, "0.0.0.0:4000", &format!("{HOST_V4}:8053")),
            Client::new(&world.outside, "[::]:4001", &format!("[{HOST_V6}]:8053")),
            Client::new(world.host.host(), "0.0.0.0:4002", "127.0.0.1:8053"),
            Client::new(
                world.host.host(),
                "0.0.0.0:4003",
                &format!("{BRIDGE_V4}:8053"),
            ),
        ];
        // Those that are refused may be told of it by the next call only.
        let answered_in_two = || {
            clients
                .each_ref()
                .map(|client| client.ask().is_ok() | client.ask().is_ok())
        };
        let all = [true; 4];
        assert_eq!(answered_in_two(), [false; 4]);
        let every_address = publish(&["8053:80/udp"]);
        world.add(&one, &every_address).success();
        assert_eq!(answered_in_two(), all, "remembered from before");
        world.del(&one, &every_address).success();
        assert_eq!(
            answered_in_two(),
            [false; 4],
            "remembered from the container"
        );
        let single = publish(&[&format!("{HOST_V4}:8053:80/udp")]);
        world.add(&two, &single).success();
        assert_eq!(answered_in_two(), [true, false, false, false]);
        world.del(&two, &single).success();
        world.add(&two, &every_address).success();
        assert_eq!(answered_in_two(), all);
    });
}

/// Connections that a name stands for: what `conntrack` is told of them.
fn make(host: &Sandbox, connections: &[(&str, String)]) {
    host.run("conntrack -F 2>&1");
    for (_, connection) in connections {
        host.run(&format!("conntrack -I -t 300 {connection} 2>&1"));
    }
}

fn left<'c>(host: &Sandbox, connections: &[(&'c str, String)]) -> Vec<&'c str> {
    let listed = host.run("conntrack -L 2>/dev/null; conntrack -L -f ipv6 2>/dev/null");
    let is_listed = |(_, connection): &&(&str, String)| {
        let port = connection
            .split("--sport ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        listed.contains(&format!(" sport={port} "))
    };
    connections
        .iter()
        .filter(is_listed)
        .map(|(name, _)| *name)
        .collect()
}

/// moby#53384: by the host's port, not the container's; of UDP and SCTP; nobody else's.
#[test]
fn what_is_forgotten_is_what_went_to_the_published_port() {
    sandbox(|host| {
        let world = World::new(host);
        let (server, other) = (world.container("server"), world.container("other"));
        let (router, container, stranger) = (Outside::ROUTER_V4, &server.v4, &other.v4);
        let to = |protocol: &str, port: u16, to: &str, sport: u16, by: &str| {
            format!(
                "-p {protocol} -s {router} -d {to} --sport {sport} --dport {port} -r {by} -q {router} \
                 --reply-port-src 53 --reply-port-dst {sport}"
            )
        };
        let sctp = "sctp --state ESTABLISHED --orig-vtag 1 --reply-vtag 2";
        let connections = rows! {
            ("udp, host", to("udp", 8053, HOST_V4, 1001, HOST_V4)),
            ("udp, other", to("udp", 8053, HOST_V4, 1002, stranger)),
            ("udp, own", to("udp", 8053, HOST_V4, 1003, container)),
            ("udp, bridge", to("udp", 8053, BRIDGE_V4, 1004, stranger)),
            ("udp, passing through", to("udp", 8053, "203.0.113.9", 1005, "203.0.113.9")),
            ("udp, container port", to("udp", 53, HOST_V4, 1006, container)),
            ("sctp, other", to(sctp, 8053, HOST_V4, 1007, stranger)),
            ("sctp, own", to(sctp, 8053, HOST_V4, 1008, container)),
            ("tcp, other", to("tcp --state ESTABLISHED", 8053, HOST_V4, 1009, stranger)),
        };
        let gone = |keys: &serde_json::Value, verb: &str| {
            make(host, &connections);
            match verb {
                "ADD" => world.add(&server, keys).success(),
                _ => world.del(&server, keys).success(),
            };
            let left = left(host, &connections);
            let names = connections.iter().map(|(name, _)| *name);
            names
                .filter(|name| !left.contains(name))
                .collect::<Vec<_>>()
        };
        for backend in ["nftables", "iptables"] {
            let keys = publish_with(
                &["8053:53/udp", "8053:53/sctp", "8053:53/tcp"],
                json!({ "backend": backend }),
            );
            assert_eq!(
                gone(&keys, "ADD"),
                ["udp, host", "udp, other", "udp, bridge", "sctp, other"]
            );
            assert_eq!(gone(&keys, "DEL"), ["udp, own", "sctp, own"]);
            let keys = publish_with(
                &[&format!("{HOST_V4}:8053:53/udp")],
                json!({ "backend": backend }),
            );
            assert_eq!(gone(&keys, "ADD"), ["udp, host", "udp, other"]);
            assert_eq!(gone(&keys, "DEL"), ["udp, own"]);
        }
        let tcp = publish(&["8053:53/tcp"]);
        assert_eq!(gone(&tcp, "ADD"), [""; 0]);
        assert_eq!(gone(&tcp, "DEL"), [""; 0]);
    });
}
