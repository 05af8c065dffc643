//! The keys of `bandwidth`, and what they come to.

use ipnet::IpNet;
use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig};

keys! {
    /// The keys of `bandwidth` as they stand in a configuration.
    pub struct Keys {
        /// The rate of what the container receives; 0 is no limit.
        "ingressRate" => ingress_rate: Option<u64>, unit = "bits per second", read by [Add, Check, Del];
        /// What the container may receive at once after a pause; 0 is taken from rate and MTU.
        "ingressBurst" => ingress_burst: Option<u64>, unit = "bits", read by [Add, Check, Del];
        /// The rate of what the container sends; 0 is no limit.
        "egressRate" => egress_rate: Option<u64>, unit = "bits per second", read by [Add, Check, Del];
        /// What the container may send at once after a pause; 0 is taken from rate and MTU.
        "egressBurst" => egress_burst: Option<u64>, unit = "bits", read by [Add, Check, Del];
        /// Only traffic with these subnets is limited: what comes from them, and what goes to them.
        "shapedSubnets" => shaped_subnets: Option<Vec<IpNet>>, read by [Add, Check, Del];
        /// Traffic with these subnets is not limited.
        "unshapedSubnets" => unshaped_subnets: Option<Vec<IpNet>>, read by [Add, Check, Del];
        /// The bursts are taken from rate and MTU, whatever is asked for. Kubernetes' runtimes ask for a
        /// burst of 2147483647 bits, so that the first 256 MB pass without limit.
        "deriveBurst" => derive_burst: bool, default = false, read by [Add, Check];
        /// The same keys from the runtime (capability bandwidth); they count only when the configuration
        /// has none of them.
        "runtimeConfig.bandwidth" => runtime: Option<RuntimeKeys>, read by [Add, Check, Del];
    }
}

keys! {
    /// What the runtime asks for.
    pub struct RuntimeKeys {
        /// See ingressRate.
        "ingressRate" => ingress_rate: Option<u64>, unit = "bits per second", read by [Add, Check, Del];
        /// See ingressBurst.
        "ingressBurst" => ingress_burst: Option<u64>, unit = "bits", read by [Add, Check, Del];
        /// See egressRate.
        "egressRate" => egress_rate: Option<u64>, unit = "bits per second", read by [Add, Check, Del];
        /// See egressBurst.
        "egressBurst" => egress_burst: Option<u64>, unit = "bits", read by [Add, Check, Del];
        /// See shapedSubnets.
        "shapedSubnets" => shaped_subnets: Option<Vec<IpNet>>, read by [Add, Check, Del];
        /// See unshapedSubnets.
        "unshapedSubnets" => unshaped_subnets: Option<Vec<IpNet>>, read by [Add, Check, Del];
    }
}

/// A configuration of `bandwidth`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// On what the container receives.
    pub ingress: Option<Limit>,
    /// On what it sends.
    pub egress: Option<Limit>,
    /// With whom the limited traffic is.
    pub subnets: Subnets,
}

impl Config {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.ingress.is_none() && self.egress.is_none()
    }
}

/// A limit in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Bits for each second.
    pub rate: u64,
    /// Bytes that may pass at once; `None`: as rate and MTU suggest.
    pub burst: Option<u32>,
}

/// With whom the limited traffic is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subnets {
    /// With everybody.
    #[default]
    All,
    /// With these subnets alone.
    Only(Vec<IpNet>),
    /// With all but these.
    Except(Vec<IpNet>),
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        let derive = keys.derive_burst;
        let runtime = keys.runtime.clone();
        let chosen = if has_any(&keys) {
            of_configuration(keys)
        } else {
            runtime.unwrap_or_else(|| of_configuration(keys))
        };
        Self::from_keys(chosen, derive)
    }
}

/// Whether the configuration itself says anything about limits, be it that there are none.
fn has_any(keys: &Keys) -> bool {
    let numbers = [
        keys.ingress_rate,
        keys.ingress_burst,
        keys.egress_rate,
        keys.egress_burst,
    ];
    numbers.iter().any(Option::is_some)
        || keys.shaped_subnets.is_some()
        || keys.unshaped_subnets.is_some()
}

fn of_configuration(keys: Keys) -> RuntimeKeys {
    RuntimeKeys {
        ingress_rate: keys.ingress_rate,
        ingress_burst: keys.ingress_burst,
        egress_rate: keys.egress_rate,
        egress_burst: keys.egress_burst,
        shaped_subnets: keys.shaped_subnets,
        unshaped_subnets: keys.unshaped_subnets,
    }
}

