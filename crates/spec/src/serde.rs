//! `serde` for the types whose JSON is checked. What is read goes through the same functions as everything else that this
//! crate reads, so that there is one set of rules and of errors.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decode::{self, DecodeError, Map, Value};
use crate::{
    Attachment, Command, ContainerId, Dns, Error, IfName, Interface, IpConfig, MacAddr,
    NetworkList, NetworkName, PluginConfig, PluginType, Route, Success, Version, VersionInfo,
};

/// In the newest version, with its `cniVersion`; [`Success::in_version`] writes another.
impl Serialize for Success {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.in_version(Version::LATEST)
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

/// In the newest version, with its `cniVersion`; [`Error::in_version`] writes another.
impl Serialize for Error {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.in_version(Version::LATEST).serialize(serializer)
    }
}

impl Serialize for PluginConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_map().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PluginConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_map(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Serialize for NetworkList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decode::value(&self.source())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NetworkList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Its text is part of it.
        let text = Value::deserialize(deserializer)?.to_string();
        Self::parse(text.as_bytes()).map_err(D::Error::custom)
    }
}

/// Read by `from_json`.
fn from_json<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    read: impl FnOnce(&Value) -> Result<T, DecodeError>,
) -> Result<T, D::Error> {
    read(&Value::deserialize(deserializer)?).map_err(D::Error::custom)
}

macro_rules! read_from_json {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_json(deserializer, Self::from_json)
            }
        }
    )*};
}

read_from_json!(
    Success,
    Interface,
    IpConfig,
    Route,
    Dns,
    Error,
    Attachment,
    VersionInfo
);

/// Read from its text.
fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = Cow::<str>::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

macro_rules! text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_text(deserializer)
            }
        }
    )*};
}

text!(
    Command,
    ContainerId,
    IfName,
    MacAddr,
    NetworkName,
    PluginType,
    Version
);
