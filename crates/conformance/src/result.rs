//! What a result says, of whatever version from 0.3.0 on, or before.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_spec::Value;

/// A list of a result; one that is not there is empty.
pub(crate) fn list<'v>(result: &'v Value, key: &str) -> &'v [Value] {
    result
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A text of an object; one that is not there is empty.
pub(crate) fn text<'v>(object: &'v Value, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The addresses with their prefixes.
pub(crate) fn addresses(result: &Value) -> Vec<IpNet> {
    let legacy = ["ip4", "ip6"].map(|key| result.get(key).map_or("", |ip| text(ip, "ip")));
    let ips = list(result, "ips").iter().map(|ip| text(ip, "address"));
    let all = ips.chain(legacy);
    all.filter_map(|text| text.parse().ok()).collect()
}

/// The gateways of the addresses of a family.
pub(crate) fn gateways(result: &Value, ipv4: bool) -> Vec<IpAddr> {
    let ips = list(result, "ips").iter();
    let gateways = ips.filter_map(|ip| text(ip, "gateway").parse::<IpAddr>().ok());
    gateways
        .filter(|gateway| gateway.is_ipv4() == ipv4)
        .collect()
}
