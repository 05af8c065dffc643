//! The daemon that keeps leases: sockets, timers, namespaces, and what is kept on disk.
//!
//! One thread does everything, woken by what comes: plugins at the socket, packets in containers, the kernel's events
//! of links and namespaces, a signal, or the next time that one of the [clients](crate::machine::Client) has named. Only
//! sockets are closed elsewhere. A container's namespace is entered to open a socket, and sockets in it are open only
//! while an answer is awaited, so that none outlives its container.

mod adopt;
mod answer;
mod closer;
mod container;
mod effects;
mod events;
mod flags;
mod frame;
mod holder;
mod interface;
mod journal;
mod keeper;
mod listener;
mod peer;
mod store;
#[cfg(test)]
mod tests;
mod wish;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use events::Daemon;
use flags::{Flags, USAGE, WrongFlags};
use journal::log;
use listener::Listener;
use rustix::process::{Resource, getpid, getrlimit, setrlimit};
use store::{Store, StoreError};

pub use store::{FOLDER, Kept, KeptLease};

/// Runs the daemon with the arguments that come after `daemon`, until a signal ends it; returns the exit status: 0, 1 when it
/// cannot work, 2 when the arguments are wrong.
pub fn run(arguments: &[OsString]) -> u8 {
    let flags = match Flags::parse(arguments) {
        Ok(flags) => flags,
        Err(WrongFlags::Help) => {
            log(USAGE.trim_end());
            return 0;
        }
        Err(error) => {
            log(&format!("{error}\n{}", USAGE.trim_end()));
            return 2;
        }
    };
    match keep(flags) {
        Ok(()) => 0,
        Err(error) => {
            log(&format!("dhcp daemon: {error}"));
            1
        }
    }
}

fn keep(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    allow_many_files();
    let store = match Store::open(&flags.host_prefix, Path::new(&flags.socket_path)) {
        Ok(store) => Some(store),
        Err(StoreError::NoPlace(error)) => {
            log(&format!(
                "leases will be lost when this daemon ends: they cannot be kept on disk: {error}"
            ));
            None
        }
        // Whoever starts it again goes on with the leases that are there.
        Err(error) => return Err(error.into()),
    };
    let listener = Listener::open(&flags.socket())?;
    let _pid_file = flags.pid_file.clone().map(PidFile::write).transpose()?;
    let mut daemon = Daemon::new(flags, listener, store)?;
    daemon.take_up();
    daemon.run()?;
    Ok(())
}

/// A container whose lease is asked for takes three descriptors meanwhile.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it is not allowed fewer at a time must do.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// The file with the process's ID, which goes with it.
struct PidFile(PathBuf);

impl PidFile {
    fn write(path: PathBuf) -> Result<Self, String> {
        if !path.is_absolute() {
            return Err(format!("Error writing pidfile {path:?}: path not absolute"));
        }
        fs::write(&path, getpid().as_raw_nonzero().to_string())
            .map_err(|error| format!("Error writing pidfile {path:?}: {error}"))?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
