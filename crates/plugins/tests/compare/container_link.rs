//! `vlan` and `ipvlan`, whose interfaces the kernel of a virtual machine has.

use linkspan_testkit::{Feature, rows};
use serde_json::{Value, json};

use crate::case::{Case, Step, Step::*, compare_together};

/// A master, and somebody behind it.
const HOST: &str = "ip link add ens1 type veth peer name ens1p; ip link set ens1 up; ip link set ens1p up; \
                    ip addr add 10.22.0.200/16 dev ens1p";

fn with_ipam(plugin: &str, keys: Value, ipam: Value) -> Case {
    let mut config = json!({ "type": plugin, "master": "ens1", "ipam": ipam });
    if let (Some(all), Some(own)) = (config.as_object_mut(), keys.as_object()) {
        all.extend(own.clone());
    }
    Case::new(config)
        .steps(&[Run(HOST), Add("a"), Check("a"), Del("a"), Del("a")])
        .may_differ(
            "container-* link eth0 ifalias = ",
            "the alias tells whose it is",
        )
}

fn host_local(plugin: &str, keys: Value) -> Case {
    let ipam = json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] });
    with_ipam(plugin, keys, ipam)
}

fn dual_stack(plugin: &str, keys: Value) -> Case {
    let ipam = json!({ "type": "host-local",
        "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] });
    with_ipam(plugin, keys, ipam)
}

/// After the host was made ready, these steps.
fn then(case: Case, steps: &[Step]) -> Case {
    case.steps(&[&[Run(HOST)], steps].concat())
}

/// A result's oldest form and its newest. That both implementations mean the same by those in between is seen where it
/// takes no virtual machine.
const FORMS: [&str; 2] = ["0.2.0", "1.0.0"];

const LEAVES: &str = "the reference leaves the link behind when a later step fails";
const FINDS_MASTER: &str = "the reference's CHECK looks for a master without a name";

fn vlan(keys: Value) -> Case {
    let mut all = json!({ "vlanId": 100 });
    if let (Some(all), Some(own)) = (all.as_object_mut(), keys.as_object()) {
        all.extend(own.clone());
    }
    host_local("vlan", all)
}

#[test]
fn vlan_in_the_oldest_form_and_the_newest() {
    let both = dual_stack(
        "vlan",
        json!({ "vlanId": 100, "dns": { "nameservers": ["10.1.1.1"] } }),
    );
    compare_together(
        &[Feature::Vlan],
        &[("both families", both.versions(&FORMS))],
    );
}

#[test]
fn keys_of_vlan() {
    compare_together(
        &[Feature::Vlan],
        &rows! {
            ("the lowest", vlan(json!({ "vlanId": 0 }))),
            ("the highest", vlan(json!({ "vlanId": 4094 }))),
            ("MTU", vlan(json!({ "mtu": 1400 }))),
            ("MTU of the master", vlan(json!({ "mtu": 1500 }))),
            ("in another case", host_local("vlan", json!({ "VLANID": 7, "Mtu": 1400 }))),
            (
                "DNS of IPAM",
                with_ipam(
                    "vlan",
                    json!({ "vlanId": 100 }),
                    json!({ "type": "static",
                    "addresses": [{ "address": "10.22.0.2/16" }], "dns": { "nameservers": ["10.1.1.1"] } }),
                ),
            ),
            ("two VLANs of a container", then(vlan(json!({})), &[Add("a"), Check("a"), Del("a"), Add("b"), Del("b")])),
        },
    );
}

#[test]
fn vlan_when_something_is_wrong() {
    compare_together(
        &[Feature::Vlan],
        &rows! {
            ("without a master", then(vlan(json!({ "master": null })), &[Add("a")]).fails(7, "master")),
            ("another master", then(vlan(json!({ "master": "eth7" })), &[Add("a")]).fails(7, "eth7")),
            ("ID too high", then(vlan(json!({ "vlanId": 4095 })), &[Add("a")]).fails(7, "vlanId")),
            ("MTU too large", then(vlan(json!({ "mtu": 1501 })), &[Add("a")]).fails(7, "1501")),
            ("the second of a VLAN", then(vlan(json!({})), &[Add("a"), Add("b"), Check("a"), Del("a")]) .fails(999, "VLAN 100")),
            (
                "a route that leads nowhere",
                then(
                    with_ipam(
                        "vlan",
                        json!({ "vlanId": 100 }),
                        json!({ "type": "host-local", "subnet": "10.22.0.0/16",
                        "routes": [{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }] }),
                    ),
                    &[Add("a"), Del("a")],
                )
                .fails(999, "172.31.0.1")
                .may_differ("link ens1", LEAVES),
            ),
            (
                "CHECK after the MTU changed",
                then(
                    vlan(json!({ "mtu": 1400 })),
                    &[
                        Add("a"),
                        Run("ip -n container-a link set eth0 mtu 1300"),
                        Check("a"),
                        Del("a"),
                    ],
                )
                .fails(999, "1300"),
            ),
            (
                "CHECK after the route went",
                then(
                    vlan(json!({})),
                    &[
                        Add("a"),
                        Run("ip -n container-a route del default"),
                        Check("a"),
                        Del("a"),
                    ],
                )
                .fails(999, "route"),
            ),
            ("DEL after the interface went", then(vlan(json!({})), &[Add("a"), Run("ip -n container-a link del eth0"), Del("a")])),
            ("DEL without the namespace", then(vlan(json!({})), &[Add("a"), Lose("a"), DelBare("a"), DelBare("a")])),
        },
    );
}

fn ipvlan(keys: Value) -> Case {
    host_local("ipvlan", keys)
}

#[test]
fn ipvlan_in_the_oldest_form_and_the_newest() {
    let both = dual_stack("ipvlan", json!({ "dns": { "nameservers": ["10.1.1.1"] } }));
    compare_together(
        &[Feature::Ipvlan],
        &[("both families", both.versions(&FORMS))],
    );
}

#[test]
fn keys_of_ipvlan() {
    let pair = [
        Add("a"),
        Add("b"),
        Meet("a", "b"),
        Check("a"),
        Del("a"),
        Check("b"),
        Del("b"),
    ];
    compare_together(
        &[Feature::Ipvlan],
        &rows! {
            ("l2", then(ipvlan(json!({ "mode": "l2" })), &pair)),
            ("l3", then(ipvlan(json!({ "mode": "l3" })), &pair)),
            ("l3s", then(ipvlan(json!({ "mode": "l3s" })), &pair)),
            ("empty mode", ipvlan(json!({ "mode": "" }))),
            ("MTU", ipvlan(json!({ "mtu": 1400 }))),
            ("master of the default route", then(ipvlan(json!({ "master": "" })), &[Run("ip route add default dev ens1"), Add("a"), Del("a")])),
            (
                "CHECK without a master",
                then(
                    ipvlan(json!({ "master": "" })),
                    &[
                        Run("ip route add default dev ens1"),
                        Add("a"),
                        Check("a"),
                        Del("a"),
                    ],
                )
                .may_differ("exit status", FINDS_MASTER),
            ),
        },
    );
}

#[test]
fn ipvlan_when_something_is_wrong() {
    compare_together(
        &[Feature::Ipvlan, Feature::Macvlan],
        &rows! {
            ("another master", then(ipvlan(json!({ "master": "eth7" })), &[Add("a")]).fails(7, "eth7")),
            ("no default route", then(ipvlan(json!({ "master": null })), &[Add("a")]).fails(7, "default route")),
            ("another mode", then(ipvlan(json!({ "mode": "l4" })), &[Add("a")]).fails(7, "l4")),
            (
                "a macvlan on the master",
                then(
                    ipvlan(json!({})),
                    &[
                        Run("ip link add link ens1 name m0 type macvlan mode bridge"),
                        Add("a"),
                    ],
                )
                .fails(999, "macvlan"),
            ),
            (
                "CHECK after the mode changed",
                then(
                    ipvlan(json!({})),
                    &[
                        Add("a"),
                        Run("ip -n container-a link set eth0 type ipvlan mode l3"),
                        Check("a"),
                        Del("a"),
                    ],
                )
                .fails(999, "l3"),
            ),
            (
                "CHECK after the address went",
                then(
                    ipvlan(json!({})),
                    &[
                        Add("a"),
                        Run("ip -n container-a addr flush dev eth0"),
                        Check("a"),
                        Del("a"),
                    ],
                )
                .fails(999, "10.22.0.2"),
            ),
            ("DEL without the namespace", then(ipvlan(json!({})), &[Add("a"), Lose("a"), DelBare("a"), DelBare("a")])),
        },
    );
}
