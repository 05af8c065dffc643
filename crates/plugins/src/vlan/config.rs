//! The keys of `vlan`, and what they come to.

use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Dns, Error, ErrorCode, PluginConfig};

use crate::attach::{Master, Mtu, not_empty, require_ipam};

/// The highest VLAN ID; 4095 is reserved (IEEE 802.1Q).
const VLAN_MAX: i64 = 4094;

keys! {
    /// The keys of `vlan` as they stand in a configuration.
    pub struct Keys {
        /// The link whose tagged frames the container gets.
        "master" => master: Option<String>, read by [Add, Check, Status];
        /// The VLAN ID of these frames.
        "vlanId" => vlan_id: u16, default = 0, range = 0..=VLAN_MAX,
            outside = "invalid VLAN ID {} (must be between 0 and 4095 inclusive)", read by [Add, Check];
        /// The largest packet, not above the master's; 0 and auto take the master's.
        "mtu" => mtu: Mtu, default = 0, unit = "bytes", read by [Add, Check, Status];
        /// The master is in the container instead of on the host.
        "linkInContainer" => link_in_container: bool, default = false, read by [Add, Check, Status];
        /// Look for other hosts that have one of the IPv6 addresses, and wait for the outcome.
        "enabledad" => enable_dad: bool, default = false, read by [Add];
        /// The DNS settings of the result.
        "dns" => dns: Option<Dns>, read by [Add];
        /// The type of the IPAM plugin.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// A configuration of `vlan`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The link that carries the tagged frames.
    pub master: Master,
    /// The VLAN ID.
    pub vlan_id: u16,
    /// How large packets may be.
    pub mtu: Mtu,
    /// Duplicates of IPv6 addresses are looked for.
    pub enable_dad: bool,
    /// The DNS settings of the result.
    pub dns: Dns,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        let name = not_empty(keys.master).ok_or_else(|| {
            Error::new(
                ErrorCode::INVALID_NETWORK_CONFIG,
                "\"master\" field is required. It specifies the host interface name to create the VLAN for.",
            )
            .with_details("set \"master\" to the link that carries the tagged frames, such as eth0")
        })?;
        require_ipam(keys.ipam_type, "vlan")?;
        Ok(Self {
            master: Master {
                name: Some(name),
                in_container: keys.link_in_container,
            },
            vlan_id: keys.vlan_id,
            mtu: keys.mtu,
            enable_dad: keys.enable_dad,
            dns: keys.dns.unwrap_or_default(),
        })
    }
}
