//! The keys of `portmap`, and what they come to.

use std::net::IpAddr;

use linkspan_netfilter::{
    Backend, Conditions, NotUnderstood, Port, PortRange, PublishedPorts, SourceNat, Transport,
};
use linkspan_plugin::config::{Configuration, FromKey, Key, Wrong};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, PluginConfig, Value};

use crate::attach::{self, not_empty};

keys! {
    /// The keys of `portmap` as they stand in a configuration.
    pub struct Keys {
        /// What translates addresses: nftables or iptables.
        "backend" => backend: Option<BackendKey>, read by [Add, Check, Del, Status];
        /// Masquerade connections from the container itself, its neighbours and the host's loopback, so
        /// that their answers come back through the host.
        "snat" => snat: bool, default = true, read by [Add, Check];
        /// Masquerade connections from everywhere; needs snat.
        "masqAll" => masq_all: bool, default = false, read by [Add, Check];
        /// The bit of the packet's mark that says that a connection is to be masqueraded.
        "markMasqBit" => mark_masq_bit: Option<u8>, range = 0..=31,
            outside = "MasqMarkBit must be between 0 and 31", read by [Add, Check];
        /// A chain of iptables that sets a mark which somebody else masquerades; only with the backend
        /// iptables, which it chooses.
        "externalSetMarkChain" => external_set_mark_chain: Option<String>, read by [Add, Check];
        /// Conditions on IPv4 connections, as arguments of iptables or in the words of nft.
        "conditionsV4" => conditions_v4: Option<Vec<String>>, read by [Add, Check];
        /// Conditions on IPv6 connections.
        "conditionsV6" => conditions_v6: Option<Vec<String>>, read by [Add, Check];
        /// The ports, from the runtime (capability portMappings).
        "runtimeConfig.portMappings" => port_mappings: Option<Vec<MappingKeys>>, read by [Add, Check, Del];
    }
}

/// The [`Backend`] that publishes, as a configuration names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendKey(pub Backend);

impl FromKey for BackendKey {
    const KIND: &'static str = attach::BACKENDS;

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        attach::backend(json, "unrecognized backend").map(Self)
    }
}

keys! {
    /// One port of the host that leads to a port of the container.
    pub struct MappingKeys {
        /// The host's port.
        "hostPort" => host_port: i64, default = 0, read by [Add, Check, Del];
        /// The container's port.
        "containerPort" => container_port: i64, default = 0, read by [Add, Check, Del];
        /// tcp, udp or sctp.
        "protocol" => protocol: String, default = "", read by [Add, Check, Del];
        /// The address of the host; none, 0.0.0.0 and :: are every address of it.
        "hostIP" => host_ip: Option<String>, read by [Add, Check, Del];
    }
}

/// A configuration of `portmap` that can be.
#[derive(Clone, Debug)]
pub struct Config {
    /// What translates; `None` leaves the choice to us.
    pub backend: Option<Backend>,
    /// Whose connections are masqueraded.
    pub source: SourceNat,
    /// The bit that marks them.
    pub mark_bit: u8,
    /// The chain of iptables that marks them instead.
    pub set_mark_chain: Option<String>,
    conditions: [Vec<String>; 2],
    mappings: Vec<Mapping>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    /// As it stands there; an unspecified one is every address of its version.
    host_ip: Option<IpAddr>,
    protocol: Transport,
    host_port: u16,
    container_port: u16,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        Self::from_keys(Keys::read(config)?)
    }
}

impl Config {
    fn from_keys(keys: Keys) -> Result<Self, Error> {
        let set_mark_chain = not_empty(keys.external_set_mark_chain);
        if set_mark_chain.is_some() && keys.mark_masq_bit.is_some() {
            return Err(invalid(
                "Cannot specify externalSetMarkChain and markMasqBit",
                "the chain sets a mark of its own; remove one of the two",
            ));
        }
        let conditions = [
            keys.conditions_v4.unwrap_or_default(),
            keys.conditions_v6.unwrap_or_default(),
        ];
        let mappings = keys.port_mappings.unwrap_or_default();
        Ok(Self {
            backend: backend(
                keys.backend.map(|key| key.0),
                set_mark_chain.as_deref(),
                &conditions,
            )?,
            source: match (keys.snat, keys.masq_all) {
                (false, _) => SourceNat::Keep,
                (true, true) => SourceNat::All,
                (true, false) => SourceNat::Hairpin,
            },
            mark_bit: keys
                .mark_masq_bit
                .unwrap_or(PublishedPorts::DEFAULT_MARK_BIT),
            set_mark_chain,
            conditions: conditions.map(without_empty),
            mappings: distinct(mappings.iter().map(mapping).collect::<Result<_, _>>()?)?,
        })
    }

    /// Whether any port is to be published.
    pub fn has_mappings(&self) -> bool {
        !self.mappings.is_empty()
    }

    /// The conditions on connections to an address like this.
    pub fn conditions(&self, address: IpAddr) -> &[String] {
        let [v4, v6] = &self.conditions;
        if address.is_ipv4() { v4 } else { v6 }
    }

    /// The ports that can lead to an address like this.
    pub fn ports(&self, address: IpAddr) -> Vec<PortRange> {
        PortRange::of(
            self.mappings
                .iter()
                .filter_map(|mapping| mapping.port(address.is_ipv4())),
        )
    }
}

