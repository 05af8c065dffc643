//! A plugin of others, in a process of its own.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Command as Process, Output, Stdio};
use std::thread::Builder;

use linkspan_spec::decode::{self, MAX_INPUT};
use linkspan_spec::{Command, Error, ErrorCode};

use super::{Delegation, MOST_DELEGATIONS, endless, excerpt};
use crate::tracing::TRACEPARENT;
use crate::{Delegate, warn};

/// How many plugins have started each other up to here; for those that do so in a circle, each of them in a process.
const DELEGATIONS: &str = "LINKSPAN_DELEGATIONS";

/// Runs the plugin in `file`, and gives what it printed.
pub(super) fn run(
    delegation: &Delegation<'_>,
    file: &Path,
    command: Command,
) -> Result<Vec<u8>, Error> {
    let (kind, name) = (delegation.kind, delegation.name());
    let output = start(delegation, file, command)?.map_err(|error| {
        Error::new(
            ErrorCode::IO_FAILURE,
            format!("cannot run the {kind} {}: {error}", file.display()),
        )
        .with_details(advice(&error))
    })?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(failure(name, &output)),
    }
}

/// Runs it, where no circle of plugins leads to it.
fn start(
    delegation: &Delegation<'_>,
    file: &Path,
    command: Command,
) -> Result<io::Result<Output>, Error> {
    let invocation = &*delegation.invocation;
    let before = match invocation.delegates {
        None => std::env::var(DELEGATIONS).ok(),
        Some(_) => None,
    };
    let delegations = one_more(before.as_deref(), delegation.name())?;
    let mut env = invocation.environment();
    env.push(("CNI_COMMAND", command.as_str().into()));
    env.push((DELEGATIONS, delegations.to_string().into()));
    // What came along with it (TRACESTATE, BAGGAGE) a process inherits.
    let context = linkspan_spans::context();
    env.extend(context.map(|context| (TRACEPARENT, context.to_string().into())));
    let stdin = invocation.config.to_string();
    let Some(delegates) = invocation.delegates else {
        return Ok(execute(file, env, stdin.as_bytes()));
    };
    let output = delegates.run(&Delegate {
        plugin: &delegation.name,
        file,
        command,
        env,
        stdin: stdin.as_bytes(),
    });
    Ok(output.inspect(|output| warn::write(&output.stderr)))
}

/// How many have started each other with the next.
pub(super) fn one_more(before: Option<&str>, name: &str) -> Result<u8, Error> {
    let before = before.and_then(|text| text.parse().ok()).unwrap_or(0);
    match before < MOST_DELEGATIONS {
        true => Ok(before + 1),
        false => Err(endless(name)),
    }
}

/// How much of a plugin's standard error is kept for a message, in bytes. All of it is handed on.
const MAX_STDERR: usize = 4 << 10;

/// Runs a plugin. Its standard error goes on to ours as it
/// comes, so that what it logs is not lost.
fn execute(file: &Path, env: Vec<(&str, OsString)>, stdin: &[u8]) -> io::Result<Output> {
    let mut child = Process::new(file)
        .envs(env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (to_child, from_child) = (child.stdin.take(), child.stdout.take());
    let log = child.stderr.take();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let kept = &mut stderr;
    // Written by a thread of its own: a plugin that prints before it reads must not block us. When none is to
    // be had, the plugin reads nothing and ends.
    let (writer, read) = std::thread::scope(|scope| {
        let write = move || to_child.map(|mut pipe| pipe.write_all(stdin));
        let writer = Builder::new().spawn_scoped(scope, write).map(drop);
        let hand_on = move || log.map(|pipe| hand_on(pipe, kept));
        let writer = writer.and(Builder::new().spawn_scoped(scope, hand_on).map(drop));
        let read = from_child.map(|pipe| pipe.take(MAX_INPUT as u64 + 1).read_to_end(&mut stdout));
        (writer, read.transpose())
    });
    let status = child.wait()?;
    writer?;
    read?;
    Ok(Output {
        status,
        stdout,
        stderr,
    })
}

/// Writes what a plugin says to our standard error, and keeps the beginning. That ours cannot be written is no reason to
/// let the plugin wait.
fn hand_on(mut from: impl Read, kept: &mut Vec<u8>) {
    let mut room = [0; 4 << 10];
    loop {
        match from.read(&mut room) {
            Ok(0) => return,
            Ok(length) => {
                let came = &room[..length];
                let _ = io::stderr().write_all(came);
                let left = MAX_STDERR - kept.len();
                kept.extend_from_slice(&came[..length.min(left)]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// The error that a plugin printed, or words for one that printed none.
fn failure(name: &str, output: &Output) -> Error {
    if output.stdout.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr);
        let (msg, details) = match said.trim() {
            "" => (
                format!("netplugin failed with no error message: {}", output.status),
                format!("{name:?} printed nothing on stdout; it may have been killed"),
            ),
            said => (
                format!("netplugin failed: {said:?}: {}", output.status),
                format!("{name:?} printed nothing on stdout, and this on stderr"),
            ),
        };
        return Error::new(ErrorCode::INTERNAL, msg).with_details(details);
    }
    let printed = decode::value(&output.stdout).and_then(|json| Error::from_json(&json));
    printed.unwrap_or_else(|error| {
        Error::new(
            ErrorCode::DECODING_FAILURE,
            format!(
                "netplugin failed but error parsing its diagnostic message {:?}: {error}",
                excerpt(&output.stdout)
            ),
        )
        .with_details(format!(
            "{name:?} ended with {} and printed this",
            output.status
        ))
    })
}

/// What to do about a file that cannot be run.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "the file is there; what is missing is the interpreter or dynamic linker that it names. Install \
             that, or a plugin that is linked statically"
        }
        io::ErrorKind::ExecutableFileBusy => {
            "it is being written, perhaps by an installation; try again"
        }
        io::ErrorKind::PermissionDenied => "its file system may be mounted noexec",
        _ => "it may be built for another processor, or be damaged; install it anew",
    }
}
