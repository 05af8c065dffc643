//! Programs run with a deadline, their output kept.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

/// How long a program may run when nothing else is said.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// How long the output of a program that has ended is awaited, in case that a descendant keeps it open.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// A program to run: in a process group of its own, which is killed when the deadline passes.
#[derive(Debug)]
pub struct Cmd {
    command: Command,
    stdin: Vec<u8>,
    deadline: Duration,
}

impl Cmd {
    /// A program with no arguments yet, found along `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            command: Command::new(program),
            stdin: Vec::new(),
            deadline: DEFAULT_DEADLINE,
        }
    }

    /// A line for the shell, which stops at the first command that fails.
    #[must_use]
    pub fn shell(line: &str) -> Self {
        Self::new("sh").args(["-ec", line])
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// The same program as the last arguments of another one, for example of `strace`.
    ///
    /// # Panics
    /// When `wrapper` is empty.
    #[must_use]
    pub fn under(self, wrapper: &[&str]) -> Self {
        let mut command = Command::new(wrapper[0]);
        command
            .args(&wrapper[1..])
            .arg(self.command.get_program())
            .args(self.command.get_args());
        for (key, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Self { command, ..self }
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Removes an environment variable that would be inherited.
    #[must_use]
    pub fn env_remove(mut self, key: impl AsRef<OsStr>) -> Self {
        self.command.env_remove(key);
        self
    }

    /// Runs it in this directory.
    #[must_use]
    pub fn current_dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// What it reads from standard input; nothing when not called.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may run, instead of 30 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs it to its end, or to the deadline.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn output(self) -> Output {
        self.start().wait()
    }

    /// Runs it and gives its standard output without the trailing white space.
    ///
    /// # Panics
    /// When it cannot be started, fails or exceeds its deadline.
    #[track_caller]
    pub fn run(self) -> String {
        self.output().success().trim_end().to_owned()
    }

    /// Starts it and goes on; see [`Background::wait`].
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn start(mut self) -> Background {
        let line = command_line(&self.command);
        self.command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let started = Instant::now();
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => panic!("cannot run `{line}`: {error}"),
        };
        feed(&mut child, self.stdin);
        let stdout = Collected::from(child.stdout.take());
        let stderr = Collected::from(child.stderr.take());
        Background {
            line,
            child,
            stdout,
            stderr,
            started,
            deadline: self.deadline,
            ended: false,
        }
    }
}

/// A program that runs while the test goes on; killed with its process group when dropped.
#[derive(Debug)]
pub struct Background {
    line: String,
    child: Child,
    stdout: Collected,
    stderr: Collected,
    started: Instant,
    deadline: Duration,
    ended: bool,
}

impl Background {
    /// Its process ID, which is its process group's too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard output until now.
    #[must_use]
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error until now.
    #[must_use]
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Waits until it ends or its deadline passes.
    #[must_use]
    pub fn wait(mut self) -> Output {
        let left = self.deadline.saturating_sub(self.started.elapsed());
        let timed_out = !ends_within(&self.child, left);
        self.finish(timed_out)
    }

    /// Kills its process group and gives what it had written.
    #[must_use]
    pub fn kill(mut self) -> Output {
        self.finish(false)
    }

    fn finish(&mut self, timed_out: bool) -> Output {
        let elapsed = self.started.elapsed();
        kill_group(&self.child);
        self.ended = true;
        let status = match self.child.wait() {
            Ok(status) => status,
            Err(error) => panic!("cannot wait for `{}`: {error}", self.line),
        };
        self.stdout.finish();
        self.stderr.finish();
        Output {
            command: self.line.clone(),
            status,
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
            elapsed,
            timed_out,
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !self.ended {
            kill_group(&self.child);
            // Nobody is left to be told; the wait only keeps the process from staying as a zombie.
            let _ = self.child.wait();
        }
    }
}

/// What a program did.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command line, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output; what is not UTF-8 is replaced.
    pub stdout: String,
    /// Standard error; what is not UTF-8 is replaced.
    pub stderr: String,
    /// From the start to the end.
    pub elapsed: Duration,
    /// Whether it was killed because its deadline had passed.
    pub timed_out: bool,
}

impl Output {
    /// Its standard output.
    ///
    /// # Panics
    /// When it did not end with status 0.
    #[track_caller]
    #[must_use]
    pub fn success(&self) -> &str {
        assert!(self.ok(), "{self}");
        &self.stdout
    }

    /// Whether it ended with status 0.
    #[must_use]
    pub fn ok(&self) -> bool {
        self.status.success() && !self.timed_out
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.timed_out {
            "killed at its deadline".to_owned()
        } else {
            self.status.to_string()
        };
        writeln!(f, "`{}`: {how} after {:.1?}", self.command, self.elapsed)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                writeln!(f, "--- {name}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

/// The bytes of one pipe, gathered by a thread.
#[derive(Debug)]
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: Receiver<()>,
}

impl Collected {
    fn from(pipe: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (ended, end) = mpsc::channel();
        if let Some(mut pipe) = pipe {
            let bytes = Arc::clone(&bytes);
            thread::spawn(move || {
                let mut chunk = [0; 16 * 1024];
                while let Ok(n @ 1..) = pipe.read(&mut chunk) {
                    bytes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(&chunk[..n]);
                }
                // The receiver may be gone with a program that was dropped.
                let _ = ended.send(());
            });
        }
        Self { bytes, end }
    }

    fn finish(&self) {
        // Both outcomes are fine: the end of the pipe, or a descendant that keeps it open for longer than we care.
        let _ = self.end.recv_timeout(OUTPUT_GRACE);
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn feed(child: &mut Child, bytes: Vec<u8>) {
    let Some(mut stdin) = child.stdin.take() else {
        return;
    };
    if !bytes.is_empty() {
        // A program that does not read its input is no failure of the test.
        thread::spawn(move || drop(stdin.write_all(&bytes)));
    }
}

/// Whether the process ends in time; waits on its pidfd, so that nothing is lost to polling.
fn ends_within(child: &Child, time: Duration) -> bool {
    let Ok(pidfd) = pidfd_open(Pid::from_child(child), PidfdFlags::empty()) else {
        return true;
    };
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], timeout.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            ready => return ready != Ok(0),
        }
    }
}

fn kill_group(child: &Child) {
    // It may have ended already, and all of its group with it.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn command_line(command: &Command) -> String {
    let words: Vec<OsString> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(OsStr::to_owned)
        .collect();
    words.join(OsStr::new(" ")).to_string_lossy().into_owned()
}
