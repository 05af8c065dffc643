//! The keys of `bridge`, and what they come to.

use linkspan_netfilter::Backend;
use linkspan_plugin::config::{Configuration, Key};
use linkspan_plugin::keys;
use linkspan_plugin::spec::{Error, ErrorCode, IfName, PluginConfig};

use crate::attach::MasqueradeBackend;
use crate::attach::{Mtu, OwnDns, not_empty};

/// The highest VLAN ID; 4095 is reserved (IEEE 802.1Q).
const VLAN_MAX: i64 = 4094;

keys! {
    /// The keys of `bridge` as they stand in a configuration.
    pub struct Keys {
        /// The bridge that the container is attached to; created when it does not exist.
        "bridge" => bridge: String, default = "cni0", read by [Add, Check];
        /// Give the bridge the gateway's address, so that the host routes for the containers.
        "isGateway" => is_gateway: bool, default = false, read by [Add];
        /// As isGateway, and a default route through it in the container.
        "isDefaultGateway" => is_default_gateway: bool, default = false, read by [Add];
        /// Replace another address that the bridge has, instead of failing.
        "forceAddress" => force_address: bool, default = false, read by [Add];
        /// Masquerade what the container sends beyond its own subnet.
        "ipMasq" => ip_masq: bool, default = false, read by [Add, Check, Del, Gc];
        /// What masquerades: nftables or iptables.
        "ipMasqBackend" => ip_masq_backend: Option<MasqueradeBackend>, read by [Add, Check, Del];
        /// The largest packet on the bridge and both ends of the link; 0 leaves it to the kernel, auto
        /// takes that of the link of the default route.
        "mtu" => mtu: Mtu, default = 0, unit = "bytes", read by [Add];
        /// Let the bridge send a frame back out of the port that it came in by.
        "hairpinMode" => hairpin_mode: bool, default = false, read by [Add];
        /// Let the bridge take every frame, whomever it is addressed to.
        "promiscMode" => promisc_mode: bool, default = false, read by [Add, Check];
        /// The VLAN of the container's port (access, untagged); 0 is none.
        "vlan" => vlan: u16, default = 0, range = 0..=VLAN_MAX,
            outside = "invalid VLAN ID {} (must be between 0 and 4094)", read by [Add, Check];
        /// The VLANs that pass the container's port tagged (trunk).
        "vlanTrunk" => vlan_trunk: Option<Vec<TrunkKeys>>, read by [Add, Check];
        /// Keep the bridge's default VLAN on the container's port beside vlan and vlanTrunk.
        "preserveDefaultVlan" => preserve_default_vlan: bool, default = false, read by [Add];
        /// Drop what the container sends from another MAC address than its own.
        "macspoofchk" => mac_spoof_check: bool, default = false, read by [Add, Check, Del, Gc];
        /// Detect duplicate IPv6 addresses in the container, and wait for the outcome.
        "enabledad" => enable_dad: bool, default = false, read by [Add];
        /// Leave the container's interface down; only without ipam.
        "disableContainerInterface" => disable_container_interface: bool, default = false, read by [Add];
        /// Keep the container's port from talking to other isolated ports.
        "portIsolation" => port_isolation: bool, default = false, read by [Add];
        /// The MAC address of the container's interface, from the runtime (capability mac).
        "runtimeConfig.mac" => runtime_mac: Option<String>, read by [Add];
        /// The MAC address of the container's interface, from the configuration's author.
        "args.cni.mac" => args_mac: Option<String>, read by [Add];
        /// The DNS settings of the result, instead of those of the IPAM plugin.
        "dns" => dns: Option<OwnDns>, read by [Add];
        /// The type of the IPAM plugin; without one the container gets no address.
        "ipam.type" => ipam_type: Option<String>, read by [Add, Check, Del, Gc, Status];
    }
}

keys! {
    /// One entry of vlanTrunk: a single VLAN, a range, or both.
    pub struct TrunkKeys {
        /// A single VLAN.
        "id" => id: Option<i64>, read by [Add, Check];
        /// The first VLAN of a range.
        "minID" => min_id: Option<i64>, read by [Add, Check];
        /// The last VLAN of a range.
        "maxID" => max_id: Option<i64>, read by [Add, Check];
    }
}

/// A configuration of `bridge` that can be: every rule between the keys holds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bridge's name.
    pub bridge: IfName,
    /// The bridge gets the gateways' addresses; `isDefaultGateway` implies it.
    pub is_gateway: bool,
    /// The container gets a default route through the gateway.
    pub is_default_gateway: bool,
    /// Another address of the bridge is replaced.
    pub force_address: bool,
    /// What the container sends is masqueraded.
    pub ip_masq: bool,
    /// What masquerades; `None` leaves the choice to us.
    pub backend: Option<Backend>,
    /// How large packets may be.
    pub mtu: Mtu,
    /// The port sends frames back out.
    pub hairpin: bool,
    /// The bridge takes every frame.
    pub promisc: bool,
    /// The VLANs of the port.
    pub vlans: Vlans,
    /// The container sends from its own MAC address only.
    pub mac_spoof_check: bool,
    /// IPv6 addresses of the container are checked for duplicates.
    pub enable_dad: bool,
    /// The container's interface stays down.
    pub disable_container_interface: bool,
    /// The port is isolated.
    pub port_isolation: bool,
    /// The MAC addresses that configuration and runtime ask for, the runtime's first.
    pub macs: [Option<String>; 2],
    /// The DNS settings that replace the IPAM plugin's.
    pub dns: OwnDns,
    /// There is an IPAM plugin.
    pub layer3: bool,
}