impl Mapping {
    /// The port for one version of IP; `None` when the host's address is of the other.
    fn port(&self, of_ipv4: bool) -> Option<Port> {
        if self
            .host_ip
            .is_some_and(|address| address.is_ipv4() != of_ipv4)
        {
            return None;
        }
        Some(Port {
            host_address: self.host_ip.filter(|address| !address.is_unspecified()),
            protocol: self.protocol,
            host_port: self.host_port,
            container_port: self.container_port,
        })
    }
}

fn mapping(keys: &MappingKeys) -> Result<Mapping, Error> {
    let container_port = port("container", keys.container_port)?;
    let host_port = port("host", keys.host_port)?;
    let protocol = keys.protocol.parse().map_err(|why| {
        invalid(
            &format!(
                "invalid protocol {:?} of host port {}: {why}",
                keys.protocol, keys.host_port
            ),
            "an entry of portMappings has hostPort, containerPort, protocol and perhaps hostIP",
        )
    })?;
    Ok(Mapping {
        host_ip: host_ip(keys)?,
        protocol,
        host_port,
        container_port,
    })
}

fn port(whose: &str, number: i64) -> Result<u16, Error> {
    u16::try_from(number)
        .ok()
        .filter(|port| *port != 0)
        .ok_or_else(|| {
            invalid(
                &format!("Invalid {whose} port number: {number}"),
                "a port is a number from 1 to 65535",
            )
        })
}

fn host_ip(keys: &MappingKeys) -> Result<Option<IpAddr>, Error> {
    let Some(text) = keys.host_ip.as_deref().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Some(address.to_canonical())),
        Err(error) => Err(invalid(
            &format!(
                "invalid hostIP {text:?} of host port {}: {error}",
                keys.host_port
            ),
            "it is an address of the host; leave it out for every address",
        )),
    }
}

/// Each mapping once. One port cannot lead to two.
fn distinct(mappings: Vec<Mapping>) -> Result<Vec<Mapping>, Error> {
    let mut known = std::collections::HashMap::new();
    let mut kept = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        let mut is_new = false;
        for port in [true, false]
            .into_iter()
            .filter_map(|of_ipv4| mapping.port(of_ipv4).map(|port| (of_ipv4, port)))
        {
            let (of_ipv4, port) = port;
            let key = (of_ipv4, port.host_address, port.protocol, port.host_port);
            match known.insert(key, port.container_port) {
                None => is_new = true,
                Some(other) if other == port.container_port => {}
                Some(other) => {
                    return Err(invalid(
                        &format!(
                            "host port {port} is to lead to the container's ports {other} and {}",
                            port.container_port
                        ),
                        "each port of the host leads to one port; the runtime sends them as portMappings",
                    ));
                }
            }
        }
        if is_new {
            kept.push(mapping);
        }
    }
    Ok(kept)
}

fn without_empty(words: Vec<String>) -> Vec<String> {
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// The backend that the configuration names or needs, if it can do all that is asked for.
fn backend(
    named: Option<Backend>,
    set_mark_chain: Option<&str>,
    conditions: &[Vec<String>; 2],
) -> Result<Option<Backend>, Error> {
    if set_mark_chain.is_some() && named == Some(Backend::Nftables) {
        return Err(invalid(
            "nftables backend was requested but configuration contains iptables-specific options \
             [externalSetMarkChain]",
            "the chain is one of iptables: choose the backend \"iptables\", or markMasqBit",
        ));
    }
    let backend = named.or(set_mark_chain.map(|_| Backend::Iptables));
    let like = [IpAddr::from([0; 4]), IpAddr::from([0; 16])];
    for ((key, words), like) in ["conditionsV4", "conditionsV6"]
        .into_iter()
        .zip(conditions)
        .zip(like)
    {
        if words.iter().any(|word| word.contains(char::is_control)) {
            return Err(invalid(
                &format!("{key} has a word with a control character"),
                "each word is one argument of iptables, or part of a line of nft",
            ));
        }
        let first = words.iter().find(|word| !word.is_empty());
        let is_nft = first.is_some_and(|first| !first.starts_with(['-', '!']));
        match backend {
            Some(Backend::Iptables) if is_nft => {
                return Err(invalid(
                    &format!(
                        "iptables backend was requested but configuration contains nftables-specific \
                         options [{key}]"
                    ),
                    "the conditions are written for nft: write them as arguments of iptables",
                ));
            }
            Some(Backend::Iptables) => {}
            _ => translate(key, words, like)?,
        }
    }
    Ok(backend)
}

fn translate(key: &str, words: &[String], like: IpAddr) -> Result<(), Error> {
    let conditions = Conditions::parse(words).map_err(|why| {
        let details = match why {
            NotUnderstood::Untranslatable(_) => {
                "the nftables backend translates -s, -d, -i, -o, -p, ports, and the matches addrtype, \
                 comment, conntrack, iprange, mac, mark, multiport, state; \"backend\": \"iptables\" takes \
                 whatever iptables takes"
            }
            _ => "correct it, or choose \"backend\": \"iptables\", which hands it to iptables as it is",
        };
        invalid(&format!("invalid {key:?}: {why}"), details)
    })?;
    if conditions.suit(like) {
        return Ok(());
    }
    Err(invalid(
        &format!("invalid {key:?}: it has an address of the other version of IP"),
        "conditionsV4 is about IPv4, conditionsV6 about IPv6",
    ))
}

fn invalid(msg: &str, details: &str) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg).with_details(details)
}
