//! How a plugin is run: the seam between the protocol and the processes.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitStatus;

use linkspan_spec::Command;

use crate::{Cancel, Deadline};

/// One run of a plugin.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The plugin's file.
    pub plugin: &'a Path,
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

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub ended: Ended,
    /// What the plugin printed on standard output.
    pub stdout: Vec<u8>,
    /// The beginning of what the plugin printed on standard error.
    pub stderr: Vec<u8>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Runs plugins.
///
/// [`Process`](crate::Process) starts the plugin's file. Another implementation may know the
/// plugin and run it within this process, or stand in for plugins in a test.
pub trait Execute: Send + Sync {
    /// Runs a plugin to its end, to its deadline or until it is given up, whichever is first.
    ///
    /// # Errors
    /// When the plugin cannot be started, or the system fails while it runs.
    fn run(&self, request: &Request<'_>) -> io::Result<Output>;
}
