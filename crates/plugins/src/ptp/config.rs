//! The keys of `ptp`, and what they come to.

use linkspan_netfilter::Backend;
use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, PluginConfig};

use crate::attach::MasqueradeBackend;
use crate::attach::{Mtu, OwnDns, not_empty};

keys! {
    /// The keys of `ptp` as they stand in a configuration.
    pub struct Keys {
        /// Masquerade what the container sends beyond its own subnet.
        "ipMasq" => ip_masq: bool, default = false, read by [Add, Check, Del, Gc];
        /// What masquerades: nftables or iptables.
        "ipMasqBackend" => ip_masq_backend: Option<MasqueradeBackend>, read by [Add, Check, Del];
        /// The largest packet on both ends; 0 leaves it to the kernel, auto takes that of the link of
        /// the default route.
        "mtu" => mtu: Mtu, default = 0, unit = "bytes", read by [Add, Check];
        /// The DNS settings of the result, instead of those of the IPAM plugin.
        "dns" => dns: Option<OwnDns>, read by [Add];
        /// The type of the IPAM plugin; without one the pair of links is there and no address.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// A configuration of `ptp`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Masquerading is wanted.
    pub ip_masq: bool,
    /// What masquerades; `None` leaves the choice to us.
    pub backend: Option<Backend>,
    /// How large packets may be.
    pub mtu: Mtu,
    /// The DNS settings that replace the IPAM plugin's.
    pub dns: OwnDns,
    /// There is an IPAM plugin.
    pub layer3: bool,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        Ok(Self {
            ip_masq: keys.ip_masq,
            backend: keys.ip_masq_backend.map(|key| key.0),
            mtu: keys.mtu.without_master()?,
            dns: keys.dns.unwrap_or_default(),
            layer3: not_empty(keys.ipam_type).is_some(),
        })
    }
}
