//! Plugins run as processes, with a deadline that holds.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use linkspan_spec::MAX_INPUT;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid,
};

use crate::execute::{Ended, Execute, Output, Request};
use crate::{Cancel, Deadline};

/// Between the request to end (SIGTERM) and the end (SIGKILL): time enough to undo an attachment,
/// too little to be mistaken for success.
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// How much of a plugin's standard error is kept, in bytes. The rest is read and dropped, so that
/// the plugin does not wait for us.
const MAX_STDERR: usize = 64 << 10;

/// How often a file that is being written is tried, with a pause that doubles from the first one:
/// about five seconds in all, as long as the reference's runtime tries.
const BUSY_TRIES: u32 = 10;
const FIRST_BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Starts the plugin's file as a process, in a process group of its own.
///
/// At the deadline, and when the operation is given up, the whole group, so also what the plugin has
/// started (an IPAM plugin that waits for a lock), is told to end by SIGTERM and two seconds later is
/// ended by SIGKILL. A process that
/// the plugin leaves behind on purpose, such as a daemon, is let live when the plugin ends in time,
/// and nothing waits for it.
///
/// A program that uses this must not ignore SIGCHLD: then nobody knows how a plugin has ended. What it printed is taken for that;
/// of one that printed nothing it is an error.
///
/// It must not end by SIGPIPE either, which programs in Rust ignore from their start: a plugin need not read what it is given.
///
/// A process that has left the group (`setsid`) is beyond reach. Plugins outlive a program that is killed.
///
/// A file that is being written ("text file busy") is tried again for a few seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

impl Execute for Process {
    fn run(&self, request: &Request<'_>) -> io::Result<Output> {
        let child = spawn(request)?;
        run_to_end(child, request).map_err(Begun::error)
    }
}

/// What fails of a plugin's run once it has begun: something of it may be there.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct Begun(io::Error);

impl Begun {
    fn error(source: io::Error) -> io::Error {
        io::Error::new(source.kind(), Self(source))
    }

    /// Whether an error is one of these.
    pub(crate) fn is_behind(error: &io::Error) -> bool {
        Self::of(error).is_some()
    }

    /// The system's number of an error, be it one of these or not.
    pub(crate) fn raw_os_error(error: &io::Error) -> Option<i32> {
        Self::of(error)
            .map_or(error, |begun| &begun.0)
            .raw_os_error()
    }

    fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

fn run_to_end(child: Child, request: &Request<'_>) -> io::Result<Output> {
    let mut running = Running::start(child, request.stdin)?;
    let ended = match running.wait(&request.deadline, request.cancel)? {
        Progress::Ended => Ended::Exited(match running.reap() {
            Err(error) if error.raw_os_error() == Some(Errno::CHILD.raw_os_error()) => {
                told_status(&running.stdout.bytes).ok_or(error)?
            }
            status => status?,
        }),
        Progress::TooMuchOutput => {
            running.end_group();
            Ended::TooMuchOutput
        }
        Progress::TimedOut => {
            running.give_up(request.cancel)?;
            Ended::TimedOut
        }
        Progress::Cancelled => {
            running.give_up(request.cancel)?;
            Ended::Cancelled
        }
    };
    Ok(Output {
        ended,
        stdout: std::mem::take(&mut running.stdout.bytes),
        stderr: std::mem::take(&mut running.stderr.bytes),
    })
}

/// How a process has ended whose status nobody kept, since this program ignores SIGCHLD: what it printed tells; nothing when that
/// is nothing.
fn told_status(stdout: &[u8]) -> Option<ExitStatus> {
    let failed = linkspan_spec::Error::parse(stdout).is_ok();
    (!stdout.is_empty()).then(|| ExitStatus::from_raw(i32::from(failed) << 8))
}

/// Starts the plugin, patiently while its file is busy.
fn spawn(request: &Request<'_>) -> io::Result<Child> {
    // A bare name would be searched along PATH.
    let mut command = Command::new(Path::new(".").join(request.path));
    command
        .envs(request.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut pause = FIRST_BUSY_PAUSE;
    for _ in 1..BUSY_TRIES {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {}
            started => return started,
        }
        if request.deadline.left().is_some_and(|left| left < pause) {
            break;
        }
        // Nothing tells when the last writer closes a file: inotify does not see a writer that was
        // inherited over a fork.
        thread::sleep(pause);
        pause *= 2;
    }
    command.spawn()
}

/// Why waiting for a process came to an end.
#[derive(PartialEq)]
enum Progress {
    Ended,
    TimedOut,
    Cancelled,
    TooMuchOutput,
}

/// What is readable once the process has ended: a descriptor of the process itself, where the kernel
/// has them (since 5.3) and a sandbox does not forbid them; else a pipe that a thread closes which waits
/// for the process.
fn end_of(pid: Pid) -> io::Result<OwnedFd> {
    if let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) {
        return Ok(pidfd);
    }
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    thread::Builder::new().spawn(move || {
        // It stays to be reaped by who started it, who ends it before giving up on it.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
        drop(writer);
    })?;
    Ok(reader)
}

/// A process with its pipes. Its group is ended when it is dropped before it was reaped.
struct Running {
    child: Child,
    /// Readable once it has ended.
    end: OwnedFd,
    stdin: Input,
    stdout: Collected<ChildStdout>,
    stderr: Collected<ChildStderr>,
    reaped: bool,
}

