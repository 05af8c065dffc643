//! TCP and UDP between namespaces.
//!
//! A server answers each connection or datagram with the address that it came from, as the server sees it, and then with
//! what it was sent: so one exchange proves both directions and tells whether the source was translated.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

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
                let answer = [format!("{peer}\n").as_bytes(), &buffer[..length]].concat();
                // A client that has gone gets no answer, and the next one is served.
                let _ = socket.send_to(&answer, peer);
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
            socket.send(UDP_PAYLOAD)?;
            let mut buffer = [0; 2048];
            let length = socket.recv(&mut buffer)?;
            let answer = &buffer[..length];
            let seen_as = answer.strip_suffix(UDP_PAYLOAD).ok_or_else(other_answer)?;
            parse(String::from_utf8_lossy(seen_as).trim_end())
        })
    }
}

/// Sends back what comes, after the address that it comes from; ends with the connection.
fn answer_tcp(mut stream: &TcpStream) {
    let Ok(peer) = stream.peer_addr() else { return };
    // A connection that breaks is for the client to notice.
    if writeln!(stream, "{peer}").is_ok() {
        let _ = io::copy(&mut &*stream, &mut stream);
    }
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
