//! One plugin of a chain, run once: what came of it, and why it failed.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use linkspan_spec::{Attachment, Command, DecodeError, ErrorCode, MAX_INPUT, PluginType};

use serde::{Deserialize, Serialize};

use crate::Output;
use crate::execute::Ended;
use crate::process::Begun;

/// How much of what a plugin printed an error repeats, in characters.
const SHOWN: usize = 2000;

/// One plugin of a chain, run once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Step {
    /// The operation.
    pub command: Command,
    /// The plugin.
    pub plugin: PluginType,
    /// Its file.
    pub path: PathBuf,
    /// Its place in the chain, from 1.
    pub number: usize,
    /// The plugins of the chain.
    pub of: usize,
    /// The network's name; empty for VERSION.
    pub network: String,
    /// The attachment, of the commands that are for one.
    pub attachment: Option<Attachment>,
}

/// A step and what came of it, for who watches; see
/// [`Builder::observer`](crate::Builder::observer).
#[derive(Debug)]
#[non_exhaustive]
pub struct Finished<'a> {
    /// The step.
    pub step: &'a Step,
    /// How long the plugin ran.
    pub elapsed: Duration,
    /// What the plugin printed on standard error, as text.
    pub stderr: &'a str,
    /// Whether it succeeded, and why not.
    pub result: Result<(), &'a Cause>,
}

/// A plugin's failure.
#[derive(Debug)]
#[non_exhaustive]
pub struct PluginError {
    /// Which plugin, for what.
    pub step: Step,
    /// Why.
    pub cause: Cause,
    /// What the plugin printed on standard error, as text.
    pub stderr: String,
    /// Whether it was run at all, if only until the system failed.
    pub(crate) was_run: bool,
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step {
            command,
            plugin,
            number,
            of,
            network,
            attachment,
            ..
        } = &self.step;
        // The words of the reference's runtime, which people search for.
        let verb = match command {
            Command::Del => "delete".to_owned(),
            other => other.as_str().to_ascii_lowercase(),
        };
        write!(f, "plugin type={:?} failed ({verb})", plugin.as_str())?;
        if !network.is_empty() {
            write!(f, ", {number} of {of} in network {network:?}")?;
        }
        if let Some(attachment) = attachment {
            let Attachment {
                container_id,
                ifname,
                ..
            } = attachment;
            write!(f, ", container {container_id:?}, interface {ifname:?}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PluginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Why a plugin failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// The plugin says why.
    #[error("{}", .0.msg)]
    Reported(linkspan_spec::Error),
    /// The plugin ended with a failure and printed nothing on standard output.
    #[error("{}{status}", silence(.stderr))]
    Silent {
        /// How it ended.
        status: ExitStatus,
        /// What it printed on standard error, as text.
        stderr: String,
    },
    /// The plugin ended with a failure and printed something else than an error.
    #[error("netplugin failed but error parsing its diagnostic message {printed:?}")]
    NotAnError {
        /// What it printed, as text.
        printed: String,
        /// How it ended.
        status: ExitStatus,
        /// Why that is not an error.
        source: DecodeError,
    },
    /// The plugin ended with success and printed something else than the answer.
    #[error(
        "the plugin succeeded, but what it printed is not the answer to the command: {printed:?}"
    )]
    NotAnAnswer {
        /// What it printed, as text.
        printed: String,
        /// Why that is not the answer.
        source: DecodeError,
    },
    /// The deadline passed; the plugin and what it had started were ended.
    #[error("the plugin did not end in time: {} s were allowed for the operation", .allowed.as_secs_f64())]
    TimedOut {
        /// How long the whole operation was allowed to take.
        allowed: Duration,
    },
    /// The operation was given up; the plugin and what it had started were ended, or not begun.
    #[error("the operation was given up")]
    Cancelled,
    /// The plugin printed too much; it was ended.
    #[error("the plugin printed more than {MAX_INPUT} bytes on standard output")]
    TooMuchOutput,
    /// The plugin could not be run.
    #[error("cannot run {}", path.display())]
    NotRun {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Cause {
    /// How the run of a plugin failed; its standard output when it did not.
    pub(crate) fn of(output: Output, allowed: Duration) -> Result<Vec<u8>, Self> {
        match output.ended {
            Ended::Exited(status) if status.success() => Ok(output.stdout),
            Ended::Exited(status) if output.stdout.is_empty() => Err(Self::Silent {
                status,
                stderr: text(output.stderr.trim_ascii()),
            }),
            Ended::Exited(status) => Err(match linkspan_spec::Error::parse(&output.stdout) {
                Ok(error) => Self::Reported(error),
                Err(source) => Self::NotAnError {
                    printed: text(&output.stdout),
                    status,
                    source,
                },
            }),
            Ended::TimedOut => Err(Self::TimedOut { allowed }),
            Ended::Cancelled => Err(Self::Cancelled),
            Ended::TooMuchOutput => Err(Self::TooMuchOutput),
        }
    }

    /// The plugin's code, or one that fits how it failed.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Reported(error) => error.code,
            Self::NotAnError { .. } | Self::NotAnAnswer { .. } => ErrorCode::DECODING_FAILURE,
            Self::TimedOut { .. } | Self::Cancelled => ErrorCode::TRY_AGAIN_LATER,
            Self::NotRun { .. } => ErrorCode::IO_FAILURE,
            Self::Silent { .. } | Self::TooMuchOutput => ErrorCode::INTERNAL,
        }
    }

