//! Why the daemon could not be asked, or has refused: in the reference's words, with what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use linkspan_dhcp::rpc::client::CallError;
use linkspan_dhcp::rpc::{DEFAULT_SOCKET, Method};
use linkspan_plugin::spec::{Error, ErrorCode};
use rustix::io::Errno;

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
            CallError::Silent { .. } | CallError::TimedOut(_) | CallError::Closed => {
                ErrorCode::TRY_AGAIN_LATER
            }
            CallError::Dial { source, .. } if has_ended(source) => ErrorCode::TRY_AGAIN_LATER,
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
            CallError::Dial { source, .. } => unreachable_socket(&socket.to_string(), source),
            CallError::Silent { waited, .. } => format!(
                "somebody listens at {socket} and has not answered for {} s. Try again: the daemon may be busy with others. Where \
                 that stays so, its log may say why",
                waited.as_secs()
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

/// Whether whoever was connected to has ended meanwhile.
fn has_ended(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionReset)
}

/// What to do about a socket that is there and cannot be connected to.
fn unreachable_socket(socket: &str, error: &io::Error) -> String {
    use io::ErrorKind::{InvalidFilename, InvalidInput, OutOfMemory, PermissionDenied};
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    match (error.kind(), errno) {
        (PermissionDenied, _) => {
            format!("{socket} is for root: plugins and the daemon run as root of the host")
        }
        _ if has_ended(error) => {
            format!("the DHCP daemon at {socket} has just ended; try again once it runs")
        }
        (OutOfMemory, _) | (_, Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS)) => {
            "the host is short of memory or of open files, or the plugin's limits are low; try again once there is more"
                .to_owned()
        }
        (InvalidInput | InvalidFilename, _) => format!(
            "daemonSocketPath in ipam is to name the daemon's socket: at most 107 bytes, without a zero byte, not {socket}"
        ),
        _ => format!("daemonSocketPath in ipam names the daemon's socket; is {socket} that?"),
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
            (Dial { .. } | Silent { .. } | NoDaemon { .. }, _) | (_, None) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_connect_is_told_why() {
        let cases = [
            (Errno::NOENT, ErrorCode::TRY_AGAIN_LATER, "start one"),
            (Errno::CONNREFUSED, ErrorCode::TRY_AGAIN_LATER, "start one"),
            (
                Errno::CONNRESET,
                ErrorCode::TRY_AGAIN_LATER,
                "has just ended",
            ),
            (Errno::PIPE, ErrorCode::TRY_AGAIN_LATER, "has just ended"),
            (Errno::ACCESS, ErrorCode::IO_FAILURE, "is for root"),
            (Errno::PERM, ErrorCode::IO_FAILURE, "is for root"),
            (Errno::MFILE, ErrorCode::IO_FAILURE, "open files"),
            (Errno::NFILE, ErrorCode::IO_FAILURE, "open files"),
            (Errno::NOMEM, ErrorCode::IO_FAILURE, "short of memory"),
            (Errno::NOBUFS, ErrorCode::IO_FAILURE, "short of memory"),
            (Errno::NAMETOOLONG, ErrorCode::IO_FAILURE, "107 bytes"),
            (Errno::INVAL, ErrorCode::IO_FAILURE, "107 bytes"),
            (Errno::NOTDIR, ErrorCode::IO_FAILURE, "daemonSocketPath"),
            (Errno::PROTOTYPE, ErrorCode::IO_FAILURE, "daemonSocketPath"),
        ];
        let socket = Path::new(DEFAULT_SOCKET);
        for (errno, code, words) in cases {
            let (path, source) = (socket.to_owned(), errno.into());
            let error: Error = Failure::dialing(socket, CallError::Dial { path, source }).into();
            assert_eq!(error.code, code, "{errno}");
            let details = error.details;
            assert!(details.contains(words), "{errno}: {details}");
            assert_eq!(
                details.contains("is for root"),
                words == "is for root",
                "{details}"
            );
        }
    }
}
