//! Capabilities: what a runtime gives to those plugins of a network that declare to want it.
//!
//! The names and the shapes are those of CNI's conventions and of what Kubernetes' runtimes send.
//! See <https://www.cni.dev/docs/conventions/#dynamic-plugin-specific-fields-capabilities--runtime-configuration>.

mod address;
mod bandwidth;
mod ports;

use std::collections::{BTreeMap, BTreeSet};

use linkspan_spec::decode::{self, DecodeError};
use linkspan_spec::{Command, MacAddr, NetworkList, Value};

pub use self::address::{InvalidRange, IpRange, ResolverConfig};
pub use self::bandwidth::{Bandwidth, InvalidLimit, RateLimit};
pub use self::ports::{InvalidPort, PortMapping, Protocol};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Endpoint, Error, Event, Operation, Runtime};

/// `portMappings`: [`PortMapping`].
pub const PORT_MAPPINGS: &str = "portMappings";
/// `bandwidth`: [`Bandwidth`].
pub const BANDWIDTH: &str = "bandwidth";
/// `ips`: addresses that the container is to have.
pub const IPS: &str = "ips";
/// `mac`: the link-layer address that the container is to have.
pub const MAC: &str = "mac";
/// `dns`: [`ResolverConfig`].
pub const DNS: &str = "dns";
/// `ipRanges`: [`IpRange`].
pub const IP_RANGES: &str = "ipRanges";
/// `deviceID`: the device that a device plugin has chosen.
pub const DEVICE_ID: &str = "deviceID";
/// `infinibandGUID`: the GUID of an InfiniBand interface.
pub const INFINIBAND_GUID: &str = "infinibandGUID";
/// `cgroupPath`: where the container's control group is.
pub const CGROUP_PATH: &str = "cgroupPath";
/// `aliases`: names by which others on the network reach the container.
pub const ALIASES: &str = "aliases";
/// `io.kubernetes.cri.pod-annotations`: the annotations of a pod of Kubernetes.
pub const POD_ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

