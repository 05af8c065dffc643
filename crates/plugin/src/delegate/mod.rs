//! Delegation to other plugins.
//!
//! See [the specification, delegated plugins](https://www.cni.dev/docs/spec/#section-4-plugin-delegation).

mod config;
mod find;
mod ipam;
mod process;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::Instant;

use linkspan_spans::{Kind, enter};
use linkspan_spec::decode::{self, MAX_INPUT, Map};
use linkspan_spec::{Command, Error, ErrorCode, IfName, PluginType, Success, Version};

pub use find::find_in_path;
pub use ipam::Ipam;

use crate::invocation::WRONG_CONFIGURATION;
use crate::report::Delegated;
use crate::tracing::PLUGIN_TYPE;
use crate::{Foresight, Handler, Invocation, Undo, called, executable, find as named, serve, warn};

/// Another plugin, which carries out a command for this one.
///
/// The file is searched in CNI_PATH. When it is this same executable, or a copy of it, the plugin runs in this process;
/// otherwise it is started, with the variables of this call, another configuration, and its standard error handed on.
///
/// A process has no deadline here, and neither has the plugin: how long an operation may take is for the runtime alone to say,
/// which gives up both. It is in the process group of the plugin, so a runtime that ends the group (as `linkspan-runtime` does,
/// by SIGTERM and then SIGKILL) ends it too. One that kills the plugin's process alone (as libcni does) leaves it to go on
/// without anybody who reads its answer; the DEL that follows is for both. Neither undoes anything then: what the
/// plugin had registered with [`Undo`] is for that DEL as well.
///
/// Plugins that delegate to each other in a circle end with an error behind the eighth, in processes too.
///
/// ```
/// # use linkspan_plugin::{Call, Undo, config::NoKeys, spec::{Error, Success}};
/// /// Has `bridge` make the interface, and changes what it says.
/// fn add(call: &Call<'_, NoKeys>) -> Result<Success, Error> {
///     let mut undo = Undo::new();
///     let mut config = call.raw().as_map().clone();
///     config.insert("bridge".into(), "br0".into());
///     let mut result = call.delegate("bridge", config)?.add(&mut undo)?;
///     result.dns.search.push("example.test".into());
///     undo.commit();
///     Ok(result)
/// }
/// ```
pub struct Delegation<'a> {
    name: PluginType,
    invocation: Cow<'a, Invocation<'a>>,
    /// What messages call it.
    kind: &'static str,
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

/// How many plugins may stand between the runtime and a plugin of this process.
const MOST_DELEGATIONS: u8 = 8;

impl<'a> Invocation<'a> {
    /// The plugin `name`, to be called with `config` instead of this configuration; see
    /// [`Call::delegate`](crate::Call::delegate).
    ///
    /// # Errors
    /// When its name is none, or `config` is no configuration.
    pub fn delegate(&'a self, name: &str, config: Map) -> Result<Delegation<'a>, Error> {
        let told = |error: Error| error.or_details(WRONG_CONFIGURATION);
        let name: PluginType = name.parse().map_err(|error| told(Error::from(error)))?;
        let invocation = config::inherited(self, &name, config).map_err(told)?;
        Ok(Delegation::new(name, Cow::Owned(invocation), "plugin"))
    }
}

impl<'a> Delegation<'a> {
    fn new(name: PluginType, invocation: Cow<'a, Invocation<'a>>, kind: &'static str) -> Self {
        Self {
            name,
            invocation,
            kind,
            program: OnceCell::new(),
        }
    }

    /// The plugin's name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The same plugin for another interface of the container (CNI_IFNAME).
    #[must_use]
    pub fn with_ifname(mut self, ifname: IfName) -> Self {
        self.invocation.to_mut().ifname = Some(ifname);
        self
    }

    /// The same plugin with other CNI_ARGS.
    #[must_use]
    pub fn with_args(mut self, args: impl Into<String>) -> Self {
        self.invocation.to_mut().args = args.into();
        self
    }

    /// The same plugin for another namespace (CNI_NETNS). It is looked at as the runtime's is: the host's own is refused.
    #[must_use]
    pub fn with_netns(mut self, netns: impl Into<PathBuf>) -> Self {
        let invocation = self.invocation.to_mut();
        invocation.netns = Some(netns.into());
        invocation.namespace = None;
        self
    }

    /// The same plugin behind one that had this result.
    ///
    /// # Errors
    /// When the result has no form in the version of its configuration.
    pub fn with_prev_result(mut self, result: &Success) -> Result<Self, Error> {
        config::set_prev_result(self.invocation.to_mut(), result)?;
        Ok(self)
    }

    /// Has it attach the container; registers with `undo` how it is detached. Where ADD fails, DEL is called at once, as the
    /// specification has it.
    ///
    /// # Errors
    /// The plugin's, or why it could not be run.
    pub fn add<'u>(&self, undo: &mut Undo<'u>) -> Result<Success, Error>
    where
        'a: 'u,
    {
        let answer = self.run(Command::Add).inspect_err(|_| {
            // What is of this executable has undone all by itself.
            if let Ok(Program::File(_)) = self.program()
                && let Err(error) = self.del()
            {
                warn(&format!("DEL of {:?} after its ADD: {error}", self.name()));
            }
        })?;
        let result = self.result(answer);
        let behind = |result: &Success| self.again().with_prev_result(result).ok();
        // It has succeeded, so what has no form in its version is undone as well.
        let again = result.as_ref().ok().and_then(behind);
        let again = again.unwrap_or_else(|| self.again());
        undo.on_failure(format!("what {:?} made", self.name()), move || again.del());
        result
    }

