//! How a plugin is found and run: the seam between the protocol and the processes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use linkspan_spec::{Command, PluginType, Version};

use crate::{Cancel, Deadline, Error, find_plugin};

/// Finds plugins and runs them.
///
/// [`Process`](crate::Process) starts the plugin's file. Another implementation may know the plugin and run it within this
/// process, as `linkspan_plugins::InProcess` does, or stand in for plugins in a test, as [`Fake`](crate::Fake) does. Whatever a
/// [`Runtime`](crate::Runtime) does with a plugin goes through this: where one finds plugins without files, none is needed.
pub trait Execute: Send + Sync {
    /// Finds a plugin: the path that [`run`](Self::run) gets, and that messages name. Default: the plugin's file, as
    /// [`find_plugin`] finds it.
    ///
    /// # Errors
    /// [`Error::PluginNotFound`] when there is no such plugin.
    fn find(&self, plugin: &PluginType, directories: &[PathBuf]) -> Result<PathBuf, Error> {
        find_plugin(plugin, directories)
    }

    /// Runs a plugin to its end, to its deadline or until it is given up, whichever is first.
    ///
    /// # Errors
    /// When the plugin cannot be started, or the system fails while it runs.
    fn run(&self, request: &Request<'_>) -> io::Result<Output>;
}

/// One run of a plugin.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The plugin's name.
    pub plugin: &'a PluginType,
    /// Where it was [found](Execute::find).
    pub path: &'a Path,
    /// The operation; the same as `CNI_COMMAND` in [`env`](Self::env).
    pub command: Command,
    /// The variables of the protocol, and those that tell of the trace. A process gets them beside those of this process, as the
    /// reference's runtime does.
    pub env: Vec<(&'static str, OsString)>,
    /// The configuration.
    pub stdin: &'a [u8],
    /// When the run has to end.
    pub deadline: Deadline,
    /// What the run has to end for before that, if it can.
    pub cancel: Option<&'a Cancel>,
}

impl<'a> Request<'a> {
    /// A run without a configuration, with no variable but `CNI_COMMAND`, and for as long as it takes: what an [`Execute`] is
    /// tested with. The other fields can be set.
    pub fn new(plugin: &'a PluginType, path: &'a Path, command: Command) -> Self {
        Self {
            plugin,
            path,
            command,
            env: vec![("CNI_COMMAND", command.as_str().into())],
            stdin: &[],
            deadline: Deadline::after(Duration::MAX),
            cancel: None,
        }
    }

    /// A variable of [`env`](Self::env).
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let mut variables = self.env.iter();
        let found = variables.find(|(other, _)| *other == name);
        found.map(|(_, value)| value.as_os_str())
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// What the plugin printed on standard output.
    pub stdout: Vec<u8>,
    /// The beginning of what the plugin printed on standard error.
    pub stderr: Vec<u8>,
}

impl Output {
    /// That of a run which ended so and printed nothing.
    pub fn new(ended: Ended) -> Self {
        Self {
            ended,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    /// That of a plugin which succeeds: for ADD with a result as JSON, for VERSION with the versions, else with nothing.
    pub fn success(stdout: impl Into<Vec<u8>>) -> Self {
        Self {
            stdout: stdout.into(),
            ..Self::new(Ended::Exited(ExitStatus::default()))
        }
    }

    /// That of a plugin which fails and says why.
    pub fn failure(error: &linkspan_spec::Error) -> Self {
        Self::failed(error.to_json(Version::LATEST).to_string())
    }

    /// That of a plugin which fails and prints this: its error as JSON.
    pub fn failed(stdout: impl Into<Vec<u8>>) -> Self {
        // What wait(2) tells of exit status 1.
        const FAILED: i32 = 1 << 8;
        Self {
            stdout: stdout.into(),
            ..Self::new(Ended::Exited(ExitStatus::from_raw(FAILED)))
        }
    }

    /// The same, with words on standard error.
    #[must_use]
    pub fn with_stderr(self, stderr: impl Into<Vec<u8>>) -> Self {
        Self {
            stderr: stderr.into(),
            ..self
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By itself, with a status.
    Exited(ExitStatus),
    /// It was ended because its deadline had passed.
    TimedOut,
    /// It was ended because the operation was given up.
    Cancelled,
    /// It was ended because it printed more than [`linkspan_spec::MAX_INPUT`].
    TooMuchOutput,
}
