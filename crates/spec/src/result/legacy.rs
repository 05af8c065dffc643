//! Results of the versions 0.1.0 and 0.2.0: one address of each family, with its routes.

use std::net::IpAddr;

use super::encode::{put_ip, put_list, put_net, route};
use super::types::{CannotExpress, IpConfig, Route, Success};
use crate::Version;
use crate::decode::{self, DecodeError, Map, Value};

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

#[derive(Clone, Copy, PartialEq)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(address: IpAddr) -> Self {
        if address.to_canonical().is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::V4 => "ip4",
            Self::V6 => "ip6",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::V4 => "an IPv4 address with a prefix length",
            Self::V6 => "an IPv6 address with a prefix length",
        }
    }
}

pub(super) fn decode(map: &Map) -> Result<Success, DecodeError> {
    let mut success = Success {
        dns: super::decode::optional_dns(map)?,
        ..Success::default()
    };
    for family in FAMILIES {
        let decoded = decode::optional(map, family.key(), |value| decode_family(family, value))?;
        if let Some((ip, mut routes)) = decoded {
            success.ips.push(ip);
            success.routes.append(&mut routes);
        }
    }
    Ok(success)
}

fn decode_family(family: Family, value: &Value) -> Result<(IpConfig, Vec<Route>), DecodeError> {
    let map = decode::object(value)?;
    let address = decode::required(map, "ip", family.expected(), |value| {
        let address = decode::cidr(value)?;
        if Family::of(address.addr()) == family {
            Ok(address)
        } else {
            Err(DecodeError::mismatch(family.expected(), value))
        }
    })?;
    let gateway = super::decode::gateway(map, "gateway")?;
    let routes = super::decode::items(map, "routes", super::decode::route)?;
    Ok((
        IpConfig {
            interface: None,
            address,
            gateway,
        },
        routes,
    ))
}

pub(super) fn encode(
    success: &Success,
    version: Version,
    map: &mut Map,
) -> Result<(), CannotExpress> {
    if success.ips.is_empty() {
        return Err(CannotExpress { version });
    }
    for family in FAMILIES {
        let first = success
            .ips
            .iter()
            .find(|ip| Family::of(ip.address.addr()) == family);
        if let Some(ip) = first {
            map.insert(
                family.key().into(),
                encode_family(family, ip, &success.routes),
            );
        }
    }
    Ok(())
}

fn encode_family(family: Family, ip: &IpConfig, routes: &[Route]) -> Value {
    let routes: Vec<Route> = routes
        .iter()
        .filter(|route| Family::of(route.dst.addr()) == family)
        .map(|route| Route::new(route.dst, route.gw.or(ip.gateway)))
        .collect();
    let mut map = Map::new();
    put_net(&mut map, "ip", ip.address);
    put_ip(&mut map, "gateway", ip.gateway);
    put_list(&mut map, "routes", &routes, route);
    Value::Object(map)
}
