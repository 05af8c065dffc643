//! VLANs of bridge ports.

use std::fmt;
use std::io;

use linkspan_netlink::{Attributes, Message, Request};

use super::{CHANGE, DUMP, REQUEST, Rtnl, link};
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
/// `IFLA_EXT_MASK`: what is to be told too, `RTEXT_FILTER_BRVLAN` (linux/rtnetlink.h).
const WITH_VLANS: u32 = 1 << 1;
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
        request.header(&bridge_header(port));
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
        let one = Self::from_info(entry.get(BRIDGE_VLANDB_ENTRY_INFO)?.payload)?;
        let last = entry.get(BRIDGE_VLANDB_ENTRY_RANGE);
        Some(Self {
            last: last.and_then(|last| last.as_u16()).unwrap_or(one.first),
            ..one
        })
    }

    /// Of `struct bridge_vlan_info`.
    fn from_info(info: &[u8]) -> Option<Self> {
        let flags = u16::from_ne_bytes(*info.first_chunk()?);
        let id = u16::from_ne_bytes(*info.get(2..)?.first_chunk()?);
        let flags = VlanFlags {
            pvid: flags & BRIDGE_VLAN_INFO_PVID != 0,
            untagged: flags & BRIDGE_VLAN_INFO_UNTAGGED != 0,
        };
        Some(Self::one(id, flags))
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
    /// Before 5.6 it cannot be asked for one port, and those of all are listed.
    pub fn bridge_vlans(&self, port: u32) -> Result<Vec<BridgeVlan>, Error> {
        match self.vlans_of_port(port) {
            Err(error) if error.is_unsupported() => self.vlans_among_all(port),
            found => found,
        }
    }

    fn vlans_of_port(&self, port: u32) -> Result<Vec<BridgeVlan>, Error> {
        let mut request = Request::new(RTM_GETVLAN, REQUEST | DUMP);
        let [a, b, c, d] = port.to_ne_bytes();
        request.header(&[libc::AF_BRIDGE as u8, 0, 0, 0, a, b, c, d]);
        let found = self.dump("list", &object(port), &request, vlans_of)?;
        Ok(found.into_iter().flatten().collect())
    }

    fn vlans_among_all(&self, port: u32) -> Result<Vec<BridgeVlan>, Error> {
        let mut request = Request::new(libc::RTM_GETLINK, REQUEST | DUMP);
        request
            .header(&bridge_header(0))
            .u32(libc::IFLA_EXT_MASK, WITH_VLANS);
        let of_port = |message: &Message<'_>| vlans_of_link(message, port);
        let found = self.dump("list", &object(port), &request, of_port)?;
        let vlans = found.into_iter().next().ok_or_else(|| {
            let error = io::Error::from_raw_os_error(libc::EINVAL);
            Error::new("list", object(port), error)
        })?;
        Ok(vlans)
    }
}

fn object(port: u32) -> String {
    format!("VLANs of link {port}")
}

/// `struct ifinfomsg` of the bridge's own family.
fn bridge_header(index: u32) -> [u8; link::HEADER] {
    let mut header = link::header(index, 0, 0);
    header[0] = libc::AF_BRIDGE as u8;
    header
}

pub(crate) fn vlans_of(message: &Message<'_>) -> Option<Vec<BridgeVlan>> {
    message.header::<HEADER>()?;
    let entries = Attributes::new(message.attributes(HEADER))
        .filter(|attribute| attribute.kind == BRIDGE_VLANDB_ENTRY);
    let vlans = entries.filter_map(|entry| BridgeVlan::decode(&entry.nested()));
    Some(vlans.flat_map(BridgeVlan::each).collect())
}

/// The VLANs of a link, when the message is about it: each VLAN has an entry of its own, unless ranges are asked for.
pub(crate) fn vlans_of_link(message: &Message<'_>, port: u32) -> Option<Vec<BridgeVlan>> {
    let header = message.header::<{ link::HEADER }>()?;
    if *header.get(4..)?.first_chunk()? != port.to_ne_bytes() {
        return None;
    }
    let attributes = Attributes::new(message.attributes(link::HEADER));
    let Some(family) = attributes.get(libc::IFLA_AF_SPEC) else {
        return Some(Vec::new());
    };
    let entries = family
        .nested()
        .filter(|attribute| attribute.kind == IFLA_BRIDGE_VLAN_INFO);
    let vlans = entries.filter_map(|entry| BridgeVlan::from_info(entry.payload));
    Some(vlans.collect())
}

#[cfg(test)]
mod tests {
    use linkspan_testkit::{Feature, needs};

    use super::*;

    #[test]
    fn both_ways_to_ask_have_the_same_answer() {
        needs(&[Feature::BridgeVlanFiltering]).sandbox(|host| {
            host.run("ip link add br0 type bridge vlan_filtering 1");
            for (port, peer) in [("a0", "b0"), ("a1", "b1")] {
                host.run(&format!(
                    "ip link add {port} type veth peer name {peer}; ip link set {port} master br0"
                ));
            }
            host.run(
                "bridge vlan add dev a1 vid 7 pvid untagged; bridge vlan add dev a1 vid 100-2000",
            );
            let rtnl = Rtnl::open().unwrap();
            for (name, count) in [("a0", 1), ("a1", 1903), ("br0", 1)] {
                let index = rtnl.link(name).unwrap().index;
                let among_all = rtnl.vlans_among_all(index).unwrap();
                assert_eq!(among_all.len(), count, "{name}");
                match rtnl.vlans_of_port(index) {
                    Err(error) => assert!(error.is_unsupported(), "before 5.6: {error}"),
                    asked => assert_eq!(asked.unwrap(), among_all, "{name}"),
                }
            }
            let lo = rtnl.link("lo").unwrap().index;
            let error = rtnl.vlans_among_all(lo).unwrap_err();
            assert_eq!(error.errno(), Some(libc::EINVAL), "{error}");
        });
    }
}
