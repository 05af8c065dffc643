//! The keys of `macvlan`, and what they come to.

use linkspan_kernel::rtnl::MacvlanMode;
use linkspan_plugin::config::{Configuration, FromKey, Key, Wrong};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Dns, Error, PluginConfig, Value};

use crate::attach::{Master, Mtu, not_empty};

keys! {
    /// The keys of `macvlan` as they stand in a configuration.
    pub struct Keys {
        /// The link that the container's interface is made on; by default that of the default route.
        "master" => master: Option<String>, read by [Add, Check, Status];
        /// Whom the container can talk to on the same master: bridge, private, vepa or passthru.
        "mode" => mode: Mode, default = "bridge", read by [Add, Check];
        /// The largest packet, not above the master's; 0 and auto take the master's.
        "mtu" => mtu: Mtu, default = 0, unit = "bytes", read by [Add, Check, Status];
        /// The MAC address, unless the runtime asks for another; by default chosen by the kernel.
        "mac" => mac: Option<String>, read by [Add];
        /// The master is in the container instead of on the host.
        "linkInContainer" => link_in_container: bool, default = false, read by [Add, Check, Status];
        /// Look for other hosts that have one of the IPv6 addresses, and wait for the outcome.
        "enabledad" => enable_dad: bool, default = false, read by [Add];
        /// The length of the master's queue of broadcasts; 0 leaves it to the kernel.
        "bcqueuelen" => broadcast_queue_len: u32, default = 0, unit = "packets", read by [Add];
        /// The MAC address of the container's interface, from the runtime (capability mac).
        "runtimeConfig.mac" => runtime_mac: Option<String>, read by [Add];
        /// The MAC address of the container's interface, from the configuration's author.
        "args.cni.mac" => args_mac: Option<String>, read by [Add];
        /// The DNS settings of the result.
        "dns" => dns: Option<Dns>, read by [Add];
        /// The type of the IPAM plugin; without one the container gets no address.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// The mode as it stands in a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub MacvlanMode);

impl FromKey for Mode {
    const KIND: &'static str = "bridge, private, vepa or passthru";

    fn from_json(json: &Value) -> Result<Self, Wrong> {
        match String::from_json(json)?.as_str() {
            "" | "bridge" => Ok(Self(MacvlanMode::Bridge)),
            "private" => Ok(Self(MacvlanMode::Private)),
            "vepa" => Ok(Self(MacvlanMode::Vepa)),
            "passthru" => Ok(Self(MacvlanMode::Passthru)),
            other => Err(Wrong::Whole(format!("unknown macvlan mode: {other:?}"))),
        }
    }
}

/// A configuration of `macvlan`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The link that the container's interface is made on.
    pub master: Master,
    /// Whom the container can talk to.
    pub mode: MacvlanMode,
    /// How large packets may be.
    pub mtu: Mtu,
    /// The MAC addresses that are asked for: the runtime's and the author's, which come before
    /// CNI_ARGS, and the key `mac`, which comes after.
    pub macs: [Option<String>; 3],
    /// Duplicates of IPv6 addresses are looked for.
    pub enable_dad: bool,
    /// Packets; `None` leaves it to the kernel.
    pub broadcast_queue_len: Option<u32>,
    /// The DNS settings of the result.
    pub dns: Dns,
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
            mtu: keys.mtu,
            macs: [keys.runtime_mac, keys.args_mac, keys.mac],
            enable_dad: keys.enable_dad,
            broadcast_queue_len: Some(keys.broadcast_queue_len).filter(|len| *len != 0),
            dns: keys.dns.unwrap_or_default(),
        })
    }
}
