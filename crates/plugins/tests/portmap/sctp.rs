//! SCTP, which the standard library has no sockets for: streams like TCP's, but for their protocol.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::Duration;

use linkspan_testkit::{Feature, Netns, Outside, needs};
use rustix::net::{AddressFamily, Protocol, SocketType, sockopt};

use super::world::{BRIDGE_V4, BRIDGE_V6, HOST_V4, HOST_V6, World, publish};

const PATIENCE: Duration = Duration::from_secs(10);

/// `IPPROTO_SCTP`
const SCTP: u32 = 132;

fn socket(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let number = std::num::NonZero::new(SCTP).map(Protocol::from_raw);
    let socket = rustix::net::socket(family, SocketType::STREAM, number)?;
    for timeout in [sockopt::Timeout::Send, sockopt::Timeout::Recv] {
        sockopt::set_socket_timeout(&socket, timeout, Some(PATIENCE))?;
    }
    Ok(socket)
}

/// Tells everybody who connects from where.
fn serve(netns: &Netns, address: &str) {
    let address: SocketAddr = address.parse().unwrap();
    let listener = netns.enter(|| {
        let socket = socket(address).unwrap();
        rustix::net::bind(&socket, &address).unwrap();
        rustix::net::listen(&socket, 16).unwrap();
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, None).unwrap();
        TcpListener::from(socket)
    });
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let peer = stream.peer_addr().unwrap();
            stream.write_all(peer.to_string().as_bytes()).unwrap();
        }
    });
}

/// From which address the server saw it come.
fn talk(netns: &Netns, address: &str) -> io::Result<SocketAddr> {
    let address: SocketAddr = address.parse().unwrap();
    netns.enter(|| {
        let socket = socket(address)?;
        rustix::net::connect(&socket, &address)?;
        let mut buffer = [0; 100];
        let length = TcpStream::from(socket).read(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).parse().unwrap())
    })
}

#[test]
fn everybody_reaches_a_published_port_of_sctp() {
    needs(&[Feature::Sctp]).sandbox(|host| {
        let world = World::new(host);
        let (server, neighbour) = (world.container("server"), world.container("neighbour"));
        for address in [format!("{}:80", server.v4), format!("[{}]:80", server.v6)] {
            serve(&server.netns, &address);
        }
        let ports = publish(&["8080:80/sctp"]);
        world.add(&server, &ports).success();
        for (from, to, as_whom) in [
            (&world.outside, HOST_V4, Outside::ROUTER_V4),
            (&world.outside, HOST_V6, Outside::ROUTER_V6),
            (host.host(), "127.0.0.1", BRIDGE_V4),
            (host.host(), HOST_V6, ""),
            (&neighbour.netns, HOST_V4, BRIDGE_V4),
            (&neighbour.netns, HOST_V6, BRIDGE_V6),
            (&server.netns, HOST_V4, BRIDGE_V4),
        ] {
            let to = match to.contains(':') {
                true => format!("[{to}]:8080"),
                false => format!("{to}:8080"),
            };
            let seen =
                talk(from, &to).unwrap_or_else(|error| panic!("{} to {to}: {error}", from.name()));
            if !as_whom.is_empty() {
                assert_eq!(seen.ip().to_string(), as_whom, "{} to {to}", from.name());
            }
        }
        world.check(&server, &ports).success();
        world.del(&server, &ports).success();
        assert!(talk(&world.outside, &format!("{HOST_V4}:8080")).is_err());
    });
}
