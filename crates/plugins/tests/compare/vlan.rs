//! VLANs of `bridge`, and the isolation of its ports, which the kernel of a virtual machine has.

use linkspan_testkit::{Feature, rows};
use serde_json::{Value, json};

use crate::case::{Case, Step::*, compare_together};

fn bridge(keys: Value) -> Case {
    let mut config = keys;
    config["ipam"] = json!({ "type": "host-local", "subnet": "10.22.0.0/16" });
    layer2(config)
}

const DEAF: &str =
    "what holds the gateway's address listens to no router advertisements, as the bridge does not";

fn layer2(keys: Value) -> Case {
    let mut config = keys;
    config["type"] = "bridge".into();
    Case::new(config)
}

const NO_TRUNK: &str = "1.1.1 does not know vlanTrunk";
const NO_IPAM: &str = "the reference cannot CHECK without ipam";
const DEFAULT_VLAN: &str =
    "1.1.1 leaves the bridge's default VLAN on the port, as preserveDefaultVlan does";

#[test]
fn access_vlans() {
    let preserved = || json!({ "vlan": 100, "preserveDefaultVlan": true });
    compare_together(
        &[Feature::BridgeVlanFiltering],
        &rows! {
            ("vlan", bridge(json!({ "vlan": 100 })).differs_from_debian(" vlan ", DEFAULT_VLAN)),
            ("vlan, default preserved", bridge(preserved())),
            ("vlan 0", bridge(json!({ "vlan": 0, "isGateway": true }))),
            ("two ports of a VLAN", bridge(preserved()).steps(&[Add("a"), Add("b"), Check("b"), Meet("a", "b"), Del("a"), Del("b")])),
            ("without ipam", layer2(preserved()).differs("exit status", NO_IPAM)),
            (
                "isolated ports",
                bridge(json!({ "portIsolation": true, "isGateway": true }))
                    .steps(&[Add("a"), Add("b"), Check("a"), Del("a"), Del("b")])
                    .differs_from_debian("isolated = ", "1.1.1 does not know portIsolation"),
            ),
        },
    );
}

#[test]
fn gateways_in_a_vlan() {
    let keys = || json!({ "vlan": 100, "isGateway": true, "preserveDefaultVlan": true });
    compare_together(
        &[Feature::BridgeVlanFiltering],
        &[
            (
                "gateway",
                bridge(keys()).steps(&[
                    Add("a"),
                    Talk("a"),
                    Check("a"),
                    Add("b"),
                    Meet("a", "b"),
                    Del("a"),
                    Del("b"),
                ])
                .differs("sysctl ipv6/conf/cni0.100/accept_ra", DEAF),
            ),
            (
                "another address on the bridge itself",
                bridge(keys()).on_a_host_with(
                    "ip link add cni0 type bridge vlan_filtering 1; ip address add 192.168.7.1/24 dev cni0",
                )
                .differs("sysctl ipv6/conf/cni0.100/accept_ra", DEAF),
            ),
        ],
    );
}

#[test]
fn trunks() {
    let trunk = |keys: Value| bridge(keys).differs_from_debian("vlan", NO_TRUNK);
    compare_together(
        &[Feature::BridgeVlanFiltering],
        &rows! {
            ("single", trunk(json!({ "vlanTrunk": [{ "id": 101 }, { "id": 200 }] }))),
            ("range", trunk(json!({ "vlanTrunk": [{ "minID": 100, "maxID": 105 }] }))),
            ("both", trunk(json!({ "vlanTrunk": [{ "id": 101 }, { "minID": 100, "maxID": 105 }, { "id": 4094 }] }))),
            ("empty", trunk(json!({ "vlanTrunk": [] }))),
            ("beside an access VLAN", trunk(json!({ "vlan": 7, "vlanTrunk": [{ "id": 101 }] }))),
        },
    );
}
