//! The keys of `ipvlan`, and what they come to.

use linkspan_kernel::rtnl::IpvlanMode;
use linkspan_plugin::config::{Configuration, FromKey, Key, Wrong};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Dns, Error, PluginConfig, Value};

use crate::attach::{Master, Mtu, not_empty};

keys! {
    /// The keys of `ipvlan` as they stand in a configuration.
    pub struct Keys {
        /// The link that the container's interface is made on; by default the interface of the
        /// previous plugin's result, and without one that of the default route.
        "master" => master: Option<String>, read by [Add, Check, Status];
        /// On which layer the master's namespace passes packets on: l2, l3 or l3s.
        "mode" => mode: Mode, default = "l2", read by [Add, Check];
        /// The largest packet; 0 and auto take the master's.
        "mtu" => mtu: Mtu, default = 0, unit = "bytes", read by [Add, Check, Status];
        /// The master is in the container instead of on the host.
        "linkInContainer" => link_in_container: bool, default = false, read by [Add, Check, Status];
        /// Look for other hosts that have one of the IPv6 addresses, and wait for the outcome.
        "enabledad" => enable_dad: bool, default = false, read by [Add];
        /// The DNS settings of the result.
        "dns" => dns: Option<Dns>, read by [Add];
        /// The type of the IPAM plugin; without one the addresses are those of the previous plugin.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// The mode as it stands in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub IpvlanMode);

impl FromKey for Mode {
    const KIND: &'static str = "l2, l3 or l3s";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        match String::from_json(json)?.as_str() {
            "" | "l2" => Ok(Self(IpvlanMode::L2)),
            "l3" => Ok(Self(IpvlanMode::L3)),
            "l3s" => Ok(Self(IpvlanMode::L3s)),
            other => Err(Wrong::Whole(format!("unknown ipvlan mode: {other:?}"))),
        }
    }
}

/// A configuration of `ipvlan`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The link that the container's interface is made on; without a name that of the previous plugin.
    pub master: Master,
    /// The layer.
    pub mode: IpvlanMode,
    /// How large packets may be.
    pub mtu: Mtu,
    /// Duplicates of IPv6 addresses are looked for.
    pub enable_dad: bool,
    /// The DNS settings of the result.
    pub dns: Dns,
    /// There is an IPAM plugin.
    pub has_ipam: bool,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        Ok(Self {
            master: Master {
                name: not_empty(keys.master),
                in_container: keys.link_in_container,
            },
            mode: keys.mode.0,
            mtu: keys.mtu.without_master()?,
            enable_dad: keys.enable_dad,
            dns: keys.dns.unwrap_or_default(),
            has_ipam: not_empty(keys.ipam_type).is_some(),
        })
    }
}