/// The VLANs of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlans {
    /// The bridge is to filter VLANs: `vlan` is set or `vlanTrunk` is there, even empty.
    pub filtering: bool,
    /// The access VLAN, untagged.
    pub access: Option<u16>,
    /// The tagged VLANs, ascending, each once.
    pub trunk: Vec<u16>,
    /// The bridge's default VLAN stays.
    pub preserve_default: bool,
}

impl Configuration for Config {
    const KEYS: &'static [Key] = Keys::KEYS;

    fn read(config: &PluginConfig) -> Result<Self, Error> {
        Self::from_keys(Keys::read(config)?)
    }
}

impl Config {
    fn from_keys(keys: Keys) -> Result<Self, Error> {
        let layer3 = not_empty(keys.ipam_type).is_some();
        if layer3 && keys.disable_container_interface {
            return Err(contradiction(
                "cannot use IPAM when DisableContainerInterface flag is set",
                "an interface that stays down can have no address; remove ipam or disableContainerInterface",
            ));
        }
        if keys.hairpin_mode && keys.promisc_mode {
            return Err(contradiction(
                "cannot set hairpin mode and promiscuous mode at the same time",
                "either makes a container reach itself through the bridge; choose one",
            ));
        }
        Ok(Self {
            bridge: keys.bridge.parse().map_err(|error| {
                contradiction(
                    &format!("invalid \"bridge\": {error}"),
                    "it is the name of a link",
                )
            })?,
            is_gateway: keys.is_gateway || keys.is_default_gateway,
            is_default_gateway: keys.is_default_gateway,
            force_address: keys.force_address,
            ip_masq: keys.ip_masq,
            backend: keys.ip_masq_backend.map(|key| key.0),
            mtu: keys.mtu.without_master()?,
            hairpin: keys.hairpin_mode,
            promisc: keys.promisc_mode,
            vlans: Vlans {
                filtering: keys.vlan != 0 || keys.vlan_trunk.is_some(),
                access: Some(keys.vlan).filter(|vlan| *vlan != 0),
                trunk: trunk(keys.vlan_trunk.as_deref().unwrap_or_default())?,
                preserve_default: keys.preserve_default_vlan,
            },
            mac_spoof_check: keys.mac_spoof_check,
            enable_dad: keys.enable_dad,
            disable_container_interface: keys.disable_container_interface,
            port_isolation: keys.port_isolation,
            macs: [keys.runtime_mac, keys.args_mac],
            dns: keys.dns.unwrap_or_default(),
            layer3,
        })
    }
}

/// The VLANs of `vlanTrunk`, ascending, each once.
fn trunk(entries: &[TrunkKeys]) -> Result<Vec<u16>, Error> {
    let mut vlans = std::collections::BTreeSet::new();
    for entry in entries {
        match (entry.min_id, entry.max_id) {
            (Some(min), Some(max)) => {
                let (first, last) = (vlan_id(min, "minID")?, vlan_id(max, "maxID")?);
                if last < first {
                    return Err(invalid_trunk(
                        "minID is greater than maxID in trunk parameter",
                        "",
                    ));
                }
                vlans.extend(first..=last);
            }
            (None, Some(_)) => {
                return Err(invalid_trunk(
                    "minID and maxID should be configured simultaneously, minID is missing",
                    "",
                ));
            }
            (Some(_), None) => {
                return Err(invalid_trunk(
                    "minID and maxID should be configured simultaneously, maxID is missing",
                    "",
                ));
            }
            (None, None) => {}
        }
        if let Some(id) = entry.id {
            vlans.insert(vlan_id(id, "id")?);
        }
    }
    Ok(vlans.into_iter().collect())
}

fn vlan_id(number: i64, key: &str) -> Result<u16, Error> {
    u16::try_from(number)
        .ok()
        .filter(|id| (1..=VLAN_MAX).contains(&i64::from(*id)))
        .ok_or_else(|| {
            let found = format!("{number} is none; ");
            invalid_trunk(&format!("incorrect trunk {key} parameter"), &found)
        })
}

fn invalid_trunk(msg: &str, found: &str) -> Error {
    let details = format!(
        "{found}an entry of vlanTrunk is {{\"id\": N}}, {{\"minID\": N, \"maxID\": M}} or both; VLAN IDs are 1 to 4094"
    );
    contradiction(msg, &details)
}

fn contradiction(msg: &str, details: &str) -> Error {
    Error::new(ErrorCode::INVALID_NETWORK_CONFIG, msg).with_details(details)
}
