//! The configuration of one plugin, as it is handed to the plugin.

use std::fmt;
use std::str::FromStr;

use crate::decode::{self, DecodeError, Map, Value, key};
use crate::{Dns, NetworkName, PluginType, Success, Version};

const CNI_VERSION: &str = "cniVersion";
const NAME: &str = "name";
const TYPE: &str = "type";
const CAPABILITIES: &str = "capabilities";
const IPAM: &str = "ipam";
const DNS: &str = "dns";
const PREV_RESULT: &str = "prevResult";
const RUNTIME_CONFIG: &str = "runtimeConfig";
const ARGS: &str = "args";

/// The key of the specification, and the other one that the reference's runtime sends beside it.
const VALID_ATTACHMENTS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

/// A plugin configuration object: the JSON object as it was read, every key of it untouched and in
/// its place, with what the protocol itself reads of it.
///
/// Keys are found without regard to the case of their letters; see [`key`].
///
/// # Spec
/// Section 1, "Plugin configuration objects"; section 3, "Deriving execution configuration".
#[derive(Clone, Debug, PartialEq)]
pub struct PluginConfig {
    map: Map,
}

impl PluginConfig {
    /// Reads a configuration.
    ///
    /// # Errors
    /// When it is not a JSON object within the limits, or a key that the protocol reads holds a
    /// value of another kind.
    pub fn parse(bytes: &[u8]) -> Result<Self, DecodeError> {
        Self::from_value(decode::value(bytes)?)
    }

    /// Takes a configuration from JSON that has been parsed.
    ///
    /// # Errors
    /// When it is not an object, or a key that the protocol reads holds a value of another kind.
    pub fn from_value(value: Value) -> Result<Self, DecodeError> {
        match value {
            Value::Object(map) => Self::from_map(map),
            other => Err(DecodeError::mismatch("an object", &other)),
        }
    }

    /// Takes a configuration from a JSON object.
    ///
    /// # Errors
    /// When a key that the protocol reads holds a value of another kind.
    pub fn from_map(map: Map) -> Result<Self, DecodeError> {
        let config = Self { map };
        for text in [CNI_VERSION, NAME, TYPE] {
            config.text(text)?;
        }
        decode::optional(&config.map, IPAM, |ipam| {
            decode::optional(decode::object(ipam)?, TYPE, decode::string)
        })?;
        decode::optional(&config.map, PREV_RESULT, decode::object)?;
        config.capabilities()?;
        config.dns()?;
        config.valid_attachments()?;
        Ok(config)
    }

    /// The JSON object.
    pub fn as_map(&self) -> &Map {
        &self.map
    }

    /// The JSON object, taken out.
    pub fn into_map(self) -> Map {
        self.map
    }

    /// `cniVersion`; 0.1.0 when it is missing or empty.
    ///
    /// # Errors
    /// When this crate does not know the version.
    pub fn cni_version(&self) -> Result<Version, DecodeError> {
        Version::from_json_text(self.text(CNI_VERSION)?)
            .map_err(|error| DecodeError::from(error).within(CNI_VERSION))
    }

    /// `name`: the network's name.
    ///
    /// # Errors
    /// When it is missing or breaks a rule.
    pub fn name(&self) -> Result<NetworkName, DecodeError> {
        required_name(&self.map, NAME, "the network's name")
    }

    /// `type`: the plugin's name.
    ///
    /// # Errors
    /// When it is missing or is not a name.
    pub fn plugin_type(&self) -> Result<PluginType, DecodeError> {
        required_name(&self.map, TYPE, "the plugin's name")
    }

    /// `ipam`: the configuration of the plugin that manages addresses.
    pub fn ipam(&self) -> Option<&Map> {
        key(&self.map, IPAM).and_then(Value::as_object)
    }

    /// `ipam.type`: the name of the plugin that manages addresses; none when it is missing or
    /// empty.
    ///
    /// # Errors
    /// When it is not a name.
    pub fn ipam_type(&self) -> Result<Option<PluginType>, DecodeError> {
        match self.ipam().and_then(|ipam| key(ipam, TYPE)) {
            None => Ok(None),
            Some(value) if value == "" => Ok(None),
            Some(value) => name(value)
                .map(Some)
                .map_err(|error| error.within(TYPE).within(IPAM)),
        }
    }

    /// `capabilities` that are switched on, in order.
    ///
    /// # Errors
    /// When they are not an object of `true` and `false`.
    ///
    /// # Spec
    /// Section 3, "Deriving `runtimeConfig`".
    pub fn capabilities(&self) -> Result<Vec<&str>, DecodeError> {
        let decoded = decode::optional(&self.map, CAPABILITIES, |value| {
            let mut enabled = Vec::new();
            for (name, switch) in decode::object(value)? {
                // The reference reads a null as false.
                if !switch.is_null()
                    && decode::boolean(switch).map_err(|error| error.within(name))?
                {
                    enabled.push(name.as_str());
                }
            }
            Ok(enabled)
        })?;
        Ok(decoded.unwrap_or_default())
    }

