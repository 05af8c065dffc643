//! The plugin that is judged.

use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_spec::{Map, Value, Version};

use crate::kind::{DEVICE, Kind, Known};

/// How long one run of the plugin may take where nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a plugin cannot be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// The file is not there.
    #[error("cannot find the plugin {}", .0.display())]
    Missing(PathBuf, #[source] std::io::Error),
    /// It is no file that can be run.
    #[error("{} is no executable file", .0.display())]
    NoProgram(PathBuf),
    /// Nobody knows what to write into its configuration.
    #[error("the plugin {0} is not one whose configuration is known")]
    NoConfig(String),
    /// The configuration is not that of this plugin.
    #[error("the configuration has no plugin of type {0}")]
    NotInConfig(String),
    /// The configuration is of another form.
    #[error("the configuration is {0}")]
    Form(&'static str),
}

/// The plugin that is judged, and with which configuration.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The directory of its file.
    pub(crate) dir: PathBuf,
    /// The name of its file, which is its type.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// What stands beside `cniVersion`, `name` and `type`.
    pub(crate) config: Map,
    /// The interface that it makes or changes.
    pub(crate) ifname: String,
    /// Where the plugins are that it asks.
    pub(crate) cni_path: Vec<PathBuf>,
    /// Directories that are empty for each check, beside the usual ones.
    pub(crate) private: Vec<PathBuf>,
    /// What is run on the host of each check before the plugin.
    pub(crate) before: Option<String>,
    /// Whether it attaches one container at a time.
    pub(crate) single: bool,
    pub(crate) timeout: Duration,
}

impl Subject {
    /// A plugin by its file, with a configuration: an object with its keys, or a list of plugins with it among them. None is the one
    /// that its name is known for.
    ///
    /// # Errors
    /// When there is no such plugin, or no configuration for it.
    pub fn new(file: &Path, config: Option<&Map>) -> Result<Self, SubjectError> {
        use std::os::unix::fs::PermissionsExt;
        let missing = |error| SubjectError::Missing(file.to_owned(), error);
        let status = std::fs::metadata(file).map_err(missing)?;
        let no_program = || SubjectError::NoProgram(file.to_owned());
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(no_program)?.to_owned();
        if !status.is_file() || status.permissions().mode() & 0o111 == 0 {
            return Err(no_program());
        }
        // Of a path without a directory it is this one.
        let parent = file.parent().filter(|parent| *parent != Path::new(""));
        let dir = parent.unwrap_or(Path::new("."));
        let dir = std::fs::canonicalize(dir).map_err(missing)?;
        let known = Known::find(&name);
        let config = match (config, known) {
            (Some(config), _) => of_plugin(config, &name)?,
            (None, Some(known)) => known.config(),
            (None, None) => return Err(SubjectError::NoConfig(name)),
        };
        Ok(Self {
            kind: Kind::guess(&name, &config),
            ifname: known.map_or("eth0", |known| known.ifname).to_owned(),
            dir,
            name,
            config: without_what_runtimes_write(config),
            cni_path: Vec::new(),
            private: Vec::new(),
            before: None,
            single: known.is_some_and(|known| known.single),
            timeout: DEFAULT_TIMEOUT,
        })
    }

    /// The same, of another kind than its name and its configuration tell.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The same with another name of the interface than `eth0`.
    #[must_use]
    pub fn with_ifname(mut self, ifname: impl Into<String>) -> Self {
        self.ifname = ifname.into();
        self
    }

    /// The same with directories of plugins that it may ask, behind its own.
    #[must_use]
    pub fn with_cni_path(mut self, dirs: impl Into<Vec<PathBuf>>) -> Self {
        self.cni_path = dirs.into();
        self
    }

    /// The same with directories that it keeps state in: each check finds them empty.
    #[must_use]
    pub fn with_private(mut self, dirs: impl Into<Vec<PathBuf>>) -> Self {
        self.private = dirs.into();
        self
    }

    /// The same with a line of shell that is run on the host of each check before the plugin, with `CNI_PATH` as the plugin has it, and has
    /// to succeed; such as one that starts a daemon. What it leaves running in its process group is ended with the check.
    #[must_use]
    pub fn with_before(mut self, line: impl Into<String>) -> Self {
        self.before = Some(line.into());
        self
    }

