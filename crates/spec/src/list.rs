//! The configuration of a network: a chain of plugins.

use crate::config::required_name;
use crate::decode::{self, DecodeError, Map, Value};
use crate::{NetworkName, PluginConfig, Version};

/// A network configuration.
///
/// # Spec
/// Section 1, "Configuration format".
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    /// `name`.
    pub name: NetworkName,
    /// The version to use: the highest known one of `cniVersion` and `cniVersions`; 0.1.0 when
    /// there is neither.
    pub cni_version: Version,
    /// Every known version of `cniVersion` and `cniVersions`, in ascending order.
    pub cni_versions: Vec<Version>,
    /// `disableCheck`: CHECK must not be called.
    pub disable_check: bool,
    /// `disableGC`: GC must not be called.
    pub disable_gc: bool,
    /// `loadOnlyInlinedPlugins`: no plugins are added from the directory named as the network.
    pub load_only_inlined_plugins: bool,
    /// `plugins`, in the order of ADD. May be empty when they are to come from that directory.
    pub plugins: Vec<PluginConfig>,
    /// The configuration's text: as it was read, or as it was made of a single configuration.
    /// Runtimes keep it with the results of ADD.
    pub source: Vec<u8>,
}

impl NetworkList {
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
        let load_only_inlined_plugins = switch(map, "loadOnlyInlinedPlugins")?;
        Ok(Self {
            name: required_name(map, "name", "the network's name")?,
            cni_version: cni_versions.last().copied().unwrap_or(Version::V0_1_0),
            cni_versions,
            disable_check: switch(map, "disableCheck")?,
            disable_gc: switch(map, "disableGC")?,
            load_only_inlined_plugins,
            plugins: plugins(map, load_only_inlined_plugins)?,
            source: bytes.to_vec(),
        })
    }

    /// The list of one plugin, made of a single configuration (a `.conf` file).
    ///
    /// # Errors
    /// When its name, its type or its version is missing, unknown or breaks a rule.
    pub fn from_single(plugin: PluginConfig) -> Result<Self, DecodeError> {
        let name = plugin.name()?;
        let cni_version = plugin.cni_version()?;
        plugin.plugin_type()?;
        let mut list = Map::new();
        list.insert("cniVersion".into(), cni_version.as_str().into());
        list.insert("name".into(), name.as_str().into());
        list.insert(
            "plugins".into(),
            Value::Array(vec![plugin.as_map().clone().into()]),
        );
        Ok(Self {
            name,
            cni_version,
            cni_versions: vec![cni_version],
            disable_check: false,
            disable_gc: false,
            load_only_inlined_plugins: false,
            plugins: vec![plugin],
            source: Value::Object(list).to_string().into_bytes(),
        })
    }
}

/// The known versions, in ascending order. Those of `cniVersions` that are not known belong to
/// other runtimes; but when none is known the configuration cannot be used.
fn versions(map: &Map) -> Result<Vec<Version>, DecodeError> {
    let single =
        decode::optional(map, "cniVersion", decode::string)?.filter(|text| !text.is_empty());
    let many = decode::optional(map, "cniVersions", |value| {
        decode::list(value, decode::string)
    })?;
    let texts: Vec<&str> = many.unwrap_or_default().into_iter().chain(single).collect();
    let mut known: Vec<Version> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    if let (true, Some(text)) = (known.is_empty(), texts.last()) {
        let which = if single.is_some() {
            "cniVersion"
        } else {
            "cniVersions"
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
    let decoded = decode::optional(map, "plugins", |value| {
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
        None if only_inlined => Err(DecodeError::missing("plugins", EXPECTED)),
        decoded => Ok(decoded.unwrap_or_default()),
    }
}