    /// `runtimeConfig`: the capability arguments of the runtime.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn runtime_config(&self) -> Result<Option<&Map>, DecodeError> {
        decode::optional(&self.map, RUNTIME_CONFIG, decode::object)
    }

    /// `args`: arguments of the runtime, by convention those below `args.cni`.
    ///
    /// # Errors
    /// When it is not an object.
    pub fn args(&self) -> Result<Option<&Map>, DecodeError> {
        decode::optional(&self.map, ARGS, decode::object)
    }

    /// `dns`: what the configuration says about name resolution.
    ///
    /// # Errors
    /// When a value is of another kind.
    pub fn dns(&self) -> Result<Dns, DecodeError> {
        Ok(decode::optional(&self.map, DNS, Dns::from_json)?.unwrap_or_default())
    }

    /// `prevResult`, read in its own version, which when it states none is the configuration's.
    ///
    /// # Errors
    /// When it is not a result.
    pub fn prev_result(&self) -> Result<Option<Success>, DecodeError> {
        let version = self.cni_version()?;
        decode::optional(&self.map, PREV_RESULT, |value| {
            Success::from_json_as(version, value)
        })
    }

    /// `cni.dev/valid-attachments` (or `cni.dev/attachments`, which the reference's runtime sends
    /// too): the attachments that GC must spare. None when the key is missing, which is not the
    /// same as an empty list; `null` is an empty list, because the reference's runtime sends it
    /// for one.
    ///
    /// # Errors
    /// When they are not a list of attachments: then nothing may be collected.
    ///
    /// # Spec
    /// Section 2, "GC".
    pub fn valid_attachments(&self) -> Result<Option<Vec<Attachment>>, DecodeError> {
        let present = VALID_ATTACHMENTS
            .into_iter()
            .find_map(|name| Some(name).zip(decode::key_or_null(&self.map, name)));
        let Some((name, value)) = present.filter(|(_, value)| !value.is_null()) else {
            return Ok(present.map(|_| Vec::new()));
        };
        let list = decode::list(value, Attachment::from_json);
        list.map(Some).map_err(|error| error.within(name))
    }

    /// Sets a key: in its place when the configuration has it (in whichever case of letters),
    /// otherwise at the end.
    pub fn insert(&mut self, name: &str, value: Value) {
        let other = self
            .map
            .keys()
            .find(|key| decode::same_key(key, name) && *key != name)
            .cloned();
        if let Some(other) = other {
            self.remove(&other);
        }
        self.map.insert(name.to_owned(), value);
    }

    /// Removes a key, in whichever case of letters.
    pub fn remove(&mut self, name: &str) {
        self.map.retain(|key, _| !decode::same_key(key, name));
    }

    /// The same configuration, of the given network in the given version.
    #[must_use]
    pub fn with_network(mut self, name: &NetworkName, version: Version) -> Self {
        self.insert(CNI_VERSION, version.as_str().into());
        self.insert(NAME, name.as_str().into());
        self
    }

    /// The same configuration with the result of the previous plugin, as JSON in the
    /// configuration's version.
    #[must_use]
    pub fn with_prev_result(mut self, result: Value) -> Self {
        self.insert(PREV_RESULT, result);
        self
    }

    /// The same configuration with capability arguments; of those, the ones that it declares in
    /// `capabilities`. None of them: no `runtimeConfig`.
    ///
    /// # Errors
    /// When `capabilities` are not an object of `true` and `false`.
    ///
    /// # Spec
    /// Section 3, "Deriving `runtimeConfig`".
    pub fn with_capability_args(mut self, args: &Map) -> Result<Self, DecodeError> {
        let chosen: Map = self
            .capabilities()?
            .into_iter()
            .filter_map(|name| args.get(name).map(|value| (name.to_owned(), value.clone())))
            .collect();
        if !chosen.is_empty() {
            self.insert(RUNTIME_CONFIG, Value::Object(chosen));
        }
        Ok(self)
    }

    /// The same configuration with the attachments that GC must spare, under both of the keys.
    #[must_use]
    pub fn with_valid_attachments(mut self, attachments: &[Attachment]) -> Self {
        let list: Value = attachments.iter().map(Attachment::to_json).collect();
        for name in VALID_ATTACHMENTS {
            self.insert(name, list.clone());
        }
        self
    }

    fn text(&self, name: &str) -> Result<Option<&str>, DecodeError> {
        decode::optional(&self.map, name, decode::string)
    }
}

/// The configuration as compact JSON, as it is handed to a plugin.
impl fmt::Display for PluginConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(&self.map).or(Err(fmt::Error))?)
    }
}

