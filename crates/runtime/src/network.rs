//! What is done for a network as a whole: GC, STATUS, and asking its plugins what they can.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use linkspan_spec::{
    Attachment, Command, DecodeError, NetworkList, PluginType, Version, VersionInfo,
};

use crate::chain::Chain;
use crate::lock::Turn;
use crate::{CachedFile, Cause, Deadline, Error, Operation, Outcome, Runtime, Step};

impl Runtime {
    /// Begins the garbage collection of a network: no ADD, CHECK or DEL of the network runs until what is returned is
    /// dropped, so that what is told to be attached then is all that is.
    ///
    /// # Errors
    /// When its turn does not come in time, or the lock cannot be had.
    ///
    /// # Spec
    /// Section 3, "Lifecycle & Ordering".
    pub fn collection<'a>(&'a self, network: &'a NetworkList) -> Result<Collection<'a>, Error> {
        let patience = self.patience(Deadline::after(self.timeout));
        Ok(Collection {
            runtime: self,
            network,
            turn: self.locks.network(&network.name, patience)?,
        })
    }

    /// Removes what belongs to none of the attachments in use, for a runtime with a list of its own: as
    /// [`Collection::remove_all_but`] does. What was attached while this waited for its turn is in use as well.
    ///
    /// Whoever takes the list from [`attachments`](Self::attachments) begins a [`collection`](Self::collection) first: what
    /// is attached between the two is cut off.
    ///
    /// # Errors
    /// As those of the two.
    ///
    /// # Spec
    /// Section 3, "Garbage-collecting a network".
    pub fn gc(&self, network: &NetworkList, in_use: &[Attachment]) -> Result<Outcome, Error> {
        if network.disable_gc {
            return Ok(Outcome::Disabled);
        }
        let before = self.cache.files()?;
        let before: BTreeSet<_> = before.iter().map(CachedFile::written).collect();
        let collection = self.collection(network)?;
        let fresh = self.cache.files()?.into_iter();
        // One that was detached and attached again has a file of the same name.
        let fresh = fresh.filter(|file| !before.contains(&file.written()));
        let fresh = fresh.filter_map(|file| file.attachment.ok());
        let mut in_use = in_use.to_vec();
        in_use.extend(
            fresh
                .filter(|cached| cached.network == network.name)
                .map(|cached| cached.endpoint.attachment())
                .filter(|attachment| !in_use.contains(attachment))
                .collect::<Vec<_>>(),
        );
        collection.remove_all_but(&in_use)
    }

    /// Asks whether the network could serve an ADD: STATUS of its plugins in order. Before version
    /// 1.1.0, which has no STATUS, whether the plugins are there.
    ///
    /// # Errors
    /// The first failure of a plugin, or the first that is not there.
    ///
    /// # Spec
    /// Section 2, "STATUS".
    pub fn status(&self, network: &NetworkList) -> Result<Outcome, Error> {
        let operation = Operation::new(Command::Status, &network.name, None);
        operation.told(&self.runner, || self.ask_status(network))
    }

    fn ask_status(&self, network: &NetworkList) -> Result<Outcome, Error> {
        if network.cni_version < Command::Status.since() {
            for config in &network.plugins {
                let plugin = config.plugin_type().map_err(unusable(network))?;
                self.runner.find(&plugin)?;
            }
            return Ok(Outcome::NotInVersion);
        }
        let deadline = Deadline::after(self.timeout);
        let chain = self.chain(network, Command::Status, None, deadline);
        for index in 0..network.plugins.len() {
            chain.run(index, |config| config)?;
        }
        Ok(Outcome::Done)
    }

    /// Asks a plugin which versions it supports.
    ///
    /// # Errors
    /// When it is not found, fails, or answers something else.
    ///
    /// # Spec
    /// Section 2, "VERSION".
    pub fn version(&self, plugin: &PluginType) -> Result<VersionInfo, Error> {
        let path = self.runner.find(plugin)?;
        self.version_of(plugin, &path)
    }