/// Each capability with a type of its own: how it is given and how it is read back. What is read may have been given by
/// another runtime, so it may be something else.
impl Endpoint {
    /// The same endpoint with ports of the host that lead to it.
    ///
    /// ```
    /// use linkspan_runtime::{Endpoint, PortMapping, Protocol};
    ///
    /// let endpoint = Endpoint::new("c1".parse()?, "eth0".parse()?)
    ///     .with_port_mappings([PortMapping::new(8080, 80, Protocol::Tcp)?]);
    /// assert_eq!(endpoint.capability_args["portMappings"][0]["hostPort"], 8080);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_port_mappings(self, mappings: impl IntoIterator<Item = PortMapping>) -> Self {
        let mappings = mappings.into_iter().map(|mapping| mapping.to_json());
        self.with_capability_arg(PORT_MAPPINGS, mappings.collect())
    }

    /// The ports that [`with_port_mappings`](Self::with_port_mappings) gave; none when there are none.
    ///
    /// # Errors
    /// When they are something else.
    pub fn port_mappings(&self) -> Result<Vec<PortMapping>, DecodeError> {
        self.list(PORT_MAPPINGS, PortMapping::from_json)
    }

    /// The same endpoint with limits to its traffic.
    #[must_use]
    pub fn with_bandwidth(self, bandwidth: &Bandwidth) -> Self {
        self.with_capability_arg(BANDWIDTH, bandwidth.to_json())
    }

    /// The limits that [`with_bandwidth`](Self::with_bandwidth) gave.
    ///
    /// # Errors
    /// When they are something else.
    pub fn bandwidth(&self) -> Result<Option<Bandwidth>, DecodeError> {
        self.one(BANDWIDTH, Bandwidth::from_json)
    }

    /// The same endpoint with addresses that it is to have, with their prefix lengths.
    #[must_use]
    pub fn with_ips(self, addresses: impl IntoIterator<Item = ipnet::IpNet>) -> Self {
        let addresses = addresses.into_iter().map(|address| address.to_string());
        self.with_capability_arg(IPS, addresses.collect())
    }

    /// The addresses that [`with_ips`](Self::with_ips) gave; none when there are none.
    ///
    /// # Errors
    /// When they are something else, such as addresses without a prefix length, which some plugins take as well.
    pub fn ips(&self) -> Result<Vec<ipnet::IpNet>, DecodeError> {
        self.list(IPS, decode::cidr)
    }

    /// The same endpoint with the link-layer address that it is to have.
    #[must_use]
    pub fn with_mac(self, mac: MacAddr) -> Self {
        self.with_capability_arg(MAC, mac.to_string().into())
    }

    /// The address that [`with_mac`](Self::with_mac) gave.
    ///
    /// # Errors
    /// When it is none of six bytes.
    pub fn mac(&self) -> Result<Option<MacAddr>, DecodeError> {
        self.one(MAC, |value| Ok(decode::string(value)?.parse()?))
    }

    /// The same endpoint with what a container's resolver is to know.
    #[must_use]
    pub fn with_dns(self, dns: &ResolverConfig) -> Self {
        self.with_capability_arg(DNS, dns.to_json())
    }

    /// What [`with_dns`](Self::with_dns) gave.
    ///
    /// # Errors
    /// When it is something else.
    pub fn dns(&self) -> Result<Option<ResolverConfig>, DecodeError> {
        self.one(DNS, ResolverConfig::from_json)
    }

    /// The same endpoint with ranges that its addresses come from: of each set one address, from the first range of the set that
    /// has one.
    #[must_use]
    pub fn with_ip_ranges(self, sets: impl IntoIterator<Item = Vec<IpRange>>) -> Self {
        let set = |set: Vec<IpRange>| -> Value { set.iter().map(IpRange::to_json).collect() };
        self.with_capability_arg(IP_RANGES, sets.into_iter().map(set).collect())
    }

    /// The sets that [`with_ip_ranges`](Self::with_ip_ranges) gave; none when there are none.
    ///
    /// # Errors
    /// When they are something else.
    pub fn ip_ranges(&self) -> Result<Vec<Vec<IpRange>>, DecodeError> {
        self.list(IP_RANGES, |set| decode::list(set, IpRange::from_json))
    }

    /// The same endpoint with the device that it is to have: an address on the PCI bus (`0000:04:00.5`) or the name of an
    /// auxiliary device (`mlx5_core.sf.2`).
    #[must_use]
    pub fn with_device_id(self, device: impl Into<String>) -> Self {
        self.with_capability_arg(DEVICE_ID, device.into().into())
    }

    /// The device that [`with_device_id`](Self::with_device_id) gave.
    ///
    /// # Errors
    /// When it is no text.
    pub fn device_id(&self) -> Result<Option<&str>, DecodeError> {
        self.one(DEVICE_ID, decode::string)
    }

    /// The same endpoint with the GUID of its InfiniBand interface, eight bytes, such as `c2:11:22:33:44:55:66:77`.
    #[must_use]
    pub fn with_infiniband_guid(self, guid: [u8; 8]) -> Self {
        let bytes: Vec<_> = guid.iter().map(|byte| format!("{byte:02x}")).collect();
        self.with_capability_arg(INFINIBAND_GUID, bytes.join(":").into())
    }

    /// The GUID that [`with_infiniband_guid`](Self::with_infiniband_guid) gave.
    ///
    /// # Errors
    /// When it is not eight bytes in hexadecimal digits with colons between them.
    pub fn infiniband_guid(&self) -> Result<Option<[u8; 8]>, DecodeError> {
        self.one(INFINIBAND_GUID, guid)
    }

    /// The same endpoint with the path of the container's control group, below the root of the hierarchy.
    #[must_use]
    pub fn with_cgroup_path(self, path: impl Into<String>) -> Self {
        self.with_capability_arg(CGROUP_PATH, path.into().into())
    }

    /// The path that [`with_cgroup_path`](Self::with_cgroup_path) gave.
    ///
    /// # Errors
    /// When it is no text.
    pub fn cgroup_path(&self) -> Result<Option<&str>, DecodeError> {
        self.one(CGROUP_PATH, decode::string)
    }

    /// The same endpoint with names by which others on the network reach it.
    #[must_use]
    pub fn with_aliases(self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let names = names.into_iter().map(Into::<String>::into);
        self.with_capability_arg(ALIASES, names.collect())
    }

    /// The names that [`with_aliases`](Self::with_aliases) gave; none when there are none.
    ///
    /// # Errors
    /// When they are something else.
    pub fn aliases(&self) -> Result<Vec<String>, DecodeError> {
        self.list(ALIASES, decode::owned)
    }

    /// The same endpoint with the annotations of its pod.
    #[must_use]
    pub fn with_pod_annotations(
        self,
        annotations: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        let pair =
            |(key, value): (_, _)| (Into::<String>::into(key), Value::String(Into::into(value)));
        let annotations = annotations.into_iter().map(pair).collect();
        self.with_capability_arg(POD_ANNOTATIONS, Value::Object(annotations))
    }

    /// The annotations that [`with_pod_annotations`](Self::with_pod_annotations) gave; none when there are none.
    ///
    /// # Errors
    /// When they are not an object of texts.
    pub fn pod_annotations(&self) -> Result<BTreeMap<String, String>, DecodeError> {
        let text = |(key, value): (&String, &Value)| {
            let value = decode::owned(value).map_err(|error| error.within(key))?;
            Ok((key.clone(), value))
        };
        let read = |value| decode::object(value)?.iter().map(text).collect();
        Ok(self.one(POD_ANNOTATIONS, read)?.unwrap_or_default())
    }

    fn one<'a, T>(
        &'a self,
        capability: &str,
        read: impl FnOnce(&'a Value) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        decode::optional(&self.capability_args, capability, read)
    }

    fn list<'a, T>(
        &'a self,
        capability: &str,
        read: impl Fn(&'a Value) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let all = self.one(capability, |value| decode::list(value, read))?;
        Ok(all.unwrap_or_default())
    }
}

