//! `loopback`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};

fn loopback(keys: Value) -> Case {
    let mut config = keys;
    config["type"] = "loopback".into();
    Case::new(config)
}

/// The interface of a new namespace is down; the test kit's is up.
const DOWN: &str = "ip -n container-a link set lo down";

cases! {
    in_all_versions: loopback(json!({})).in_all_versions()
        .differs("result", "the reference prints the form of 1.0.0 in every version");
    in_the_newest_version: loopback(json!({}));
    from_down_to_up: loopback(json!({})).on_a_host_with(DOWN);
    check_of_one_that_is_down: loopback(json!({})).steps(&[Add("a"), Run(DOWN), Check("a"), Del("a")]).fails(999, "down");
    without_addresses: loopback(json!({})).on_a_host_with("ip -n container-a addr flush dev lo");
    with_another_loopback_address: loopback(json!({})).on_a_host_with("ip -n container-a addr add 127.0.0.9/8 dev lo");
    with_a_foreign_address: loopback(json!({})).on_a_host_with("ip -n container-a addr add 10.9.9.9/32 dev lo")
        .fails(999, "10.9.9.9");
    del_without_namespace: loopback(json!({})).steps(&[Add("a"), Lose("a"), DelBare("a"), Del("a")]);
    as_another_interface: loopback(json!({})).steps(&[Add("a/lo"), Check("a/lo"), Del("a/lo")]);
    with_a_previous_result: loopback(json!({ "prevResult": {
        "cniVersion": "1.0.0", "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/container-a" }],
        "ips": [{ "address": "10.1.2.3/24", "interface": 0 }], "dns": {} } }));
}
