//! Echo requests (ping): whether an address answers, how large a packet may be, and with which source a request arrives.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketFlags, SocketType, bind, connect,
    ipproto, recvfrom, send, socket_with, sockopt,
};

use crate::{Error, checksum::checksum};

/// Bytes that the receiver of a request sends back, by which its sender knows it again.
pub type Token = [u8; 8];

/// Bytes of an ICMP header.
const HEADER: usize = 8;

/// Bytes of the packets that are waited for, and more: of longer ones the beginning is enough.
const PACKET: usize = 128;

/// IPv4 or IPv6, and what is different with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The type of a request, and that of its answer.
    fn kinds(self) -> (u8, u8) {
        match self {
            Self::V4 => (8, 0),
            Self::V6 => (128, 129),
        }
    }

    /// Bytes of the IP header that a request gets.
    fn header(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }
}

/// Pings an address once, from the calling thread's namespace; returns how long the answer took.
///
/// # Errors
/// `ETIMEDOUT` when there is no answer within `timeout`; `ENETUNREACH` without a route; what a router or the host itself says
/// (`EHOSTUNREACH`, `EACCES`).
///
/// # Kernel
/// A raw socket, which needs CAP_NET_RAW: those that need nothing are closed to everybody in a new
/// namespace (`net.ipv4.ping_group_range`).
pub fn ping(
    address: impl Into<IpAddr>,
    token: Token,
    timeout: Duration,
) -> Result<Duration, Error> {
    let address = address.into();
    exchange(address, token, timeout, |_, _| Ok(HEADER + token.len()))
        .map_err(|error| Error::new("ping", address.to_string(), error))
}

/// Pings an address once by a packet of so many bytes, IP header included, that nobody on the way may fragment.
///
/// # Errors
/// As [`ping`]; `EMSGSIZE` when the packet is larger than the link, or a router on the way, can pass on.
pub fn ping_whole(
    address: IpAddr,
    token: Token,
    bytes: usize,
    timeout: Duration,
) -> Result<Duration, Error> {
    exchange(address, token, timeout, |socket, family| {
        forbid_fragments(socket, family)?;
        Ok(bytes.saturating_sub(family.header()))
    })
    .map_err(|error| Error::new("ping", format!("{address} with {bytes} bytes"), error))
}

fn exchange(
    address: IpAddr,
    token: Token,
    timeout: Duration,
    prepare: impl FnOnce(&OwnedFd, Family) -> io::Result<usize>,
) -> io::Result<Duration> {
    let family = Family::of(address);
    let socket = open(family)?;
    let length = prepare(&socket, family)?;
    report_errors(&socket, family)?;
    let begun = Instant::now();
    // So errors that come back are this request's.
    connect(&socket, &SocketAddr::new(address, 0))?;
    match send(&socket, &request(family, token, length), SendFlags::empty()) {
        // It is lost on its way: a link without a carrier drops it, and who is told of errors is told of that as well.
        Err(Errno::NOBUFS) => {}
        sent => drop(sent?),
    }
    receive(&socket, family, family.kinds().1, token, begun + timeout)?;
    Ok(begun.elapsed())
}

/// Sees every echo request of one family that arrives in a namespace.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    family: Family,
}

impl Listener {
    /// Opens it for IPv4 in the calling thread's namespace. It sees what arrives from then on.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW.
    pub fn open() -> Result<Self, Error> {
        Self::open_at(Ipv4Addr::UNSPECIFIED)
    }

    /// The same for requests to one address; to all of the family when it is unspecified.
    ///
    /// # Errors
    /// `EPERM` without CAP_NET_RAW; `EADDRNOTAVAIL` when nobody here has the address.
    pub fn open_at(address: impl Into<IpAddr>) -> Result<Self, Error> {
        let address = address.into();
        let family = Family::of(address);
        open(family)
            .and_then(|socket| {
                bind(&socket, &SocketAddr::new(address, 0))?;
                Ok(Self { socket, family })
            })
            .map_err(|error| Error::new("listen for", "echo requests", error))
    }

    /// The source address of the request with this token; waits for it.
    ///
    /// # Errors
    /// `ETIMEDOUT` when it does not arrive within `timeout`.
    pub fn source(&self, token: Token, timeout: Duration) -> Result<IpAddr, Error> {
        let deadline = Instant::now() + timeout;
        receive(
            &self.socket,
            self.family,
            self.family.kinds().0,
            token,
            deadline,
        )
        .map_err(|error| Error::new("see", "the echo request arrive", error))
    }
}

