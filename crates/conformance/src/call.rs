//! One run of a plugin, in the ways of runtimes and in ways that no runtime should have.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use linkspan_spec::{Map, Value};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{
    Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open, test_kill_process_group,
};

use crate::answer::Answer;

/// As much as is read of what a plugin prints, in bytes; one that prints more is ended.
const MAX_OUTPUT: usize = 16 << 20;

/// What a plugin gets on standard input.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// These bytes, and then its end.
    Bytes(Vec<u8>),
    /// These bytes, and no end.
    Endless(Vec<u8>),
}

/// A run that is prepared.
#[derive(Clone, Debug)]
#[must_use = "nothing is run before `run`"]
pub(crate) struct Call {
    pub(crate) plugin: PathBuf,
    /// What is told of it.
    pub(crate) asked: String,
    pub(crate) env: Vec<(String, OsString)>,
    pub(crate) config: Map,
    /// What takes the place of the configuration.
    input: Option<Input>,
    /// What the shell does to the descriptors before it becomes the plugin.
    redirections: Option<&'static str>,
    signal: Option<(Signal, Duration)>,
    pub(crate) timeout: Duration,
}

impl Call {
    pub(crate) fn new(plugin: PathBuf, asked: String, timeout: Duration) -> Self {
        Self {
            plugin,
            asked,
            env: Vec::new(),
            config: Map::new(),
            input: None,
            redirections: None,
            signal: None,
            timeout,
        }
    }

    /// The same with a variable in place of that of the name.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self = self.without(name);
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same without a variable.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// The same with a key of the configuration.
    pub(crate) fn key(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.config.insert(key.to_owned(), value.into());
        self
    }

    /// The same without a key of the configuration.
    pub(crate) fn without_key(mut self, key: &str) -> Self {
        self.config.remove(key);
        self
    }

    /// The same with something else than a configuration on standard input.
    pub(crate) fn input(mut self, input: Input) -> Self {
        self.input = Some(input);
        self
    }

    /// The same with a text in place of the configuration.
    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.input(Input::Bytes(text.into().into_bytes()))
    }

    /// The same with descriptors as a shell redirects them.
    pub(crate) fn redirected(mut self, redirections: &'static str) -> Self {
        self.redirections = Some(redirections);
        self
    }

    /// The same with a signal some time after its start, to all that it has started as well.
    pub(crate) fn signalled(mut self, signal: Signal, after: Duration) -> Self {
        self.signal = Some((signal, after));
        self
    }

    /// The same with less time.
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = self.timeout.min(timeout);
        self
    }

    /// The same, told in other words.
    pub(crate) fn asking(mut self, words: impl Into<String>) -> Self {
        self.asked = words.into();
        self
    }

    /// Runs the plugin to its end, or until its time is over: then it is killed, with what it has started.
    pub(crate) fn run(&self) -> io::Result<Answer> {
        self.start()?.finish()
    }

    /// Starts it.
    pub(crate) fn start(&self) -> io::Result<Running> {
        let begun = Instant::now();
        let mut command = match self.redirections {
            None => Command::new(&self.plugin),
            Some(redirections) => {
                let mut shell = Command::new("/bin/sh");
                shell
                    .arg("-c")
                    .arg(format!("exec \"$0\" {redirections}"))
                    .arg(&self.plugin);
                shell
            }
        };
        let child = command
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        Running::new(child, self, begun)
    }

    fn stdin(&self) -> Input {
        let text = || Value::Object(self.config.clone()).to_string().into_bytes();
        self.input.clone().unwrap_or_else(|| Input::Bytes(text()))
    }
}

/// A plugin that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    call: Call,
    begun: Instant,
    stdin: Option<ChildStdin>,
    left: Vec<u8>,
    endless: bool,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    reaped: bool,
}