    /// Tells what [`add`](Self::add) would do, and gives what it would give. One that is none of this executable's is not
    /// known.
    ///
    /// # Errors
    /// Those of ADD.
    pub fn foresee(&self, foresight: &mut Foresight) -> Result<Success, Error> {
        match self.program()? {
            Program::BuiltIn(handler) => handler.foresee(&self.called(Command::Add)?, foresight),
            Program::File(_) => foresight.of(self.name(), |foresight| {
                foresight.unknown_plugin(&self.invocation, crate::foresight::NOT_KNOWN)
            }),
        }
    }

    /// Has it compare what is there with what its ADD made.
    ///
    /// # Errors
    /// The plugin's, or why it could not be run.
    pub fn check(&self) -> Result<(), Error> {
        self.run(Command::Check).map(drop)
    }

    /// Has it detach the container.
    ///
    /// # Errors
    /// The plugin's, or why it could not be run.
    pub fn del(&self) -> Result<(), Error> {
        self.run(Command::Del).map(drop)
    }

    /// Has it free what belongs to no valid attachment.
    ///
    /// # Errors
    /// The plugin's, or why it could not be run.
    pub fn gc(&self) -> Result<(), Error> {
        self.run(Command::Gc).map(drop)
    }

    /// Asks it whether its ADD could succeed now.
    ///
    /// # Errors
    /// The plugin's; [`ErrorCode::PLUGIN_NOT_AVAILABLE`] when it could not be run.
    pub fn status(&self) -> Result<(), Error> {
        let unavailable = |error: Error| match error.code {
            ErrorCode::IO_FAILURE => error.with_code(ErrorCode::PLUGIN_NOT_AVAILABLE),
            _ => error,
        };
        self.run(Command::Status).map(drop).map_err(unavailable)
    }

    /// The same once more, for an undo log, which may outlive this.
    fn again(&self) -> Self {
        Self::new(self.name.clone(), self.invocation.clone(), self.kind)
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
            Program::File(file) => process::run(self, file, command).map(Answer::Printed),
        }
    }

    fn program(&self) -> Result<&Program, Error> {
        let found = self.program.get_or_init(|| self.find());
        found.as_ref().map_err(Clone::clone)
    }

    fn find(&self) -> Result<Program, Error> {
        if self.invocation.is_imagined {
            return self.by_name();
        }
        if let Some(delegates) = self.invocation.delegates {
            return match delegates.find(&self.name, &self.invocation.path)? {
                Some(file) => Ok(Program::File(file)),
                None => self.by_name(),
            };
        }
        let (file, metadata) = find::find_program(&self.name, &self.invocation.path)?;
        Ok(match self.built_in(&file, &metadata) {
            Some(handler) => Program::BuiltIn(handler),
            None => Program::File(file),
        })
    }

    /// The plugin of this executable that has the name, else the file of others.
    fn by_name(&self) -> Result<Program, Error> {
        match named(self.invocation.table, self.name()) {
            Some(known) => Ok(Program::BuiltIn(known)),
            None => find_in_path(&self.name, &self.invocation.path).map(Program::File),
        }
    }

    /// The plugin of this executable that the file is, when the file is this executable.
    fn built_in(&self, path: &Path, file: &std::fs::Metadata) -> Option<&'static dyn Handler> {
        let handler = called::by_path(self.invocation.table, path)?;
        executable::is_this(path, file).then_some(handler)
    }

    fn run_here(
        &self,
        handler: &'static dyn Handler,
        command: Command,
    ) -> Result<Option<Success>, Error> {
        let mut invocation = self.called(command)?;
        match invocation.namespace {
            None if invocation.netns.is_some() => serve::handle(handler, &mut invocation),
            _ => handler.handle(&invocation),
        }
    }

    /// The invocation of a plugin of this process.
    fn called(&self, command: Command) -> Result<Invocation<'a>, Error> {
        let mut invocation = self.invocation.with_command(command);
        invocation.delegations += 1;
        match invocation.delegations > MOST_DELEGATIONS {
            true => Err(endless(self.name())),
            false => Ok(invocation),
        }
    }

    /// The result of an ADD that succeeded.
    fn result(&self, answer: Answer) -> Result<Success, Error> {
        let (kind, name) = (self.kind, self.name());
        let printed = match answer {
            Answer::Result(Some(result)) => return Ok(result),
            Answer::Result(None) => Vec::new(),
            Answer::Printed(stdout) => stdout,
        };
        let invalid = |msg: String| Error::new(ErrorCode::DECODING_FAILURE, msg);
        if printed.trim_ascii().is_empty() && printed.len() <= MAX_INPUT {
            return Err(
                invalid(format!("the {kind} {name:?} printed no result")).with_details(
                    "it succeeded and printed nothing; its documentation should tell why",
                ),
            );
        }
        parse_result(&printed, self.invocation.version).map_err(|error| {
            let msg = format!(
                "the result of the {kind} {name:?} cannot be read: {}",
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

/// Of plugins that delegate in a circle: without an end of it the stack would be one, or the host's memory.
fn endless(name: &str) -> Error {
    Error::new(
        ErrorCode::INVALID_NETWORK_CONFIG,
        format!("{name:?} is called by more than {MOST_DELEGATIONS} plugins that delegate to each other"),
    )
    .with_details(
        "as a rule a plugin delegates to itself: correct the type that it finds in the configuration (of ipam, or of what it \
         delegates to)",
    )
}

/// The beginning of what a plugin printed.
fn excerpt(printed: &[u8]) -> String {
    const SHOWN: usize = 200;
    String::from_utf8_lossy(&printed[..printed.len().min(SHOWN)])
        .trim()
        .to_owned()
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
mod tests;
