//! The configuration of a network: a chain of plugins.

use std::borrow::Cow;

use crate::config::required_name;
use crate::decode::{self, DecodeError, Map, Value};
use crate::{NetworkName, PluginConfig, Version};

const CNI_VERSION: &str = "cniVersion";
const CNI_VERSIONS: &str = "cniVersions";
const NAME: &str = "name";
const DISABLE_CHECK: &str = "disableCheck";
const DISABLE_GC: &str = "disableGC";
const LOAD_ONLY_INLINED_PLUGINS: &str = "loadOnlyInlinedPlugins";
const PLUGINS: &str = "plugins";

/// A network configuration: read ([`parse`](Self::parse)), or made in code ([`new`](Self::new)), and changed at will. Its text
/// ([`source`](Self::source)) is always that of what it is now.
///
/// # Spec
/// Section 1, "Configuration format".
///
/// # Examples
/// ```
/// use linkspan_spec::{NetworkList, PluginConfig, Version};
///
/// let portmap = PluginConfig::parse(br#"{"type": "portmap", "capabilities": {"portMappings": true}}"#)?;
/// let mut network = NetworkList::parse(br#"{"name": "net", "ours": 1, "plugins": [{"type": "bridge"}]}"#)?;
/// network.plugins.push(portmap);
/// network.cni_version = Version::V1_1_0;
/// let again = NetworkList::parse(&network.source())?;
/// assert_eq!(again.plugins.len(), 2);
/// assert_eq!(again.cni_version, Version::V1_1_0);
/// assert!(String::from_utf8(network.source().into_owned())?.contains(r#""ours":1"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkList {
    /// `name`.
    pub name: NetworkName,
    /// The version to use: the highest known one of `cniVersion` and `cniVersions`; 0.1.0 when
    /// there is neither.
    pub cni_version: Version,
    /// Every known version of `cniVersion` and `cniVersions`, in ascending order. Those above [`cni_version`](Self::cni_version)
    /// are not written: the highest is what a reader uses.
    pub cni_versions: Vec<Version>,
    /// `disableCheck`: CHECK must not be called.
    pub disable_check: bool,
    /// `disableGC`: GC must not be called.
    pub disable_gc: bool,
    /// `loadOnlyInlinedPlugins`: no plugins are added from the directory named as the network.
    pub load_only_inlined_plugins: bool,
    /// `plugins`, in the order of ADD. May be empty when they are to come from that directory.
    pub plugins: Vec<PluginConfig>,
    /// What it was before any of the above was changed.
    read: Read,
}

/// A configuration as it was read.
#[derive(Clone, Debug)]
struct Read {
    text: Vec<u8>,
    map: Map,
}

/// Two are the same when they say the same by the same text.
impl PartialEq for NetworkList {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl NetworkList {
    /// A network without plugins, which [`with_plugin`](Self::with_plugin) adds.
    pub fn new(name: NetworkName, version: Version) -> Self {
        let mut map = Map::new();
        map.insert(CNI_VERSION.into(), version.as_str().into());
        map.insert(NAME.into(), name.as_str().into());
        Self {
            name,
            cni_version: version,
            cni_versions: vec![version],
            disable_check: false,
            disable_gc: false,
            load_only_inlined_plugins: false,
            plugins: Vec::new(),
            read: Read::made(map),
        }
    }

    /// The same network with one more plugin at the end of its chain.
    #[must_use]
    pub fn with_plugin(mut self, plugin: PluginConfig) -> Self {
        self.plugins.push(plugin);
        self
    }

    /// Reads a list.
    ///
    /// # Errors
    /// When it is not a JSON object within the limits; when a value is of another kind than its
    /// key asks for; when the name or a plugin's type is missing or breaks a rule; when there is
    /// no version that this crate knows; when `plugins` is empty, or missing though nothing else
    /// is to be loaded.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        let value = decode::value(bytes)?;
        let map = decode::object(&value)?;
        let cni_versions = versions(map)?;
        let load_only_inlined_plugins = switch(map, LOAD_ONLY_INLINED_PLUGINS)?;
        Ok(Self {
            name: required_name(map, NAME, "the network's name")?,
            cni_version: cni_versions.last().copied().unwrap_or(Version::V0_1_0),
            cni_versions,
            disable_check: switch(map, DISABLE_CHECK)?,
            disable_gc: switch(map, DISABLE_GC)?,
            load_only_inlined_plugins,
            plugins: plugins(map, load_only_inlined_plugins)?,
            read: Read {
                text: bytes.to_vec(),
                map: map.clone(),
            },
        })
    }

    /// The list of one plugin, made of a single configuration (a `.conf` file).
    ///
    /// # Errors
    /// When its name, its type or its version is missing, unknown or breaks a rule.
    pub fn from_single(plugin: PluginConfig) -> Result<Self, DecodeError> {
        plugin.plugin_type()?;
        let mut list = Self::new(plugin.name()?, plugin.cni_version()?).with_plugin(plugin);
        list.read = Read::made(list.to_map());
        Ok(list)
    }

