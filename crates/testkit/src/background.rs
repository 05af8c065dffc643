//! Programs that run while the test goes on.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::command::{Input, Output, command_line};

/// How long the output of a program that has ended is awaited, in case that a descendant keeps it open.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// How long a daemon may take to say that it is ready, and how long to listen to one of its two streams.
const READY_PATIENCE: Duration = Duration::from_secs(10);
const READY_STEP: Duration = Duration::from_millis(20);

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

/// Starts a program in a process group of its own, gives it its input, and collects what it prints.
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub(crate) fn spawn(command: &mut Command, stdin: Input) -> (Child, Collected, Collected) {
    let (stdin, bytes) = match stdin {
        Input::Bytes(bytes) => (Stdio::piped(), bytes),
        Input::Fd(fd) => (Stdio::from(fd), Vec::new()),
    };
    command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot run `{}`: {error}", command_line(command)),
    };
    feed(&mut child, bytes);
    let stdout = Collected::from(child.stdout.take());
    let stderr = Collected::from(child.stderr.take());
    (child, stdout, stderr)
}

impl Background {
    #[track_caller]
    pub(crate) fn start(mut command: Command, stdin: Input, deadline: Duration) -> Self {
        let line = command_line(&command);
        let started = Instant::now();
        let (child, stdout, stderr) = spawn(&mut command, stdin);
        Self {
            line,
            child,
            stdout,
            stderr,
            started,
            deadline,
            ended: false,
        }
    }

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

    /// Waits until it has written a text to standard output or standard error, as a daemon does when it is ready.
    ///
    /// # Panics
    /// When it has not within 10 seconds.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text);
        // Of the two streams either may say it: look at each again and again until one has.
        let end = Instant::now() + READY_PATIENCE;
        while Instant::now() < end {
            for stream in [&self.stdout, &self.stderr] {
                stream.wait(READY_STEP, said);
                if said(&stream.lock().bytes) {
                    return;
                }
            }
        }
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        panic!("`{}` did not say {text:?}\n{stdout}{stderr}", self.line);
    }

    /// Waits until somebody connects to a socket, it ends, or the time is over.
    pub(crate) fn wait_to_accept(&self, socket: impl AsFd, time: Duration) {
        any_readable_within(&[socket.as_fd(), pidfd(&self.child).as_fd()], time);
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
        self.stdout.wait(OUTPUT_GRACE, |_| false);
        self.stderr.wait(OUTPUT_GRACE, |_| false);
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

/// The bytes of one pipe, gathered by a thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Collected(Arc<(Mutex<Gathered>, Condvar)>);

#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collected {
    pub(crate) fn from(pipe: Option<impl Read + Send + 'static>) -> Self {
        let collected = Self::default();
        if let Some(mut pipe) = pipe {
            let collected = collected.clone();
            thread::spawn(move || {
                let mut chunk = [0; 16 * 1024];
                while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                    collected.change(|gathered| gathered.bytes.extend_from_slice(&chunk[..length]));
                }
                collected.change(|gathered| gathered.ended = true);
            });
        }
        collected
    }

    fn change(&self, change: impl FnOnce(&mut Gathered)) {
        change(&mut self.lock());
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the gathered bytes are as wanted, or there will be no more, or the time is over.
    pub(crate) fn wait(&self, time: Duration, wanted: impl Fn(&[u8]) -> bool) {
        let unwanted = |gathered: &mut Gathered| !gathered.ended && !wanted(&gathered.bytes);
        drop(self.0.1.wait_timeout_while(self.lock(), time, unwanted));
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }
}

fn feed(child: &mut Child, bytes: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take().filter(|_| !bytes.is_empty()) {
        // A program that does not read its input is no failure of the test.
        thread::spawn(move || drop(stdin.write_all(&bytes)));
    }
}

/// Whether the process ends in time; waits on its pidfd, so that nothing is lost to polling.
fn ends_within(child: &Child, time: Duration) -> bool {
    any_readable_within(&[pidfd(child).as_fd()], time)
}

fn pidfd(child: &Child) -> OwnedFd {
    match pidfd_open(Pid::from_child(child), PidfdFlags::empty()) {
        Ok(pidfd) => pidfd,
        Err(error) => panic!("cannot watch process {}: {error}", child.id()),
    }
}

/// Whether there is something to read, or to accept, in time on any of these.
fn any_readable_within(fds: &[BorrowedFd<'_>], time: Duration) -> bool {
    let end = Instant::now() + time;
    let mut fds: Vec<PollFd<'_>> = fds
        .iter()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now())).ok();
        match poll(&mut fds, left.as_ref()) {
            Err(Errno::INTR) => {}
            ready => return ready != Ok(0),
        }
    }
}

fn kill_group(child: &Child) {
    // It may have ended already, and all of its group with it.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}
