//! The plugins of a network, run one after another for one operation.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use linkspan_spec::{Command, DecodeError, NetworkList, PluginConfig, PluginType, Success, Value};

use crate::execute::{Ended, Output, Request};
use crate::step::{Cause, Finished, PluginError, Step};
use crate::{Deadline, Endpoint, Error, Runtime, find_plugin};

/// One operation on a network.
pub(crate) struct Chain<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) network: &'a NetworkList,
    pub(crate) command: Command,
    /// None for the operations that are for no single attachment.
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) deadline: Deadline,
}

impl<'a> Chain<'a> {
    /// Runs the plugin at `index` with what the operation adds to its configuration.
    ///
    /// # Spec
    /// Section 3, "Deriving execution configuration from plugin configuration".
    pub(crate) fn run(
        &self,
        index: usize,
        complete: impl FnOnce(PluginConfig) -> PluginConfig,
    ) -> Result<Answer, Error> {
        let config = &self.network.plugins[index];
        let plugin = config.plugin_type().map_err(self.unusable())?;
        let path = find_plugin(&plugin, &self.runtime.plugin_dirs)?;
        let mut config = config
            .clone()
            .with_network(&self.network.name, self.network.cni_version);
        if let Some(endpoint) = self.endpoint {
            config = config
                .with_capability_args(&endpoint.capability_args)
                .map_err(self.unusable())?;
        }
        let step = Step {
            command: self.command,
            plugin,
            path,
            number: index + 1,
            of: self.network.plugins.len(),
            network: self.network.name.to_string(),
            attachment: self.endpoint.map(Endpoint::attachment),
        };
        let env = environment(self.command, self.endpoint, &self.runtime.plugin_dirs);
        let stdin = complete(config).to_string();
        self.runtime
            .run_step(step, env, stdin.as_bytes(), self.deadline)
    }

    /// Runs the plugin at `index` for ADD: with the result of the previous plugin, for a result.
    pub(crate) fn run_add(
        &self,
        index: usize,
        previous: Option<&Success>,
    ) -> Result<Success, Error> {
        let previous = previous.map(|result| self.to_json(result)).transpose()?;
        let answer = self.run(index, |config| with_result(config, previous))?;
        answer.decode(|stdout| {
            // Old plugins state no version, and one has been seen to print a null for nothing.
            let value = match linkspan_spec::decode::value(stdout)? {
                Value::Null => Value::Object(linkspan_spec::Map::new()),
                value => value,
            };
            Success::from_json_as(self.network.cni_version, &value)
        })
    }

    /// A result in the network's version, or in the first later one that can express it.
    pub(crate) fn to_json(&self, result: &Success) -> Result<Value, Error> {
        result_to_json(self.network, result)
    }

    fn unusable(&self) -> impl FnOnce(DecodeError) -> Error + 'a {
        let network = self.network.name.clone();
        |source| Error::Network { network, source }
    }
}

/// A configuration with the result of the previous plugin, when there is one.
pub(crate) fn with_result(config: PluginConfig, result: Option<Value>) -> PluginConfig {
    match result {
        Some(result) => config.with_prev_result(result),
        None => config,
    }
}

/// A result in the network's version, or in the first later one that can express it: 0.1.0 and
/// 0.2.0 cannot express one without an address, yet plugins that assign none, such as loopback, are
/// run in networks of those versions.
pub(crate) fn result_to_json(network: &NetworkList, result: &Success) -> Result<Value, Error> {
    let mut versions = linkspan_spec::Version::ALL
        .iter()
        .filter(|version| **version > network.cni_version);
    let wanted = result.to_json(network.cni_version);
    wanted.or_else(|source| {
        versions
            .find_map(|version| result.to_json(*version).ok())
            .ok_or_else(|| Error::Result {
                network: network.name.clone(),
                source,
            })
    })
}

/// What a plugin printed, with the step for the error if it is not what was expected.
pub(crate) struct Answer {
    step: Step,
    output: Vec<u8>,
    stderr: String,
}