macro_rules! as_json {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.to_json().serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Value::deserialize(deserializer)?;
                Self::from_json(&value).map_err(D::Error::custom)
            }
        }
    )*};
}

// As plugins get them.
as_json!(PortMapping, Bandwidth, IpRange, ResolverConfig);

fn guid(value: &Value) -> Result<[u8; 8], DecodeError> {
    let wrong = || DecodeError::mismatch("eight bytes such as c2:11:22:33:44:55:66:77", value);
    let byte = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        digits.then(|| u8::from_str_radix(part, 16).ok())?
    };
    let bytes: Option<Vec<u8>> = decode::string(value)?.split(':').map(byte).collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(wrong)
}

/// What a network's plugins declare, and what of an endpoint's arguments reaches none of them.
impl Runtime {
    /// The capabilities that the plugins of a network declare, each once, in alphabetical order.
    ///
    /// # Errors
    /// When a plugin's `capabilities` are not an object of `true` and `false`.
    pub fn capabilities(network: &NetworkList) -> Result<Vec<String>, Error> {
        let mut declared = BTreeSet::new();
        for config in &network.plugins {
            let names = config.capabilities().map_err(|source| Error::Network {
                network: network.name.clone(),
                source,
            })?;
            declared.extend(names.into_iter().map(str::to_owned));
        }
        Ok(declared.into_iter().collect())
    }

    /// The arguments of an endpoint that no plugin of the network gets, since none declares the capability; in alphabetical
    /// order. A port that was asked for and is not published is most often one of these: the list lacks
    /// `"capabilities": { "portMappings": true }`.
    ///
    /// Empty arguments, with which a runtime says that there is nothing, are none.
    ///
    /// # Errors
    /// As [`capabilities`](Self::capabilities).
    pub fn unused_capabilities(
        network: &NetworkList,
        endpoint: &Endpoint,
    ) -> Result<Vec<String>, Error> {
        let declared = Self::capabilities(network)?;
        let given = endpoint.capability_args.iter();
        let unused = given.filter(|(name, value)| !declared.contains(name) && !is_empty(value));
        let unused: BTreeSet<_> = unused.map(|(name, _)| name.clone()).collect();
        Ok(unused.into_iter().collect())
    }

    /// Refuses what ADD must not hand on, and tells what reaches nobody.
    pub(crate) fn check_arguments(
        &self,
        network: &NetworkList,
        endpoint: &Endpoint,
    ) -> Result<(), Error> {
        endpoint.check_args()?;
        if network.plugins.is_empty() {
            return Err(Error::Network {
                network: network.name.clone(),
                source: DecodeError::missing(
                    "plugins",
                    "a list of at least one plugin configuration",
                ),
            });
        }
        let capabilities = Self::unused_capabilities(network, endpoint)?;
        if capabilities.is_empty() {
            return Ok(());
        }
        self.runner.tell(Event::Unused {
            operation: &Operation::new(Command::Add, &network.name, Some(endpoint)),
            capabilities: &capabilities,
        });
        match self.refuse_unused_capabilities {
            false => Ok(()),
            true => Err(Error::UnusedCapabilities {
                network: network.name.clone(),
                capabilities,
            }),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
