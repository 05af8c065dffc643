//! The VLANs of a bridge port.

use std::fmt;

use linkspan_kernel::Error as KernelError;
use linkspan_kernel::rtnl::{BridgeVlan, Change, Rtnl, VlanFlags};
use linkspan_plugin::Undo;
use linkspan_spec::Error;

use crate::difference::{Difference, listed, unless};
use crate::fault::{explain, explain_step};
use crate::link::On;
use crate::namespaces::Namespaces;
use crate::object::{Made, Object};

/// The VLANs of a bridge port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortVlans {
    /// The VLAN of untagged frames.
    pub native: Option<u16>,
    /// The VLANs of tagged frames.
    pub tagged: Vec<u16>,
    /// The VLANs that the bridge gave the port by itself are taken away.
    pub without_default: bool,
}

impl fmt::Display for On<PortVlans> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(port, PortVlans { native, tagged, .. }) = self;
        let native = native.map(|vlan| format!("{vlan} untagged"));
        let tagged = (!tagged.is_empty()).then(|| format!("{} tagged", listed_ranges(tagged)));
        let vlans: Vec<String> = native.into_iter().chain(tagged).collect();
        write!(f, "let VLANs pass {port}: {}", vlans.join(", "))
    }
}

impl Object for On<PortVlans> {
    fn differences(&self, namespaces: &Namespaces) -> Result<Vec<Difference>, Error> {
        let Self(port, wanted) = self;
        let Some(link) = namespaces.link_if_there(port)? else {
            return Ok(Vec::new());
        };
        let rtnl = namespaces.side(port.place)?.rtnl();
        let found = rtnl.bridge_vlans(link.index).map_err(explain)?;
        let native = found
            .iter()
            .find(|vlan| vlan.flags.pvid)
            .map(|vlan| vlan.first);
        let passes = |id: &u16| {
            found
                .iter()
                .any(|vlan| (vlan.first..=vlan.last).contains(id))
        };
        let show = |id: Option<u16>| id.map_or("none".to_owned(), |id| format!("VLAN {id}"));
        let native_is_right = wanted.native.is_none() || native == wanted.native;
        let object = format!("the native VLAN of {port}");
        let mut differences = unless(native_is_right, object, show(wanted.native), show(native));
        for id in wanted.tagged.iter().filter(|id| !passes(id)) {
            let object = format!("VLAN {id} on {port}");
            differences.extend(unless(false, object, "it passes", "it does not"));
        }
        Ok(differences)
    }
}

impl Made for On<PortVlans> {
    fn make<'a>(&self, namespaces: &'a Namespaces, _undo: &mut Undo<'a>) -> Result<(), Error> {
        let Self(port, wanted) = self;
        let index = namespaces.link(port)?.index;
        wanted
            .set(index, namespaces.side(port.place)?.rtnl())
            .map_err(|error| explain_step(self, &error))
    }
}

impl PortVlans {
    /// Has these VLANs pass the port with this index.
    pub(crate) fn set(&self, port: u32, rtnl: &Rtnl) -> Result<(), KernelError> {
        let mut changes = Vec::new();
        if self.without_default {
            let is_wanted = |vlan: &BridgeVlan| {
                self.native == Some(vlan.first) || self.tagged.contains(&vlan.first)
            };
            let there = rtnl.bridge_vlans(port)?.into_iter();
            let others = there.filter(|vlan| !is_wanted(vlan));
            changes.extend(others.map(|vlan| Change::DeleteBridgeVlan(port, vlan)));
        }
        let native = VlanFlags {
            pvid: true,
            untagged: true,
        };
        let vlans = ranges(&self.tagged)
            .into_iter()
            .map(|(first, last)| BridgeVlan {
                first,
                last,
                flags: VlanFlags::default(),
            })
            .chain(self.native.map(|vlan| BridgeVlan::one(vlan, native)));
        changes.extend(vlans.map(|vlan| Change::AddBridgeVlan(port, vlan)));
        rtnl.commit(&changes)?.into_iter().collect()
    }
}

/// Ascending numbers as ranges of neighbours.
fn ranges(numbers: &[u16]) -> Vec<(u16, u16)> {
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *number => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

fn listed_ranges(numbers: &[u16]) -> String {
    let range = |(first, last): (u16, u16)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    listed(ranges(numbers).into_iter().map(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_vlans_travel_as_ranges() {
        assert_eq!(ranges(&[]), []);
        assert_eq!(ranges(&[5]), [(5, 5)]);
        assert_eq!(ranges(&[1, 2, 3, 7, 9, 10]), [(1, 3), (7, 7), (9, 10)]);
    }
}
