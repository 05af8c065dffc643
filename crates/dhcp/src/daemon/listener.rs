//! The socket at which plugins find the daemon.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use linkspan_state::folder::create_directory;
use rustix::fs::Mode;
use rustix::process::umask;

/// Why the daemon cannot be found by plugins.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
    /// systemd has handed over another number of sockets than one.
    #[error(
        "expected one socket from systemd, got {0}; the socket's unit must have one ListenStream="
    )]
    Number(usize),
    /// What systemd has handed over is no socket that listens.
    #[error("what systemd handed over is no stream socket that listens: {0}")]
    Kind(io::Error),
    /// Another daemon is alive.
    #[error("a daemon already listens at {}; stop that one first, or choose another path with -socketpath", .0.display())]
    Alive(PathBuf),
    /// Something else is there.
    #[error("{} is there and is no socket; remove it, or choose another path with -socketpath", .0.display())]
    NoSocket(PathBuf),
    /// It cannot be made.
    #[error("cannot listen at {}: {error}", .path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A socket that listens, and what is to be removed in the end.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    made: Option<PathBuf>,
}

impl Listener {
    /// Takes the one that systemd has handed over, or makes one at this path, for root alone. A file that a daemon has left
    /// there is in nobody's way.
    ///
    /// # Errors
    /// When another daemon is alive there, or it cannot be made.
    pub(super) fn open(path: &Path) -> Result<Self, ListenError> {
        let mut inherited = listenfd::ListenFd::from_env();
        let (socket, made) = match inherited.len() {
            0 => (make(path)?, Some(path.to_owned())),
            1 => {
                let socket = inherited.take_unix_listener(0).map_err(ListenError::Kind)?;
                (socket.ok_or(ListenError::Number(0))?, None)
            }
            number => return Err(ListenError::Number(number)),
        };
        socket
            .set_nonblocking(true)
            .map_err(|error| ListenError::Io {
                path: path.to_owned(),
                error,
            })?;
        Ok(Self { socket, made })
    }

    /// The next plugin that is there; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) fn accept(&self) -> io::Result<Option<UnixStream>> {
        match self.socket.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                Ok(Some(stream))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            // It has given up meanwhile.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl std::os::fd::AsFd for Listener {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = &self.made {
            let _ = fs::remove_file(path);
        }
    }
}

fn make(path: &Path) -> Result<UnixListener, ListenError> {
    let failed = |error| ListenError::Io {
        path: path.to_owned(),
        error,
    };
    if let Some(above) = path.parent() {
        create_directory(above, 0o755).map_err(failed)?;
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ListenError::NoSocket(path.to_owned()));
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => return Err(ListenError::Alive(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(failed)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
        },
    }
    // With its mode from the first moment on.
    let before = umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    umask(before);
    bound.map_err(failed)
}
