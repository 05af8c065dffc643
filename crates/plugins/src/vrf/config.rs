//! The keys of `vrf`, and what they come to.

use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, IfName, PluginConfig};

keys! {
    /// The keys of `vrf` as they stand in a configuration.
    pub struct Keys {
        /// The vrf that the interface becomes part of; created when it does not exist.
        "vrfname" => name: String, default = "", read by [Add, Check, Del];
        /// The routing table of the vrf; 0 takes one that nothing uses.
        "table" => table: u32, default = 0, read by [Add, Check];
    }
}

/// A configuration of `vrf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The vrf's name.
    pub name: IfName,
    /// Its table; `None`: any that is free, or that it has.
    pub table: Option<u32>,
}

/// The tables that every namespace has: default, main and local (`RT_TABLE_…`).
const RESERVED: [u32; 3] = [253, 254, 255];

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        if RESERVED.contains(&keys.table) {
            return Err(Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                format!(
                    "invalid \"table\" {}: every namespace has it already",
                    keys.table
                ),
            )
            .with_details("253, 254 and 255 are the tables default, main and local"));
        }
        let name = keys.name.parse().map_err(|error| {
            Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                "configuration is expected to have a valid vrf name",
            )
            .with_details(format!(
                "\"vrfname\" is the name of a link, as in \"red\": {error}"
            ))
        })?;
        Ok(Self {
            name,
            table: Some(keys.table).filter(|table| *table != 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Result<Config, Error> {
        let mut map = json.as_object().unwrap().clone();
        map.insert("name".into(), "net".into());
        map.insert("type".into(), "vrf".into());
        Config::read(&PluginConfig::from_map(map).unwrap())
    }

    #[test]
    fn a_name_is_needed_and_a_table_is_not() {
        let config = read(json!({ "vrfname": "red" })).unwrap();
        assert_eq!((config.name.as_str(), config.table), ("red", None));
        let config = read(json!({ "VRFName": "red", "table": 10 })).unwrap();
        assert_eq!(config.table, Some(10));
        for (keys, words) in [
            (json!({}), "valid vrf name"),
            (json!({ "vrfname": "" }), "valid vrf name"),
            (
                json!({ "vrfname": "a name that is too long" }),
                "valid vrf name",
            ),
            (
                json!({ "vrfname": "red", "table": 254 }),
                "every namespace has it",
            ),
            (json!({ "vrfname": "red", "table": -1 }), "\"table\" -1"),
        ] {
            let error = read(keys.clone()).unwrap_err().to_string();
            assert!(error.contains(words), "{keys}: {error}");
        }
    }
}
