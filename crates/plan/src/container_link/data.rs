//! The link as data, and in words.

use std::fmt;

use linkspan_kernel::rtnl::{IpvlanMode, MacvlanMode};
use linkspan_netfilter::Owner;
use linkspan_spec::MacAddr;

use crate::identity;
use crate::link::LinkRef;

/// A link in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerLink {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: LinkKind,
    /// The link that it is made on. When it is compared, `None` is any.
    pub parent: Option<LinkRef>,
    /// Bytes; `None` leaves it to the kernel, which takes the parent's.
    pub mtu: Option<u32>,
    /// `None` leaves it to the kernel.
    pub mac: Option<MacAddr>,
    /// Whose it is: its alias.
    pub owner: Owner,
}

impl ContainerLink {
    /// A link of this name and kind; all else is left to the kernel.
    pub fn new(name: String, kind: LinkKind, owner: Owner) -> Self {
        Self {
            name,
            kind,
            parent: None,
            mtu: None,
            mac: None,
            owner,
        }
    }

    /// The name under which it is made where it cannot be made under its own, until it gets that; no other
    /// link has it. DEL removes a link of this name as well.
    pub(super) fn interim_name(&self) -> String {
        identity::link_name(&self.owner)
    }
}

/// What a link in the container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// A further MAC address on the parent.
    Macvlan {
        /// Whom it can talk to.
        mode: MacvlanMode,
        /// The length of the parent's queue of broadcasts, in packets; `None` leaves it to the kernel.
        broadcast_queue_len: Option<u32>,
    },
    /// Further addresses on the parent, with the parent's MAC address.
    Ipvlan(IpvlanMode),
    /// The parent's frames with this VLAN ID.
    Vlan(u16),
    /// A link that swallows what is sent.
    Dummy,
}

impl LinkKind {
    /// Its name, as `ip link` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan(_) => "ipvlan",
            Self::Vlan(_) => "vlan",
            Self::Dummy => "dummy",
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Macvlan { mode, .. } => write!(f, "a macvlan in mode {}", macvlan_mode(*mode)),
            Self::Ipvlan(mode) => write!(f, "an ipvlan in mode {}", ipvlan_mode(*mode)),
            Self::Vlan(id) => write!(f, "VLAN {id}"),
            Self::Dummy => f.write_str("a dummy"),
        }
    }
}

impl fmt::Display for ContainerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "create {}, {}",
            LinkRef::container(&self.name),
            self.kind
        )?;
        match &self.parent {
            Some(parent) => write!(f, " on {parent}"),
            None => Ok(()),
        }
    }
}

/// A macvlan's mode, as configurations have it.
pub(super) fn macvlan_mode(mode: MacvlanMode) -> &'static str {
    match mode {
        MacvlanMode::Bridge => "bridge",
        MacvlanMode::Private => "private",
        MacvlanMode::Vepa => "vepa",
        MacvlanMode::Passthru => "passthru",
    }
}

/// An ipvlan's mode, as configurations have it.
pub(super) fn ipvlan_mode(mode: IpvlanMode) -> &'static str {
    match mode {
        IpvlanMode::L2 => "l2",
        IpvlanMode::L3 => "l3",
        IpvlanMode::L3s => "l3s",
    }
}
