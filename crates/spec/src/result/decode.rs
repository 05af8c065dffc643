//! Reading results.

use std::net::IpAddr;

use super::types::{Dns, Interface, IpConfig, Route, Success};
use crate::Version;
use crate::decode::{self, DecodeError, Map, Value};

/// From version 0.3.0 on.
pub(super) fn success(version: Version, map: &Map) -> Result<Success, DecodeError> {
    Ok(Success {
        interfaces: items(map, "interfaces", |value| interface(version, value))?,
        ips: items(map, "ips", ip_config)?,
        routes: items(map, "routes", route)?,
        dns: optional_dns(map)?,
    })
}

pub(super) fn stated_version(map: &Map) -> Result<Option<Version>, DecodeError> {
    decode::optional(map, "cniVersion", |value| match decode::string(value)? {
        "" => Ok(None),
        text => Ok(Some(text.parse()?)),
    })
    .map(Option::flatten)
}

pub(super) fn interface(version: Version, value: &Value) -> Result<Interface, DecodeError> {
    let map = decode::object(value)?;
    let mut interface = Interface {
        name: text(map, "name")?,
        mac: text(map, "mac")?,
        sandbox: text(map, "sandbox")?,
        ..Interface::default()
    };
    if version >= Version::V1_0_0 {
        interface.mtu = number(map, "mtu")?;
        interface.socket_path = text(map, "socketPath")?;
        interface.pci_id = text(map, "pciID")?;
    }
    Ok(interface)
}

pub(super) fn ip_config(value: &Value) -> Result<IpConfig, DecodeError> {
    let map = decode::object(value)?;
    // Up to 0.4.0 the family is stated too; the address says it already.
    text(map, "version")?;
    Ok(IpConfig {
        interface: decode::optional(map, "interface", index)?.flatten(),
        address: decode::required(map, "address", "an IP address with a prefix", decode::cidr)?,
        gateway: gateway(map, "gateway")?,
    })
}

/// An index; a negative one, as old libraries wrote it, is none.
fn index(value: &Value) -> Result<Option<usize>, DecodeError> {
    if value.as_i64().is_some_and(i64::is_negative) {
        return Ok(None);
    }
    let index: u32 = decode::unsigned(value)?;
    Ok(usize::try_from(index).ok())
}

pub(super) fn route(value: &Value) -> Result<Route, DecodeError> {
    let map = decode::object(value)?;
    Ok(Route {
        dst: decode::required(
            map,
            "dst",
            "an IP network such as \"0.0.0.0/0\"",
            decode::cidr,
        )?,
        gw: gateway(map, "gw")?,
        mtu: number(map, "mtu")?,
        advmss: number(map, "advmss")?,
        priority: number(map, "priority")?,
        table: decode::optional(map, "table", decode::unsigned)?,
        scope: decode::optional(map, "scope", decode::unsigned)?,
    })
}

pub(super) fn dns(value: &Value) -> Result<Dns, DecodeError> {
    let map = decode::object(value)?;
    Ok(Dns {
        nameservers: items(map, "nameservers", decode::owned)?,
        domain: text(map, "domain")?,
        search: items(map, "search", decode::owned)?,
        options: items(map, "options", decode::owned)?,
    })
}

pub(super) fn optional_dns(map: &Map) -> Result<Dns, DecodeError> {
    Ok(decode::optional(map, "dns", dns)?.unwrap_or_default())
}

pub(super) fn items<'a, T>(
    map: &'a Map,
    name: &str,
    decode: impl FnMut(&'a Value) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let decoded = decode::optional(map, name, |value| decode::list(value, decode))?;
    Ok(decoded.unwrap_or_default())
}

pub(super) fn gateway(map: &Map, name: &str) -> Result<Option<IpAddr>, DecodeError> {
    Ok(decode::optional(map, name, decode::ip)?.flatten())
}

fn text(map: &Map, name: &str) -> Result<String, DecodeError> {
    Ok(decode::optional(map, name, decode::owned)?.unwrap_or_default())
}

/// A number of which 0 says nothing, as in the reference.
fn number(map: &Map, name: &str) -> Result<Option<u32>, DecodeError> {
    Ok(decode::optional(map, name, decode::unsigned)?.filter(|number| *number != 0))
}
