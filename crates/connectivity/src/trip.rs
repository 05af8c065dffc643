//! Packets between places: that they arrive, and with which source.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_kernel::echo::{self, Listener, Token};
use linkspan_kernel::netns::Netns;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};

/// How long a listener waits before it looks whether anybody is still to come.
const GLANCE: Duration = Duration::from_millis(20);

/// How long what arrived may take to be seen.
const SEEN: Duration = Duration::from_millis(100);

/// What came of packets that were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// How long the answer took.
    pub(crate) elapsed: Duration,
    /// With which source the request arrived, where somebody could look.
    pub(crate) source: Option<IpAddr>,
}

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The sender knows no way.
    NoRoute,
    /// Somebody on the way says that the address cannot be reached: nobody has it.
    Unreachable,
    /// A rule refuses it, and says so.
    Prohibited,
    /// The address is reached, and nobody listens at its port.
    Refused,
    /// The packet is too large for a link on the way.
    TooLong,
    /// Nothing came back in time. Whether the request arrived, where somebody could look.
    Silence(Option<bool>),
    /// Something else, in words.
    Other(String),
}

impl Fault {
    pub(crate) fn of(error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            Some(Errno::NETUNREACH) => Self::NoRoute,
            Some(Errno::HOSTUNREACH) => Self::Unreachable,
            Some(Errno::ACCESS | Errno::PERM) => Self::Prohibited,
            Some(Errno::CONNREFUSED | Errno::CONNRESET) => Self::Refused,
            Some(Errno::MSGSIZE) => Self::TooLong,
            Some(Errno::TIMEDOUT | Errno::AGAIN) => Self::Silence(None),
            _ if error.kind() == io::ErrorKind::TimedOut => Self::Silence(None),
            _ => Self::Other(error.to_string()),
        }
    }

    fn of_kernel(error: &linkspan_kernel::Error) -> Self {
        match error.errno() {
            Some(errno) => Self::of(&io::Error::from_raw_os_error(errno)),
            None => Self::Other(error.to_string()),
        }
    }
}

/// A token that no other packet of this run has.
fn token() -> Token {
    use std::sync::atomic::AtomicU32;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut token = [0; 8];
    token[..4].copy_from_slice(&std::process::id().to_be_bytes());
    token[4..].copy_from_slice(&number.to_be_bytes());
    token
}

