//! VLANs of bridge ports.

use std::fmt;

use linkspan_netlink::{Attributes, Message, Request};

use super::link::header;
use super::{CHANGE, DUMP, REQUEST, Rtnl};
use crate::Error;

/// VLANs of a bridge port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgeVlan {
    /// The first.
    pub first: u16,
    /// The last; the same for one VLAN.
    pub last: u16,
    /// How they pass.
    pub flags: VlanFlags,
}

/// How VLANs pass a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlanFlags {
    /// Untagged frames that come in belong to it.
    pub pvid: bool,
    /// Its frames go out untagged.
    pub untagged: bool,
}

// linux/if_bridge.h
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 1 << 1;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 1 << 2;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 1 << 4;
const BRIDGE_VLANDB_ENTRY: u16 = 1;
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;
/// `RTM_GETVLAN`, linux/rtnetlink.h.
const RTM_GETVLAN: u16 = 114;
/// Bytes of `struct br_vlan_msg`.
const HEADER: usize = 8;

impl BridgeVlan {
    /// One VLAN.
    pub fn one(id: u16, flags: VlanFlags) -> Self {
        Self {
            first: id,
            last: id,
            flags,
        }
    }

    pub(super) fn request(&self, kind: u16, port: u32) -> Request {
        let mut request = Request::new(kind, CHANGE);
        let mut header = header(port, 0, 0);
        header[0] = libc::AF_BRIDGE as u8;
        request.header(&header);
        let mut flags = 0;
        if self.flags.pvid {
            flags |= BRIDGE_VLAN_INFO_PVID;
        }
        if self.flags.untagged {
            flags |= BRIDGE_VLAN_INFO_UNTAGGED;
        }
        request.nest(libc::IFLA_AF_SPEC, |spec| {
            let mut info = |flags: u16, id: u16| {
                let [a, b] = flags.to_ne_bytes();
                let [c, d] = id.to_ne_bytes();
                spec.bytes(IFLA_BRIDGE_VLAN_INFO, &[a, b, c, d]);
            };
            if self.first == self.last {
                info(flags, self.first);
            } else {
                info(flags | BRIDGE_VLAN_INFO_RANGE_BEGIN, self.first);
                info(flags | BRIDGE_VLAN_INFO_RANGE_END, self.last);
            }
        });
        request
    }

    fn decode(entry: &Attributes<'_>) -> Option<Self> {
        let info = entry.get(BRIDGE_VLANDB_ENTRY_INFO)?;
        let flags = info.as_u16()?;
        let first = u16::from_ne_bytes(*info.payload.get(2..)?.first_chunk()?);
        let last = entry.get(BRIDGE_VLANDB_ENTRY_RANGE);
        Some(Self {
            first,
            last: last.and_then(|last| last.as_u16()).unwrap_or(first),
            flags: VlanFlags {
                pvid: flags & BRIDGE_VLAN_INFO_PVID != 0,
                untagged: flags & BRIDGE_VLAN_INFO_UNTAGGED != 0,
            },
        })
    }

    /// The VLANs one by one.
    fn each(self) -> impl Iterator<Item = Self> {
        (self.first..=self.last).map(move |id| Self::one(id, self.flags))
    }
}

impl fmt::Display for BridgeVlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "VLAN {}", self.first)
        } else {
            write!(f, "VLANs {} to {}", self.first, self.last)
        }
    }
}

impl Rtnl {
    /// The VLANs that pass the bridge port with this index, one by one; none when the kernel has no VLAN
    /// filtering.
    ///
    /// # Errors
    /// `EINVAL` when the link is neither a bridge nor the port of one.
    ///
    /// # Kernel
    /// Needs 5.6; earlier ones list the VLANs of all ports of all bridges or none.
    pub fn bridge_vlans(&self, port: u32) -> Result<Vec<BridgeVlan>, Error> {
        let mut request = Request::new(RTM_GETVLAN, REQUEST | DUMP);
        let [a, b, c, d] = port.to_ne_bytes();
        request.header(&[libc::AF_BRIDGE as u8, 0, 0, 0, a, b, c, d]);
        let object = format!("VLANs of link {port}");
        match self.dump("list", &object, &request, vlans_of) {
            Ok(found) => Ok(found.into_iter().flatten().collect()),
            Err(error) if error.is_unsupported() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }
}

fn vlans_of(message: &Message<'_>) -> Option<Vec<BridgeVlan>> {
    message.header::<HEADER>()?;
    let entries = Attributes::new(message.attributes(HEADER))
        .filter(|attribute| attribute.kind == BRIDGE_VLANDB_ENTRY);
    let vlans = entries.filter_map(|entry| BridgeVlan::decode(&entry.nested()));
    Some(vlans.flat_map(BridgeVlan::each).collect())
}
