//! The plugin's side: one call on a connection of its own.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linkspan_spec::Success;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use super::message::{CMD_ARGS, REQUEST, lease_of};
use super::{
    CANNOT_FIND, CONNECT, CONNECTED, CmdArgs, GREETING, GREETING_OF_BUSY, MAX_GREETING, Method,
    first_line, greeting_length,
};
use crate::gob::{Decoder, Encoder, GobError, Value};

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody is reached at the socket: there is none, nobody listens, it is forbidden. The words are Go's.
    #[error("dial unix {}: connect: {}", .path.display(), words(.source))]
    Dial {
        /// The socket.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Somebody listens, and did not answer to the first line.
    #[error("dial unix {}: nobody answers", .path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// For how long an answer was awaited.
        waited: Duration,
    },
    /// Whoever listens is no DHCP daemon.
    #[error("dial-http unix {}: unexpected HTTP response: {said}", .path.display())]
    NoDaemon {
        /// The socket.
        path: PathBuf,
        /// The first line that it said.
        said: String,
    },
    /// The daemon gave no answer for so long.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The connection ended before the answer.
    #[error("the daemon ended the connection before it answered")]
    Closed,
    /// Writing or reading failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The answer is not of the protocol.
    #[error("the daemon's answer cannot be read: {0}")]
    Protocol(String),
    /// The daemon has not this method.
    #[error("{0}")]
    UnknownMethod(String),
    /// What the daemon says of the request.
    #[error("{0}")]
    Daemon(String),
}

impl From<GobError> for CallError {
    fn from(error: GobError) -> Self {
        Self::Protocol(error.to_string())
    }
}

/// Asks the daemon at this socket, and waits for its answer no longer than that; with the lease that the answer to
/// [`Method::Allocate`] is.
///
/// # Errors
/// At once when no daemon is there, within [`GREETING_OF_BUSY`] when it does not answer at all; what the daemon says.
pub fn call(
    socket: &Path,
    method: &Method,
    arguments: &CmdArgs,
    deadline: Duration,
) -> Result<Option<Success>, CallError> {
    let mut connection = Connection::open(socket, GREETING_OF_BUSY)?;
    connection.until = Instant::now() + deadline;
    let answer = connection.ask(method, arguments);
    answer.map_err(|error| match error {
        CallError::Io(error) if is_timeout(&error) => CallError::TimedOut(deadline),
        other => other,
    })
}

/// Whether a daemon answers at this socket.
///
/// # Errors
/// Within [`GREETING`] when none does.
pub fn probe(socket: &Path) -> Result<(), CallError> {
    Connection::open(socket, GREETING).map(drop)
}

/// A connection to a daemon that has answered to the first line.
struct Connection {
    stream: UnixStream,
    until: Instant,
    decoder: Decoder,
}

impl Connection {
    fn open(path: &Path, patience: Duration) -> Result<Self, CallError> {
        let dial = |source| {
            let (path, waited) = (path.to_owned(), patience);
            match is_timeout(&source) {
                true => CallError::Silent { path, waited },
                false => CallError::Dial { path, source },
            }
        };
        let until = Instant::now() + patience;
        let mut connection = Self {
            stream: connect(path, patience).map_err(dial)?,
            until,
            decoder: Decoder::new(),
        };
        connection.greet(path).map_err(|error| match error {
            CallError::Io(error) => dial(error),
            other => other,
        })?;
        Ok(connection)
    }

    /// Nothing may be sent before the answer has come: the reference's daemon would lose it.
    fn greet(&mut self, path: &Path) -> Result<(), CallError> {
        let no_daemon = |said| CallError::NoDaemon {
            path: path.to_owned(),
            said,
        };
        self.write(CONNECT.as_bytes())?;
        let mut greeting = Vec::new();
        let length = loop {
            let came = self.read(&mut |bytes| greeting.extend_from_slice(bytes))?;
            match greeting_length(&greeting) {
                Some(length) => break length,
                None if came && greeting.len() < MAX_GREETING => {}
                None => return Err(no_daemon(first_line(&greeting))),
            }
        };
        let line = first_line(&greeting);
        let status = |line: &str| line.split_once(' ').map(|(_, status)| status.to_owned());
        if !line.starts_with("HTTP/1.") || status(&line) != status(CONNECTED.trim_end()) {
            return Err(no_daemon(line));
        }
        self.decoder.feed(&greeting[length..]);
        Ok(())
    }

    fn ask(&mut self, method: &Method, arguments: &CmdArgs) -> Result<Option<Success>, CallError> {
        let mut encoder = Encoder::new();
        let mut request = Vec::new();
        let header = Value::of(
            &REQUEST,
            [Some(Value::Text(method.name().to_owned())), None],
        );
        encoder.write(&REQUEST, &header, &mut request);
        encoder.write(&CMD_ARGS, &arguments.to_value(), &mut request);
        self.write(&request)?;
        let header = self.value()?;
        if header.text("ServiceMethod") != method.name() || header.field("Seq").is_some() {
            return Err(CallError::Protocol(
                "it belongs to another request".to_owned(),
            ));
        }
        match header.text("Error") {
            "" => {}
            error if error.starts_with(CANNOT_FIND) => {
                return Err(CallError::UnknownMethod(error.to_owned()));
            }
            error => return Err(CallError::Daemon(error.to_owned())),
        }
        let body = self.value()?;
        match method {
            Method::Allocate => lease_of(&body).map(Some).map_err(CallError::Protocol),
            _ => Ok(None),
        }
    }

    fn value(&mut self) -> Result<Value, CallError> {
        loop {
            if let Some(value) = self.decoder.read()? {
                return Ok(value);
            }
            let mut came = Vec::new();
            if !self.read(&mut |bytes| came.extend_from_slice(bytes))? {
                return Err(CallError::Closed);
            }
            self.decoder.feed(&came);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write_all(bytes)
    }

    /// Hands on what comes next; whether anything will come any more.
    fn read(&mut self, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        let mut room = [0; 4096];
        let length = loop {
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        take(&room[..length]);
        Ok(length > 0)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(left)
    }
}

/// A daemon that accepts nobody any more may have a full queue, in which nobody waits for longer than that.
fn connect(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket.into())
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}

/// What Go calls an error of the system.
fn words(error: &io::Error) -> String {
    let words = match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory",
        io::ErrorKind::PermissionDenied => "permission denied",
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "connection reset by peer",
        io::ErrorKind::InvalidInput => "invalid argument",
        _ => return error.to_string(),
    };
    words.to_owned()
}
