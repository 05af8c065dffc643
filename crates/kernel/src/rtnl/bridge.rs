//! VLANs of bridge ports.

use std::fmt;

use linkspan_netlink::{Attributes, Message, Request};

use super::link::{HEADER, header};
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
/// `RTEXT_FILTER_BRVLAN`, linux/rtnetlink.h.
const FILTER_VLANS: u32 = 1 << 1;

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

    fn decode(flags: u16, id: u16) -> Self {
        let flags = VlanFlags {
            pvid: flags & BRIDGE_VLAN_INFO_PVID != 0,
            untagged: flags & BRIDGE_VLAN_INFO_UNTAGGED != 0,
        };
        Self::one(id, flags)
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
    /// The VLANs that pass the bridge port with this index, one by one.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn bridge_vlans(&self, port: u32) -> Result<Vec<BridgeVlan>, Error> {
        let mut request = Request::new(libc::RTM_GETLINK, REQUEST | DUMP);
        let mut wanted = header(0, 0, 0);
        wanted[0] = libc::AF_BRIDGE as u8;
        request
            .header(&wanted)
            .u32(libc::IFLA_EXT_MASK, FILTER_VLANS);
        let object = format!("VLANs of link {port}");
        let found = self.dump("list", &object, &request, |message| vlans_of(message, port))?;
        Ok(found.into_iter().flatten().collect())
    }
}

fn vlans_of(message: &Message<'_>, port: u32) -> Option<Vec<BridgeVlan>> {
    let header = message.header::<HEADER>()?;
    if u32::from_ne_bytes([header[4], header[5], header[6], header[7]]) != port {
        return None;
    }
    let spec = Attributes::new(message.attributes(HEADER)).get(libc::IFLA_AF_SPEC)?;
    let infos = spec
        .nested()
        .filter(|info| info.kind == IFLA_BRIDGE_VLAN_INFO);
    Some(
        infos
            .filter_map(|info| {
                let &[a, b, c, d] = info.payload.first_chunk()?;
                Some(BridgeVlan::decode(
                    u16::from_ne_bytes([a, b]),
                    u16::from_ne_bytes([c, d]),
                ))
            })
            .collect(),
    )
}