    /// The configuration's text, which runtimes keep with the results of ADD. Unless something was changed since, it is what was
    /// read, to the byte; otherwise keys that were not changed, also those that this crate does not know, are as they were.
    pub fn source(&self) -> Cow<'_, [u8]> {
        match self.is_as_read() {
            true => Cow::Borrowed(&self.read.text),
            false => Cow::Owned(text(self.to_map())),
        }
    }

    fn is_as_read(&self) -> bool {
        let plugins = decode::key(&self.read.map, PLUGINS).and_then(Value::as_array);
        let plugins = plugins.into_iter().flatten().map(Value::as_object);
        self.has_version_of(&self.read.map)
            && decode::key(&self.read.map, NAME).is_some_and(|name| name == self.name.as_str())
            && self.changed_switches().next().is_none()
            && plugins.eq(self.plugins.iter().map(|plugin| Some(plugin.as_map())))
    }

    /// Whether a reader of the keys would use the same versions.
    fn has_version_of(&self, map: &Map) -> bool {
        let highest = |versions: &[Version]| versions.last().copied().unwrap_or(Version::V0_1_0);
        versions(map)
            .is_ok_and(|read| highest(&read) == self.cni_version && read == self.cni_versions)
    }

    /// The switches that are not as they were read.
    fn changed_switches(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let switches = [
            (DISABLE_CHECK, self.disable_check),
            (DISABLE_GC, self.disable_gc),
            (LOAD_ONLY_INLINED_PLUGINS, self.load_only_inlined_plugins),
        ];
        let read = |name| switch(&self.read.map, name).ok();
        switches
            .into_iter()
            .filter(move |(name, is_on)| read(name) != Some(*is_on))
    }

    /// What was read, with what was changed since.
    fn to_map(&self) -> Map {
        let mut map = self.read.map.clone();
        if !self.has_version_of(&map) {
            set(
                &mut map,
                CNI_VERSION,
                Some(self.cni_version.as_str().into()),
            );
            let mut all = self.cni_versions.clone();
            all.retain(|version| *version < self.cni_version);
            all.push(self.cni_version);
            let listed = all.iter().map(|version| Value::from(version.as_str()));
            set(
                &mut map,
                CNI_VERSIONS,
                (all.len() > 1).then(|| listed.collect()),
            );
        }
        if decode::key(&map, NAME).is_none_or(|name| name != self.name.as_str()) {
            set(&mut map, NAME, Some(self.name.as_str().into()));
        }
        for (name, is_on) in self.changed_switches() {
            set(&mut map, name, Some(is_on.into()));
        }
        let plugins = self.plugins.iter().map(|plugin| plugin.as_map().clone());
        let plugins = (!self.plugins.is_empty()).then(|| plugins.collect());
        set(&mut map, PLUGINS, plugins);
        map
    }
}

impl Read {
    fn made(map: Map) -> Self {
        Self {
            text: text(map.clone()),
            map,
        }
    }
}

/// Compact JSON; as `Value` prints it, which cannot fail.
fn text(map: Map) -> Vec<u8> {
    Value::Object(map).to_string().into_bytes()
}

/// Sets a key, in its place if it has one, or removes it; in whichever case of letters it was there.
fn set(map: &mut Map, name: &str, value: Option<Value>) {
    map.retain(|key, _| key == name || !decode::same_key(key, name));
    match value {
        Some(value) => {
            map.insert(name.to_owned(), value);
        }
        None => map.retain(|key, _| key != name),
    }
}

/// The known versions, in ascending order. Those of `cniVersions` that are not known belong to
/// other runtimes; but when none is known the configuration cannot be used.
fn versions(map: &Map) -> Result<Vec<Version>, DecodeError> {
    let single =
        decode::optional(map, CNI_VERSION, decode::string)?.filter(|text| !text.is_empty());
    let many = decode::optional(map, CNI_VERSIONS, |value| {
        decode::list(value, decode::string)
    })?;
    let texts: Vec<&str> = many.unwrap_or_default().into_iter().chain(single).collect();
    let mut known: Vec<Version> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    if let (true, Some(text)) = (known.is_empty(), texts.last()) {
        let which = if single.is_some() {
            CNI_VERSION
        } else {
            CNI_VERSIONS
        };
        let unknown = text.parse::<Version>().map_err(DecodeError::from);
        unknown.map_err(|error| error.within(which))?;
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// A switch that may be written as a string too, as the reference reads it.
fn switch(map: &Map, name: &str) -> Result<bool, DecodeError> {
    let decoded = decode::optional(map, name, |value| match value {
        Value::Bool(switch) => Ok(*switch),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Ok(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Ok(false),
        other => Err(DecodeError::mismatch("true or false", other)),
    })?;
    Ok(decoded.unwrap_or_default())
}

fn plugins(map: &Map, only_inlined: bool) -> Result<Vec<PluginConfig>, DecodeError> {
    const EXPECTED: &str = "a list of at least one plugin configuration";
    let decoded = decode::optional(map, PLUGINS, |value| {
        let list = decode::list(value, |item| {
            let plugin = PluginConfig::from_value(item.clone())?;
            plugin.plugin_type()?;
            Ok(plugin)
        })?;
        if list.is_empty() {
            Err(DecodeError::mismatch(EXPECTED, value))
        } else {
            Ok(list)
        }
    })?;
    match decoded {
        None if only_inlined => Err(DecodeError::missing(PLUGINS, EXPECTED)),
        decoded => Ok(decoded.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests;