impl Config {
    fn from_keys(keys: RuntimeKeys, derive: bool) -> Result<Self, Error> {
        let shaped = keys.shaped_subnets.unwrap_or_default();
        let unshaped = keys.unshaped_subnets.unwrap_or_default();
        let subnets = match (shaped.is_empty(), unshaped.is_empty()) {
            (false, false) => {
                return Err(invalid(
                    "unshapedSubnets and shapedSubnets cannot be both specified, one of them should be discarded",
                    "either says which traffic is limited; the rest follows",
                ));
            }
            (false, true) => Subnets::Only(shaped),
            (true, false) => Subnets::Except(unshaped),
            (true, true) => Subnets::All,
        };
        let of = |direction, rate: Option<u64>, burst: Option<u64>| {
            limit(direction, rate.unwrap_or(0), burst.unwrap_or(0), derive)
        };
        Ok(Self {
            ingress: of("ingress", keys.ingress_rate, keys.ingress_burst)?,
            egress: of("egress", keys.egress_rate, keys.egress_burst)?,
            subnets,
        })
    }
}

/// The limit in one direction. A burst without a rate is a mistake, of which none is better than a guess.
fn limit(direction: &str, rate: u64, burst: u64, derive: bool) -> Result<Option<Limit>, Error> {
    let bytes = burst / 8;
    match (rate, burst) {
        (0, 0) => Ok(None),
        (0, _) => Err(invalid(
            "if burst is set, rate must also be set",
            &format!("{direction}Rate is missing; rates are in bits per second, bursts in bits"),
        )),
        _ if bytes >= u64::from(u32::MAX) => Err(invalid(
            "burst cannot be more than 4GB",
            &format!("{direction}Burst is {burst} bits; leave it out for one that suits the rate"),
        )),
        (_, 0) => Ok(Some(Limit { rate, burst: None })),
        // Less than a byte is one.
        _ => Ok(Some(Limit {
            rate,
            burst: u32::try_from(bytes.max(1)).ok().filter(|_| !derive),
        })),
    }
}

fn invalid(msg: &str, details: &str) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg).with_details(details)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: serde_json::Value) -> Result<Config, Error> {
        let mut map = json.as_object().unwrap().clone();
        map.insert("name".into(), "net".into());
        map.insert("type".into(), "bandwidth".into());
        Config::read(&PluginConfig::from_map(map).unwrap())
    }

    fn limit(rate: u64, burst: Option<u32>) -> Option<Limit> {
        Some(Limit { rate, burst })
    }

    #[test]
    fn rates_are_in_bits_and_bursts_become_bytes() {
        let config = read(json!({
            "ingressRate": 8_000_000, "ingressBurst": 80_000, "egressRate": 16_000_000
        }))
        .unwrap();
        assert_eq!(config.ingress, limit(8_000_000, Some(10_000)));
        assert_eq!(config.egress, limit(16_000_000, None));
        assert_eq!(read(json!({})), Ok(Config::default()));
        let odd = read(json!({ "ingressRate": 8, "ingressBurst": 7 })).unwrap();
        assert_eq!(odd.ingress, limit(8, Some(1)));
    }

    #[test]
    fn the_runtime_is_heard_when_the_configuration_says_nothing() {
        // As containerd spells it.
        let runtime = json!({ "bandwidth": {
            "IngressRate": 1000, "IngressBurst": 2_147_483_647u32, "EgressRate": 2000, "EgressBurst": 2_147_483_647u32
        } });
        let config = read(json!({ "runtimeConfig": runtime })).unwrap();
        assert_eq!(config.ingress, limit(1000, Some(268_435_455)));
        assert_eq!(config.egress, limit(2000, Some(268_435_455)));
        let derived = read(json!({ "runtimeConfig": runtime, "deriveBurst": true })).unwrap();
        assert_eq!(derived.ingress, limit(1000, None));
        let own = read(json!({ "ingressRate": 0, "runtimeConfig": runtime })).unwrap();
        assert!(own.is_empty());
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for (keys, words) in [
            (json!({ "ingressBurst": 8 }), "ingressRate is missing"),
            (
                json!({ "egressRate": 8, "egressBurst": 8u64 << 32 }),
                "more than 4GB",
            ),
            (
                json!({ "shapedSubnets": ["10.0.0.0/8"], "unshapedSubnets": ["10.1.0.0/16"] }),
                "cannot be both",
            ),
            (json!({ "shapedSubnets": ["10.0.0.0"] }), "shapedSubnets"),
            (json!({ "ingressRate": -1 }), "ingressRate"),
            (json!({ "ingressRate": "8M" }), "bits per second"),
        ] {
            let error = read(keys.clone()).unwrap_err().to_string();
            assert!(error.contains(words), "{keys}: {error}");
        }
    }

    #[test]
    fn an_empty_list_of_subnets_is_none() {
        let config =
            read(json!({ "shapedSubnets": [], "unshapedSubnets": ["fd00::/8"], "ingressRate": 8 }));
        let subnets = config.unwrap().subnets;
        assert_eq!(subnets, Subnets::Except(vec!["fd00::/8".parse().unwrap()]));
    }
}
