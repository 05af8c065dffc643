//! `tuning` after `bridge`, with the file of replaced settings where it is compared.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};
use crate::chain::after_bridge;

fn tuning(mut keys: Value) -> Case {
    keys["dataDir"] = "/var/lib/cni/tuning".into();
    after_bridge("tuning", keys)
}

/// What needs to be put back.
fn settings() -> Value {
    json!({ "mac": "02:00:00:00:00:01", "promisc": true, "allmulti": true })
}

/// A directory that its owner cannot enter.
const MODE: &str = "the reference makes a directory with mode 600";

/// What a large MTU does.
const LARGE: &str = "the host's end gets a larger MTU as well, and drops nothing (plugins#352)";

fn with_file(keys: Value) -> Case {
    tuning(keys).differs("file /var/lib/cni/tuning = directory", MODE)
}

cases! {
    in_all_versions: with_file(settings()).in_all_versions();
    sysctls: tuning(json!({ "sysctl": { "net.ipv4.conf.eth0.arp_filter": "1", "net.core.somaxconn": "500" } })).and_traffic();
    sysctls_of_the_interface: tuning(json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } }))
        .steps(&[Add("a"), Del("a")]);
    a_sysctl_of_others: tuning(json!({ "sysctl": { "kernel.shmmax": "1" } })).fails(7, "invalid net sysctl key");
    a_sysctl_that_is_not_there: tuning(json!({ "sysctl": { "net.ipv4.nothing": "1" } })).fails(999, "net/ipv4/nothing");
    a_sysctl_with_dots: tuning(json!({ "sysctl": { "net..ipv4.ip_forward": "1" } }));
    mac: with_file(json!({ "mac": "02:00:00:00:00:01" })).and_traffic();
    mac_of_args: with_file(json!({ "mac": "02:00:00:00:00:01", "args": { "cni": { "mac": "02:00:00:00:00:02" } } }));
    mac_of_cni_args: with_file(json!({ "mac": "02:00:00:00:00:01" })).args("IgnoreUnknown=1;MAC=02:00:00:00:00:03");
    mac_of_the_runtime: with_file(json!({ "runtimeConfig": { "mac": "02:00:00:00:00:04" } }));
    a_sysctl_of_several_numbers: tuning(json!({ "sysctl": { "net.ipv4.tcp_rmem": "4096 131072 6291456" } }))
        .fails_with_reference("the kernel writes tabs for spaces");
    mac_in_capitals: with_file(json!({ "mac": "02:00:00:00:00:AB" }))
        .fails_with_reference("the kernel writes small letters");
    a_result_of_another_version: Case::new(json!({ "type": "tuning", "prevResult": {
        "cniVersion": "0.2.0", "ip4": { "ip": "10.22.0.2/16", "gateway": "10.22.0.1" } } })).steps(&[Add("a")])
        .fails_with_reference("its form tells which version it is of");
    mac_that_is_none: tuning(json!({ "mac": "02:00" })).fails(7, "02:00");
    mtu: with_file(json!({ "mtu": 1400 })).and_traffic();
    mtu_large: with_file(json!({ "mtu": 9000 })).and_traffic().differs("node *mtu = ", LARGE);
    promisc_off: tuning(json!({ "promisc": false }));
    allmulti_off: with_file(json!({ "allmulti": false }));
    everything_of_args: with_file(json!({ "args": { "cni": {
        "mac": "02:00:00:00:00:02", "promisc": true, "allmulti": true } } }));
    nothing: tuning(json!({}));
    a_container_that_died: with_file(settings()).steps(&[Add("a"), Lose("a"), DelBare("a")])
        .differs("- file /var/lib/cni/tuning/", "the reference leaves its file when the namespace is gone");
}

#[test]
fn handed_over_to_ours() {
    with_settings().hand_over_to_ours();
}

#[test]
fn handed_over_to_the_reference() {
    with_settings().hand_over_to_reference();
}

fn with_settings() -> Case {
    let steps = [Add("a"), Check("a"), Del("a"), Del("a")];
    tuning(settings())
        .steps(&steps)
        .may_differ("file /var/lib/cni/tuning = directory", MODE)
}
