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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<NetworkList, DecodeError> {
        NetworkList::parse(value.to_string().as_bytes())
    }

    fn list(extra: Value) -> Value {
        let mut list = json!({"name": "net", "plugins": [{"type": "bridge"}]});
        for (key, value) in extra.as_object().unwrap() {
            list[key] = value.clone();
        }
        list
    }

    #[test]
    fn the_example_of_the_specification_is_read() {
        let text = r#"{
            "cniVersion": "1.1.0",
            "cniVersions": ["0.3.1", "0.4.0", "1.0.0", "1.1.0"],
            "name": "dbnet",
            "plugins": [
                {"type": "bridge", "bridge": "cni0", "keyA": ["some more"],
                 "ipam": {"type": "host-local", "subnet": "10.1.0.0/16"}},
                {"type": "tuning", "capabilities": {"mac": true}},
                {"type": "portmap", "capabilities": {"portMappings": true}}
            ]
        }"#;
        let list = NetworkList::parse(text.as_bytes()).unwrap();
        assert_eq!(list.name.as_str(), "dbnet");
        assert_eq!(list.cni_version, Version::V1_1_0);
        assert_eq!(list.cni_versions, Version::ALL[3..]);
        assert!(!list.disable_check && !list.disable_gc && !list.load_only_inlined_plugins);
        let types: Vec<_> = list
            .plugins
            .iter()
            .map(|plugin| plugin.plugin_type())
            .collect();
        assert_eq!(
            types,
            ["bridge", "tuning", "portmap"].map(|name| Ok(name.parse().unwrap()))
        );
        assert_eq!(list.plugins[0].as_map()["keyA"], json!(["some more"]));
        assert_eq!(list.source, text.as_bytes());
    }

    #[test]
    fn the_highest_known_version_is_chosen() {
        use Version::{V0_1_0, V0_3_1, V0_4_0, V1_0_0, V1_1_0};
        for (versions, expected) in [
            (json!({}), V0_1_0),
            (json!({"cniVersion": ""}), V0_1_0),
            (json!({"cniVersion": "0.4.0"}), V0_4_0),
            (json!({"cniVersions": []}), V0_1_0),
            (json!({"cniVersions": ["1.0.0", "0.3.1"]}), V1_0_0),
            (
                json!({"cniVersion": "0.4.0", "cniVersions": ["0.3.1"]}),
                V0_4_0,
            ),
            (
                json!({"cniVersion": "0.3.1", "cniVersions": ["0.4.0", "9.0.0"]}),
                V0_4_0,
            ),
            (
                json!({"cniVersion": "9.0.0", "cniVersions": ["1.1.0", "0.3.1"]}),
                V1_1_0,
            ),
            (json!({"cniVersion": "0.3.1", "cniVersions": null}), V0_3_1),
        ] {
            assert_eq!(
                parse(&list(versions.clone())).unwrap().cni_version,
                expected,
                "{versions}"
            );
        }
    }

    #[test]
    fn switches_may_be_strings() {
        for (value, expected) in [
            (json!(true), true),
            (json!("true"), true),
            (json!("TRUE"), true),
            (json!(false), false),
            (json!("False"), false),
            (json!(null), false),
        ] {
            for key in ["disableCheck", "disableGC", "loadOnlyInlinedPlugins"] {
                let list = parse(&list(json!({ key: value }))).unwrap();
                let switches = [
                    list.disable_check,
                    list.disable_gc,
                    list.load_only_inlined_plugins,
                ];
                assert_eq!(switches.contains(&true), expected, "{key}: {value}");
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_place() {
        for (value, message) in [
            (json!([]), "expected an object"),
            (
                json!({"plugins": [{"type": "bridge"}]}),
                r#""name" is missing"#,
            ),
            (
                list(json!({"name": "a b"})),
                r#""name": invalid network name "a b""#,
            ),
            (
                list(json!({"name": 1})),
                r#""name": expected a string, found 1"#,
            ),
            (
                list(json!({"cniVersion": 1})),
                r#""cniVersion": expected a string"#,
            ),
            (
                list(json!({"cniVersion": "1.2.0"})),
                r#""cniVersion": unknown CNI version "1.2.0""#,
            ),
            (
                list(json!({"cniVersions": ["1.2.0"]})),
                r#""cniVersions": unknown CNI version"#,
            ),
            (
                list(json!({"cniVersions": "1.0.0"})),
                r#""cniVersions": expected a list"#,
            ),
            (
                list(json!({"cniVersions": [1]})),
                r#""cniVersions[0]": expected a string"#,
            ),
            (
                list(json!({"disableCheck": "yes"})),
                r#""disableCheck": expected true or false"#,
            ),
            (
                list(json!({"disableGC": 1})),
                r#""disableGC": expected true or false, found 1"#,
            ),
            (
                list(json!({"plugins": []})),
                r#""plugins": expected a list of at least one"#,
            ),
            (
                list(json!({"plugins": {}})),
                r#""plugins": expected a list"#,
            ),
            (
                list(json!({"plugins": [{}]})),
                r#""plugins[0].type" is missing"#,
            ),
            (
                list(json!({"plugins": [1]})),
                r#""plugins[0]": expected an object, found 1"#,
            ),
            (
                list(json!({"plugins": [{"type": "a"}, {"type": "../a"}]})),
                r#""plugins[1].type": invalid plugin type "../a""#,
            ),
            (
                json!({"name": "net", "loadOnlyInlinedPlugins": true}),
                r#""plugins" is missing; expected a list of at least one"#,
            ),
        ] {
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.starts_with(message), "{value}: {error}");
        }
    }

    #[test]
    fn plugins_may_come_from_elsewhere() {
        assert!(parse(&json!({"name": "net"})).unwrap().plugins.is_empty());
    }

    #[test]
    fn a_single_configuration_becomes_a_list_of_one() {
        let text = r#"{"cniVersion":"0.2.0","name":"mynet","type":"bridge","isGateway":true}"#;
        let plugin = PluginConfig::parse(text.as_bytes()).unwrap();
        let made = NetworkList::from_single(plugin.clone()).unwrap();
        assert_eq!(made.plugins, [plugin]);
        let list = format!(r#"{{"cniVersion":"0.2.0","name":"mynet","plugins":[{text}]}}"#);
        assert_eq!(decode::value(&made.source), decode::value(list.as_bytes()),);
        assert_eq!(NetworkList::parse(&made.source), Ok(made));
        for incomplete in [json!({"name": "net"}), json!({"type": "bridge"})] {
            let plugin = PluginConfig::from_value(incomplete).unwrap();
            assert!(NetworkList::from_single(plugin).is_err());
        }
    }
}
