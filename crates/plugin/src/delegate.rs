//! Delegation to an IPAM plugin.
//!
//! See [the specification, delegated plugins](https://www.cni.dev/docs/spec/#section-4-plugin-delegation).

use std::cell::OnceCell;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output, Stdio};
use std::thread::Builder;
use std::time::Instant;

use linkspan_spans::{Kind, enter};
use linkspan_spec::decode::{self, MAX_INPUT};
use linkspan_spec::{Command, Error, ErrorCode, PluginType, Success, Version};

use crate::invocation::WRONG_CONFIGURATION;
use crate::report::Delegated;
use crate::tracing::{PLUGIN_TYPE, TRACEPARENT};
use crate::{
    Delegate, Foreseen, Foresight, Handler, Invocation, Role, Standing, Undo, executable, find,
    warn,
};

/// The IPAM plugin of a configuration.
///
/// The file is searched in CNI_PATH. When it is this same executable, or a copy of it, the plugin runs in this
/// process; otherwise it is started with the same environment and configuration, another command.
pub struct Ipam<'a> {
    name: PluginType,
    invocation: &'a Invocation<'a>,
    /// Looked for once.
    program: OnceCell<Result<Program, Error>>,
}

/// What carries the commands out.
enum Program {
    /// A plugin of this executable.
    BuiltIn(&'static dyn Handler),
    /// The plugin of others in this file.
    File(PathBuf),
}

impl<'a> Invocation<'a> {
    /// The IPAM plugin that the configuration names, `None` when it names none.
    ///
    /// # Errors
    /// When its name is none.
    pub fn ipam(&'a self) -> Result<Option<Ipam<'a>>, Error> {
        let name = self
            .config
            .ipam_type()
            .map_err(|error| Error::from(error).or_details(WRONG_CONFIGURATION))?;
        Ok(name.map(|name| Ipam::new(name, self)))
    }
}

impl<'a> Ipam<'a> {
    pub(crate) fn new(name: PluginType, invocation: &'a Invocation<'a>) -> Self {
        Self {
            name,
            invocation,
            program: OnceCell::new(),
        }
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Whether the container's link must be there while it is asked. What plugins of others need is not known, so they get
    /// it, as in the reference; one that is not there needs nothing.
    pub fn needs_link(&self) -> bool {
        match self.program() {
            Ok(Program::BuiltIn(handler)) => handler.needs_link(),
            Ok(Program::File(_)) => true,
            Err(_) => false,
        }
    }

    /// Gets addresses, routes and DNS, no interfaces; registers with `undo` how they are given back.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn add<'u>(&self, undo: &mut Undo<'u>) -> Result<Success, Error>
    where
        'a: 'u,
    {
        let answer = self.run(Command::Add)?;
        let again = Ipam::new(self.name.clone(), self.invocation);
        undo.on_failure(
            format!("the addresses of {:?}", self.name.as_str()),
            move || again.del(),
        );
        // It has succeeded, so addresses that cannot be read are given back as well.
        self.result(answer)
    }

    /// Tells what [`add`](Self::add) would do, and gives what it would give. One that is none of this executable's is not
    /// known, and stands in with an address that nobody knows.
    ///
    /// # Errors
    /// Those of ADD.
    pub fn foresee(&self, foresight: &mut Foresight) -> Result<Success, Error> {
        match self.program()? {
            Program::BuiltIn(handler) => handler.foresee(self.invocation, foresight),
            Program::File(_) => Ok(self.unknown(foresight)),
        }
    }

    fn unknown(&self, foresight: &mut Foresight) -> Success {
        let name = self.name();
        foresight.of(name, |foresight| {
            let words =
                format!("give an address; how the IPAM plugin {name:?} does so is not known here");
            foresight.tell(Foreseen::made("unknown", words).standing(Standing::Unknown));
            let address = foresight.unknown_address(&format!("address that {name} gives"));
            Success::default().with_ips([address])
        })
    }

    /// Checks that the addresses are still held.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn check(&self) -> Result<(), Error> {
        self.run(Command::Check).map(drop)
    }

    /// Gives the addresses back.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn del(&self) -> Result<(), Error> {
        self.run(Command::Del).map(drop)
    }

    /// Lets the IPAM plugin free what belongs to no valid attachment.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn gc(&self) -> Result<(), Error> {
        self.run(Command::Gc).map(drop)
    }

