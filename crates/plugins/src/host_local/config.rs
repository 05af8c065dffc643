//! The keys of `host-local`, and what they come to.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use linkspan_plugin::config::{Configuration, FromKey, Key, Wrong};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig, Route, Value, Version};
use linkspan_plugin::spec::{address, decode};

use super::range::{RangeError, RangeSet, RangeSpec};

/// The most ranges in one configuration. They are compared with each other, so that time grows with
/// the square of their number.
const MAX_RANGES: usize = 1000;

keys! {
    /// The keys of `host-local` as they stand in a configuration.
    pub struct Keys {
        /// The range sets: the container gets one address from each set, out of any of its ranges.
        "ipam.ranges" => ranges: Option<Vec<Vec<RangeKeys>>>, read by [Add, Status];
        /// The subnet of a single range, in the older form; its set comes before those of ranges.
        "ipam.subnet" => subnet: Option<IpNet>, read by [Add, Status];
        /// The first address that subnet gives.
        "ipam.rangeStart" => range_start: Option<Address>, read by [Add, Status];
        /// The last address that subnet gives.
        "ipam.rangeEnd" => range_end: Option<Address>, read by [Add, Status];
        /// The gateway of subnet, which is given to nobody.
        "ipam.gateway" => gateway: Option<Address>, read by [Add, Status];
        /// The routes of the result.
        "ipam.routes" => routes: Option<Vec<Route>>, read by [Add];
        /// The directory that holds a directory of reservations for each network.
        "ipam.dataDir" => data_dir: String, default = "/var/lib/cni/networks", read by [Add, Check, Del, Gc, Status];
        /// A file like /etc/resolv.conf, of which the result gets its DNS settings.
        "ipam.resolvConf" => resolv_conf: Option<String>, read by [Add];
        /// Addresses that are asked for, by the configuration's author.
        "args.cni.ips" => args_ips: Option<Vec<Requested>>, read by [Add];
        /// Addresses that are asked for, by the runtime (capability ips).
        "runtimeConfig.ips" => runtime_ips: Option<Vec<Requested>>, read by [Add];
        /// Range sets of the runtime (capability ipRanges); they come before the others.
        "runtimeConfig.ipRanges" => runtime_ranges: Option<Vec<Vec<RangeKeys>>>, read by [Add, Status];
    }
}

keys! {
    /// One range of a set.
    pub struct RangeKeys {
        /// The subnet that the range is in.
        "subnet" => subnet: Option<IpNet>, read by [Add, Status];
        /// The first address of the range; by default the one behind the network's.
        "rangeStart" => range_start: Option<Address>, read by [Add, Status];
        /// The last address of the range; by default the subnet's last, for IPv4 without the broadcast.
        "rangeEnd" => range_end: Option<Address>, read by [Add, Status];
        /// The gateway, which is given to nobody; by default the address behind the network's.
        "gateway" => gateway: Option<Address>, read by [Add, Status];
    }
}

/// An address; an empty text is none.
#[derive(Clone, Copy, Debug)]
pub struct Address(Option<IpAddr>);

impl FromKey for Address {
    const KIND: &'static str = "an IP address";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        decode::ip(json)
            .ok()
            .map(Self)
            .ok_or_else(|| Wrong::Type(Self::KIND.to_owned()))
    }
}

/// An address that is asked for, perhaps with the length of a prefix, which says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Requested(IpAddr);

impl Requested {
    /// Reads it as it stands in a configuration or in CNI_ARGS.
    pub fn parse(text: &str) -> Option<IpAddr> {
        address::parse_ip(text).or_else(|| address::parse_cidr(text).map(|net| net.addr()))
    }
}

impl FromKey for Requested {
    const KIND: &'static str = "an IP address";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        json.as_str()
            .and_then(Self::parse)
            .map(Self)
            .ok_or_else(|| Wrong::Type(Self::KIND.to_owned()))
    }
}

/// A configuration of `host-local`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds a directory for each network.
    pub data_dir: PathBuf,
    /// The file with the DNS settings.
    pub resolv_conf: Option<PathBuf>,
    /// The routes of the result.
    pub routes: Vec<Route>,
    /// The addresses that configuration and runtime ask for.
    pub requested: Vec<IpAddr>,
    sets: Result<Vec<RangeSet>, Error>,
}

