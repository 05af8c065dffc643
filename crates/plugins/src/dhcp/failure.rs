//! Why the daemon could not be asked, or has refused: in the reference's words, with what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use linkspan_dhcp::rpc::client::CallError;
use linkspan_dhcp::rpc::{DEFAULT_SOCKET, GREETING, Method};
use linkspan_plugin::spec::{Error, ErrorCode};

/// A call that came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    socket: PathBuf,
    /// What was asked for; nothing where it was asked whether a daemon is there.
    method: Option<Method>,
    error: CallError,
}

impl Failure {
    pub(super) fn dialing(socket: &Path, error: CallError) -> Self {
        Self {
            socket: socket.to_owned(),
            method: None,
            error,
        }
    }

    pub(super) fn calling(socket: &Path, method: Method, error: CallError) -> Self {
        Self {
            method: Some(method),
            ..Self::dialing(socket, error)
        }
    }

    /// Nobody listens at the socket.
    pub(super) fn is_absent(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, NotFound};
        matches!(&self.error, CallError::Dial { source, .. } if matches!(source.kind(), NotFound | ConnectionRefused))
    }

    /// The daemon was asked, and what has come of that is not known.
    pub(super) fn is_in_doubt(&self) -> bool {
        use CallError::{Closed, Io, Protocol, TimedOut};
        matches!(self.error, TimedOut(_) | Closed | Io(_) | Protocol(_))
    }

    pub(super) fn is_unknown_method(&self) -> bool {
        matches!(self.error, CallError::UnknownMethod(_))
    }

    fn code(&self) -> ErrorCode {
        match &self.error {
            _ if self.is_absent() => ErrorCode::TRY_AGAIN_LATER,
            CallError::Silent(_) | CallError::TimedOut(_) | CallError::Closed => {
                ErrorCode::TRY_AGAIN_LATER
            }
            CallError::Daemon(_) => ErrorCode::INTERNAL,
            _ => ErrorCode::IO_FAILURE,
        }
    }

    fn advice(&self) -> String {
        let socket = self.socket.display();
        match &self.error {
            _ if self.is_absent() => format!(
                "no DHCP daemon listens at {socket}; start one: {}. Where one listens elsewhere, daemonSocketPath in ipam \
                 names its socket",
                start(&self.socket)
            ),
            CallError::Dial { .. } => {
                format!("{socket} is for root: plugins and the daemon run as root of the host")
            }
            CallError::Silent(_) => format!(
                "somebody listens at {socket} and has not answered for {} s: look at the daemon's log, start it anew",
                GREETING.as_secs()
            ),
            CallError::NoDaemon { .. } => format!(
                "what listens at {socket} is no DHCP daemon; daemonSocketPath in ipam names the daemon's socket"
            ),
            CallError::Daemon(_) => {
                format!("the DHCP daemon at {socket} says so; its log may say more")
            }
            _ => format!("look at the log of the DHCP daemon at {socket}"),
        }
    }
}

/// How a daemon is started that listens there.
fn start(socket: &Path) -> String {
    match socket == Path::new(DEFAULT_SOCKET) {
        true => "systemctl enable --now linkspan-dhcp.socket, or `dhcp daemon`".to_owned(),
        false => format!("`dhcp daemon -socketpath {}`", socket.display()),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use CallError::{Dial, NoDaemon, Silent};
        match (&self.error, &self.method) {
            (Dial { .. } | Silent(_) | NoDaemon { .. }, _) | (_, None) => {
                write!(f, "error dialing DHCP daemon: {}", self.error)
            }
            (error, Some(method)) => write!(f, "error calling {method}: {error}"),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.code(), failure.to_string()).with_details(failure.advice())
    }
}
