//! The daemon that holds leases on a host, Linkspan's or the reference's.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::background::Background;
use crate::command::Cmd;
use crate::plugins::Plugins;

/// How long it may take until it listens.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

/// Longer than any test.
const FOREVER: Duration = Duration::from_secs(3600);

/// A daemon.
#[derive(Debug)]
pub struct DhcpDaemon {
    program: PathBuf,
    flags: Vec<String>,
    running: Option<Background>,
}

impl DhcpDaemon {
    /// Where it listens, in both implementations.
    pub const SOCKET: &str = "/run/cni/dhcp.sock";

    /// Starts the one of these plugins.
    ///
    /// # Panics
    /// When it does not listen within five seconds.
    #[track_caller]
    #[must_use]
    pub fn start(plugins: &Plugins) -> Self {
        Self::start_with(plugins, &[])
    }

    /// The same with more flags.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    #[track_caller]
    #[must_use]
    pub fn start_with(plugins: &Plugins, flags: &[&str]) -> Self {
        let mut daemon = Self {
            program: plugins.dir().join("dhcp"),
            flags: flags.iter().map(ToString::to_string).collect(),
            running: None,
        };
        daemon.start_again();
        daemon
    }

    /// The command that starts one, which awaits answers for five seconds.
    #[must_use]
    pub fn cmd(plugins: &Plugins) -> Cmd {
        Self::command(&plugins.dir().join("dhcp"))
    }

    fn command(program: &Path) -> Cmd {
        let daemon = Cmd::new(program).args(["daemon", "-timeout", "5s", "-resendmax", "4s"]);
        daemon.deadline(FOREVER)
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Starts it once more, whether it was killed or not.
    ///
    /// # Panics
    /// When it does not listen within five seconds.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.kill();
        // A daemon does so itself; older ones of the reference do not.
        if let Some(folder) = Path::new(Self::SOCKET).parent() {
            let _ = fs::create_dir_all(folder);
        }
        let daemon = Self::command(&self.program).args(&self.flags).start();
        let end = Instant::now() + PATIENCE;
        while UnixStream::connect(Self::SOCKET).is_err() {
            assert!(
                Instant::now() < end,
                "the daemon does not listen: {}",
                daemon.stderr_so_far()
            );
            thread::sleep(STEP);
        }
        self.running = Some(daemon);
    }

    /// Its process ID; 0 when it does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.running.as_ref().map_or(0, Background::pid)
    }

    /// What it has said until now.
    #[must_use]
    pub fn log(&self) -> String {
        let running = self.running.as_ref();
        running.map(Background::stderr_so_far).unwrap_or_default()
    }
}