fn open(family: Family) -> io::Result<OwnedFd> {
    let (domain, protocol) = match family {
        Family::V4 => (AddressFamily::INET, ipproto::ICMP),
        Family::V6 => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC;
    Ok(socket_with(domain, SocketType::RAW, flags, Some(protocol))?)
}

/// Has the kernel hand on what routers say of a packet, instead of letting its sender wait.
fn report_errors(socket: &OwnedFd, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set_option(socket, libc::IPPROTO_IP, libc::IP_RECVERR, 1),
        Family::V6 => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, 1),
    }
}

/// Packets of the socket go whole or not at all, whatever the path is thought to bear.
fn forbid_fragments(socket: &OwnedFd, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => set_option(
            socket,
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            libc::IP_PMTUDISC_PROBE,
        ),
        Family::V6 => {
            let discover = libc::IPV6_MTU_DISCOVER;
            set_option(
                socket,
                libc::IPPROTO_IPV6,
                discover,
                libc::IPV6_PMTUDISC_PROBE,
            )?;
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 1)
        }
    }
}

fn set_option(
    socket: &OwnedFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the descriptor is open, and the kernel reads the size of an int from the pointer, which is that of one. rustix
    // has no wrapper for these options of raw sockets.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A request of so many bytes, or as many as it needs.
fn request(family: Family, token: Token, length: usize) -> Vec<u8> {
    let mut packet = vec![family.kinds().0, 0, 0, 0, 0, 0, 0, 1];
    packet.extend_from_slice(&token);
    packet.resize(length.max(packet.len()), 0);
    // That of ICMPv6 covers addresses as well; the kernel makes it.
    if family == Family::V4 {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Waits for the packet of this kind with this token; returns its source.
fn receive(
    socket: &OwnedFd,
    family: Family,
    kind: u8,
    token: Token,
    deadline: Instant,
) -> io::Result<IpAddr> {
    let mut packet = [0; PACKET];
    loop {
        // A timeout of zero would be none at all.
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.max(Duration::from_millis(1));
        sockopt::set_socket_timeout(socket, sockopt::Timeout::Recv, Some(left))?;
        match recvfrom(socket, &mut packet[..], RecvFlags::empty()) {
            Ok((_, length, source)) => {
                let packet = &packet[..length.min(PACKET)];
                if let (true, Some(source)) = (is_awaited(packet, family, kind, token), source) {
                    return address_of(source);
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT.into()),
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            return Err(Errno::TIMEDOUT.into());
        }
    }
}

fn address_of(source: SocketAddrAny) -> io::Result<IpAddr> {
    Ok(SocketAddr::try_from(source)?.ip())
}

/// Whether a packet is what is waited for. One of IPv4 comes with its IP header, one of IPv6 without.
fn is_awaited(packet: &[u8], family: Family, kind: u8, token: Token) -> bool {
    let begin = match (family, packet.first()) {
        (Family::V4, Some(first)) => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    packet.get(begin..).is_some_and(|icmp| {
        icmp.first() == Some(&kind)
            && icmp
                .get(HEADER..)
                .is_some_and(|data| data.starts_with(&token))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Token = *b"linkspan";

    fn packet(family: Family, kind: u8) -> Vec<u8> {
        let mut icmp = request(family, TOKEN, 0);
        icmp[0] = kind;
        match family {
            Family::V4 => [vec![0x45; 20], icmp].concat(),
            Family::V6 => icmp,
        }
    }

    #[test]
    fn a_request_has_its_checksum_and_its_length() {
        for length in [0, 16, 1480] {
            let request = request(Family::V4, TOKEN, length);
            assert_eq!(checksum(&request), 0);
            assert_eq!(request.len(), length.max(16));
        }
    }

    #[test]
    fn a_packet_is_known_by_its_kind_and_its_token() {
        for family in [Family::V4, Family::V6] {
            let (asked, answered) = family.kinds();
            let answer = packet(family, answered);
            assert!(is_awaited(&answer, family, answered, TOKEN));
            assert!(!is_awaited(&packet(family, asked), family, answered, TOKEN));
            assert!(!is_awaited(&answer, family, answered, *b"somebody"));
        }
    }

    #[test]
    fn what_is_cut_short_is_not_read_beyond_its_end() {
        for family in [Family::V4, Family::V6] {
            let (_, kind) = family.kinds();
            let whole = packet(family, kind);
            for length in 0..whole.len() {
                let is = is_awaited(&whole[..length], family, kind, TOKEN);
                assert!(!is, "{family:?} {length}");
            }
        }
    }
}