    pub(crate) fn not_an_answer(stdout: &[u8], source: DecodeError) -> Self {
        Self::NotAnAnswer {
            printed: text(stdout),
            source,
        }
    }
}

/// The words of the reference's runtime.
fn silence(stderr: &str) -> String {
    if stderr.is_empty() {
        "netplugin failed with no error message: ".to_owned()
    } else {
        format!("netplugin failed: {stderr:?}: ")
    }
}

impl PluginError {
    /// The plugin's code, or one that fits how it failed.
    pub fn code(&self) -> ErrorCode {
        self.cause.code()
    }

    /// What the plugin itself says beyond its message, or what is known of such failures.
    pub fn advice(&self) -> Option<String> {
        match &self.cause {
            Cause::Reported(error) => reported_advice(error),
            Cause::Silent { status, .. } | Cause::NotAnError { status, .. } => {
                status_advice(*status)
            }
            Cause::NotRun { path, source } => start_advice(path, source),
            Cause::TimedOut { .. } => Some(
                "It may wait for a lock, a lease or a daemon. Whether anything is left of the \
                 attachment is unknown: detach the container before the next try."
                    .to_owned(),
            ),
            Cause::Cancelled => Some(
                "Whether anything is left of the attachment is unknown: detach the container before \
                 the next try."
                    .to_owned(),
            ),
            Cause::NotAnAnswer { .. } | Cause::TooMuchOutput => Some(
                "Only the answer may stand on standard output; what a plugin logs belongs on \
                 standard error."
                    .to_owned(),
            ),
        }
    }
}

fn reported_advice(error: &linkspan_spec::Error) -> Option<String> {
    if !error.details.is_empty() {
        return Some(error.details.clone());
    }
    let advice = match error.code {
        ErrorCode::INCOMPATIBLE_VERSION => {
            "Ask the plugin which versions it supports, and give the network a \"cniVersion\" of \
             these."
        }
        ErrorCode::TRY_AGAIN_LATER => "The plugin asks to be tried again later.",
        _ => return None,
    };
    Some(advice.to_owned())
}

/// The cases behind "failed with no error message" that are known from the field.
fn status_advice(status: ExitStatus) -> Option<String> {
    let advice = match (status.signal(), status.code()) {
        (Some(9), _) => {
            "It was killed (SIGKILL), most often because memory ran out: see what the kernel's \
             log says (dmesg)."
        }
        (Some(15), _) => "It was told to end (SIGTERM) by somebody else.",
        (Some(4 | 6 | 7 | 8 | 11), _) => {
            "It crashed. Either its file is only half of one, as a copy leaves it that was cut short: compare its size with \
             that of the original, and install it again. Or it is a defect of the plugin: run it by hand with the same \
             configuration to see more."
        }
        (_, Some(126 | 127)) => {
            "The status is that of a shell which could not run a command: the plugin is a script \
             and lacks a program."
        }
        (_, Some(2)) => {
            "Programs written in Go end so when they panic; what it printed on standard error \
             tells where."
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// Of a file that is there these tell more than their usual texts.
fn start_advice(path: &std::path::Path, error: &io::Error) -> Option<String> {
    let advice = match error.kind() {
        io::ErrorKind::NotFound if path.exists() => {
            "The file is there, but not the interpreter or dynamic loader that it names: it was \
             built for another system. Install a static build."
        }
        io::ErrorKind::PermissionDenied => {
            "The file must be executable, and its file system must not be mounted with noexec."
        }
        io::ErrorKind::ExecutableFileBusy => {
            "The file is being written. Whoever installs plugins should write beside the file and \
             rename, as `linkspan install` does."
        }
        _ if [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
            .iter()
            .any(|errno| Begun::raw_os_error(error) == Some(errno.raw_os_error())) =>
        {
            "There are too few file descriptors: raise the limit (`ulimit -n`), or see who holds so many."
        }
        _ if Begun::raw_os_error(error) == Some(rustix::io::Errno::CHILD.raw_os_error()) => {
            "It was run, but nobody knows how it ended: the program that ran it ignores SIGCHLD. Let it leave that signal as it \
             is by default."
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            return Some(format!(
                "It is not a program for this machine, or only half of one: compare `file {}` \
                 with `uname -m`, and install it again.",
                path.display()
            ));
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

/// What was printed as text, cut when it is long.
pub(crate) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
