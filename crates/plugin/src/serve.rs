//! The entry of a plugin's executable.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use linkspan_spec::{Command, Error, ErrorCode, Success, Version, VersionInfo, compact, pretty};

use rustix::fs::{Mode, OFlags};

use crate::identity::Identity;
use crate::invocation::version_on;
use crate::report::{Report, report};
use crate::tracing::Traced;
use crate::{Delegates, Handler, Invocation, Table, called, warn};

/// Runs the plugin that the executable was started as: by the file name of `argv[0]`, which may be a link to a plugin or a
/// plugin's name with more before or behind it (`cnv-bridge`), else by the first argument. Exit status 0, or 1 with the error
/// as JSON on standard output; that of the plugin's [program](crate::Plugin::program) where that was asked for.
pub fn main(table: &'static Table) -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let host = Host {
        product: "",
        version: "",
        is_own: is_own_namespace,
        observe: |_| (),
    };
    ExitCode::from(run(table, &arguments, &host))
}

/// Tells whether an open file is the network namespace of the calling thread.
pub type IsOwn = fn(BorrowedFd<'_>) -> io::Result<bool>;

/// What the kit, which touches neither the kernel nor files, has to be told, and asks of the host.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// What the plugins are parts of, with its version; shown when they are run by hand. Empty of [`main`].
    pub product: &'static str,
    /// The version of plugins that have no [version](crate::Plugin::VERSION) of their own, without a `v`. Programs look for it in
    /// what a plugin says of itself, so it is a semantic version. Empty of [`main`].
    pub version: &'static str,
    /// Tells whether an open file is the network namespace of the calling thread; [`main`] looks below `/proc`, which takes
    /// 0.03 ms.
    pub is_own: IsOwn,
    /// Is told of each call but VERSION once its answer is printed; [`main`] tells nobody. The runtime waits as long as this
    /// takes.
    pub observe: fn(&Report<'_>),
}

/// The same for a program that is told its arguments, with the exit status as a number.
pub fn run(table: &'static Table, arguments: &[OsString], host: &Host) -> u8 {
    let began = Instant::now();
    let env = variable;
    let mut stdout = Stdout;
    let called = called::plugin(table, arguments, called::started_as(arguments));
    if let Some((handler, words @ [_, ..])) = called
        && let Some(status) = handler.program(words)
    {
        return status;
    }
    let Some((handler, _)) = called else {
        if env("CNI_COMMAND").is_none_or(|command| command.is_empty()) {
            return usage(table, host.product);
        }
        let error = called::unknown(table, arguments);
        let answer = Answer::Failure(pretty(&error.in_version(version_on(&mut Stdin))));
        return print(&answer, &mut stdout).unwrap_or_else(|error| {
            warn(&unprinted(&error).msg);
            1
        });
    };
    let traced = Traced::begin(handler.name(), &env);
    let around = Around {
        product: host.product,
        version: host.version,
        is_own: host.is_own,
        delegates: None,
    };
    let mut done = carry_out(handler, table, &env, &mut Stdin, around);
    let status = print(&done.answer, &mut stdout).unwrap_or_else(|error| {
        let error = unprinted(&error);
        warn(&error.msg);
        if let (None, Some(invocation)) = (&done.error, &done.invocation) {
            undo(handler, invocation);
        }
        done.error.get_or_insert(error);
        1
    });
    done.observed(handler, &env, began, traced, &host.observe);
    status
}

/// A variable of this process. One that is no UTF-8 is there all the same: what it is for says that it cannot be.
fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn unprinted(error: &io::Error) -> Error {
    Error::new(
        ErrorCode::IO_FAILURE,
        format!("cannot write the answer to stdout: {error}"),
    )
}

/// Undoes an ADD of whose result nobody will ever know.
fn undo(handler: &'static dyn Handler, invocation: &Invocation<'_>) {
    if invocation.command != Command::Add {
        return;
    }
    if let Err(error) = handler.handle(&invocation.with_command(Command::Del)) {
        warn(&format!("could not undo what was made: {error}"));
    }
}

/// What a plugin answers: text on standard output (or, run by hand, on standard error) and success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// JSON for standard output, perhaps none; exit status 0.
    Success(Option<String>),
    /// The error JSON for standard output; exit status 1.
    Failure(String),
    /// Words for the person who ran the plugin by hand, on standard error; exit status 0.
    About(String),
}

