//! Results of the versions 0.1.0 and 0.2.0: one address of each family, with its routes.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::encode;
use super::types::{Dns, IpConfig, Route, Success};
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

/// A result of these versions, as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OneOfEach<'r> {
    cni_version: Version,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<Ip>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<Ip>,
    dns: &'r Dns,
}

/// The address of a family.
#[derive(Serialize)]
struct Ip {
    #[serde(serialize_with = "encode::net")]
    ip: IpNet,
    #[serde(serialize_with = "encode::ip", skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<Route>,
}

impl<'r> OneOfEach<'r> {
    pub(super) fn of(success: &'r Success, version: Version) -> Self {
        let first = |family| {
            let mut ips = success.ips.iter();
            let ip = ips.find(|ip| Family::of(ip.address.addr()) == family)?;
            Some(Ip::of(family, ip, &success.routes))
        };
        Self {
            cni_version: version,
            ip4: first(Family::V4),
            ip6: first(Family::V6),
            dns: &success.dns,
        }
    }
}

impl Ip {
    fn of(family: Family, ip: &IpConfig, routes: &[Route]) -> Self {
        let routes = routes
            .iter()
            .filter(|route| Family::of(route.dst.addr()) == family)
            .map(|route| Route::new(route.dst, route.gw.or(ip.gateway)));
        Self {
            ip: ip.address,
            gateway: ip.gateway,
            routes: routes.collect(),
        }
    }
}
