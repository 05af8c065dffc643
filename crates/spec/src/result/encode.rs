//! Writing results, with the keys in the order of the reference.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::types::{Dns, Interface, IpConfig, Route, Success};
use crate::decode::{Map, Value};
use crate::{Version, address};

/// From version 0.3.0 on.
pub(super) fn success(success: &Success, version: Version, map: &mut Map) {
    put_list(map, "interfaces", &success.interfaces, |item| {
        interface(item, version)
    });
    put_list(map, "ips", &success.ips, |item| ip_config(item, version));
    put_list(map, "routes", &success.routes, route);
}

fn interface(interface: &Interface, version: Version) -> Value {
    let complete = version >= Version::V1_0_0;
    let mut map = Map::new();
    map.insert("name".into(), interface.name.as_str().into());
    put_text(&mut map, "mac", &interface.mac);
    if complete {
        put_number(&mut map, "mtu", interface.mtu);
    }
    put_text(&mut map, "sandbox", &interface.sandbox);
    if complete {
        put_text(&mut map, "socketPath", &interface.socket_path);
        put_text(&mut map, "pciID", &interface.pci_id);
    }
    Value::Object(map)
}

fn ip_config(ip: &IpConfig, version: Version) -> Value {
    let address = address::canonical(ip.address);
    let mut map = Map::new();
    if version <= Version::V0_4_0 {
        let family = if address.addr().is_ipv4() { "4" } else { "6" };
        map.insert("version".into(), family.into());
    }
    if let Some(index) = ip.interface {
        map.insert("interface".into(), index.into());
    }
    put_net(&mut map, "address", address);
    put_ip(&mut map, "gateway", ip.gateway);
    Value::Object(map)
}

pub(super) fn route(route: &Route) -> Value {
    let mut map = Map::new();
    put_net(&mut map, "dst", route.dst);
    put_ip(&mut map, "gw", route.gw);
    put_number(&mut map, "mtu", route.mtu);
    put_number(&mut map, "advmss", route.advmss);
    put_number(&mut map, "priority", route.priority);
    if let Some(table) = route.table {
        map.insert("table".into(), table.into());
    }
    if let Some(scope) = route.scope {
        map.insert("scope".into(), scope.into());
    }
    Value::Object(map)
}

pub(super) fn dns(dns: &Dns) -> Value {
    let text = |text: &String| text.as_str().into();
    let mut map = Map::new();
    put_list(&mut map, "nameservers", &dns.nameservers, text);
    put_text(&mut map, "domain", &dns.domain);
    put_list(&mut map, "search", &dns.search, text);
    put_list(&mut map, "options", &dns.options, text);
    Value::Object(map)
}

pub(super) fn put_list<T>(map: &mut Map, name: &str, list: &[T], encode: impl Fn(&T) -> Value) {
    if !list.is_empty() {
        map.insert(name.into(), list.iter().map(encode).collect());
    }
}

pub(super) fn put_net(map: &mut Map, name: &str, net: IpNet) {
    map.insert(name.into(), address::canonical(net).to_string().into());
}

pub(super) fn put_ip(map: &mut Map, name: &str, address: Option<IpAddr>) {
    if let Some(address) = address {
        map.insert(name.into(), address.to_canonical().to_string().into());
    }
}

fn put_text(map: &mut Map, name: &str, text: &str) {
    if !text.is_empty() {
        map.insert(name.into(), text.into());
    }
}

/// A number of which 0 says nothing, as in the reference.
fn put_number(map: &mut Map, name: &str, number: Option<u32>) {
    if let Some(number) = number.filter(|number| *number != 0) {
        map.insert(name.into(), number.into());
    }
}

/// Bytes that most results fit in.
const USUAL_SIZE: usize = 1024;

/// JSON as the reference prints it: indented by four spaces, no newline at the end.
pub fn pretty(value: &Value) -> String {
    let mut text = Vec::with_capacity(USUAL_SIZE);
    let indented = PrettyFormatter::with_indent(b"    ");
    // A value can always be written, into memory too.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut text, indented));
    String::from_utf8(text).unwrap_or_default()
}
