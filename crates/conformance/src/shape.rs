//! The form that a result has in each version, to the letter.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use linkspan_spec::{Map, Value, Version};

/// What is wrong with the form of a result of ADD, be it that of an IPAM plugin or not.
pub(crate) fn faults(result: &Map, version: Version, of_ipam: bool) -> Vec<String> {
    let mut faults = Faults(Vec::new());
    if version < Version::V0_3_0 {
        faults.legacy(result);
    } else {
        faults.lists(result, version, of_ipam);
    }
    if let Some(dns) = result.get("dns") {
        faults.dns(dns);
    }
    faults.0
}

struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, words: impl Into<String>) {
        self.0.push(words.into());
    }

    /// That these keys are of other versions.
    fn none_of(&mut self, map: &Map, place: &str, keys: &[&str], version: Version) {
        for key in keys.iter().filter(|key| map.contains_key(**key)) {
            self.add(format!("{place}{key} is not of version {version}"));
        }
    }

    fn legacy(&mut self, result: &Map) {
        for key in ["ips", "interfaces", "routes"] {
            if result.contains_key(key) {
                self.add(format!("{key} is since 0.3.0"));
            }
        }
        if !result.contains_key("ip4") && !result.contains_key("ip6") {
            self.add("there is neither ip4 nor ip6");
        }
        for key in ["ip4", "ip6"] {
            let Some(ip) = result.get(key).filter(|ip| !ip.is_null()) else {
                continue;
            };
            let Some(ip) = self.object(ip, key) else {
                continue;
            };
            let is_v6 = |net: &IpNet| net.addr().is_ipv6() == (key == "ip6");
            match self.parsed::<IpNet>(ip, key, "ip", true) {
                Some(net) if !is_v6(&net) => self.add(format!("{key}.ip is of the other family")),
                _ => {}
            }
            self.parsed::<IpAddr>(ip, key, "gateway", false);
            self.routes(ip.get("routes"), Version::V0_2_0);
        }
    }

    fn lists(&mut self, result: &Map, version: Version, of_ipam: bool) {
        self.none_of(result, "", &["ip4", "ip6"], version);
        let interfaces = self.list(result.get("interfaces"), "interfaces");
        for (number, interface) in interfaces.iter().enumerate() {
            self.interface(interface, number, version);
        }
        for (number, ip) in self.list(result.get("ips"), "ips").iter().enumerate() {
            self.ip(ip, number, version, interfaces.len(), of_ipam);
        }
        self.routes(result.get("routes"), version);
    }

    fn interface(&mut self, interface: &Value, number: usize, version: Version) {
        let place = format!("interfaces[{number}]");
        let Some(map) = self.object(interface, &place) else {
            return;
        };
        if map
            .get("name")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            self.add(format!("{place} has no name"));
        }
        for key in ["mac", "sandbox"] {
            if map.get(key).is_some_and(|value| !value.is_string()) {
                self.add(format!("{place}.{key} is no text"));
            }
        }
        if version < Version::V1_1_0 {
            self.none_of(
                map,
                &format!("{place}."),
                &["mtu", "socketPath", "pciID"],
                version,
            );
        } else if map.get("mtu").is_some_and(|mtu| mtu.as_u64().is_none()) {
            self.add(format!("{place}.mtu is no number of bytes"));
        }
    }

    fn ip(
        &mut self,
        ip: &Value,
        number: usize,
        version: Version,
        interfaces: usize,
        of_ipam: bool,
    ) {
        let place = format!("ips[{number}]");
        let Some(map) = self.object(ip, &place) else {
            return;
        };
        let net = self.parsed::<IpNet>(map, &place, "address", true);
        let gateway = self.parsed::<IpAddr>(map, &place, "gateway", false);
        if let (Some(net), Some(gateway)) = (net, gateway)
            && net.addr().is_ipv4() != gateway.is_ipv4()
        {
            self.add(format!("{place}.gateway is of the other family"));
        }
        let stated = map
            .get("version")
            .map(|version| version.as_str().unwrap_or_default());
        let wanted = net.map(|net| if net.addr().is_ipv4() { "4" } else { "6" });
        match (version < Version::V1_0_0, stated) {
            (true, None) => self.add(format!("{place}.version is missing, which {version} has")),
            (true, stated) if wanted.is_some() && stated != wanted => {
                self.add(format!("{place}.version is not that of the address"));
            }
            (false, Some(_)) => self.add(format!("{place}.version is not of version {version}")),
            _ => {}
        }
        match map.get("interface") {
            Some(_) if of_ipam => {}
            Some(index)
                if index
                    .as_u64()
                    .is_none_or(|index| index as usize >= interfaces) =>
            {
                self.add(format!(
                    "{place}.interface is {index}, and there are {interfaces} interfaces"
                ));
            }
            _ => {}
        }
    }

    fn routes(&mut self, routes: Option<&Value>, version: Version) {
        for (number, route) in self.list(routes, "routes").iter().enumerate() {
            let place = format!("routes[{number}]");
            let Some(map) = self.object(route, &place) else {
                continue;
            };
            self.parsed::<IpNet>(map, &place, "dst", true);
            self.parsed::<IpAddr>(map, &place, "gw", false);
            let new = ["mtu", "advmss", "priority", "table", "scope"];
            if version < Version::V1_1_0 {
                self.none_of(map, &format!("{place}."), &new, version);
                continue;
            }
            for key in new {
                if map.get(key).is_some_and(|value| value.as_u64().is_none()) {
                    self.add(format!("{place}.{key} is no number"));
                }
            }
        }
    }

    fn dns(&mut self, dns: &Value) {
        let Some(map) = self.object(dns, "dns") else {
            return;
        };
        for server in self.list(map.get("nameservers"), "dns.nameservers") {
            if server
                .as_str()
                .is_none_or(|text| IpAddr::from_str(text).is_err())
            {
                self.add(format!("dns.nameservers has {server}, which is no address"));
            }
        }
        for key in ["search", "options"] {
            let texts = self.list(map.get(key), key);
            if texts.iter().any(|text| !text.is_string()) {
                self.add(format!("dns.{key} is no list of texts"));
            }
        }
        if map.get("domain").is_some_and(|domain| !domain.is_string()) {
            self.add("dns.domain is no text");
        }
    }

    fn object<'v>(&mut self, value: &'v Value, place: &str) -> Option<&'v Map> {
        let map = value.as_object();
        if map.is_none() {
            self.add(format!("{place} is no object"));
        }
        map
    }

    /// A list, which may be missing. `null` is what some languages write for one that is empty.
    fn list<'v>(&mut self, value: Option<&'v Value>, place: &str) -> &'v [Value] {
        match value {
            None | Some(Value::Null) => &[],
            Some(Value::Array(list)) => list,
            Some(_) => {
                self.add(format!("{place} is no list"));
                &[]
            }
        }
    }

    fn parsed<T: FromStr>(
        &mut self,
        map: &Map,
        place: &str,
        key: &str,
        is_required: bool,
    ) -> Option<T> {
        let Some(value) = map.get(key) else {
            if is_required {
                self.add(format!("{place} has no {key}"));
            }
            return None;
        };
        // An empty text is what some write for none.
        if value.as_str() == Some("") && !is_required {
            return None;
        }
        let parsed = value.as_str().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.add(format!("{place}.{key} is {value}"));
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(result: Value, version: Version) -> Vec<String> {
        faults(result.as_object().unwrap(), version, false)
    }

    #[test]
    fn each_version_has_its_own_form() {
        let legacy = json!({ "ip4": { "ip": "10.1.0.2/24", "gateway": "10.1.0.1", "routes": [{ "dst": "0.0.0.0/0" }] } });
        let old = json!({ "interfaces": [{ "name": "eth0" }],
            "ips": [{ "version": "4", "address": "10.1.0.2/24", "interface": 0 }], "dns": {} });
        let new = json!({ "interfaces": [{ "name": "eth0", "mac": "02:00:00:00:00:01", "sandbox": "/x" }],
            "ips": [{ "address": "10.1.0.2/24", "interface": 0 }], "routes": [{ "dst": "::/0", "gw": "fe80::1" }] });
        let newest = json!({ "interfaces": [{ "name": "eth0", "mtu": 1500 }], "routes": [{ "dst": "::/0", "table": 100 }] });
        for (result, version) in [
            (&legacy, Version::V0_1_0),
            (&legacy, Version::V0_2_0),
            (&old, Version::V0_3_0),
            (&old, Version::V0_4_0),
            (&new, Version::V1_0_0),
            (&new, Version::V1_1_0),
            (&newest, Version::V1_1_0),
        ] {
            assert_eq!(found(result.clone(), version), Vec::<String>::new());
        }
        for (result, version, why) in [
            (&legacy, Version::V1_0_0, "ip4 is not of version 1.0.0"),
            (&old, Version::V0_2_0, "ips is since 0.3.0"),
            (&old, Version::V1_0_0, "ips[0].version is not of version"),
            (&new, Version::V0_4_0, "ips[0].version is missing"),
            (
                &newest,
                Version::V1_0_0,
                "interfaces[0].mtu is not of version",
            ),
        ] {
            let all = found(result.clone(), version).join("; ");
            assert!(all.contains(why), "{all}");
        }
    }

    #[test]
    fn what_cannot_be_is_told() {
        for (result, why) in [
            (
                json!({ "ips": [{ "address": "10.1.0.2" }] }),
                r#"ips[0].address is "10.1.0.2""#,
            ),
            (json!({ "ips": [{}] }), "ips[0] has no address"),
            (json!({ "ips": {} }), "ips is no list"),
            (
                json!({ "ips": [{ "address": "10.1.0.2/24", "interface": 1 }] }),
                "there are 0 interfaces",
            ),
            (
                json!({ "ips": [{ "address": "10.1.0.2/24", "gateway": "::1" }] }),
                "of the other family",
            ),
            (json!({ "interfaces": [{}] }), "interfaces[0] has no name"),
            (
                json!({ "routes": [{ "dst": "10.1.0.0" }] }),
                "routes[0].dst",
            ),
            (
                json!({ "dns": { "nameservers": ["ns.example.com"] } }),
                "no address",
            ),
            (json!({ "dns": [] }), "dns is no object"),
        ] {
            let all = found(result, Version::V1_0_0).join("; ");
            assert!(all.contains(why), "{all} has not {why}");
        }
    }
}
