//! VLANs of bridge ports.

use linkspan_kernel::rtnl::{BridgeVlan, Change, Kind, LinkChange, LinkData, NewLink, VlanFlags};
use linkspan_testkit::{Feature, needs, sandbox};

use super::{cable, host_socket};

const NATIVE: VlanFlags = VlanFlags {
    pvid: true,
    untagged: true,
};

#[test]
fn vlans_pass_a_port_one_by_one_and_in_ranges() {
    needs(&[Feature::BridgeVlanFiltering]).sandbox(|host| {
        let rtnl = host_socket();
        let (port, other) = cable(&rtnl);
        let kind = Kind::Bridge {
            vlan_filtering: true,
        };
        let bridge = rtnl.create_link(&NewLink::new("br0", kind)).unwrap();
        let data = rtnl.link("br0").unwrap().data;
        assert_eq!(
            data,
            LinkData::Bridge {
                vlan_filtering: true,
                default_pvid: 1
            }
        );
        for link in [port.index, other.index] {
            let change = LinkChange {
                master: Some(bridge.index),
                ..LinkChange::default()
            };
            rtnl.change(Change::SetLink(link, change)).unwrap();
        }
        assert_eq!(
            rtnl.bridge_vlans(port.index).unwrap(),
            [BridgeVlan::one(1, NATIVE)]
        );
        let tagged = VlanFlags::default();
        let range = BridgeVlan {
            first: 100,
            last: 1099,
            flags: tagged,
        };
        let changes = [
            Change::AddBridgeVlan(port.index, BridgeVlan::one(7, NATIVE)),
            Change::AddBridgeVlan(port.index, range),
            Change::DeleteBridgeVlan(port.index, BridgeVlan::one(1, VlanFlags::default())),
        ];
        for outcome in rtnl.commit(&changes).unwrap() {
            outcome.unwrap();
        }
        let mut wanted = vec![BridgeVlan::one(7, NATIVE)];
        wanted.extend((100..=1099).map(|id| BridgeVlan::one(id, tagged)));
        assert_eq!(rtnl.bridge_vlans(port.index).unwrap(), wanted);
        assert_eq!(
            rtnl.bridge_vlans(other.index).unwrap(),
            [BridgeVlan::one(1, NATIVE)]
        );
        let shown = host.run("bridge -compressvlans vlan show dev a0");
        assert!(
            shown.contains("100-1099") && shown.contains("7 PVID Egress Untagged"),
            "{shown}"
        );

        rtnl.change(Change::DeleteBridgeVlan(port.index, range))
            .unwrap();
        assert_eq!(
            rtnl.bridge_vlans(port.index).unwrap(),
            [BridgeVlan::one(7, NATIVE)]
        );
        let lo = rtnl.link("lo").unwrap().index;
        let error = rtnl.bridge_vlans(lo).unwrap_err();
        assert_eq!(error.errno(), Some(22), "{error}");
    });
}

#[test]
fn a_bridge_that_does_not_tell_vlans_apart_is_no_failure() {
    sandbox(|host| {
        let rtnl = host_socket();
        let (port, _) = cable(&rtnl);
        host.run("ip link add br0 type bridge; ip link set a0 master br0");
        // With VLAN filtering in the kernel each port has the default VLAN, without it none.
        assert!(rtnl.bridge_vlans(port.index).unwrap().len() <= 1);
    });
}
