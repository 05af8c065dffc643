//! The keys of `tuning`, and what they come to.

use std::path::PathBuf;

use linkspan_plugin::config::{Configuration, FromKey, Key, Wrong};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, PluginConfig, Value};

/// Where the settings that were replaced are kept by default.
const DATA_DIR: &str = "/run/cni/tuning";

keys! {
    /// The keys of `tuning` as they stand in a configuration.
    pub struct Keys {
        /// Kernel parameters of the container's network namespace, such as net.core.somaxconn; IFNAME in
        /// a name stands for the interface.
        "sysctl" => sysctl: Option<Sysctls>, read by [Add, Check];
        /// The MAC address of the container's interface.
        "mac" => mac: Option<String>, read by [Add, Check];
        /// The largest packet of the container's interface; 0 leaves it.
        "mtu" => mtu: u32, default = 0, unit = "bytes", read by [Add, Check];
        /// The interface takes every frame; false leaves it as it is.
        "promisc" => promisc: bool, default = false, read by [Add, Check];
        /// The interface takes every multicast frame, or not.
        "allmulti" => allmulti: Option<bool>, read by [Add, Check];
        /// The length of the interface's transmit queue.
        "txQLen" => tx_queue_len: Option<u32>, unit = "packets", read by [Add, Check];
        /// The directory that keeps the settings that were replaced, until DEL puts them back.
        "dataDir" => data_dir: Option<String>, read by [Add, Del];
        /// The MAC address, from the runtime (capability mac); stronger than mac and CNI_ARGS.
        "runtimeConfig.mac" => runtime_mac: Option<String>, read by [Add, Check];
        /// Kernel parameters, beside and instead of those of sysctl.
        "args.cni.sysctl" => args_sysctl: Option<Sysctls>, read by [Add, Check];
        /// The MAC address; stronger than all others.
        "args.cni.mac" => args_mac: Option<String>, read by [Add, Check];
        /// Instead of mtu.
        "args.cni.mtu" => args_mtu: Option<u32>, unit = "bytes", read by [Add, Check];
        /// Instead of promisc.
        "args.cni.promisc" => args_promisc: Option<bool>, read by [Add, Check];
        /// Instead of allmulti.
        "args.cni.allmulti" => args_allmulti: Option<bool>, read by [Add, Check];
        /// Instead of txQLen.
        "args.cni.txQLen" => args_tx_queue_len: Option<u32>, unit = "packets", read by [Add, Check];
    }
}

/// Names of kernel parameters and their values, in order, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sysctls(pub Vec<(String, String)>);

impl Sysctls {
    /// Those of both; of a name that both have, the other's.
    fn overridden_by(mut self, other: Self) -> Self {
        for (name, value) in other.0 {
            match self.0.iter_mut().find(|(known, _)| *known == name) {
                Some(known) => known.1 = value,
                None => self.0.push((name, value)),
            }
        }
        self
    }
}

impl FromKey for Sysctls {
    const KIND: &'static str = "an object of names and values, both strings";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        let object = json
            .as_object()
            .ok_or_else(|| Wrong::Type(Self::KIND.to_owned()))?;
        let text = |(name, value): (&String, &Value)| match value {
            Value::String(value) => Ok((name.clone(), value.clone())),
            _ => Err(Wrong::Type(format!(
                "a string as the value of {name:?}, even of a number"
            ))),
        };
        object.iter().map(text).collect::<Result<_, _>>().map(Self)
    }
}

/// A configuration of `tuning`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The kernel parameters.
    pub sysctls: Vec<(String, String)>,
    /// The MAC addresses that `args.cni` and the runtime ask for, and that of the configuration: weaker than
    /// the first two is CNI_ARGS.
    pub macs: [Option<String>; 3],
    /// Bytes.
    pub mtu: Option<u32>,
    /// The interface takes every frame.
    pub promisc: bool,
    /// The interface takes every multicast frame, or not.
    pub allmulti: Option<bool>,
    /// Packets.
    pub tx_queue_len: Option<u32>,
    /// Where the settings that were replaced are kept.
    pub data_dir: PathBuf,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        let sysctls = keys.sysctl.unwrap_or_default();
        Ok(Self {
            sysctls: sysctls
                .overridden_by(keys.args_sysctl.unwrap_or_default())
                .0,
            macs: [keys.args_mac, keys.runtime_mac, keys.mac],
            mtu: Some(keys.args_mtu.unwrap_or(keys.mtu)).filter(|mtu| *mtu != 0),
            promisc: keys.args_promisc.unwrap_or(keys.promisc),
            allmulti: keys.args_allmulti.or(keys.allmulti),
            tx_queue_len: keys.args_tx_queue_len.or(keys.tx_queue_len),
            data_dir: directory(keys.data_dir),
        })
    }
}

/// The directory of the kept settings, which DEL needs whatever the rest of the configuration is like.
pub(super) fn data_dir(config: &PluginConfig) -> PathBuf {
    let key = Keys::KEYS.iter().find(|key| key.name == "dataDir");
    directory(key.and_then(|key| key.read(config.as_map()).ok().flatten()))
}

fn directory(named: Option<String>) -> PathBuf {
    let named = named.filter(|named| !named.is_empty());
    named.map_or_else(|| DATA_DIR.into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: serde_json::Value) -> Result<Config, Error> {
        let mut map = json.as_object().unwrap().clone();
        map.insert("name".into(), "net".into());
        map.insert("type".into(), "tuning".into());
        Config::read(&PluginConfig::from_map(map).unwrap())
    }

    #[test]
    fn of_a_parameter_that_is_given_twice_the_last_value_counts() {
        let json = br#"{ "name": "net", "type": "tuning", "sysctl": { "net.a": "1", "net.b": "2", "net.a": "3" } }"#;
        let config = Config::read(&PluginConfig::parse(json).unwrap()).unwrap();
        let value = config.sysctls.iter().find(|(name, _)| name == "net.a");
        assert_eq!(value.map(|(_, value)| value.as_str()), Some("3"));
    }

    #[test]
    fn args_are_stronger_than_the_configuration() {
        let config = read(serde_json::json!({
            "sysctl": { "net.a": "1", "net.b": "2" }, "mtu": 1400, "promisc": true, "allmulti": true, "txQLen": 5,
            "args": { "cni": {
                "sysctl": { "net.b": "3", "net.c": "4" }, "mtu": 1300, "promisc": false, "allmulti": false, "txQLen": 0
            } }
        }))
        .unwrap();
        let sysctls: Vec<_> = config
            .sysctls
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(sysctls, [("net.a", "1"), ("net.b", "3"), ("net.c", "4")]);
        assert_eq!((config.mtu, config.promisc), (Some(1300), false));
        assert_eq!(
            (config.allmulti, config.tx_queue_len),
            (Some(false), Some(0))
        );
    }

    #[test]
    fn nothing_is_asked_for_by_default() {
        let config = read(serde_json::json!({ "dataDir": "", "mtu": 0 })).unwrap();
        assert!(config.sysctls.is_empty() && !config.promisc);
        assert_eq!(config.macs, [None, None, None]);
        assert_eq!(
            (config.mtu, config.allmulti, config.tx_queue_len),
            (None, None, None)
        );
        assert_eq!(config.data_dir, PathBuf::from("/run/cni/tuning"));
    }

    #[test]
    fn a_number_as_a_value_is_an_error_that_says_so() {
        let error = read(serde_json::json!({ "sysctl": { "net.core.somaxconn": 500 } }));
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("a string as the value of \"net.core.somaxconn\", even of a number"),
            "{error}"
        );
    }
}