    /// The same, which attaches one container at a time, since what it gives there is once.
    #[must_use]
    pub fn with_one_at_a_time(mut self) -> Self {
        self.single = true;
        self
    }

    /// The same with another time for each of its runs.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Its type.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The type of the IPAM plugin that it asks; none of one that is one.
    pub(crate) fn ipam(&self) -> Option<&str> {
        let ipam = self.config.get("ipam")?.get("type")?.as_str()?;
        (self.kind != Kind::Ipam && !ipam.is_empty()).then_some(ipam)
    }

    /// Whether addresses stand in the configuration, so that every container gets the same.
    pub(crate) fn has_fixed_addresses(&self) -> bool {
        let ipam = self.config.get("ipam");
        ipam.is_some_and(|ipam| ipam.get("addresses").is_some())
    }

    /// Whether it gives a device of the host away.
    pub(crate) fn gives_device(&self) -> bool {
        let device = self.config.get("device").and_then(Value::as_str);
        device == Some(DEVICE)
    }

    /// Whether it makes an interface that can be made by another name: the one that every namespace has is there before.
    pub(crate) fn makes_interface(&self) -> bool {
        self.kind == Kind::Interface && self.ifname != "lo"
    }
}

/// The plugin's part of a configuration.
fn of_plugin(config: &Map, name: &str) -> Result<Map, SubjectError> {
    let Some(plugins) = config.get("plugins") else {
        return Ok(config.clone());
    };
    let Value::Array(plugins) = plugins else {
        return Err(SubjectError::Form(
            "no list of plugins: \"plugins\" is no array",
        ));
    };
    let is_it = |plugin: &&Value| plugin.get("type").and_then(Value::as_str) == Some(name);
    match plugins.iter().find(is_it) {
        Some(Value::Object(plugin)) => Ok(plugin.clone()),
        _ => Err(SubjectError::NotInConfig(name.to_owned())),
    }
}

/// What the bench writes in the place of a runtime.
fn without_what_runtimes_write(mut config: Map) -> Map {
    for key in ["cniVersion", "cniVersions", "name", "type", "prevResult"] {
        config.remove(key);
    }
    config
}

/// The versions that both know, of what a plugin says that it supports; the oldest first.
pub(crate) fn known_versions(claimed: &[String]) -> Vec<Version> {
    let is_claimed = |version: &&Version| claimed.iter().any(|text| text == version.as_str());
    Version::ALL.iter().filter(is_claimed).copied().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_plugin_is_found_in_its_list() {
        let list = map(
            json!({ "cniVersion": "1.0.0", "name": "net", "plugins": [{ "type": "a" }, { "type": "sh", "key": 1, "prevResult": {} }] }),
        );
        let subject = Subject::new(Path::new("/bin/sh"), Some(&list)).unwrap();
        assert_eq!(subject.config, map(json!({ "key": 1 })));
        assert_eq!(subject.kind, Kind::Chained);
        let other = map(json!({ "plugins": [{ "type": "a" }] }));
        let refused = Subject::new(Path::new("/bin/sh"), Some(&other)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the configuration has no plugin of type sh"
        );
    }

    #[test]
    fn only_known_plugins_need_no_configuration() {
        for (file, why) in [
            ("/bin/sh", "is not one whose configuration is known"),
            ("/bin", "no executable"),
            ("/etc/passwd", "no executable"),
            ("/nowhere/bridge", "cannot find the plugin /nowhere/bridge"),
        ] {
            let refused = Subject::new(Path::new(file), None).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
        }
    }

    #[test]
    fn an_ipam_plugin_is_told_by_its_configuration() {
        let config = |text| map(json!({ "ipam": { "type": text } }));
        assert_eq!(Kind::guess("mine", &config("mine")), Kind::Ipam);
        assert_eq!(Kind::guess("mine", &config("host-local")), Kind::Interface);
        assert_eq!(Kind::guess("portmap", &Map::new()), Kind::Chained);
    }
}