    /// Asks the IPAM plugin whether it could give an address.
    ///
    /// # Errors
    /// The IPAM plugin's; [`ErrorCode::PLUGIN_NOT_AVAILABLE`] when it could not be run.
    pub fn status(&self) -> Result<(), Error> {
        let unavailable = |error: Error| match error.code {
            ErrorCode::IO_FAILURE => error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE),
            _ => error,
        };
        self.run(Command::Status).map(drop).map_err(unavailable)
    }

    fn run(&self, command: Command) -> Result<Answer, Error> {
        let began = Instant::now();
        let kind = match self.program() {
            Ok(Program::File(_)) => Kind::Client,
            _ => Kind::Internal,
        };
        let mut span = enter(|| format!("{command} {}", self.name())).of_kind(kind);
        span.note(PLUGIN_TYPE, || self.name().to_owned());
        let answer = self.ask(command);
        if let Err(error) = &answer {
            span.fail(Some(error.code.0), &error.msg);
        }
        drop(span);
        self.invocation.note(Delegated {
            plugin: self.name().to_owned(),
            command,
            took: began.elapsed(),
            code: answer.as_ref().err().map(|error| error.code),
        });
        answer
    }

    fn ask(&self, command: Command) -> Result<Answer, Error> {
        match self.program()? {
            Program::BuiltIn(handler) => self.run_here(*handler, command).map(Answer::Result),
            Program::File(file) => self.run_process(file, command).map(Answer::Printed),
        }
    }

    fn program(&self) -> Result<&Program, Error> {
        let found = self.program.get_or_init(|| match self.find()? {
            // It would delegate in turn, to itself, for ever.
            Program::BuiltIn(handler) if handler.role() != Role::Ipam => {
                Err(no_ipam_plugin(self.name()))
            }
            program => Ok(program),
        });
        found.as_ref().map_err(Clone::clone)
    }

    fn find(&self) -> Result<Program, Error> {
        if self.invocation.is_imagined {
            let known = find(self.invocation.table, self.name()).map(Program::BuiltIn);
            return match known {
                Some(known) => Ok(known),
                None => find_in_path(&self.name, &self.invocation.path).map(Program::File),
            };
        }
        if let Some(delegates) = self.invocation.delegates {
            let file = delegates.find(&self.name, &self.invocation.path)?;
            let known = find(self.invocation.table, self.name()).filter(|_| file.is_none());
            return match (known, file) {
                (Some(known), _) => Ok(Program::BuiltIn(known)),
                (None, Some(file)) => Ok(Program::File(file)),
                (None, None) => find_in_path(&self.name, &self.invocation.path).map(Program::File),
            };
        }
        let (file, metadata) = find_program(&self.name, &self.invocation.path)?;
        Ok(match self.built_in(&file, &metadata) {
            Some(handler) => Program::BuiltIn(handler),
            None => Program::File(file),
        })
    }

    /// The plugin of this executable, when the file is this executable.
    fn built_in(&self, path: &Path, file: &Metadata) -> Option<&'static dyn Handler> {
        let handler = find(self.invocation.table, self.name())?;
        executable::is_this(path, file).then_some(handler)
    }

    fn run_here(
        &self,
        handler: &'static dyn Handler,
        command: Command,
    ) -> Result<Option<Success>, Error> {
        handler.handle(&self.invocation.with_command(command))
    }

    fn run_process(&self, file: &Path, command: Command) -> Result<Vec<u8>, Error> {
        let output = self.execute(file, command).map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot run the IPAM plugin {}: {error}", file.display()),
            )
            .with_details(advice(&error))
        })?;
        if !output.status.success() {
            return Err(failure(self.name(), &output));
        }
        Ok(output.stdout)
    }

    fn execute(&self, plugin: &Path, command: Command) -> io::Result<Output> {
        let mut env = self.invocation.environment();
        env.push(("CNI_COMMAND", command.as_str().into()));
        // What came along with it (TRACESTATE, BAGGAGE) a process inherits.
        let context = linkspan_spans::context();
        env.extend(context.map(|context| (TRACEPARENT, context.to_string().into())));
        let stdin = self.invocation.config.to_string();
        let Some(delegates) = self.invocation.delegates else {
            return execute(plugin, env, stdin.as_bytes());
        };
        let output = delegates.run(&Delegate {
            plugin: &self.name,
            file: plugin,
            command,
            env,
            stdin: stdin.as_bytes(),
        })?;
        warn::write(&output.stderr);
        Ok(output)
    }

    /// The result of an ADD that succeeded.
    fn result(&self, answer: Answer) -> Result<Success, Error> {
        let name = self.name();
        let printed = match answer {
            Answer::Result(Some(result)) => return Ok(result),
            Answer::Result(None) => Vec::new(),
            Answer::Printed(stdout) => stdout,
        };
        let invalid = |msg: String| Error::new(ErrorCode::DECODING_FAILURE, msg);
        if printed.trim_ascii().is_empty() && printed.len() <= MAX_INPUT {
            return Err(
                invalid(format!("the IPAM plugin {name:?} printed no result")).with_details(
                    "it succeeded and printed nothing; its documentation should tell why",
                ),
            );
        }
        parse_result(&printed, self.invocation.version).map_err(|error| {
            let msg = format!(
                "the result of the IPAM plugin {name:?} cannot be read: {}",
                error.msg
            );
            invalid(msg).with_details(format!("it printed {:?}", excerpt(&printed)))
        })
    }
}