    /// Asks the plugin in a file which versions it supports.
    ///
    /// # Errors
    /// When it fails or answers something else.
    pub fn version_of(&self, plugin: &PluginType, path: &Path) -> Result<VersionInfo, Error> {
        let step = version_step(plugin.clone(), path.to_owned());
        let stdin = format!(r#"{{"cniVersion":"{}"}}"#, Version::LATEST);
        let deadline = Deadline::after(self.timeout);
        let answer = self
            .runner
            .run(step, version_environment(), stdin.as_bytes(), deadline);
        match answer {
            Ok(answer) => answer.decode(VersionInfo::parse),
            Err(error) if is_of_before_version(&error) => {
                Ok(VersionInfo::new(Version::V0_1_0, &[Version::V0_1_0]))
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that every plugin of a network is there and supports the network's version, and tells the capabilities that they
    /// declare, as libcni's `ValidateNetworkList` does. The operations themselves do not: a plugin refuses a version by itself.
    ///
    /// # Errors
    /// Every plugin that is not found, does not answer, or does not support the version, all together; and capabilities that are
    /// none.
    pub fn validate(&self, network: &NetworkList) -> Result<Vec<String>, Error> {
        let mut seen = BTreeSet::new();
        let mut errors = Vec::new();
        for config in &network.plugins {
            let valid = match config.plugin_type().map_err(unusable(network)) {
                Ok(plugin) if !seen.insert(plugin.to_string()) => Ok(()),
                Ok(plugin) => self.validate_plugin(plugin, network.cni_version),
                Err(error) => Err(error),
            };
            errors.extend(valid.err());
        }
        let capabilities = Self::capabilities(network).map_err(|error| errors.push(error));
        Error::collect(errors)?;
        Ok(capabilities.unwrap_or_default())
    }

    fn validate_plugin(&self, plugin: PluginType, version: Version) -> Result<(), Error> {
        let info = self.version(&plugin)?;
        if info.supports(version) {
            return Ok(());
        }
        Err(Error::PluginVersion {
            plugin,
            version,
            supported: info.supported_versions,
        })
    }
}

/// The garbage collection of a network, which nobody else is at; see [`Runtime::collection`].
#[derive(Debug)]
pub struct Collection<'a> {
    runtime: &'a Runtime,
    network: &'a NetworkList,
    turn: Turn,
}

impl Collection<'_> {
    /// Removes what belongs to none of the attachments in use: DEL for each kept or begun attachment of the
    /// network that is not among them, with the configuration of its ADD; then, from version 1.1.0 on, GC of the network's
    /// plugins, which are told of them. A container that another operation is at, on another network, is in use.
    ///
    /// Whoever takes them from [`Runtime::attachments`] must not go on when that fails: a
    /// container that is not in the list is cut off. What is not [complete](crate::CachedAttachment::is_complete) is in nobody's
    /// use: no ADD of the network is under way.
    ///
    /// Each DEL has a time of its own, and the plugins' GC another.
    ///
    /// # Errors
    /// All failures; none keeps the rest from being done. A kept attachment that cannot be read, and is
    /// none of those in use, is one.
    ///
    /// # Spec
    /// Section 3, "Garbage-collecting a network".
    pub fn remove_all_but(&self, in_use: &[Attachment]) -> Result<Outcome, Error> {
        let network = self.network;
        if network.disable_gc {
            return Ok(Outcome::Disabled);
        }
        let operation = Operation::new(Command::Gc, &network.name, None);
        operation.told(&self.runtime.runner, || self.remove(in_use))
    }

    fn remove(&self, in_use: &[Attachment]) -> Result<Outcome, Error> {
        let network = self.network;
        let (mut in_use, mut errors) = (in_use.to_vec(), Vec::new());
        self.detach_stale(&mut in_use, &mut errors)?;
        self.runtime.cache.sweep();
        self.runtime.locks.sweep();
        let go_on = !errors.iter().any(Error::is_cancelled);
        if go_on && network.cni_version >= Command::Gc.since() {
            errors.extend(self.collect_garbage(&in_use));
        }
        Error::collect(errors)?;
        Ok(Outcome::Done)
    }

    /// Detaches what is not in use. A container that another operation is at turns out to be.
    fn detach_stale(
        &self,
        in_use: &mut Vec<Attachment>,
        errors: &mut Vec<Error>,
    ) -> Result<(), Error> {
        let (runtime, network) = (self.runtime, self.network);
        let names: BTreeSet<_> = in_use
            .iter()
            .map(|attachment| runtime.cache.name_of(&network.name, attachment))
            .collect();
        let files = runtime.cache.files()?.into_iter();
        let stale = files
            .filter(|file| file.may_be_of(&network.name))
            .filter(|file| !names.contains(&file.name()));
        let detached = stale.map(|file| {
            let cached = file.attachment?;
            let endpoint = &cached.endpoint;
            let Some(turn) = runtime.turn_if_free(&endpoint.container_id, &self.turn)? else {
                in_use.push(endpoint.attachment());
                return Ok(());
            };
            let then = cached.detach_with(network);
            turn.detach(
                then.as_ref().unwrap_or(network),
                endpoint,
                runtime.deadline(),
            )
        });
        errors.extend(failures(detached));
        Ok(())
    }

    fn collect_garbage(&self, in_use: &[Attachment]) -> Vec<Error> {
        let deadline = Deadline::after(self.runtime.timeout);
        let turn = self.runtime.locks.within(&self.turn);
        let chain = Chain {
            turn: Some(&turn),
            ..self
                .runtime
                .chain(self.network, Command::Gc, None, deadline)
        };
        failures(
            (0..self.network.plugins.len())
                .map(|index| chain.run(index, |config| config.with_valid_attachments(in_use))),
        )
    }
}

/// Every failure, up to the one by which the operation is given up.
pub(crate) fn failures<T>(steps: impl Iterator<Item = Result<T, Error>>) -> Vec<Error> {
    let mut errors = Vec::new();
    for error in steps.filter_map(Result::err) {
        let given_up = error.is_cancelled();
        errors.push(error);
        if given_up {
            break;
        }
    }
    errors
}

fn unusable(network: &NetworkList) -> impl FnOnce(DecodeError) -> Error {
    |source| Error::Network {
        network: network.name.clone(),
        source,
    }
}

/// Plugins of before 0.2.0 know no VERSION and say so.
fn is_of_before_version(error: &Error) -> bool {
    matches!(error, Error::Plugin(error) if matches!(
        &error.cause,
        Cause::Reported(reported) if reported.msg == "unknown CNI_COMMAND: VERSION"
    ))
}

/// The variables of VERSION. Plugins of before it was there want the others too, whatever they say.
fn version_environment() -> Vec<(&'static str, OsString)> {
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
fn version_step(plugin: PluginType, path: PathBuf) -> Step {
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
