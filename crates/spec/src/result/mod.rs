//! The result of ADD, in one form for all versions.

mod decode;
mod encode;
mod legacy;
mod types;

use serde::{Serialize, Serializer};

use crate::decode::{DecodeError, Value, object, value};
use crate::{InVersion, Version};
use encode::Lists;
use legacy::OneOfEach;

pub(crate) use encode::value as written;
pub use encode::{compact, pretty};
pub use types::{CannotExpress, Dns, Interface, IpConfig, Route, Success};

impl Success {
    /// Reads a result from what a plugin printed; see [`from_json_as`](Self::from_json_as).
    ///
    /// # Errors
    /// When it is not JSON within the limits, and those of [`from_json_as`](Self::from_json_as).
    pub fn parse(bytes: &[u8], version: Version) -> Result<Self, DecodeError> {
        Self::from_json_as(version, &value(bytes)?)
    }

    /// Reads a result in the version that its `cniVersion` states; none is 0.1.0.
    ///
    /// # Errors
    /// When the version is not known, or the JSON has not that version's shape.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        Self::from_json_as(Version::V0_1_0, value)
    }

    /// Reads a result that may lack a `cniVersion` and is then in the given version.
    ///
    /// # Errors
    /// When the version that it states is not known, or the JSON has not that version's shape.
    pub fn from_json_as(version: Version, value: &Value) -> Result<Self, DecodeError> {
        let map = object(value)?;
        match decode::stated_version(map)?.unwrap_or(version) {
            old if old <= Version::V0_2_0 => legacy::decode(map),
            version => decode::success(version, map),
        }
    }

    /// The result as a version writes it. What the version cannot express is left out, just where
    /// the reference leaves it out:
    ///
    /// - 1.1.0 and 1.0.0: everything is written.
    /// - 0.4.0, 0.3.1, 0.3.0: not `mtu`, `socketPath` and `pciID` of interfaces.
    /// - 0.2.0, 0.1.0: the first address of each family with the routes of that family, of which
    ///   destination and gateway, and `dns`.
    ///
    /// In 0.2.0 and 0.1.0 a route without a gateway of its own is written with that of its
    /// address, which such a route means.
    ///
    /// # Errors
    /// When there is no address to write and the version is 0.2.0 or 0.1.0.
    pub fn in_version(&self, version: Version) -> Result<InVersion<'_, Self>, CannotExpress> {
        if version <= Version::V0_2_0 && self.ips.is_empty() {
            return Err(CannotExpress { version });
        }
        Ok(InVersion::new(self, version))
    }

    /// Writes the result in a version, as [`in_version`](Self::in_version) does, into a JSON value.
    ///
    /// # Errors
    /// When there is no address to write and the version is 0.2.0 or 0.1.0.
    pub fn to_json(&self, version: Version) -> Result<Value, CannotExpress> {
        Ok(encode::value(self.in_version(version)?))
    }
}

impl Serialize for InVersion<'_, Success> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.version {
            old if old <= Version::V0_2_0 => OneOfEach::of(self.of, old).serialize(serializer),
            version => Lists::of(self.of, version).serialize(serializer),
        }
    }
}

impl Interface {
    /// Reads an interface as the newest version writes it in a result.
    ///
    /// # Errors
    /// When a value is of another kind.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        decode::interface(Version::LATEST, value)
    }
}

impl IpConfig {
    /// Reads an address as a result has it.
    ///
    /// # Errors
    /// When it has no address, or a value is of another kind.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        decode::ip_config(value)
    }
}

impl Route {
    /// Reads a route as the newest version writes it in a result, and an IPAM configuration in its
    /// `routes`.
    ///
    /// # Errors
    /// When it has no destination, or a value is of another kind.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        decode::route(value)
    }
}

impl Dns {
    /// Reads the object `dns` of a result or of a configuration.
    ///
    /// # Errors
    /// When a value is of another kind.
    pub fn from_json(value: &Value) -> Result<Self, DecodeError> {
        decode::dns(value)
    }

    /// Writes the object; what is empty is left out.
    pub fn to_json(&self) -> Value {
        encode::value(self)
    }
}
