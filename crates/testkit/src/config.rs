//! Configurations and results, as the tests of every plugin put them together and take them apart.

use std::net::IpAddr;

use serde_json::Value;

/// The versions in which a network can be configured.
pub const VERSIONS: [&str; 7] = [
    "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
];

/// The object with these keys instead of or beside its own; those that are null are taken away.
///
/// # Panics
/// When one of them is no object.
#[must_use]
#[track_caller]
pub fn with(object: &Value, keys: Value) -> Value {
    let (Value::Object(mut map), Value::Object(keys)) = (object.clone(), keys) else {
        panic!("not an object: {object}");
    };
    map.extend(keys);
    map.retain(|_, value| !value.is_null());
    map.into()
}

/// The configuration with the result of an ADD as its `prevResult`.
#[must_use]
#[track_caller]
pub fn with_prev_result(config: &Value, result: &Value) -> Value {
    let mut config = config.clone();
    config["prevResult"] = result.clone();
    config
}

/// A configuration and its `prevResult`, which is in the form of 1.0.0, as another version since 0.3.0 writes them.
#[must_use]
#[track_caller]
pub fn in_version(config: &Value, version: &str) -> Value {
    let mut config = config.clone();
    config["cniVersion"] = version.into();
    let result = &mut config["prevResult"];
    result["cniVersion"] = version.into();
    for ip in result["ips"].as_array_mut().into_iter().flatten() {
        if version < "1" {
            let is_v6 = ip["address"].to_string().contains(':');
            ip["version"] = if is_v6 { "6" } else { "4" }.into();
        }
    }
    config
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Of 32 bits.
    V4,
    /// Of 128 bits.
    V6,
}

/// The first address of a family in a result, without its prefix.
///
/// # Panics
/// When there is none.
#[must_use]
#[track_caller]
pub fn address(result: &Value, family: Family) -> String {
    let ips = result["ips"].as_array().into_iter().flatten();
    ips.filter_map(|ip| ip["address"].as_str()?.split('/').next())
        .find(|address| {
            address
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_ipv6() == (family == Family::V6))
        })
        .unwrap_or_else(|| panic!("no address of {family:?} in {result}"))
        .to_owned()
}
