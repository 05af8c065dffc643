//! `macvlan` with `host-local` and `static`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*, UNDONE};
use crate::handover::REPLACED;

/// A master, somebody behind it, and another one.
const HOST: &str = "ip link add ens1 type veth peer name ens1p; ip link set ens1 up; ip link set ens1p up; \
                    ip addr add 10.22.0.200/16 dev ens1p";

fn with_ipam(keys: Value, ipam: Value) -> Case {
    let mut config = keys;
    config["ipam"] = ipam;
    layer2(config)
}

fn layer2(keys: Value) -> Case {
    let mut config = json!({ "type": "macvlan", "master": "ens1" });
    if let (Some(all), Some(own)) = (config.as_object_mut(), keys.as_object()) {
        all.extend(own.clone());
    }
    Case::new(config)
        .on_a_host_with(HOST)
        .may_differ(
            "container-a link eth0 ifalias = ",
            "the alias tells whose it is",
        )
        .may_differ(
            "container-b link eth0 ifalias = ",
            "the alias tells whose it is",
        )
}

fn macvlan(keys: Value) -> Case {
    with_ipam(
        keys,
        json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }),
    )
}

fn dual_stack(keys: Value) -> Case {
    with_ipam(
        keys,
        json!({ "type": "host-local", "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] }),
    )
}

cases! {
    plain_in_all_versions: macvlan(json!({})).in_all_versions();
    dual_stack_in_all_versions: dual_stack(json!({})).in_all_versions();
    layer2_in_new_versions: layer2(json!({})).versions(&["0.3.0", "0.3.1", "0.4.0", "1.0.0"]);
    layer2_in_old_versions: layer2(json!({})).versions(&["0.1.0", "0.2.0"]).fails(1, "0.3.0")
        .differs("container-a link eth0 ifname", UNDONE).may_differ("", UNDONE);
    dns_in_all_versions: macvlan(json!({ "dns": { "nameservers": ["10.1.1.1"], "search": ["example.org"] } }))
        .in_all_versions();
    dns_of_ipam_is_not_printed: with_ipam(json!({}), json!({ "type": "static",
        "addresses": [{ "address": "10.22.0.2/16" }], "dns": { "nameservers": ["10.1.1.1"] } }));
    bridge: macvlan(json!({ "mode": "bridge" }))
        .steps(&[Run(HOST), Add("a"), Add("b"), Meet("a", "b"), Check("a"), Del("a"), Check("b"), Del("b")]);
    private: macvlan(json!({ "mode": "private" }))
        .steps(&[Run(HOST), Add("a"), Add("b"), Meet("a", "b"), Check("a"), Del("a"), Del("b")]);
    vepa: macvlan(json!({ "mode": "vepa" }))
        .steps(&[Run(HOST), Add("a"), Add("b"), Meet("a", "b"), Check("a"), Del("a"), Del("b")]);
    passthru: macvlan(json!({ "mode": "passthru" }));
    mode_empty: macvlan(json!({ "mode": "" }));
    mtu: macvlan(json!({ "mtu": 1400 }));
    mtu_of_the_master: macvlan(json!({ "mtu": 1500 }));
    mac: macvlan(json!({ "mac": "c2:11:22:33:44:55" }));
    mac_of_the_runtime: macvlan(json!({ "mac": "c2:11:22:33:44:55", "runtimeConfig": { "mac": "c2:11:22:33:44:66" } }));
    mac_of_cni_args: macvlan(json!({ "mac": "c2:11:22:33:44:55" })).args("IgnoreUnknown=1;MAC=c2:11:22:33:44:77");
    master_of_the_default_route: macvlan(json!({ "master": "" }))
        .on_a_host_with("ip link add upl type veth peer name uplp; ip link set upl up; ip addr add 192.0.2.1/24 dev upl; \
            ip route add default via 192.0.2.2");
    two_interfaces: with_ipam(json!({}), json!({ "type": "host-local", "subnet": "10.22.0.0/16" }))
        .steps(&[Run(HOST), Add("a"), Add("a/net1"), Check("a"), Check("a/net1"), Del("a"), Check("a/net1"), Del("a/net1")])
        .may_differ("container-a link net1 ifalias = ", "the alias tells whose it is");
    unknown_keys: macvlan(json!({ "colour": "blue", "args": { "else": 1 } }));
    keys_in_another_case: macvlan(json!({ "MODE": "private", "Mtu": 1400 }));
}

cases! {
    del_before_add: macvlan(json!({})).steps(&[Run(HOST), Del("a")]);
    del_without_namespace: macvlan(json!({})).steps(&[Run(HOST), Add("a"), Lose("a"), DelBare("a"), DelBare("a")]);
    del_after_the_interface_went: macvlan(json!({}))
        .steps(&[Run(HOST), Add("a"), Run("ip -n container-a link del eth0"), Del("a")]);
    existing_interface_in_the_container: macvlan(json!({}))
        .steps(&[Run(HOST), Run("ip link add x type veth peer name eth0 netns container-a"), Add("a")])
        .fails(4, "eth0");
    check_after_the_interface_went: macvlan(json!({}))
        .steps(&[Run(HOST), Add("a"), Run("ip -n container-a link del eth0"), Check("a"), Del("a")]).fails(999, "eth0");
    check_after_the_address_went: macvlan(json!({}))
        .steps(&[Run(HOST), Add("a"), Run("ip -n container-a addr flush dev eth0"), Check("a"), Del("a")])
        .fails(999, "10.22.0.2");
    check_after_the_route_went: macvlan(json!({}))
        .steps(&[Run(HOST), Add("a"), Run("ip -n container-a route del default"), Check("a"), Del("a")]).fails(999, "route");
    check_after_the_mode_changed: macvlan(json!({}))
        .steps(&[Run(HOST), Add("a"), Run("ip -n container-a link set eth0 type macvlan mode vepa"), Check("a"), Del("a")])
        .fails(999, "vepa");
    check_after_the_mac_changed: macvlan(json!({}))
        .steps(&[Run(HOST), Add("a"), Run("ip -n container-a link set eth0 address c2:00:00:00:00:09"), Check("a"), Del("a")])
        .fails(999, "c2:00:00:00:00:09");
    master_that_is_missing: macvlan(json!({ "master": "eth7" })).steps(&[Run(HOST), Add("a")]).fails(7, "eth7");
    master_that_is_a_port: macvlan(json!({}))
        .steps(&[Run(HOST), Run("ip link add br7 type bridge; ip link set ens1 master br7"), Add("a")]).fails(999, "br7");
    mtu_negative: macvlan(json!({ "mtu": -100 })).steps(&[Run(HOST), Add("a")])
        .fails(7, "invalid MTU -100, must be [0, master MTU(1500)]");
    mtu_above_the_masters: macvlan(json!({ "mtu": 1501 })).steps(&[Run(HOST), Add("a")]).fails(7, "1501");
    mode_unknown: macvlan(json!({ "mode": "public" })).steps(&[Run(HOST), Add("a")]).fails(7, "public");
    mac_malformed: macvlan(json!({ "mac": "c2:11" })).steps(&[Run(HOST), Add("a")]).fails(7, "c2:11");
    mac_of_a_group: macvlan(json!({ "mac": "01:11:22:33:44:55" })).steps(&[Run(HOST), Add("a")]).fails(7, "01:11");
    ipam_that_does_not_exist: with_ipam(json!({}), json!({ "type": "nonesuch" }))
        .steps(&[Run(HOST), Add("a"), Del("a")]).fails(5, "nonesuch");
    route_that_leads_nowhere: with_ipam(json!({}), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }] }))
        .steps(&[Run(HOST), Add("a"), Del("a")]).fails(999, "172.31.0.1")
        .may_differ("promiscuity", "the reference leaves the link behind");
}

fn then_replaced() -> Case {
    macvlan(json!({})).steps(&[&[Run(HOST)], REPLACED.as_slice()].concat())
}

#[test]
fn ours_takes_over() {
    then_replaced().hand_over_to_ours();
}

#[test]
fn the_reference_takes_over() {
    then_replaced().hand_over_to_reference();
}
