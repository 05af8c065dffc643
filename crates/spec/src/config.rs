//! The configuration of one plugin, as it is handed to the plugin.

use std::fmt;
use std::str::FromStr;

use crate::decode::{self, DecodeError, Map, Value, key};
use crate::{Attachment, Dns, NetworkName, PluginType, Success, Version};

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

/// A check of some of a configuration's keys.
type Check = fn(&PluginConfig) -> Result<(), DecodeError>;

/// What DEL reads of a configuration, key by key; a name or a result is read as a whole.
const CHECKS: [(&[&str], Check); 9] = [
    (&[CNI_VERSION], |config| config.text(CNI_VERSION).map(drop)),
    (&[NAME], |config| config.name().map(drop)),
    (&[TYPE], |config| config.text(TYPE).map(drop)),
    (&[IPAM], |config| {
        decode::optional(&config.map, IPAM, decode::object)?;
        config.ipam_type().map(drop)
    }),
    (&[PREV_RESULT], |config| match config.cni_version() {
        Ok(_) => config.prev_result().map(drop),
        // What is wrong with the version is told of the version.
        Err(_) => Ok(()),
    }),
    (&[CAPABILITIES], |config| config.capabilities().map(drop)),
    (&[RUNTIME_CONFIG], |config| {
        config.runtime_config().map(drop)
    }),
    (&[ARGS], |config| config.args().map(drop)),
    (&[DNS], |config| config.dns().map(drop)),
];

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

    /// Takes a configuration from a JSON object, without the keys of which the protocol reads something
    /// else than is there. Those are told by their errors.
    ///
    /// For DEL, which has to free what it can: a container whose configuration has become unreadable
    /// could never be detached.
    pub fn from_map_leniently(map: Map) -> (Self, Vec<DecodeError>) {
        let mut config = Self { map };
        let mut errors = Vec::new();
        for (keys, check) in CHECKS {
            if let Err(error) = check(&config) {
                keys.iter().for_each(|key| config.remove(key));
                errors.push(error);
            }
        }
        (config, errors)
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
    /// too): the attachments that GC must spare. A missing key and `null` are an empty list: the
    /// reference's runtime sends them for one.
    ///
    /// # Errors
    /// When they are not a list of attachments: then nothing may be collected.
    ///
    /// # Spec
    /// Section 2, "GC".
    pub fn valid_attachments(&self) -> Result<Vec<Attachment>, DecodeError> {
        for name in VALID_ATTACHMENTS {
            let decode = |value| decode::list(value, Attachment::from_json);
            if let Some(attachments) = decode::optional(&self.map, name, decode)? {
                return Ok(attachments);
            }
        }
        Ok(Vec::new())
    }

    /// Sets a key: in its place when the configuration has it, otherwise at the end. One that
    /// differs only in the case of its letters is removed, so that no reader can take it instead.
    pub fn insert(&mut self, name: &str, value: Value) {
        self.map
            .retain(|key, _| key == name || !decode::same_key(key, name));
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

#[cfg(test)]
mod tests;
