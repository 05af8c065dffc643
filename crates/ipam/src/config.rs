//! What a configuration asks of a pool on this host: the keys of `host-local`, and what they come to.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::range::{RangeError, RangeSet, RangeSpec};
use ipnet::IpNet;
use linkspan_plugin::config::{Configuration, Deferred, FromKey, Key, Wrong, joined};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig, Route, Value, Version};
use linkspan_plugin::spec::{address, decode};

/// The most ranges in one configuration. They are compared with each other, so that time grows with
/// the square of their number.
const MAX_RANGES: usize = 1000;

/// Where reservations are kept when the configuration does not say so.
const DEFAULT_DATA_DIR: &str = "/var/lib/cni/networks";

keys! {
    /// The key that every command needs.
    pub struct PlaceKeys {
        /// The directory that holds a directory of reservations for each network.
        "ipam.dataDir" => data_dir: String, default = "/var/lib/cni/networks", read by [Add, Check, Del, Gc, Status];
    }
}

keys! {
    /// The other keys of `host-local` as they stand in a configuration.
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
        let given = text(json)?;
        decode::ip(json)
            .map(Self)
            .map_err(|_unsaid| Wrong::Whole(format!("invalid IP address: {given}")))
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
        let given = text(json)?;
        Self::parse(given)
            .map(Self)
            .ok_or_else(|| Wrong::Whole(format!("invalid IP address {given}")))
    }
}

/// The text that an address is written as.
fn text(json: &Value) -> Result<&str, Wrong> {
    json.as_str()
        .ok_or_else(|| Wrong::Type("an IP address".to_owned()))
}

/// A configuration of `host-local`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The directory that holds a directory for each network.
    pub data_dir: PathBuf,
    /// What ADD gives. To release an address it must not matter what has become of it since.
    pub request: Deferred<Request>,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = &joined::<{ 1 + Keys::KEYS.len() }>(PlaceKeys::KEYS, Keys::KEYS);

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        // What is wrong with it is told with the rest of the request: DEL looks where ADD would have been.
        let data_dir = PlaceKeys::read(config).map_or_else(|_| String::new(), |keys| keys.data_dir);
        Ok(Self {
            data_dir: match data_dir.as_str() {
                "" => DEFAULT_DATA_DIR.into(),
                path => path.into(),
            },
            request: Deferred::read(config)?,
        })
    }

    fn judge(config: &PluginConfig) -> Result<(), Error> {
        Request::judge(config)
    }
}

/// What a configuration asks for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The range sets: at least one, of which no two have an address in common.
    pub sets: Vec<RangeSet>,
    /// The addresses that the author of the configuration and the runtime ask for.
    pub addresses: Vec<IpAddr>,
    /// The routes of the result.
    pub routes: Vec<Route>,
    /// The file with the DNS settings.
    pub resolv_conf: Option<PathBuf>,
}

impl Configuration for Request {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        if config.ipam().is_none() {
            return Err(invalid("IPAM config missing 'ipam' key").with_details(
                "host-local reads the object ipam of the configuration that delegates to it",
            ));
        }
        PlaceKeys::read(config)?;
        let keys = Keys::read(config)?;
        let lists = [&keys.args_ips, &keys.runtime_ips];
        Ok(Self {
            sets: sets(&keys, config.cni_version()?)?,
            addresses: lists
                .into_iter()
                .flatten()
                .flatten()
                .map(|ip| ip.0)
                .collect(),
            routes: keys.routes.unwrap_or_default(),
            resolv_conf: keys
                .resolv_conf
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
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
        RangeError::Unusable(_) => {
            "the first and the last address of an IPv4 subnet mean all its hosts; give the range others"
        }
        RangeError::Inverted { .. } => "rangeStart must not be greater than rangeEnd",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_default_is_the_default() {
        let read = |ipam: &str| {
            let json = format!(r#"{{"name":"net","type":"x","ipam":{ipam}}}"#);
            Config::read(&PluginConfig::parse(json.as_bytes()).unwrap()).unwrap()
        };
        for ipam in [
            "{}",
            r#"{"dataDir":""}"#,
            r#"{"DataDir":"/var/lib/cni/networks"}"#,
        ] {
            assert_eq!(read(ipam).data_dir, PathBuf::from(DEFAULT_DATA_DIR));
        }
        assert!(read(r#"{"ranges":"nonsense"}"#).request.get().is_err());
        let names: Vec<_> = Config::KEYS.iter().map(|key| key.name).collect();
        assert!(names.contains(&"ipam.dataDir") && names.contains(&"runtimeConfig.ipRanges"));
    }

    #[test]
    fn a_part_s_error_has_the_code_that_it_has_alone() {
        let code = |ipam: &str| {
            let json = format!(r#"{{"name":"net","type":"x","cniVersion":"1.0.0","ipam":{ipam}}}"#);
            let config = PluginConfig::parse(json.as_bytes()).unwrap();
            Request::read(&config).unwrap_err().code
        };
        for (alone, in_a_list, expected) in [
            (
                r#"{"subnet":5}"#,
                r#"{"ranges":[[{"subnet":5}]]}"#,
                ErrorCode::DECODING_FAILURE,
            ),
            (
                r#"{"subnet":"10.1"}"#,
                r#"{"ranges":[[{"subnet":"10.1"}]]}"#,
                ErrorCode::INVALID_NETWORK_CONFIG,
            ),
        ] {
            assert_eq!(
                (code(alone), code(in_a_list)),
                (expected, expected),
                "{alone}"
            );
        }
    }

    #[test]
    fn sets_come_in_the_references_order() {
        let json = br#"{"name":"net","type":"x","cniVersion":"1.0.0",
            "runtimeConfig":{"ipRanges":[[{"subnet":"10.1.0.0/16"}]],"ips":["10.3.0.7/16"]},
            "args":{"cni":{"ips":["10.2.0.7"]}},
            "ipam":{"ranges":[[{"subnet":"10.3.0.0/16"}]],"subnet":"10.2.0.0/16","rangeEnd":"10.2.0.9"}}"#;
        let config = PluginConfig::parse(json).unwrap();
        let request = Request::read(&config).unwrap();
        let sets: Vec<_> = request.sets.iter().map(ToString::to_string).collect();
        assert_eq!(
            sets,
            [
                "10.1.0.1-10.1.255.254",
                "10.2.0.1-10.2.0.9",
                "10.3.0.1-10.3.255.254"
            ]
        );
        assert_eq!(
            request.addresses,
            [
                "10.2.0.7".parse::<IpAddr>().unwrap(),
                "10.3.0.7".parse().unwrap()
            ]
        );
    }
}
