//! What kinds of links have beyond what all have.

use linkspan_netlink::Attributes;

/// The settings of a link's kind, as far as they are read back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkData {
    /// Of a kind that is not read, or of none.
    #[default]
    None,
    /// A bridge.
    Bridge {
        /// It tells VLANs apart.
        vlan_filtering: bool,
        /// The VLAN of untagged frames of new ports; 0 is none.
        default_pvid: u16,
    },
    /// A macvlan or macvtap.
    Macvlan(Option<MacvlanMode>),
    /// An ipvlan.
    Ipvlan(Option<IpvlanMode>),
    /// A VLAN.
    Vlan {
        /// 0 to 4095
        id: u16,
    },
    /// A vrf.
    Vrf {
        /// Its routing table.
        table: u32,
    },
    /// A tap device.
    Tap {
        /// The user who may attach to it.
        owner: Option<u32>,
        /// The group that may attach to it.
        group: Option<u32>,
        /// It has several queues.
        multi_queue: bool,
        /// It stays when nobody is attached.
        persistent: bool,
    },
}

// linux/if_link.h
pub(super) const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
pub(super) const IFLA_MACVLAN_MODE: u16 = 1;
pub(super) const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;
pub(super) const IFLA_IPVLAN_MODE: u16 = 1;
pub(super) const IFLA_VLAN_ID: u16 = 1;
pub(super) const IFLA_VRF_TABLE: u16 = 1;
pub(super) const VETH_INFO_PEER: u16 = 1;
const IFLA_TUN_OWNER: u16 = 1;
const IFLA_TUN_GROUP: u16 = 2;
const IFLA_TUN_TYPE: u16 = 3;
const IFLA_TUN_PERSIST: u16 = 6;
const IFLA_TUN_MULTI_QUEUE: u16 = 7;

impl LinkData {
    pub(super) fn decode(kind: &str, data: &Attributes<'_>) -> Self {
        match kind {
            "bridge" => Self::Bridge {
                vlan_filtering: data
                    .get(IFLA_BR_VLAN_FILTERING)
                    .and_then(|on| on.as_u8())
                    .is_some_and(|on| on != 0),
                default_pvid: u16_of(data, IFLA_BR_VLAN_DEFAULT_PVID),
            },
            "macvlan" | "macvtap" => Self::Macvlan(
                data.get(IFLA_MACVLAN_MODE)
                    .and_then(|mode| mode.as_u32())
                    .and_then(MacvlanMode::decode),
            ),
            "ipvlan" => Self::Ipvlan(IpvlanMode::decode(u16_of(data, IFLA_IPVLAN_MODE))),
            "vlan" => Self::Vlan {
                id: u16_of(data, IFLA_VLAN_ID),
            },
            "vrf" => Self::Vrf {
                table: data
                    .get(IFLA_VRF_TABLE)
                    .and_then(|table| table.as_u32())
                    .unwrap_or_default(),
            },
            "tun" => Self::decode_tap(data).unwrap_or_default(),
            _ => Self::None,
        }
    }

    fn decode_tap(data: &Attributes<'_>) -> Option<Self> {
        let kind = data.get(IFLA_TUN_TYPE)?.as_u8()?;
        let number = |kind| data.get(kind)?.as_u32();
        let flag = |kind| data.get(kind)?.as_u8().map(|on| on != 0);
        (i32::from(kind) == libc::IFF_TAP).then(|| Self::Tap {
            owner: number(IFLA_TUN_OWNER),
            group: number(IFLA_TUN_GROUP),
            multi_queue: flag(IFLA_TUN_MULTI_QUEUE).unwrap_or(false),
            persistent: flag(IFLA_TUN_PERSIST).unwrap_or(false),
        })
    }
}

fn u16_of(data: &Attributes<'_>, kind: u16) -> u16 {
    data.get(kind)
        .and_then(|number| number.as_u16())
        .unwrap_or_default()
}

/// Whom the macvlans of a parent can talk to (`MACVLAN_MODE_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MacvlanMode {
    /// Nobody on the same parent.
    Private = 1,
    /// Each other through the switch outside.
    Vepa = 2,
    /// Each other directly.
    Bridge = 4,
    /// One has the parent for itself.
    Passthru = 8,
}

impl MacvlanMode {
    fn decode(number: u32) -> Option<Self> {
        [Self::Private, Self::Vepa, Self::Bridge, Self::Passthru]
            .into_iter()
            .find(|mode| *mode as u32 == number)
    }
}

/// On which layer an ipvlan is (`IPVLAN_MODE_…`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum IpvlanMode {
    /// Layer 2.
    L2 = 0,
    /// Layer 3: the parent's namespace routes.
    L3 = 1,
    /// Layer 3 with netfilter and conntrack.
    L3s = 2,
}

impl IpvlanMode {
    fn decode(number: u16) -> Option<Self> {
        [Self::L2, Self::L3, Self::L3s]
            .into_iter()
            .find(|mode| *mode as u16 == number)
    }
}
