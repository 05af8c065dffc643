//! The capabilities `ipRanges` and `dns`.

use std::net::IpAddr;

use ipnet::IpNet;
use linkspan_spec::Value;
use linkspan_spec::decode::{self, DecodeError, Map};

/// A range that an address may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IpRange {
    /// The subnet.
    pub subnet: IpNet,
    /// The first address of the range; none is the subnet's first.
    pub start: Option<IpAddr>,
    /// The last address of the range; none is the subnet's last.
    pub end: Option<IpAddr>,
    /// The gateway; none is the choice of the IPAM plugin, by custom the subnet's first address.
    pub gateway: Option<IpAddr>,
}

/// What cannot be a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRange {
    /// An address of it lies elsewhere.
    #[error("{address} is not in the subnet {subnet}")]
    Outside {
        /// The address.
        address: IpAddr,
        /// The subnet.
        subnet: IpNet,
    },
    /// It ends before it begins.
    #[error("a range from {start} to {end} has no address")]
    Empty {
        /// The first address.
        start: IpAddr,
        /// The last one.
        end: IpAddr,
    },
}

impl IpRange {
    /// All of a subnet.
    pub fn new(subnet: IpNet) -> Self {
        Self {
            subnet: subnet.trunc(),
            start: None,
            end: None,
            gateway: None,
        }
    }

    /// The same subnet, from one address to another.
    ///
    /// # Errors
    /// When one of them is not in the subnet, or the last is before the first.
    pub fn between(mut self, start: IpAddr, end: IpAddr) -> Result<Self, InvalidRange> {
        self.contain(start)?;
        self.contain(end)?;
        if end < start {
            return Err(InvalidRange::Empty { start, end });
        }
        (self.start, self.end) = (Some(start), Some(end));
        Ok(self)
    }

    /// The same range with a gateway.
    ///
    /// # Errors
    /// When it is not in the subnet.
    pub fn with_gateway(mut self, gateway: IpAddr) -> Result<Self, InvalidRange> {
        self.contain(gateway)?;
        self.gateway = Some(gateway);
        Ok(self)
    }

    fn contain(&self, address: IpAddr) -> Result<(), InvalidRange> {
        match self.subnet.contains(&address) {
            true => Ok(()),
            false => Err(InvalidRange::Outside {
                address,
                subnet: self.subnet,
            }),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        map.insert("subnet".into(), self.subnet.to_string().into());
        for (key, address) in [
            ("rangeStart", self.start),
            ("rangeEnd", self.end),
            ("gateway", self.gateway),
        ] {
            if let Some(address) = address {
                map.insert(key.into(), address.to_string().into());
            }
        }
        Value::Object(map)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        let mut range = Self::new(decode::required(map, "subnet", "a subnet", decode::cidr)?);
        let expected = format!("an address in {}", range.subnet);
        let address = |name| {
            let inside = |value| match decode::ip(value)? {
                Some(address) if range.contain(address).is_err() => {
                    Err(DecodeError::mismatch(expected.clone(), value))
                }
                address => Ok(address),
            };
            decode::optional(map, name, inside).map(|address| address.flatten())
        };
        let (start, end) = (address("rangeStart")?, address("rangeEnd")?);
        let gateway = address("gateway")?;
        if let (Some(start), Some(end)) = (start, end)
            && end < start
        {
            let expected = format!("an address from {start} on");
            let error = DecodeError::mismatch(expected, &end.to_string().into());
            return Err(error.within("rangeEnd"));
        }
        (range.start, range.end, range.gateway) = (start, end, gateway);
        Ok(range)
    }
}

/// What a container's resolver is to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResolverConfig {
    /// Addresses of name servers, the preferred first.
    pub servers: Vec<String>,
    /// Domains to try for short names, the preferred first.
    pub searches: Vec<String>,
    /// Options, such as `ndots:5`.
    pub options: Vec<String>,
}

impl ResolverConfig {
    /// Name servers, without a domain and without options.
    pub fn new(servers: impl IntoIterator<Item = IpAddr>) -> Self {
        let servers = servers.into_iter().map(|server| server.to_string());
        Self {
            servers: servers.collect(),
            ..Self::default()
        }
    }

    /// The same with domains to try for short names.
    #[must_use]
    pub fn with_searches(mut self, domains: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.searches.extend(domains.into_iter().map(Into::into));
        self
    }

    /// The same with options of the resolver.
    #[must_use]
    pub fn with_options(mut self, options: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    pub(super) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for (key, list) in [
            ("servers", &self.servers),
            ("searches", &self.searches),
            ("options", &self.options),
        ] {
            if !list.is_empty() {
                map.insert(key.into(), list.iter().map(String::as_str).collect());
            }
        }
        Value::Object(map)
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, DecodeError> {
        let map = decode::object(value)?;
        let list = |name| {
            let list = decode::optional(map, name, |list| decode::list(list, decode::owned));
            list.map(Option::unwrap_or_default)
        };
        Ok(Self {
            servers: list("servers")?,
            searches: list("searches")?,
            options: list("options")?,
        })
    }
}
