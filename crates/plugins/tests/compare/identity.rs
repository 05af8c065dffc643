//! Who an attachment is, as runtimes say it: long and unusual names, and calls that come late, again, or with what belongs
//! to somebody else.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};

fn bridge(keys: Value) -> Case {
    let mut config = keys;
    config["type"] = "bridge".into();
    config["isGateway"] = true.into();
    config["ipam"] = json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] });
    Case::new(config)
}

/// `bridge` and `loopback`, in one order or the other.
fn chain(plugins: &[&str]) -> Case {
    let config = |plugin: &&str| match *plugin {
        "bridge" => bridge(json!({})).chain[0].clone(),
        other => json!({ "type": other }),
    };
    Case::chain(&plugins.iter().map(config).collect()).steps(&[Add("a"), Check("a"), Del("a")])
}

/// A plain file where the namespace was: its mount point.
const A_PLAIN_FILE: &str = ": > /run/netns/container-a";

const LEAKS: &str = "the reference leaks its rules when the namespace is gone (plugins#810)";
const LEFT: &str =
    "without a namespace the reference leaves the link of an address that the next one is given";

cases! {
    ifname_at_its_longest: bridge(json!({})).steps(&[Add("a/interface-15chr"), Check("a/interface-15chr"), Del("a/interface-15chr")]);
    ifname_with_dots_and_dashes: bridge(json!({})).steps(&[Add("a/net-1.100_x"), Check("a/net-1.100_x"), Del("a/net-1.100_x")]);
    network_with_dots_and_dashes: bridge(json!({ "name": "my.net-1_x" }));
    network_with_a_long_name: bridge(json!({ "name": "network-0123456789-0123456789-0123456789-0123456789-0123456789",
        "ipMasq": true })).and_traffic();
    container_id_of_64_characters: bridge(json!({ "ipMasq": true })).longer_ids(53).and_traffic();
    container_id_of_500_characters: bridge(json!({})).longer_ids(489)
        .steps(&[Add("a"), Add("b"), Check("a"), Check("b"), Del("a"), Check("b"), Del("b")]);
    container_id_of_500_characters_masqueraded: bridge(json!({ "ipMasq": true })).longer_ids(489)
        .steps(&[Add("a"), Talk("a"), Add("b"), Del("a"), Talk("b"), Del("b")]);
}

// DEL, as runtimes call it late.
cases! {
    del_again_bare_as_containerd_does: bridge(json!({ "ipMasq": true })).steps(&[Add("a"), Del("a"), DelBare("a")]);
    del_bare_of_one_that_lives: bridge(json!({})).steps(&[Add("a"), DelBare("a")])
        .differs("node ", LEFT).differs("container-a ", LEFT);
    del_with_a_plain_file: bridge(json!({})).steps(&[Add("a"), Lose("a"), Run(A_PLAIN_FILE), Del("a"), Del("a")])
        .fails_with_reference("it takes the file for a namespace, and fails for ever");
    del_with_the_result_of_another: bridge(json!({ "ipMasq": true }))
        .steps(&[Add("a"), Add("b"), DelWith("a", "b"), Check("b"), Talk("b"), Del("b")]);
    del_bare_with_masquerade: bridge(json!({ "ipMasq": true })).steps(&[Add("a"), Lose("a"), DelBare("a"), DelBare("a")])
        .differs("the firewall knows", LEAKS);
    del_of_one_of_two: bridge(json!({ "ipMasq": true }))
        .steps(&[Add("a"), Add("b"), Del("a"), Del("a"), DelBare("a"), Check("b"), Talk("b"), Del("b")]);
    del_of_another_interface: bridge(json!({})).steps(&[Add("a"), Del("a/net1"), Check("a"), Talk("a"), Del("a")]);
}

// What an earlier plugin of a chain has done.
cases! {
    after_loopback_in_a_chain: chain(&["loopback", "bridge"]);
    before_loopback_in_a_chain: chain(&["bridge", "loopback"]);
    before_loopback_in_a_chain_of_0_3_1: chain(&["bridge", "loopback"]).version("0.3.1").steps(&[Add("a"), Del("a")]);
    an_earlier_result: bridge(json!({ "prevResult": { "cniVersion": "1.0.0",
        "interfaces": [{ "name": "eth9", "mac": "c2:00:00:00:00:01", "sandbox": "/run/netns/container-a" }],
        "ips": [{ "address": "10.99.0.9/24", "gateway": "10.99.0.1", "interface": 0 }],
        "routes": [{ "dst": "10.98.0.0/16" }], "dns": { "nameservers": ["10.1.1.1"] } } })).steps(&[Add("a"), Del("a")]);
}

// What runtimes write, in the letters that they write it in.
cases! {
    runtime_config_in_other_letters: bridge(json!({ "RuntimeConfig": { "MAC": "c2:11:22:33:44:55", "IPs": ["10.22.5.7/16"] } }));
    runtime_ranges_in_other_letters: Case::new(json!({ "type": "bridge", "IPAM": { "Type": "host-local" }, "runtimeconfig": {
        "IPRanges": [[{ "Subnet": "10.24.0.0/24", "RangeStart": "10.24.0.9" }]] } }));
    args_in_other_letters: bridge(json!({ "ARGS": { "CNI": { "Mac": "c2:11:22:33:44:66", "Ips": ["10.22.5.6"] } } }));
    keys_twice: bridge(json!({ "mtu": 1400, "MTU": 1300 }))
        .differs("mtu = ", "the reference takes the last, ours the one that is spelt as documented");
    arguments_of_kubernetes: bridge(json!({})).args("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;\
        K8S_POD_INFRA_CONTAINER_ID=0123456789abcdef;K8S_POD_UID=0b5e8e10-0000-4000-8000-000000000000");
}
