//! What is done for a network as a whole: GC, STATUS, and asking its plugins what they can.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use linkspan_spec::{
    Attachment, Command, DecodeError, NetworkList, PluginType, Version, VersionInfo,
};

use crate::{Cause, Deadline, Error, Outcome, Runtime, Step, find_plugin};

impl Runtime {
    /// Removes what belongs to none of the attachments in use: DEL for each kept attachment of the
    /// network that is not among them; then, from version 1.1.0 on, GC of the network's plugins,
    /// which are told of them.
    ///
    /// Whoever takes them from [`attachments`](Self::attachments) must not go on when that fails: a
    /// container that is not in the list is cut off.
    ///
    /// Each DEL has a time of its own, and the plugins' GC another.
    ///
    /// # Errors
    /// All failures; none keeps the rest from being done. A kept attachment that cannot be read, and is
    /// none of those in use, is one.
    ///
    /// # Spec
    /// Section 3, "Garbage-collecting a network".
    pub fn gc(&self, network: &NetworkList, in_use: &[Attachment]) -> Result<Outcome, Error> {
        if network.disable_gc {
            return Ok(Outcome::Disabled);
        }
        let mut errors = self.detach_stale(network, in_use)?;
        self.cache.sweep();
        let go_on = !errors.iter().any(Error::is_cancelled);
        if go_on && network.cni_version >= Command::Gc.since() {
            errors.extend(self.collect_garbage(network, in_use));
        }
        Error::collect(errors)?;
        Ok(Outcome::Done)
    }

    fn detach_stale(
        &self,
        network: &NetworkList,
        in_use: &[Attachment],
    ) -> Result<Vec<Error>, Error> {
        let in_use: BTreeSet<_> = in_use
            .iter()
            .map(|attachment| self.cache.path_of(&network.name, attachment))
            .collect();
        let files = self.cache.files()?.into_iter();
        let stale = files
            .filter(|file| file.may_be_of(&network.name))
            .filter(|file| !in_use.contains(&file.path));
        let detached = stale.map(|file| self.del(network, &file.attachment?.endpoint));
        Ok(failures(detached))
    }

    fn collect_garbage(&self, network: &NetworkList, in_use: &[Attachment]) -> Vec<Error> {
        let chain = self.chain(network, Command::Gc, None);
        failures(
            (0..network.plugins.len())
                .map(|index| chain.run(index, |config| config.with_valid_attachments(in_use))),
        )
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
        if network.cni_version < Command::Status.since() {
            for config in &network.plugins {
                let plugin = config.plugin_type().map_err(unusable(network))?;
                find_plugin(&plugin, self.plugin_dirs())?;
            }
            return Ok(Outcome::NotInVersion);
        }
        let chain = self.chain(network, Command::Status, None);
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
        let path = find_plugin(plugin, self.plugin_dirs())?;
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

    /// Checks that every plugin of a network is there and supports the network's version. The
    /// operations themselves do not: a plugin refuses a version by itself.
    ///
    /// # Errors
    /// Every plugin that is not found, does not answer, or does not support the version.
    pub fn validate(&self, network: &NetworkList) -> Result<(), Error> {
        let errors = network.plugins.iter().filter_map(|config| {
            let plugin = config.plugin_type().map_err(unusable(network));
            plugin
                .and_then(|plugin| self.validate_plugin(plugin, network.cni_version))
                .err()
        });
        Error::collect(errors.collect())
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

/// Every failure, up to the one by which the operation is given up.
fn failures<T>(steps: impl Iterator<Item = Result<T, Error>>) -> Vec<Error> {
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
