//! TCP and UDP between namespaces.
//!
//! A server answers each connection or datagram with the address that it came from, as the server sees it, and then with
//! what it was sent: so one exchange proves both directions and tells whether the source was translated.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::netns::Netns;

/// How long a client waits for each step.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a client sends, to be sent back: more than one segment for TCP, less than any MTU for UDP.
const TCP_PAYLOAD: usize = 64 * 1024;
const UDP_PAYLOAD: &[u8] = b"linkspan";

impl Netns {
    /// Serves TCP connections at an address (`10.0.0.2:80`, `[::]:80`) until the test ends.
    ///
    /// # Panics
    /// When the address cannot be bound.
    #[track_caller]
    pub fn serve_tcp(&self, address: &str) {
        let listener = match self.enter(|| TcpListener::bind(address)) {
            Ok(listener) => listener,
            Err(error) => panic!("{} cannot listen on {address}: {error}", self.name()),
        };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || answer_tcp(&stream));
            }
        });
    }

    /// Serves UDP datagrams at an address until the test ends.
    ///
    /// # Panics
    /// When the address cannot be bound.
    #[track_caller]
    pub fn serve_udp(&self, address: &str) {
        let socket = match self.enter(|| UdpSocket::bind(address)) {
            Ok(socket) => socket,
            Err(error) => panic!("{} cannot bind UDP {address}: {error}", self.name()),
        };
        thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                answer_udp(&socket, &buffer[..length], peer);
            }
        });
    }

    /// Connects to a server of [`serve_tcp`](Self::serve_tcp), exchanges 64 KiB with it, and tells from which
    /// address the server saw it come.
    ///
    /// # Errors
    /// When there is no connection, no answer within 3 seconds, or another answer than the one awaited.
    pub fn talk_tcp(&self, address: &str) -> io::Result<SocketAddr> {
        let address = parse(address)?;
        self.enter(|| {
            let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut reader = BufReader::new(&stream);
            let mut seen_as = String::new();
            reader.read_line(&mut seen_as)?;
            let payload: Vec<u8> = (0..=u8::MAX).cycle().take(TCP_PAYLOAD).collect();
            let mut answer = vec![0; TCP_PAYLOAD];
            thread::scope(|scope| {
                let sent = scope.spawn(|| (&stream).write_all(&payload));
                reader.read_exact(&mut answer)?;
                sent.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            if answer == payload {
                parse(seen_as.trim_end())
            } else {
                Err(other_answer())
            }
        })
    }

    /// Sends a datagram to a server of [`serve_udp`](Self::serve_udp), and tells from which address the server saw it
    /// come.
    ///
    /// # Errors
    /// When there is no answer within 3 seconds, or another one than that awaited.
    pub fn talk_udp(&self, address: &str) -> io::Result<SocketAddr> {
        self.udp_client(address)?.ask()
    }

    /// A client that asks such a server again and again from the same port, as the kernel's connection tracking remembers it.
    ///
    /// # Errors
    /// When there is no way to the address.
    pub fn udp_client(&self, address: &str) -> io::Result<UdpClient> {
        let address = parse(address)?;
        let any = if address.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        self.enter(|| {
            let socket = UdpSocket::bind(any)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.connect(address)?;
            Ok(UdpClient(socket))
        })
    }
}

/// A client of UDP that keeps its port.
#[derive(Debug)]
pub struct UdpClient(UdpSocket);

impl UdpClient {
    /// Sends a datagram, and tells from which address the server saw it come.
    ///
    /// # Errors
    /// When there is no answer within 3 seconds, or another one than that awaited.
    pub fn ask(&self) -> io::Result<SocketAddr> {
        self.0.send(UDP_PAYLOAD)?;
        let mut buffer = [0; 2048];
        let length = self.0.recv(&mut buffer)?;
        let answer = &buffer[..length];
        let seen_as = answer.strip_suffix(UDP_PAYLOAD).ok_or_else(other_answer)?;
        parse(String::from_utf8_lossy(seen_as).trim_end())
    }
}

/// A server of TCP and UDP at some addresses, which answers as those of [`Netns::serve_tcp`] and [`Netns::serve_udp`] do. It ends
/// when dropped, and holds the namespace no longer: what is in one that has been deleted goes when nobody serves in it.
#[derive(Debug)]
pub struct Echo {
    /// Closed, it wakes the threads that serve.
    _end: UnixStream,
}

impl Netns {
    /// Serves at a port of each of these addresses until what it gives is dropped: what is asked at one of them is answered by that one, whichever
    /// way the answer goes.
    ///
    /// # Panics
    /// When one cannot be bound.
    #[track_caller]
    #[must_use]
    pub fn echo(&self, addresses: &[IpAddr], port: u16) -> Echo {
        let bound = self.enter(|| {
            let (end, ended) = UnixStream::pair()?;
            for address in addresses {
                let address = SocketAddr::new(*address, port);
                let (tcp, udp) = (TcpListener::bind(address)?, UdpSocket::bind(address)?);
                tcp.set_nonblocking(true)?;
                udp.set_nonblocking(true)?;
                let ended = ended.try_clone()?;
                thread::spawn(move || echo(&tcp, &udp, &ended));
            }
            io::Result::Ok(Echo { _end: end })
        });
        bound.unwrap_or_else(|error| panic!("{} cannot serve at {port}: {error}", self.name()))
    }
}

fn echo(tcp: &TcpListener, udp: &UdpSocket, ended: &UnixStream) {
    let mut buffer = [0; 2048];
    loop {
        let fds = [tcp.as_fd(), udp.as_fd(), ended.as_fd()];
        let mut fds = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let _ = poll(&mut fds, None);
        if !fds[2].revents().is_empty() {
            return;
        }
        while let Ok((stream, _)) = tcp.accept() {
            // The connection's thread waits for what comes.
            if stream.set_nonblocking(false).is_ok() {
                thread::spawn(move || answer_tcp(&stream));
            }
        }
        while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
            answer_udp(udp, &buffer[..length], peer);
        }
    }
}

/// Sends back what comes, after the address that it comes from; ends with the connection.
fn answer_tcp(mut stream: &TcpStream) {
    let Ok(peer) = stream.peer_addr() else { return };
    // A connection that breaks is for the client to notice.
    if writeln!(stream, "{}", seen_as(peer)).is_ok() {
        let _ = io::copy(&mut &*stream, &mut stream);
    }
}

/// Sends a datagram back, after the address that it comes from.
fn answer_udp(socket: &UdpSocket, datagram: &[u8], peer: SocketAddr) {
    let answer = [format!("{}\n", seen_as(peer)).as_bytes(), datagram].concat();
    // A client that has gone gets no answer, and the next one is served.
    let _ = socket.send_to(&answer, peer);
}

/// A socket for both families has addresses of IPv4 within those of IPv6.
fn seen_as(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn parse(address: &str) -> io::Result<SocketAddr> {
    address.parse().map_err(|error| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{address:?}: {error}"))
    })
}

fn other_answer() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "something else than the sent bytes came back",
    )
}
