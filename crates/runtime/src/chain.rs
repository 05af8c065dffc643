//! The plugins of a network, run one after another for one operation.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use linkspan_spec::{Command, DecodeError, NetworkList, PluginConfig, Success, Value};

use crate::find::is_directory;
use crate::lock::ContainerTurn;
use crate::runner::{Answer, Runner};
use crate::{Deadline, Endpoint, Error, Event, Step};

/// One operation on a network.
pub(crate) struct Chain<'a> {
    pub(crate) runner: &'a Runner,
    pub(crate) network: &'a NetworkList,
    pub(crate) command: Command,
    /// None for the operations that are for no single attachment.
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) deadline: Deadline,
    /// Of the operations that are for a container, and of GC.
    pub(crate) turn: Option<&'a ContainerTurn>,
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
        let config = derived(self.network, index, self.endpoint)?;
        let mut step = Step {
            command: self.command,
            plugin,
            path: PathBuf::new(),
            number: index + 1,
            of: self.network.plugins.len(),
            network: self.network.name.to_string(),
            attachment: self.endpoint.map(Endpoint::attachment),
        };
        let found = self.runner.find(&step.plugin);
        step.path = found.inspect_err(|error| {
            let step = &step;
            self.runner.tell(Event::Missing { step, error });
        })?;
        let mut env = environment(self.command, self.endpoint, &self.runner.directories);
        env.extend(self.turn.and_then(ContainerTurn::variable));
        let stdin = complete(config).to_string();
        self.runner.run(step, env, stdin.as_bytes(), self.deadline)
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

/// The configuration of the plugin at `index` with what the network and the endpoint add to it.
///
/// # Spec
/// Section 3, "Deriving execution configuration from plugin configuration".
pub(crate) fn derived(
    network: &NetworkList,
    index: usize,
    endpoint: Option<&Endpoint>,
) -> Result<PluginConfig, Error> {
    let config = network.plugins[index].clone();
    let config = config.with_network(&network.name, network.cni_version);
    let Some(endpoint) = endpoint else {
        return Ok(config);
    };
    let derived = config.with_capability_args(&endpoint.capability_args);
    derived.map_err(|source| Error::Network {
        network: network.name.clone(),
        source,
    })
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

fn join(directories: &[PathBuf]) -> OsString {
    let mut joined = OsString::new();
    let directories = directories.iter().filter(|path| is_directory(path));
    for (number, directory) in directories.enumerate() {
        if number > 0 {
            joined.push(":");
        }
        joined.push(directory);
    }
    joined
}
