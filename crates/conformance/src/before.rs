//! What a plugin needs on its host: a command that is run before the plugin, such as one that starts its daemon.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use linkspan_kernel::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

/// Of what the command printed so much is told where it fails.
const MAX_TOLD: u64 = 4 << 10;

/// The command, ended, and all that it left running, which ends with this.
#[derive(Debug)]
pub(crate) struct Before {
    /// Not reaped before all is over, so that nobody else gets the number of its process group.
    child: Child,
}

impl Before {
    /// Runs a line of shell to its end. What it prints, and what those print that it leaves running, is kept in the file `log`.
    ///
    /// # Errors
    /// When it fails, or takes longer than `timeout`; with what it has printed.
    pub(crate) fn run(
        line: &str,
        cni_path: &str,
        log: &Path,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let failed = |error| {
            Error::new(
                "run",
                format!("the command before the plugin, {line:?}"),
                error,
            )
        };
        let started = || {
            let output = File::create(log)?;
            Command::new("/bin/sh")
                .args(["-c", line])
                .env("CNI_PATH", cni_path)
                .stdin(Stdio::null())
                .stdout(output.try_clone()?)
                .stderr(output)
                .process_group(0)
                .spawn()
        };
        let before = Self {
            child: started().map_err(failed)?,
        };
        match before.succeeds(timeout).map_err(failed)? {
            true => Ok(before),
            false => Err(failed(io::Error::other(told(log)))),
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for its end, and says whether that was a good one.
    fn succeeds(&self, timeout: Duration) -> io::Result<bool> {
        let begun = Instant::now();
        let end = pidfd_open(self.pid(), PidfdFlags::empty())?;
        let mut polled = [PollFd::new(&end, PollFlags::IN)];
        loop {
            let left = timeout.saturating_sub(begun.elapsed());
            let left_as_timespec = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut polled, Some(&left_as_timespec)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let ended = waitid(WaitId::Pid(self.pid()), options)?;
        Ok(ended.is_some_and(|status| status.exit_status() == Some(0)))
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        // Nobody is left in it where nothing was left running.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// What it printed, in one line.
fn told(log: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(log).and_then(|file| file.take(MAX_TOLD).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    match (read, text.trim()) {
        (Ok(_), "") => "it failed, and printed nothing".to_owned(),
        (Ok(_), text) => format!("it failed: {}", text.replace('\n', "; ")),
        (Err(error), _) => format!("it failed, and what it printed cannot be read: {error}"),
    }
}