/// Decodes a name that must be there.
pub(crate) fn required_name<T>(
    map: &Map,
    name_key: &str,
    expected: &'static str,
) -> Result<T, DecodeError>
where
    T: FromStr,
    DecodeError: From<T::Err>,
{
    decode::required(map, name_key, expected, name)
}

fn name<T>(value: &Value) -> Result<T, DecodeError>
where
    T: FromStr,
    DecodeError: From<T::Err>,
{
    Ok(decode::string(value)?.parse()?)
}

/// An attachment of a container to a network, as GC is told about it.
///
/// The texts are as the runtime sent them; they serve to compare.
///
/// # Spec
/// Section 2, "GC".
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// `containerID`, the `CNI_CONTAINERID` of the ADD.
    pub container_id: String,
    /// `ifname`, the `CNI_IFNAME` of the ADD.
    pub ifname: String,
}

impl Attachment {
    /// Reads an attachment.
    ///
    /// # Errors
    /// When it lacks a key or the JSON has another shape.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        Ok(Self {
            container_id: decode::required(map, "containerID", "a container ID", decode::owned)?,
            ifname: decode::required(map, "ifname", "an interface name", decode::owned)?,
        })
    }

    /// Writes the attachment.
    pub fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("containerID".into(), self.container_id.as_str().into());
        map.insert("ifname".into(), self.ifname.as_str().into());
        Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: Value) -> PluginConfig {
        PluginConfig::from_value(value).unwrap()
    }

    #[test]
    fn unknown_keys_are_kept_in_order_and_untouched() {
        let text = r#"{"zeta":[1,{"b":2,"a":1.5}],"type":"bridge","alpha":null,"0":18446744073709551615,"name":"n"}"#;
        let config = PluginConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.to_string(), text);
    }

    #[test]
    fn the_protocols_keys_are_read_in_any_case_of_letters() {
        let config = config(json!({
            "CNIVersion": "0.4.0", "Name": "net", "TYPE": "bridge",
            "IPAM": {"Type": "host-local", "subnet": "10.0.0.0/8"},
            "Capabilities": {"portMappings": true, "mac": false, "ips": null},
            "DNS": {"Nameservers": ["10.0.0.1"]},
            "RuntimeConfig": {"mac": "m"}, "Args": {"cni": {}},
        }));
        assert_eq!(config.cni_version(), Ok(Version::V0_4_0));
        assert_eq!(config.name().unwrap().as_str(), "net");
        assert_eq!(config.plugin_type().unwrap().as_str(), "bridge");
        assert_eq!(config.ipam().unwrap()["subnet"], "10.0.0.0/8");
        assert_eq!(config.ipam_type().unwrap().unwrap().as_str(), "host-local");
        assert_eq!(config.capabilities().unwrap(), ["portMappings"]);
        assert_eq!(config.dns().unwrap().nameservers, ["10.0.0.1"]);
        assert_eq!(config.runtime_config().unwrap().unwrap()["mac"], "m");
        assert!(config.args().unwrap().unwrap().contains_key("cni"));
    }

    #[test]
    fn nothing_is_there_in_an_empty_configuration() {
        let config = config(json!({"ipam": {"type": ""}, "prevResult": null}));
        assert_eq!(config.cni_version(), Ok(Version::V0_1_0));
        assert_eq!(
            config.name().unwrap_err(),
            DecodeError::missing("name", "the network's name")
        );
        assert_eq!(
            config.plugin_type().unwrap_err(),
            DecodeError::missing("type", "the plugin's name")
        );
        assert_eq!(config.ipam_type(), Ok(None));
        assert_eq!(config.prev_result(), Ok(None));
        assert_eq!(config.valid_attachments(), Ok(None));
        assert_eq!(config.runtime_config(), Ok(None));
        assert_eq!(config.dns(), Ok(Dns::default()));
    }

    #[test]
    fn a_value_of_another_kind_is_an_error_that_names_its_place() {
        for (value, message) in [
            (json!([]), "expected an object, found a list of 0"),
            (
                json!({"cniVersion": 1}),
                r#""cniVersion": expected a string, found 1"#,
            ),
            (json!({"name": []}), r#""name": expected a string"#),
            (
                json!({"type": true}),
                r#""type": expected a string, found true"#,
            ),
            (
                json!({"ipam": "dhcp"}),
                r#""ipam": expected an object, found "dhcp""#,
            ),
            (
                json!({"ipam": {"type": 1}}),
                r#""ipam.type": expected a string, found 1"#,
            ),
            (
                json!({"capabilities": {"mac": "yes"}}),
                r#""capabilities.mac": expected true or"#,
            ),
            (
                json!({"dns": {"search": [1]}}),
                r#""dns.search[0]": expected a string, found 1"#,
            ),
            (
                json!({"prevResult": []}),
                r#""prevResult": expected an object"#,
            ),
            (
                json!({"cni.dev/valid-attachments": [{"containerID": "c"}]}),
                r#""cni.dev/valid-attachments[0].ifname" is missing"#,
            ),
        ] {
            let error = PluginConfig::from_value(value.clone())
                .unwrap_err()
                .to_string();
            assert!(error.contains(message), "{value}: {error}");
        }
    }

    #[test]
    fn names_are_validated_where_they_are_asked_for() {
        let config = config(json!({
            "cniVersion": "9.9.9", "name": "a/b", "type": "../sh", "ipam": {"type": "/bin/sh"},
        }));
        for (error, place) in [
            (
                config.name().unwrap_err(),
                r#""name": invalid network name "a/b""#,
            ),
            (
                config.plugin_type().unwrap_err(),
                r#""type": invalid plugin type "../sh""#,
            ),
            (
                config.ipam_type().unwrap_err(),
                r#""ipam.type": invalid plugin type "/bin/sh""#,
            ),
            (
                config.cni_version().unwrap_err(),
                r#""cniVersion": unknown CNI version "9.9.9""#,
            ),
        ] {
            assert!(error.to_string().starts_with(place), "{error}");
        }
    }

    #[test]
    fn the_previous_result_is_read_in_the_configurations_version() {
        let ips = json!([{"version": "4", "address": "10.0.0.2/8"}]);
        let new = config(json!({"cniVersion": "0.4.0", "prevResult": {"ips": ips}}));
        let old = config(json!({"prevResult": {"ip4": {"ip": "10.0.0.2/8"}}}));
        let stated = config(json!({
            "cniVersion": "0.2.0", "prevResult": {"cniVersion": "1.0.0", "ips": ips},
        }));
        for config in [new, old, stated] {
            let result = config.prev_result().unwrap().unwrap();
            assert_eq!(result.ips[0].address.to_string(), "10.0.0.2/8");
        }
        let empty = config(json!({"cniVersion": "1.0.0", "prevResult": {}}));
        assert_eq!(empty.prev_result(), Ok(Some(Success::default())));
        let broken = config(json!({"cniVersion": "1.0.0", "prevResult": {"ips": [{}]}}));
        assert_eq!(
            broken.prev_result().unwrap_err().to_string(),
            r#""prevResult.ips[0].address" is missing; expected an IP address with a prefix"#
        );
    }

    #[test]
    fn valid_attachments_are_read_under_both_keys() {
        let list = json!([{"containerID": "c", "ifname": "eth0"}]);
        let attachment = Attachment {
            container_id: "c".into(),
            ifname: "eth0".into(),
        };
        for key in VALID_ATTACHMENTS {
            let config = config(json!({ key: list }));
            assert_eq!(
                config.valid_attachments(),
                Ok(Some(vec![attachment.clone()])),
                "{key}"
            );
        }
        for none in [json!([]), json!(null)] {
            let config = config(json!({"cni.dev/valid-attachments": none}));
            assert_eq!(config.valid_attachments(), Ok(Some(vec![])), "{none}");
        }
        let both = config(json!({})).with_valid_attachments(std::slice::from_ref(&attachment));
        assert_eq!(both.as_map().len(), 2);
        assert_eq!(both.valid_attachments(), Ok(Some(vec![attachment])));
    }

    #[test]
    fn a_key_is_set_in_its_place_and_never_twice() {
        let mut config = config(json!({"a": 1, "name": "old", "b": 2, "CNIVERSION": "0.1.0"}));
        config.insert("name", json!("new"));
        config.insert("c", json!(3));
        config = config.with_network(&"net".parse().unwrap(), Version::V1_0_0);
        assert_eq!(
            config.to_string(),
            r#"{"a":1,"name":"net","b":2,"c":3,"cniVersion":"1.0.0"}"#
        );
        config.remove("C");
        assert_eq!(
            config.to_string(),
            r#"{"a":1,"name":"net","b":2,"cniVersion":"1.0.0"}"#
        );
    }

    #[test]
    fn only_declared_capabilities_become_runtime_config() {
        let args = json!({"mac": "m", "ips": ["10.0.0.1/8"], "portMappings": []});
        let args = args.as_object().unwrap();
        let declared = config(
            json!({"capabilities": {"portMappings": true, "mac": true, "ips": false, "x": true}}),
        );
        let with = declared.with_capability_args(args).unwrap();
        assert_eq!(
            Value::Object(with.runtime_config().unwrap().unwrap().clone()).to_string(),
            r#"{"portMappings":[],"mac":"m"}"#
        );
        let without = config(json!({"type": "bridge"}))
            .with_capability_args(args)
            .unwrap();
        assert_eq!(without, config(json!({"type": "bridge"})));
    }
}
