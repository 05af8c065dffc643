//! The keys of `tap`, and what they come to.

use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Dns, Error, PluginConfig};

use crate::attach::{Mtu, not_empty};

keys! {
    /// The keys of `tap` as they stand in a configuration.
    pub struct Keys {
        /// The device has several queues; whoever attaches to it asks for the same.
        "multiQueue" => multi_queue: bool, default = false, read by [Add, Check];
        /// The largest packet; 0 leaves it to the kernel, auto takes that of the link of the default
        /// route.
        "mtu" => mtu: Mtu, default = 0, unit = "bytes", read by [Add, Check];
        /// The MAC address, unless the runtime or CNI_ARGS asks for another; by default chosen by the
        /// kernel.
        "mac" => mac: Option<String>, read by [Add];
        /// The number of the user who may attach to the device.
        "owner" => owner: Option<u32>, read by [Add, Check];
        /// The number of the group that may attach to the device.
        "group" => group: Option<u32>, read by [Add, Check];
        /// The SELinux context of the device; only where SELinux is at work.
        "selinuxContext" => selinux_context: Option<String>, read by [Add];
        /// A bridge in the container that the device becomes a port of.
        "bridge" => bridge: Option<String>, read by [Add, Check];
        /// The MAC address of the device, from the runtime (capability mac).
        "runtimeConfig.mac" => runtime_mac: Option<String>, read by [Add];
        /// The MAC address of the device, from the configuration's author.
        "args.cni.mac" => args_mac: Option<String>, read by [Add];
        /// The DNS settings of the result.
        "dns" => dns: Option<Dns>, read by [Add];
        /// The type of the IPAM plugin; without one the device gets no address.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

/// A configuration of `tap`.
#[derive(Clone, Debug)]
pub struct Config {
    /// The device has several queues.
    pub multi_queue: bool,
    /// How large packets may be.
    pub mtu: Mtu,
    /// The MAC addresses that are asked for: the runtime's and the author's, which come before
    /// CNI_ARGS, and the key `mac`, which comes after.
    pub macs: [Option<String>; 3],
    /// The user who may attach to it.
    pub owner: Option<u32>,
    /// The group that may attach to it.
    pub group: Option<u32>,
    /// The context of SELinux.
    pub selinux_context: Option<String>,
    /// The bridge in the container.
    pub bridge: Option<String>,
    /// The DNS settings of the result.
    pub dns: Dns,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        let keys = Keys::read(config)?;
        Ok(Self {
            multi_queue: keys.multi_queue,
            mtu: keys.mtu.without_master()?,
            macs: [keys.runtime_mac, keys.args_mac, keys.mac],
            owner: keys.owner,
            group: keys.group,
            selinux_context: not_empty(keys.selinux_context),
            bridge: not_empty(keys.bridge),
            dns: keys.dns.unwrap_or_default(),
        })
    }
}
