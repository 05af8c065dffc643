//! Programs run with a deadline, their output kept.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::iter;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::background::Background;

/// How long a program may run when nothing else is said.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(30);

/// A program to run: in a process group of its own, which is killed when the deadline passes.
#[derive(Debug)]
pub struct Cmd {
    pub(crate) command: Command,
    pub(crate) stdin: Input,
    pub(crate) deadline: Duration,
}

/// Where a program's standard input comes from.
#[derive(Debug)]
pub(crate) enum Input {
    Bytes(Vec<u8>),
    Fd(OwnedFd),
}

impl Cmd {
    /// A program with no arguments yet, found along `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.env("PATH", path());
        Self {
            command,
            stdin: Input::Bytes(Vec::new()),
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
        self.stdin = Input::Bytes(bytes.into());
        self
    }

    /// An open file as its standard input.
    #[must_use]
    pub fn stdin_from(mut self, fd: OwnedFd) -> Self {
        self.stdin = Input::Fd(fd);
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
    pub fn start(self) -> Background {
        Background::start(self.command, self.stdin, self.deadline)
    }

    /// The words of the command, for messages.
    pub(crate) fn line(&self) -> String {
        command_line(&self.command)
    }

    /// A line of shell that runs the same program elsewhere: in this process's directory, with its environment and what
    /// was set for the program.
    pub(crate) fn script(&self) -> String {
        let mut variables: BTreeMap<OsString, OsString> = env::vars_os().collect();
        for (key, value) in self.command.get_envs() {
            match value {
                Some(value) => variables.insert(key.to_owned(), value.to_owned()),
                None => variables.remove(key),
            };
        }
        let dir = self
            .command
            .get_current_dir()
            .map_or_else(env::current_dir, |dir| Ok(dir.to_owned()));
        let mut line = format!(
            "cd {} && exec env -i",
            quoted(dir.unwrap_or_default().as_os_str())
        );
        for (key, value) in variables {
            line.extend([" ", &key.to_string_lossy(), "=", &quoted(&value)]);
        }
        for word in words(&self.command) {
            line.extend([" ", &quoted(word)]);
        }
        // A line is a line: what a variable holds in several is of no use there.
        line.replace('\n', " ") + "\n"
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

pub(crate) fn command_line(command: &Command) -> String {
    words(command)
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

fn words(command: &Command) -> impl Iterator<Item = &OsStr> {
    iter::once(command.get_program()).chain(command.get_args())
}

fn quoted(word: &OsStr) -> String {
    format!("'{}'", word.to_string_lossy().replace('\'', "'\\''"))
}

/// `PATH` with the directories of administration, which ordinary users do not have in theirs.
fn path() -> String {
    format!("{}:/usr/sbin:/sbin", env::var("PATH").unwrap_or_default())
}