impl Running {
    fn new(mut child: Child, call: &Call, begun: Instant) -> io::Result<Self> {
        let (left, endless) = match call.stdin() {
            Input::Bytes(bytes) => (bytes, false),
            Input::Endless(bytes) => (bytes, true),
        };
        let stdin = child.stdin.take();
        let running = Self {
            child,
            call: call.clone(),
            begun,
            stdin,
            left,
            endless,
            stdout: Vec::new(),
            stderr: Vec::new(),
            reaped: false,
        };
        for pipe in [
            running.stdin.as_ref().map(AsFd::as_fd),
            running.child.stdout.as_ref().map(AsFd::as_fd),
            running.child.stderr.as_ref().map(AsFd::as_fd),
        ] {
            pipe.map(|pipe| ioctl_fionbio(pipe, true)).transpose()?;
        }
        Ok(running)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Feeds and reads it until it ends.
    pub(crate) fn finish(mut self) -> io::Result<Answer> {
        let end = pidfd_open(self.pid(), PidfdFlags::empty())?;
        let mut signal = self.call.signal;
        let timed_out = loop {
            let elapsed = self.begun.elapsed();
            if let Some((number, after)) = signal
                && elapsed >= after
            {
                let _ = kill_process_group(self.pid(), number);
                signal = None;
            }
            let until = signal.map_or(self.call.timeout, |(_, after)| after);
            let has_ended = self.wait(end.as_fd(), until.saturating_sub(elapsed))?;
            self.feed();
            let is_flood = self.read()?;
            let timed_out = !has_ended && self.begun.elapsed() >= self.call.timeout;
            if has_ended || timed_out || is_flood {
                break timed_out;
            }
        };
        let elapsed = self.begun.elapsed();
        // As long as the plugin is not reaped nobody else can have the number of its group.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(Answer {
            asked: std::mem::take(&mut self.call.asked),
            status: (!timed_out).then_some(status),
            flooded: self.stdout.len() > MAX_OUTPUT || self.stderr.len() > MAX_OUTPUT,
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
            elapsed,
        })
    }

    /// Waits until there is something to do; whether it has ended.
    fn wait(&self, end: rustix::fd::BorrowedFd<'_>, time: Duration) -> io::Result<bool> {
        let mut polled = vec![PollFd::from_borrowed_fd(end, PollFlags::IN)];
        let wanted = [
            (self.stdin.as_ref().map(AsFd::as_fd), PollFlags::OUT),
            (self.child.stdout.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.child.stderr.as_ref().map(AsFd::as_fd), PollFlags::IN),
        ];
        let has_input = !self.left.is_empty() || !self.endless;
        for (pipe, flags) in wanted {
            if let Some(pipe) = pipe.filter(|_| flags == PollFlags::IN || has_input) {
                polled.push(PollFd::from_borrowed_fd(pipe, flags));
            }
        }
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&time)) {
            Err(rustix::io::Errno::INTR) => return Ok(false),
            outcome => outcome?,
        };
        Ok(!polled[0].revents().is_empty())
    }

    /// Writes what fits. One that does not read its input is its own affair.
    fn feed(&mut self) {
        let Some(pipe) = &mut self.stdin else { return };
        let is_over = match self.left.is_empty() {
            true => !self.endless,
            false => match pipe.write(&self.left) {
                Ok(count) => {
                    self.left.drain(..count);
                    self.left.is_empty() && !self.endless
                }
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            },
        };
        if is_over {
            self.stdin = None;
        }
    }

    /// Reads what is there; whether it is too much.
    fn read(&mut self) -> io::Result<bool> {
        let mut is_flood = false;
        is_flood |= drain(&mut self.child.stdout, &mut self.stdout)?;
        is_flood |= drain(&mut self.child.stderr, &mut self.stderr)?;
        Ok(is_flood)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            if test_kill_process_group(self.pid()).is_ok() {
                let _ = kill_process_group(self.pid(), Signal::KILL);
            }
            let _ = kill_process(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Reads what a pipe has, and takes it away at its end.
fn drain<R: Read>(pipe: &mut Option<R>, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    while let Some(open) = pipe {
        match open.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => into.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if into.len() > MAX_OUTPUT {
            return Ok(true);
        }
    }
    Ok(false)
}