/// What a call has around it.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    /// As [`Host`] has it.
    pub(crate) product: &'static str,
    /// As [`Host`] has it.
    pub(crate) version: &'static str,
    /// As [`Host`] has it.
    pub(crate) is_own: IsOwn,
    /// How others than this one are found and run; `None` in a process of its own.
    pub(crate) delegates: Option<&'a dyn Delegates>,
}

/// What came of a call.
pub(crate) struct Done<'a> {
    pub(crate) answer: Answer,
    /// What was asked, when it could be read and was more than VERSION.
    invocation: Option<Invocation<'a>>,
    /// Why it failed.
    error: Option<Error>,
}

impl Done<'_> {
    /// For what asks for no work.
    fn told(answer: Answer) -> Self {
        Self {
            answer,
            invocation: None,
            error: None,
        }
    }

    /// Tells an observer, unless there was no work.
    pub(crate) fn observed(
        &self,
        handler: &'static dyn Handler,
        env: &dyn Fn(&str) -> Option<String>,
        began: Instant,
        traced: Option<Traced>,
        observe: &dyn Fn(&Report<'_>),
    ) {
        let (invocation, error) = (self.invocation.as_ref(), self.error.as_ref());
        if invocation.is_some() || error.is_some() {
            let outcome = (began.elapsed(), error);
            report(handler.name(), invocation, env, outcome, |report| {
                let trace = traced.map(|traced| traced.end(report));
                observe(&Report {
                    trace: trace.as_ref(),
                    ..report.clone()
                });
            });
        }
    }
}

/// Runs one command of `handler` with an injected environment and standard input; `is_own` as [`Host`] has it.
///
/// A panic inside is an answer too, with [`ErrorCode::INTERNAL`].
pub fn serve(
    handler: &'static dyn Handler,
    table: &Table,
    env: &dyn Fn(&str) -> Option<String>,
    stdin: &mut dyn Read,
    is_own: IsOwn,
) -> Answer {
    let around = Around {
        product: "",
        version: "",
        is_own,
        delegates: None,
    };
    carry_out(handler, table, env, stdin, around).answer
}

pub(crate) fn carry_out<'a>(
    handler: &'static dyn Handler,
    table: &'a Table,
    env: &dyn Fn(&str) -> Option<String>,
    stdin: &mut dyn Read,
    around: Around<'a>,
) -> Done<'a> {
    let command = env("CNI_COMMAND").unwrap_or_default();
    if command.is_empty() {
        return Done::told(Answer::About(about(handler, around)));
    }
    if command == Command::Version.as_str() {
        return Done::told(version_answer(handler.versions()));
    }
    // In which version the error is printed, once that is known.
    let mut version = Version::LATEST;
    let mut invocation = None;
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut read = Invocation::read(env, stdin, table).map_err(|refusal| {
            version = refusal.version;
            refusal.error
        })?;
        read.delegates = around.delegates;
        read.is_own = Some(around.is_own);
        version = read.version;
        let success = handle(handler, invocation.insert(read))?;
        Ok::<_, Error>(
            success
                .map(|success| success.in_version(version).map(|written| pretty(&written)))
                .transpose()?,
        )
    }));
    let (answer, error) =
        match outcome.unwrap_or_else(|panic| Err(panicked(handler.name(), panic.as_ref()))) {
            Ok(text) => (Answer::Success(text), None),
            Err(error) => {
                let text = pretty(&error.in_version(version));
                (Answer::Failure(text), Some(error))
            }
        };
    Done {
        answer,
        invocation,
        error,
    }
}

/// Carries the command out; keeps the plugin away from the host's own namespace.
///
/// A runtime can name the host's namespace by mistake, when the process that the container's path
/// spoke of has died and its number was given to another (kubernetes#100648). ADD and CHECK then
/// fail before anything is touched. DEL still frees what the host holds for the attachment, as if the
/// namespace were gone, and then says so.
pub(crate) fn handle(
    handler: &'static dyn Handler,
    invocation: &mut Invocation<'_>,
) -> Result<Option<Success>, Error> {
    let refused = match invocation.netns.as_deref() {
        Some(netns) => {
            let opened = open(netns);
            let is_own = match (&opened, invocation.is_own) {
                (Ok(file), Some(is_own)) if !invocation.netns_override => {
                    is_own(file.as_fd()).map_err(|error| undecided(netns, &error))?
                }
                _ => false,
            };
            let refused = is_own.then(|| own_namespace(netns));
            invocation.namespace = Some(Arc::new(opened));
            refused
        }
        None => None,
    };
    if refused.is_some() && invocation.command == Command::Del {
        invocation.netns = None;
        invocation.namespace = None;
    } else if let Some(error) = refused {
        return Err(error);
    }
    let success = match handler.handle(invocation) {
        // What has no network's name cannot be freed by it, however often DEL is called.
        Err(error) if invocation.network.is_unknown() => {
            warn(&format!("DEL without the network's name: {error}"));
            None
        }
        handled => handled?,
    };
    refused.map_or(Ok(success), Err)
}