impl Answer {
    /// Decodes the answer.
    pub(crate) fn decode<T>(
        self,
        decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, Error> {
        decode(&self.output).map_err(|source| {
            Error::from(PluginError {
                cause: Cause::not_an_answer(&self.output, source),
                step: self.step,
                stderr: self.stderr,
            })
        })
    }
}

impl Runtime {
    /// Runs one plugin once and tells the observer.
    pub(crate) fn run_step(
        &self,
        step: Step,
        env: Vec<(&'static str, OsString)>,
        stdin: &[u8],
        deadline: Deadline,
    ) -> Result<Answer, Error> {
        let request = Request {
            plugin: &step.path,
            command: step.command,
            env,
            stdin,
            deadline,
        };
        let begin = Instant::now();
        let (stderr, result) = self.execute(&request);
        if let Some(observer) = &self.observer {
            observer(&Finished {
                step: &step,
                elapsed: begin.elapsed(),
                stderr: &stderr,
                result: result.as_ref().map(|_| ()),
            });
        }
        match result {
            Ok(output) => Ok(Answer {
                step,
                output,
                stderr,
            }),
            Err(cause) => Err(Error::from(PluginError {
                step,
                cause,
                stderr,
            })),
        }
    }

    fn execute(&self, request: &Request<'_>) -> (String, Result<Vec<u8>, Cause>) {
        let run = if request.deadline.has_passed() {
            Ok(Output {
                ended: Ended::TimedOut,
                stdout: Vec::new(),
                stderr: Vec::new(),
            })
        } else {
            self.executor.run(request)
        };
        match run {
            Ok(output) => (
                String::from_utf8_lossy(&output.stderr).into_owned(),
                Cause::of(output, request.deadline.allowed()),
            ),
            Err(source) => (
                String::new(),
                Err(Cause::NotRun {
                    path: request.plugin.to_owned(),
                    source,
                }),
            ),
        }
    }
}

/// The variables of the protocol. Those that the operation has no use for are empty, so that none
/// is inherited.
fn environment(
    command: Command,
    endpoint: Option<&Endpoint>,
    plugin_dirs: &[PathBuf],
) -> Vec<(&'static str, OsString)> {
    let netns = endpoint.and_then(|endpoint| endpoint.netns.as_deref());
    let text = |of: fn(&Endpoint) -> String| endpoint.map(of).unwrap_or_default().into();
    vec![
        ("CNI_COMMAND", command.as_str().into()),
        ("CNI_CONTAINERID", text(|end| end.container_id.to_string())),
        (
            "CNI_NETNS",
            netns.map(Path::as_os_str).unwrap_or_default().to_owned(),
        ),
        ("CNI_ARGS", text(Endpoint::cni_args)),
        ("CNI_IFNAME", text(|end| end.ifname.to_string())),
        ("CNI_PATH", join(plugin_dirs)),
    ]
}

/// The variables of VERSION. Plugins of before it was there want the others too, whatever they say.
pub(crate) fn version_environment() -> Vec<(&'static str, OsString)> {
    vec![
        ("CNI_COMMAND", Command::Version.as_str().into()),
        ("CNI_CONTAINERID", OsString::new()),
        ("CNI_NETNS", "dummy".into()),
        ("CNI_ARGS", OsString::new()),
        ("CNI_IFNAME", "dummy".into()),
        ("CNI_PATH", "dummy".into()),
    ]
}

/// The step of asking a plugin for its versions.
pub(crate) fn version_step(plugin: PluginType, path: PathBuf) -> Step {
    Step {
        command: Command::Version,
        plugin,
        path,
        number: 1,
        of: 1,
        network: String::new(),
        attachment: None,
    }
}

fn join(directories: &[PathBuf]) -> OsString {
    let mut joined = OsString::new();
    for (number, directory) in directories.iter().enumerate() {
        if number > 0 {
            joined.push(":");
        }
        joined.push(directory);
    }
    joined
}
