//! Delegation to an IPAM plugin.
//!
//! See [the specification, delegated plugins](https://www.cni.dev/docs/spec/#section-4-plugin-delegation).

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitStatus, Stdio};

use linkspan_spec::decode::{self, MAX_INPUT};
use linkspan_spec::{Command, Error, ErrorCode, PluginType, Success, Version};

use crate::{Handler, Invocation, Undo, plugin};

/// The IPAM plugin of a configuration.
///
/// The file is searched in CNI_PATH. When it is this same executable, the plugin runs in this
/// process; otherwise it is started with the same environment and configuration, another command.
pub struct Ipam<'a> {
    name: PluginType,
    invocation: &'a Invocation<'a>,
}

/// The addresses that ADD got; given back when dropped without [`commit`](Lease::commit).
pub struct Lease<'a> {
    /// The IPAM plugin's result: addresses, routes, DNS, no interfaces.
    pub result: Success,
    undo: Undo<'a>,
}

impl Lease<'_> {
    /// The attachment is complete: the addresses stay.
    pub fn commit(self) {
        self.undo.commit();
    }
}

impl<'a> Ipam<'a> {
    pub(crate) fn new(name: PluginType, invocation: &'a Invocation<'a>) -> Self {
        Self { name, invocation }
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Gets addresses.
    ///
    /// # Errors
    /// The IPAM plugin's, or why it could not be run.
    pub fn add(&self) -> Result<Lease<'a>, Error> {
        let result = self.run(Command::Add)?.ok_or_else(|| {
            Error::new(
                ErrorCode::DECODING_FAILURE,
                format!("the IPAM plugin {:?} printed no result", self.name.as_str()),
            )
        })?;
        let mut undo = Undo::new();
        let again = Ipam::new(self.name.clone(), self.invocation);
        undo.on_failure(
            format!("the addresses of {:?}", self.name.as_str()),
            move || again.del(),
        );
        Ok(Lease { result, undo })
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
    /// The IPAM plugin's, or why it could not be run.
    pub fn status(&self) -> Result<(), Error> {
        self.run(Command::Status).map(drop)
    }

    fn run(&self, command: Command) -> Result<Option<Success>, Error> {
        let file = find_in_path(&self.name, &self.invocation.path)?;
        match self.built_in(&file) {
            Some(handler) => self.run_here(handler, command),
            None => self.run_process(&file, command),
        }
    }

    /// The plugin of this executable, when `file` is this executable.
    fn built_in(&self, file: &Path) -> Option<&'static dyn Handler> {
        let handler = plugin::find(self.invocation.table, self.name())?;
        let this = fs::metadata("/proc/self/exe").ok()?;
        let found = fs::metadata(file).ok()?;
        ((this.dev(), this.ino()) == (found.dev(), found.ino())).then_some(handler)
    }

    fn run_here(
        &self,
        handler: &'static dyn Handler,
        command: Command,
    ) -> Result<Option<Success>, Error> {
        handler.handle(&self.invocation.with_command(command))
    }

    fn run_process(&self, file: &Path, command: Command) -> Result<Option<Success>, Error> {
        let output = execute(file, self.invocation, command).map_err(|error| {
            Error::new(
                ErrorCode::IO_FAILURE,
                format!("cannot run the IPAM plugin {}: {error}", file.display()),
            )
        })?;
        if !output.status.success() {
            return Err(failure(self.name(), &output));
        }
        if command != Command::Add {
            return Ok(None);
        }
        parse_result(&output.stdout, self.invocation.version)
            .map(Some)
            .map_err(|error| {
                Error::new(
                    ErrorCode::DECODING_FAILURE,
                    format!(
                        "the result of the IPAM plugin {:?} cannot be read: {}",
                        self.name(),
                        error.msg
                    ),
                )
                .with_details(error.details)
            })
    }
}

/// Searches a plugin in the directories of CNI_PATH. The name is never a path (CVE-2021-20206).
///
/// # Errors
/// [`ErrorCode::IO_FAILURE`] when no directory holds such a program.
pub fn find_in_path(name: &PluginType, path: &[PathBuf]) -> Result<PathBuf, Error> {
    let is_program = |file: &PathBuf| {
        fs::metadata(file)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    path.iter()
        .map(|directory| directory.join(name.as_str()))
        .find(is_program)
        .ok_or_else(|| {
            let searched: Vec<_> = path
                .iter()
                .map(|directory| directory.display().to_string())
                .collect();
            Error::new(
                ErrorCode::IO_FAILURE,
                format!(
                    "failed to find plugin {:?} in path {searched:?}",
                    name.as_str()
                ),
            )
            .with_details("install the plugin into one of these directories, or correct CNI_PATH")
        })
}

struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
}

/// Runs a plugin with this invocation's variables and another command. Its standard error is ours, so
/// that what it logs is not lost.
fn execute(file: &Path, invocation: &Invocation<'_>, command: Command) -> std::io::Result<Output> {
    let stdin = invocation.config.to_string();
    let mut child = Process::new(file)
        .envs(invocation.environment())
        .env("CNI_COMMAND", command.as_str())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (to_child, from_child) = (child.stdin.take(), child.stdout.take());
    let mut stdout = Vec::new();
    // Written by a thread of its own: a plugin that prints before it reads must not block us.
    std::thread::scope(|scope| {
        scope.spawn(move || to_child.map(|mut pipe| pipe.write_all(stdin.as_bytes())));
        from_child
            .map(|pipe| pipe.take(MAX_INPUT as u64).read_to_end(&mut stdout))
            .transpose()
    })?;
    Ok(Output {
        status: child.wait()?,
        stdout,
    })
}

/// The error that a plugin printed, or words for one that printed none.
fn failure(name: &str, output: &Output) -> Error {
    if output.stdout.is_empty() {
        return Error::new(
            ErrorCode::INTERNAL,
            format!("netplugin failed with no error message: {}", output.status),
        )
        .with_details(format!(
            "{name:?} printed nothing on stdout; it may have been killed"
        ));
    }
    let printed = decode::value(&output.stdout).and_then(|json| Error::from_json(&json));
    printed.unwrap_or_else(|error| {
        Error::new(
            ErrorCode::DECODING_FAILURE,
            format!(
                "netplugin failed but error parsing its diagnostic message {:?}: {error}",
                String::from_utf8_lossy(&output.stdout)
            ),
        )
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
