//! `host-device`, whose device is one end of a wire.

use serde_json::{Value, json};

use crate::case::{Case, Step, Step::*};

/// A device, and a neighbour at the other end of its wire.
const HOST: &str = "ip link add nic0 address 02:00:00:00:00:d1 type veth peer name wire address 02:00:00:00:00:d2; \
                    ip link set nic0 up; ip link set wire up; ip addr add 10.22.0.1/16 dev wire";

fn with_ipam(keys: Value, ipam: Value) -> Case {
    let mut config = keys;
    config["type"] = "host-device".into();
    config["ipam"] = ipam;
    Case::new(config).steps(&[Run(HOST), Add("a"), Check("a"), Del("a")])
}

fn host_local(keys: Value) -> Case {
    with_ipam(
        keys,
        json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }),
    )
}

fn nic0() -> Case {
    host_local(json!({ "device": "nic0" }))
}

fn dual_stack() -> Case {
    with_ipam(
        json!({ "device": "nic0", "dns": { "nameservers": ["10.1.1.1"] } }),
        json!({ "type": "host-local", "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] }),
    )
}

fn layer2(keys: Value) -> Case {
    let mut config = keys;
    config["type"] = "host-device".into();
    Case::new(config).steps(&[Run(HOST), Add("a"), Del("a")])
}

/// After the host was made ready, these steps.
fn then(case: Case, steps: &[Step]) -> Case {
    case.steps(&[&[Run(HOST)], steps].concat())
}

const NO_LINK: &str = "the reference fails when there is no link of this name";
const KEEPS: &str = "what an ADD that fails has moved stays in the container with the reference";

cases! {
    plain_in_all_versions: nic0().in_all_versions();
    dual_stack_in_all_versions: dual_stack().in_all_versions();
    without_ipam_in_all_versions: layer2(json!({ "device": "nic0" })).versions(&["0.3.0", "0.3.1", "0.4.0", "1.0.0"]);
    by_mac: host_local(json!({ "hwaddr": "02:00:00:00:00:d1" }));
    by_mac_in_capitals: host_local(json!({ "HWADDR": "02:00:00:00:00:D1" }));
    by_name_rather_than_mac: host_local(json!({ "device": "nic0", "hwaddr": "02:00:00:00:00:ee" }));
    dns_of_ipam: with_ipam(json!({ "device": "nic0" }), json!({ "type": "static",
        "addresses": [{ "address": "10.22.0.2/16" }], "dns": { "nameservers": ["10.1.1.1"] } }));
    two_devices: then(nic0(), &[Add("a"), Check("a"), Del("a"), Add("b"), Check("b"), Del("b")]);
    del_before_add: then(nic0(), &[Del("a")]).differs("exit status", NO_LINK);
    del_again: then(nic0(), &[Add("a"), Del("a"), Del("a")]).differs("exit status", NO_LINK);
    check_after_the_address_went: then(nic0(), &[Add("a"), Run("ip -n container-a addr flush dev eth0"), Check("a"), Del("a")])
        .fails(999, "10.22.0.2");
    check_after_the_route_went: then(nic0(), &[Add("a"), Run("ip -n container-a route del default"), Check("a"), Del("a")])
        .fails(999, "route");
    no_device: layer2(json!({})).fails(7, "specify either");
    another_device: layer2(json!({ "device": "nic7" })).fails(999, "nic7");
    another_mac: layer2(json!({ "hwaddr": "02:00:00:00:00:99" })).fails(999, "02:00:00:00:00:99");
    existing_interface_in_the_container: layer2(json!({ "device": "nic0" }))
        .steps(&[Run(HOST), Run("ip link add x type veth peer name eth0 netns container-a"), Add("a")])
        .fails(4, "eth0").differs_from_debian("node link nic0 ifname", KEEPS).may_differ("", KEEPS);
    route_that_leads_nowhere: with_ipam(json!({ "device": "nic0" }), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }] })).steps(&[Run(HOST), Add("a")])
        .fails(999, "172.31.0.1").differs("node link nic0 ifname", KEEPS).may_differ("", KEEPS);
}

/// What is done when the plugins have been replaced under a running container.
const REPLACED: [Step; 4] = [Add("a"), Check("a"), Del("a"), Add("a")];

#[test]
fn ours_takes_over() {
    then(nic0(), &REPLACED).hand_over_to_ours();
}

#[test]
fn the_reference_takes_over() {
    then(nic0(), &REPLACED).hand_over_to_reference();
}