impl Running {
    fn start(mut child: Child, stdin: &[u8]) -> io::Result<Self> {
        let end = end_of(Pid::from_child(&child));
        let mut running = Self {
            stdin: Input::new(child.stdin.take(), stdin.to_vec()),
            stdout: Collected::new(child.stdout.take(), MAX_INPUT + 1),
            stderr: Collected::new(child.stderr.take(), MAX_STDERR),
            end: match end {
                Ok(end) => end,
                Err(error) => {
                    abandon(&mut child);
                    return Err(error);
                }
            },
            child,
            reaped: false,
        };
        running.make_nonblocking()?;
        Ok(running)
    }

    fn make_nonblocking(&mut self) -> io::Result<()> {
        for pipe in [
            self.stdin.pipe.as_ref().map(AsFd::as_fd),
            self.stdout.pipe.as_ref().map(AsFd::as_fd),
            self.stderr.pipe.as_ref().map(AsFd::as_fd),
        ] {
            pipe.map(|pipe| ioctl_fionbio(pipe, true)).transpose()?;
        }
        Ok(())
    }

    /// Feeds and reads the process until it ends, prints too much, the deadline passes or it is given up.
    fn wait(&mut self, deadline: &Deadline, cancel: Option<&Cancel>) -> io::Result<Progress> {
        loop {
            let Some(has_ended) = self.await_event(deadline, cancel)? else {
                return Ok(Progress::TimedOut);
            };
            self.stdin.feed()?;
            // What the process itself has printed is in the pipes once it has ended. Their end is
            // not waited for: what it left behind may hold them open for ever.
            self.stdout.read()?;
            self.stderr.read()?;
            if self.stdout.bytes.len() > MAX_INPUT {
                return Ok(Progress::TooMuchOutput);
            }
            if has_ended {
                return Ok(Progress::Ended);
            }
            if cancel.is_some_and(Cancel::take) {
                return Ok(Progress::Cancelled);
            }
            // One that prints without end is always ready: the wait above would never time out.
            if deadline.has_passed() {
                return Ok(Progress::TimedOut);
            }
        }
    }

    /// Waits until there is something to do; tells whether the process has ended, or nothing when
    /// the deadline has passed.
    fn await_event(
        &self,
        deadline: &Deadline,
        cancel: Option<&Cancel>,
    ) -> io::Result<Option<bool>> {
        let mut events = vec![PollFd::new(&self.end, PollFlags::IN)];
        if let Some(cancel) = cancel {
            events.push(PollFd::new(cancel, PollFlags::IN));
        }
        if let Some(pipe) = &self.stdin.pipe {
            events.push(PollFd::new(pipe, PollFlags::OUT));
        }
        if let Some(pipe) = &self.stdout.pipe {
            events.push(PollFd::new(pipe, PollFlags::IN));
        }
        if let Some(pipe) = &self.stderr.pipe {
            events.push(PollFd::new(pipe, PollFlags::IN));
        }
        loop {
            let timeout = deadline
                .left()
                .and_then(|left| Timespec::try_from(left).ok());
            match poll(&mut events, timeout.as_ref()) {
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
                Ok(0) => return Ok(None),
                Ok(_) => return Ok(Some(!events[0].revents().is_empty())),
            }
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        // It has ended, whatever comes of this.
        self.reaped = true;
        self.child.wait()
    }

    /// Tells the whole group to end, and ends it some time later, or when that is given up too.
    fn give_up(&mut self, cancel: Option<&Cancel>) -> io::Result<()> {
        // The group's number cannot belong to anybody else before the process is reaped. That its
        // last member has ended in the meantime is as good.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::TERM);
        // What has given the run up does not cut this short; a second signal to a program does.
        let again = cancel.filter(|cancel| cancel.is_stepwise());
        self.wait(&Deadline::after(GRACE), again)?;
        self.end_group();
        Ok(())
    }

    fn end_group(&mut self) {
        abandon(&mut self.child);
        self.reaped = true;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.end_group();
        }
    }
}

/// Ends a process and its group. Nobody is left to be told how it ended; the wait keeps it from
/// staying as a zombie.
fn abandon(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}

/// What is yet to be written to a process's standard input; closed once that is done.
struct Input {
    pipe: Option<ChildStdin>,
    bytes: Vec<u8>,
    written: usize,
}

impl Input {
    fn new(pipe: Option<ChildStdin>, bytes: Vec<u8>) -> Self {
        Self {
            pipe,
            bytes,
            written: 0,
        }
    }

    fn feed(&mut self) -> io::Result<()> {
        while let Some(pipe) = &mut self.pipe {
            match pipe.write(&self.bytes[self.written..]) {
                Ok(written) if self.written + written < self.bytes.len() => self.written += written,
                // A plugin need not read what it is given; VERSION seldom does.
                Ok(_) => self.pipe = None,
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.pipe = None,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What a process has printed on one of its pipes, up to a limit.
struct Collected<P> {
    pipe: Option<P>,
    bytes: Vec<u8>,
    limit: usize,
}

impl<P: Read> Collected<P> {
    fn new(pipe: Option<P>, limit: usize) -> Self {
        Self {
            pipe,
            bytes: Vec::new(),
            limit,
        }
    }

    /// Reads what is there.
    fn read(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 << 10];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    let room = self.limit - self.bytes.len();
                    self.bytes.extend_from_slice(&chunk[..read.min(room)]);
                    if self.bytes.len() == self.limit {
                        // An endless writer must not keep us from looking at the deadline.
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
