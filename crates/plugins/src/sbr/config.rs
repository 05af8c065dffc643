//! The keys of `sbr`, and what they come to.

use std::net::IpAddr;

use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig};

keys! {
    /// The keys of `sbr` as they stand in a configuration.
    pub struct Keys {
        /// The table that the rules lead to, whose routes somebody else provides; without it each address
        /// gets a table of its own, with the routes of the interface.
        "table" => table: Option<u32>, range = 1..=4_294_967_295, read by [Add, Check, Del];
        /// The gateway of each table's default route, instead of the address's own; one of IPv4 and one of
        /// IPv6 at most.
        "gateways" => gateways: Option<Vec<String>>, read by [Add, Check];
        /// The routes to the interface's subnets stay in the main table, with its addresses as the preferred
        /// source, for what has no source address yet.
        "addSourceHints" => add_source_hints: bool, default = false, read by [Add, Check];
    }
}

/// A configuration of `sbr`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The table of all rules, whose routes are not ours; `None`: a new one for each address.
    pub table: Option<u32>,
    /// The gateway for addresses of IPv4.
    pub gateway_v4: Option<IpAddr>,
    /// The gateway for addresses of IPv6.
    pub gateway_v6: Option<IpAddr>,
    /// The main table keeps routes to the subnets.
    pub source_hints: bool,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        let mut config = Self {
            table: keys.table,
            source_hints: keys.add_source_hints,
            ..Self::default()
        };
        // With a table, no route is ours, and gateways are not looked at.
        if keys.table.is_none() {
            config.add_gateways(&keys.gateways.unwrap_or_default())?;
        }
        Ok(config)
    }
}

impl Config {
    fn add_gateways(&mut self, gateways: &[String]) -> Result<(), Error> {
        if gateways.len() > 2 {
            return Err(invalid(
                "gateways list cannot contain more than 2 entries (one IPv4, one IPv6)",
            ));
        }
        for text in gateways {
            let gateway: IpAddr = text.parse().map_err(|_unsaid| {
                invalid(&format!("invalid static gateway IP address: {text}"))
            })?;
            let gateway = gateway.to_canonical();
            let (place, family) = match gateway {
                IpAddr::V4(_) => (&mut self.gateway_v4, "IPv4"),
                IpAddr::V6(_) => (&mut self.gateway_v6, "IPv6"),
            };
            if let Some(first) = place.replace(gateway) {
                return Err(invalid(&format!(
                    "gateways list contains multiple {family} addresses: {first} and {gateway}"
                )));
            }
        }
        Ok(())
    }

    /// The gateway for an address whose own is `own`.
    pub(super) fn gateway(&self, address: IpAddr, own: Option<IpAddr>) -> Option<IpAddr> {
        self.configured_gateway(address).or(own)
    }

    /// Whether the gateway of an address's family is configured.
    pub(super) fn has_gateway(&self, address: IpAddr) -> bool {
        self.configured_gateway(address).is_some()
    }

    fn configured_gateway(&self, address: IpAddr) -> Option<IpAddr> {
        match address {
            IpAddr::V4(_) => self.gateway_v4,
            IpAddr::V6(_) => self.gateway_v6,
        }
    }
}

fn invalid(msg: &str) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg)
        .with_details("gateways is a list of IP addresses, as in [\"10.1.0.1\", \"fd01::1\"]")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Result<Config, Error> {
        let mut map = json.as_object().unwrap().clone();
        map.insert("name".into(), "net".into());
        map.insert("type".into(), "sbr".into());
        Config::read(&PluginConfig::from_map(map).unwrap())
    }

    #[test]
    fn gateways_are_one_of_each_family() {
        let config = read(json!({ "gateways": ["fd01::1", "10.1.0.1"] })).unwrap();
        let (v4, v6) = ("10.1.0.2".parse().unwrap(), "fd01::2".parse().unwrap());
        assert_eq!(config.gateway(v4, None), "10.1.0.1".parse().ok());
        assert_eq!(config.gateway(v6, Some(v6)), "fd01::1".parse().ok());
        assert_eq!(Config::default().gateway(v4, Some(v4)), Some(v4));
        for (gateways, words) in [
            (json!(["10.1.0.1", "10.1.0.9"]), "multiple IPv4 addresses"),
            (json!(["10.1.0.1", "fd01::1", "fd02::1"]), "more than 2"),
            (json!(["10.1.0"]), "invalid static gateway"),
        ] {
            let error = read(json!({ "gateways": gateways }))
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn with_a_table_gateways_are_not_looked_at() {
        let config = read(json!({ "table": 7, "gateways": ["none"] })).unwrap();
        assert_eq!(config.table, Some(7));
        assert!(read(json!({ "table": 0 })).is_err());
    }
}
