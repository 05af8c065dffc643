//! Echo requests (ping): whether an IPv4 address answers, and with which source a request arrives.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, ipproto, recv, sendto,
    socket_with, sockopt,
};

use crate::{Error, checksum::checksum};

/// Bytes that the receiver of a request sends back, by which its sender knows it again.
pub type Token = [u8; 8];

const REPLY: u8 = 0;
const REQUEST: u8 = 8;

/// Bytes of an ICMP header.
const HEADER: usize = 8;

/// Bytes of the packets that are waited for, and more.
const PACKET: usize = 128;

/// Pings an address once, from the calling thread's namespace; returns how long the answer took.
///
/// # Errors
/// `ETIMEDOUT` when there is no answer within `timeout`; `ENETUNREACH` without a route.
///
/// # Kernel
/// A raw socket, which needs CAP_NET_RAW: those that need nothing are closed to everybody in a new
/// namespace (`net.ipv4.ping_group_range`).
pub fn ping(address: Ipv4Addr, token: Token, timeout: Duration) -> Result<Duration, Error> {
    let exchange = || {
        let socket = open()?;
        let begun = Instant::now();
        let to = SocketAddrV4::new(address, 0);
        sendto(&socket, &request(token), SendFlags::empty(), &to)?;
        receive(&socket, REPLY, token, begun + timeout)?;
        Ok(begun.elapsed())
    };
    exchange().map_err(|error| Error::new("ping", address.to_string(), error))
}

/// Sees every echo request that arrives in a namespace.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
}

impl Listener {
    /// Opens it in the calling thread's namespace. It sees what arrives from then on.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW.
    pub fn open() -> Result<Self, Error> {
        open()
            .map(|socket| Self { socket })
            .map_err(|error| Error::new("listen for", "echo requests", error))
    }

    /// The source address of the request with this token; waits for it.
    ///
    /// # Errors
    /// `ETIMEDOUT` when it does not arrive within `timeout`.
    pub fn source(&self, token: Token, timeout: Duration) -> Result<Ipv4Addr, Error> {
        receive(&self.socket, REQUEST, token, Instant::now() + timeout)
            .map_err(|error| Error::new("see", "the echo request arrive", error))
    }
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let icmp = Some(ipproto::ICMP);
    Ok(socket_with(
        AddressFamily::INET,
        SocketType::RAW,
        flags,
        icmp,
    )?)
}

fn request(token: Token) -> Vec<u8> {
    let mut packet = vec![REQUEST, 0, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(&token);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Waits for the packet of this kind with this token; returns its source.
fn receive(socket: &OwnedFd, kind: u8, token: Token, deadline: Instant) -> io::Result<Ipv4Addr> {
    let mut packet = [0; PACKET];
    loop {
        // A timeout of zero would be none at all.
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(left))?;
        match recv(socket, &mut packet[..], RecvFlags::empty()) {
            Ok((_, length)) => {
                if let Some(source) = source_of(&packet[..length.min(PACKET)], kind, token) {
                    return Ok(source);
                }
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => return Err(rustix::io::Errno::TIMEDOUT.into()),
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            return Err(rustix::io::Errno::TIMEDOUT.into());
        }
    }
}

/// The source of an IPv4 packet when it is what is waited for.
fn source_of(packet: &[u8], kind: u8, token: Token) -> Option<Ipv4Addr> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let source = packet.get(12..16)?.first_chunk::<4>()?;
    let icmp = packet.get(header..)?;
    let found = *icmp.first()? == kind && icmp.get(HEADER..)?.starts_with(&token);
    found.then(|| Ipv4Addr::from(*source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = *b"linkspan";

    fn packet(kind: u8) -> Vec<u8> {
        let mut packet = vec![0; 20];
        packet[0] = 0x45;
        packet[12..16].copy_from_slice(&[10, 22, 0, 2]);
        packet.extend(request(TOKEN));
        packet[20] = kind;
        packet
    }

    #[test]
    fn a_request_has_its_checksum() {
        assert_eq!(checksum(&request(TOKEN)), 0);
    }

    #[test]
    fn a_packet_is_known_by_its_kind_and_its_token() {
        let source = Some(Ipv4Addr::new(10, 22, 0, 2));
        assert_eq!(source_of(&packet(REPLY), REPLY, TOKEN), source);
        assert_eq!(source_of(&packet(REQUEST), REPLY, TOKEN), None);
        assert_eq!(source_of(&packet(REPLY), REPLY, *b"somebody"), None);
    }

    #[test]
    fn what_is_cut_short_is_not_read_beyond_its_end() {
        let whole = packet(REPLY);
        for length in 0..whole.len() {
            assert_eq!(source_of(&whole[..length], REPLY, TOKEN), None, "{length}");
        }
    }
}