/// What a plugin that succeeded answered.
enum Answer {
    /// In this process.
    Result(Option<Success>),
    /// On its standard output.
    Printed(Vec<u8>),
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

fn no_ipam_plugin(name: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("\"ipam.type\": {name:?} is no IPAM plugin"),
    )
    .with_details("it gives no address to another plugin; host-local, static and dhcp do")
}

/// The beginning of what a plugin printed.
fn excerpt(printed: &[u8]) -> String {
    const SHOWN: usize = 200;
    String::from_utf8_lossy(&printed[..printed.len().min(SHOWN)])
        .trim()
        .to_owned()
}

/// Searches a plugin in the directories of CNI_PATH. The name is never a path (CVE-2021-20206); what is
/// found always is one, with a slash: a bare name would be executed from wherever PATH leads to.
///
/// # Errors
/// [`ErrorCode::IO_FAILURE`] when no directory holds such a program.
pub fn find_in_path(name: &PluginType, path: &[PathBuf]) -> Result<PathBuf, Error> {
    find_program(name, path).map(|(file, _)| file)
}

fn find_program(name: &PluginType, path: &[PathBuf]) -> Result<(PathBuf, Metadata), Error> {
    let program = |file: PathBuf| {
        let metadata = fs::metadata(&file).ok()?;
        let is_program = metadata.is_file() && metadata.permissions().mode() & 0o111 != 0;
        is_program.then_some((file, metadata))
    };
    let here = Path::new(".");
    let directories = path
        .iter()
        .filter(|directory| !directory.as_os_str().is_empty());
    let candidates = directories.map(|directory| here.join(directory).join(name.as_str()));
    candidates.clone().find_map(program).ok_or_else(|| {
        let searched: Vec<_> = path
            .iter()
            .map(|directory| directory.display().to_string())
            .collect();
        let not_a_program = candidates.clone().find(|file| file.exists());
        let details = match not_a_program {
            Some(file) => format!(
                "{} is there, but is not executable; make it so, or install the plugin anew",
                file.display()
            ),
            None => {
                "install the plugin into one of these directories, or correct CNI_PATH".to_owned()
            }
        };
        Error::new(
            ErrorCode::IO_FAILURE,
            format!(
                "failed to find plugin {:?} in path [{}]",
                name.as_str(),
                searched.join(" ")
            ),
        )
        .with_details(details)
    })
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

/// A result in the version that it names, else in the configuration's: old IPAM plugins name none.
fn parse_result(stdout: &[u8], version: Version) -> Result<Success, Error> {
    let json = decode::value(stdout)?;
    let names_a_version = json.get("cniVersion").is_some_and(|version| version != "");
    let result = if names_a_version {
        Success::from_json(&json)
    } else {
        Success::from_json_as(version, &json)
    };
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_is_what_is_executed() {
        // In the working directory, where an empty element would lead to.
        let file = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempfile_in(".")
            .unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap();
        let find = |path: &[&str]| {
            let path: Vec<_> = path.iter().map(PathBuf::from).collect();
            find_in_path(&name.parse().unwrap(), &path)
        };
        assert_eq!(find(&[""]).unwrap_err().code, ErrorCode::IO_FAILURE);
        for relative in [&["."][..], &["", "../plugin"], &["src/.."]] {
            let found = find(relative).unwrap();
            assert!(found.starts_with("./"), "{}", found.display());
            assert!(found.is_file());
        }
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            find(&["", here.to_str().unwrap()]).unwrap(),
            here.join(name)
        );
    }
}