/// Opens what is at the path of a namespace; without waiting, should it be a pipe that nobody writes to.
fn open(netns: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(netns, flags, Mode::empty())?)
}

/// Whether it is the namespace of the thread that runs `main`, where nobody has left it.
fn is_own_namespace(file: BorrowedFd<'_>) -> io::Result<bool> {
    let own = std::fs::metadata("/proc/self/ns/net")?;
    Ok(Identity::of(&own) == Identity::of_open(file)?)
}

fn own_namespace(path: &Path) -> Error {
    Error::new(
        ErrorCode::INVALID_NETNS,
        "plugin's netns and netns from CNI_NETNS should not be the same",
    )
    .with_details(format!(
        "{} is the host's own network namespace; a process that ended may have had this path before. \
         Set CNI_NETNS_OVERRIDE=1 if the host itself is meant",
        path.display()
    ))
}

fn undecided(path: &Path, error: &io::Error) -> Error {
    Error::new(
        ErrorCode::TRY_AGAIN_LATER,
        format!(
            "cannot tell whether {} is the host's own network namespace: {error}",
            path.display()
        ),
    )
    .with_details("the host may be short of memory or descriptors; /proc must be mounted")
}

/// What a plugin says of itself when it is run by hand. The first line is no more than the reference's, `CNI NAME plugin
/// vVERSION`: nerdctl parses it to the end before it isolates bridges, and Nomad takes the first word that is a version.
fn about(handler: &'static dyn Handler, around: Around<'_>) -> String {
    let version = match handler.version().unwrap_or(around.version) {
        "" => String::new(),
        version => format!(" v{version}"),
    };
    let product = match around.product {
        "" => String::new(),
        product => format!("{product}: "),
    };
    let versions: Vec<_> = handler.versions().iter().map(ToString::to_string).collect();
    format!(
        "CNI {} plugin{version}\n{product}{}\nCNI protocol versions supported: {}\n",
        handler.name(),
        handler.about(),
        versions.join(", ")
    )
}

/// VERSION does not look at standard input: the reference does not, and older runtimes send none.
fn version_answer(spoken: &[Version]) -> Answer {
    let newest = spoken.iter().copied().max().unwrap_or(Version::LATEST);
    let info = VersionInfo::new(newest, spoken);
    Answer::Success(Some(compact(&info)))
}

fn panicked(name: &str, panic: &(dyn std::any::Any + Send)) -> Error {
    let words = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no words".to_owned());
    Error::new(
        ErrorCode::INTERNAL,
        format!("the plugin {name:?} panicked: {words}"),
    )
    .with_details("this is a defect of the plugin; please report it with the configuration")
}

fn usage(table: &Table, product: &str) -> u8 {
    let product = match product {
        "" => String::new(),
        product => format!("{product}: "),
    };
    let mut text = format!(
        "{product}CNI plugins in one file. Run it under the name of a plugin, or with one as its first argument:\n"
    );
    for handler in table {
        text.push_str(&format!("  {:12} {}\n", handler.name(), handler.about()));
    }
    warn(text.trim_end());
    2
}

/// Standard input without a buffer: it is read once, to the end.
struct Stdin;

impl Read for Stdin {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), room)?)
    }
}

/// Standard output without a buffer: it is written once.
struct Stdout;

impl Write for Stdout {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), text)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints the answer; returns the exit status.
fn print(answer: &Answer, stdout: &mut dyn Write) -> io::Result<u8> {
    let (text, code) = match answer {
        Answer::Success(text) => (text.as_deref(), 0),
        Answer::Failure(text) => (Some(text.as_str()), 1),
        Answer::About(text) => {
            warn(text.trim_end());
            return Ok(0);
        }
    };
    if let Some(text) = text {
        stdout.write_all(format!("{text}\n").as_bytes())?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests;