/// An echo request: an ordinary one, or one packet of so many bytes that nobody may fragment.
pub(crate) fn ping(
    from: &Netns,
    to: Option<&Netns>,
    address: IpAddr,
    whole: Option<usize>,
    patience: Duration,
) -> Result<Arrival, Fault> {
    let token = token();
    let any = match address {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let inside = |error: linkspan_kernel::Error| Fault::Other(error.to_string());
    let listener = to
        .map(|to| to.run(|| Listener::open_at(any)).and_then(|opened| opened))
        .transpose()
        .map_err(inside)?;
    let pinged = from
        .run(|| match whole {
            Some(bytes) => echo::ping_whole(address, token, bytes, patience),
            None => echo::ping(address, token, patience),
        })
        .map_err(inside)?;
    let source = listener.map(|listener| listener.source(token, SEEN).ok());
    match pinged {
        Ok(elapsed) => Ok(Arrival {
            elapsed,
            source: source.flatten(),
        }),
        Err(error) => Err(match Fault::of_kernel(&error) {
            Fault::Silence(_) => Fault::Silence(source.map(|source| source.is_some())),
            fault => fault,
        }),
    }
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP
    Tcp,
    /// UDP
    Udp,
}

impl Transport {
    /// Its name in a port mapping.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Sends a few bytes from one place to a port that another listens at, by whatever address leads there, and has them sent
/// back.
pub(crate) fn talk(
    transport: Transport,
    from: &Netns,
    to: (&Netns, u16),
    address: SocketAddr,
    patience: Duration,
) -> Result<Arrival, Fault> {
    let (place, port) = to;
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
    };
    let token = token();
    let enter = |error: linkspan_kernel::Error| Fault::Other(error.to_string());
    let server = place
        .run(|| Server::open(transport, any))
        .map_err(enter)?
        .map_err(|error| Fault::Other(format!("cannot listen on {any}: {error}")))?;
    let over = AtomicBool::new(false);
    let (answer, seen) = thread::scope(|scope| {
        let served = scope.spawn(|| server.answer(token, patience, &over));
        let answer = from.run(|| ask(transport, address, token, patience));
        over.store(true, Ordering::Relaxed);
        (answer, served.join().ok().flatten())
    });
    let source = seen.map(|seen| seen.ip().to_canonical());
    match answer.map_err(enter)? {
        Ok(elapsed) => Ok(Arrival { elapsed, source }),
        Err(error) => Err(match Fault::of(&error) {
            Fault::Silence(_) => Fault::Silence(Some(source.is_some())),
            fault => fault,
        }),
    }
}

/// What sends back what it is sent.
enum Server {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Server {
    fn open(transport: Transport, address: SocketAddr) -> io::Result<Self> {
        Ok(match transport {
            Transport::Tcp => {
                let listener = TcpListener::bind(address)?;
                set_socket_timeout(&listener, Timeout::Recv, Some(GLANCE))?;
                Self::Tcp(listener)
            }
            Transport::Udp => {
                let socket = UdpSocket::bind(address)?;
                socket.set_read_timeout(Some(GLANCE))?;
                Self::Udp(socket)
            }
        })
    }

    /// Answers the one with this token; tells who that is.
    fn answer(&self, token: Token, patience: Duration, over: &AtomicBool) -> Option<SocketAddr> {
        loop {
            // Asked before the look, so that what came meanwhile is still seen.
            let last = over.load(Ordering::Relaxed);
            match self.answer_once(token, patience) {
                Ok(Some(peer)) => return Some(peer),
                _ if last => return None,
                _ => {}
            }
        }
    }

    fn answer_once(&self, token: Token, patience: Duration) -> io::Result<Option<SocketAddr>> {
        let mut asked = [0; size_of::<Token>()];
        let peer = match self {
            Self::Tcp(listener) => {
                let (mut stream, peer) = listener.accept()?;
                stream.set_read_timeout(Some(patience))?;
                stream.read_exact(&mut asked)?;
                stream.write_all(&asked)?;
                peer
            }
            Self::Udp(socket) => {
                let (_, peer) = socket.recv_from(&mut asked)?;
                socket.send_to(&asked, peer)?;
                peer
            }
        };
        Ok((asked == token).then_some(peer))
    }
}

fn ask(
    transport: Transport,
    address: SocketAddr,
    token: Token,
    patience: Duration,
) -> io::Result<Duration> {
    let begun = Instant::now();
    let mut answer = [0; size_of::<Token>()];
    match transport {
        Transport::Tcp => {
            let mut stream = TcpStream::connect_timeout(&address, patience)?;
            stream.set_read_timeout(Some(patience))?;
            stream.write_all(&token)?;
            stream.read_exact(&mut answer)?;
        }
        Transport::Udp => {
            let any: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            let socket = UdpSocket::bind((any, 0))?;
            socket.set_read_timeout(Some(patience))?;
            socket.connect(address)?;
            socket.send(&token)?;
            socket.recv(&mut answer)?;
        }
    }
    match answer == token {
        true => Ok(begun.elapsed()),
        false => Err(io::Error::other("something else came back than was sent")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_told_apart() {
        for (errno, fault) in [
            (Errno::NETUNREACH, Fault::NoRoute),
            (Errno::HOSTUNREACH, Fault::Unreachable),
            (Errno::ACCESS, Fault::Prohibited),
            (Errno::CONNREFUSED, Fault::Refused),
            (Errno::MSGSIZE, Fault::TooLong),
            (Errno::AGAIN, Fault::Silence(None)),
        ] {
            assert_eq!(Fault::of(&errno.into()), fault);
        }
    }

    #[test]
    fn an_exchange_tells_the_source() {
        let here = Netns::current().unwrap();
        for transport in [Transport::Tcp, Transport::Udp] {
            // A free port, as good as any.
            let port = TcpListener::bind("127.0.0.1:0")
                .and_then(|listener| listener.local_addr())
                .unwrap()
                .port();
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let second = Duration::from_secs(1);
            let arrival = talk(transport, &here, (&here, port), address, second).unwrap();
            assert_eq!(arrival.source, Some(Ipv4Addr::LOCALHOST.into()));
        }
    }
}