impl Config {
    /// The range sets: at least one, of which no two have an address in common.
    ///
    /// Only what gives addresses asks for them. To release one it must not matter what has become of
    /// the ranges since.
    ///
    /// # Errors
    /// [`ErrorCode::INVALID_NETWORK_CONFIG`] with the rule that is broken.
    pub fn sets(&self) -> Result<&[RangeSet], Error> {
        self.sets.as_deref().map_err(Clone::clone)
    }
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        if config.ipam().is_none() {
            return Err(invalid("IPAM config missing 'ipam' key").with_details(
                "host-local reads the object ipam of the configuration that delegates to it",
            ));
        }
        let keys = Keys::read(config)?;
        let version = config.cni_version()?;
        let lists = [&keys.args_ips, &keys.runtime_ips];
        let requested = lists.into_iter().flatten().flatten();
        Ok(Self {
            requested: requested.map(|address| address.0).collect(),
            sets: sets(&keys, version),
            data_dir: Some(keys.data_dir)
                .filter(|path| !path.is_empty())
                .map_or_else(|| PathBuf::from("/var/lib/cni/networks"), PathBuf::from),
            resolv_conf: keys
                .resolv_conf
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            routes: keys.routes.unwrap_or_default(),
        })
    }
}

/// The sets in their order: the runtime's, the single subnet, those of `ranges`.
fn sets(keys: &Keys, version: Version) -> Result<Vec<RangeSet>, Error> {
    let single = RangeKeys {
        subnet: keys.subnet,
        range_start: keys.range_start,
        range_end: keys.range_end,
        gateway: keys.gateway,
    };
    let runtime = keys.runtime_ranges.iter().flatten().cloned();
    let older = keys.subnet.map(|_| vec![single]);
    let ranges = keys.ranges.iter().flatten().cloned();
    let specs: Vec<Vec<RangeKeys>> = runtime.chain(older).chain(ranges).collect();
    if specs.iter().map(Vec::len).sum::<usize>() > MAX_RANGES {
        return Err(invalid(format!("more than {MAX_RANGES} ranges")));
    }
    let sets = specs
        .into_iter()
        .enumerate()
        .map(|(index, specs)| {
            RangeSet::new(specs.iter().map(RangeKeys::spec)).map_err(|error| in_set(index, &error))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if sets.is_empty() {
        return Err(invalid("no IP ranges specified").with_details(
            "give ipam a \"subnet\", or \"ranges\" such as [[{\"subnet\": \"10.22.0.0/16\"}]]",
        ));
    }
    require_expressible(&sets, version)?;
    require_disjoint(&sets)?;
    Ok(sets)
}

impl RangeKeys {
    fn spec(&self) -> RangeSpec {
        let address = |key: Option<Address>| key.and_then(|address| address.0);
        RangeSpec {
            subnet: self.subnet,
            start: address(self.range_start),
            end: address(self.range_end),
            gateway: address(self.gateway),
        }
    }
}

/// The results of versions before 0.3.0 have room for one address of each family.
fn require_expressible(sets: &[RangeSet], version: Version) -> Result<(), Error> {
    let ipv4 = sets.iter().filter(|set| set.is_ipv4()).count();
    if version >= Version::V0_3_0 || (ipv4 <= 1 && sets.len() - ipv4 <= 1) {
        return Ok(());
    }
    Err(invalid(format!(
        "CNI version {version} does not support more than 1 address per family"
    ))
    .with_details("set cniVersion to 0.3.0 or later, or leave one range set for each family"))
}

fn require_disjoint(sets: &[RangeSet]) -> Result<(), Error> {
    for (index, set) in sets.iter().enumerate() {
        let behind = sets.iter().enumerate().skip(index + 1);
        for (other_index, other) in behind {
            if set.overlaps(other) {
                return Err(
                    invalid(format!("range set {index} overlaps with {other_index}")).with_details(
                        format!(
                            "{set} and {other} have addresses in common; one address is for one set"
                        ),
                    ),
                );
            }
        }
    }
    Ok(())
}

fn in_set(index: usize, error: &RangeError) -> Error {
    let advice = match error {
        RangeError::NoSubnet | RangeError::Empty => {
            "each range needs a subnet: {\"subnet\": \"10.22.0.0/16\"}"
        }
        RangeError::TooSmall(_) => {
            "the smallest subnets are /30 and /126: network, gateway and one container"
        }
        RangeError::HostBits(_) => "write the subnet with its network address",
        RangeError::Family { .. } | RangeError::Outside { .. } => {
            "rangeStart and rangeEnd are addresses of the subnet, the gateway is of its family"
        }
        RangeError::Inverted(..) => "rangeStart must not be greater than rangeEnd",
        RangeError::MixedFamilies => {
            "put IPv4 and IPv6 into sets of their own; the container then gets an address of each"
        }
        RangeError::Overlap(..) => "leave each address to one range",
    };
    invalid(format!("invalid range set {index}: {error}")).with_details(advice)
}

fn invalid(msg: impl Into<String>) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg)
}
