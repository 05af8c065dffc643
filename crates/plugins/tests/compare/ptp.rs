//! `ptp` with `host-local` and `static`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};
use crate::handover::{LOST, REPLACED};

fn with_ipam(keys: Value, ipam: Value) -> Case {
    let mut config = keys;
    config["type"] = "ptp".into();
    config["ipam"] = ipam;
    Case::new(config)
}

fn ptp(keys: Value) -> Case {
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
    .differs("/accept_dad = ", "nobody else is on the link, and its ends can be used at once (plugins#680)")
}

fn ipv6_only(keys: Value) -> Case {
    with_ipam(
        keys,
        json!({ "type": "host-local", "subnet": "fd00:22::/64", "routes": [{ "dst": "::/0" }] }),
    )
    .differs(
        "/accept_dad = ",
        "nobody else is on the link, and its ends can be used at once (plugins#680)",
    )
}

/// What fails before the host forwards for it.
fn fails_first(case: Case) -> Case {
    case.differs(
        "forward",
        "the reference switches forwarding on before it fails",
    )
    .differs(
        "/accept_redirects = ",
        "the kernel changes it with forwarding",
    )
}

fn fixed(addresses: Value) -> Case {
    with_ipam(
        json!({}),
        json!({ "type": "static", "addresses": addresses }),
    )
}

// Results, in every version.
cases! {
    plain_in_all_versions: ptp(json!({})).in_all_versions();
    dual_stack_in_all_versions: dual_stack(json!({})).in_all_versions();
    ipv6_only_in_all_versions: ipv6_only(json!({})).in_all_versions();
    dns_in_all_versions: ptp(json!({ "dns": { "nameservers": ["10.1.1.1"], "search": ["example.org"] } })).in_all_versions();
    failure_in_all_versions: with_ipam(json!({}), json!({ "type": "host-local" })).in_all_versions().fails(7, "range");
}

// Each key by itself.
cases! {
    traffic: dual_stack(json!({})).and_traffic();
    ip_masq: ptp(json!({ "ipMasq": true })).and_traffic();
    ip_masq_dual_stack: dual_stack(json!({ "ipMasq": true })).and_traffic();
    mtu: ptp(json!({ "mtu": 1400 }));
    mtu_negative: ptp(json!({ "mtu": -100 }));
    mtu_large: ptp(json!({ "mtu": 9000 }));
    dns_of_ipam_is_kept: with_ipam(json!({}), json!({ "type": "static", "addresses": [{ "address": "10.22.0.2/16",
        "gateway": "10.22.0.1" }], "dns": { "nameservers": ["10.1.1.1"] } }));
    unknown_keys: ptp(json!({ "colour": "blue", "args": { "else": 1 } }));
    keys_in_another_case: ptp(json!({ "IPMASQ": true, "Mtu": 1400 }));
    routes: with_ipam(json!({}), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "192.168.0.0/16", "gw": "10.22.0.1" }, { "dst": "172.16.0.0/12" }] }))
        // 1.1.1's CHECK does not find a route without a gateway.
        .steps(&[Add("a"), Del("a")]);
    several_addresses: fixed(json!([{ "address": "10.22.0.2/16", "gateway": "10.22.0.1" },
        { "address": "10.23.0.2/24", "gateway": "10.23.0.1" }]));
    a_subnet_of_two: fixed(json!([{ "address": "10.22.0.2/30", "gateway": "10.22.0.1" }]));
    two_of_a_subnet: fixed(json!([{ "address": "10.22.0.2/31", "gateway": "10.22.0.3" }]));
}

// Several attachments, and what others have left.
cases! {
    two_containers: dual_stack(json!({}))
        .steps(&[Add("a"), Add("b"), Meet("a", "b"), Check("a"), Check("b"), Del("a"), Check("b"), Del("b")]);
    masquerading_spares_neighbours: ptp(json!({ "ipMasq": true }))
        .steps(&[Add("a"), Add("b"), Meet("a", "b"), Meet("b", "a"), Del("a"), Del("b")]);
    forwarding_that_is_on: ptp(json!({})).on_a_host_with("echo 1 > /proc/sys/net/ipv4/ip_forward");
    existing_interface_in_the_container: fails_first(ptp(json!({}))
        .steps(&[Run("ip link add x type veth peer name eth0 netns container-a"), Add("a")])
        .fails(4, "eth0"));
    del_before_add: ptp(json!({ "ipMasq": true })).steps(&[Del("a")]);
    del_without_namespace: ptp(json!({})).steps(&[Add("a"), Lose("a"), DelBare("a"), DelBare("a")]);
    del_masqueraded_without_namespace: ptp(json!({ "ipMasq": true })).steps(&[Add("a"), Lose("a"), DelBare("a")])
        .differs("the firewall knows", "the reference leaks the rules (plugins#810)");
    del_after_the_interface_went: ptp(json!({}))
        .steps(&[Add("a"), Run("ip -n container-a link del eth0"), Del("a")]);
    ipv6_disabled_in_the_container: dual_stack(json!({}))
        .steps(&[Run("ip netns exec container-a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; \
                      echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'"), Add("a"), Check("a"), Del("a")]);
}

// CHECK when something is wrong, and configurations that cannot be.
cases! {
    check_after_the_interface_went: ptp(json!({}))
        .steps(&[Add("a"), Run("ip -n container-a link del eth0"), Check("a"), Del("a")]).fails(999, "eth0");
    check_after_the_address_went: ptp(json!({}))
        .steps(&[Add("a"), Run("ip -n container-a addr flush dev eth0"), Check("a"), Del("a")]).fails(999, "10.22.0.2");
    check_after_the_route_went: ptp(json!({}))
        .steps(&[Add("a"), Run("ip -n container-a route del default"), Check("a"), Del("a")]).fails(999, "route");
    check_after_the_mac_changed: ptp(json!({}))
        .steps(&[Add("a"), Run("ip -n container-a link set eth0 address c2:00:00:00:00:09"), Check("a"), Del("a")])
        .fails(999, "c2:00:00:00:00:09");
    mtu_of_the_wrong_type: ptp(json!({ "mtu": "1500" })).fails(6, "mtu");
    mtu_too_small: fails_first(ptp(json!({ "mtu": 10 })).fails(7, "mtu"));
    ipam_that_does_not_exist: with_ipam(json!({}), json!({ "type": "nonesuch" })).fails(5, "nonesuch");
    route_that_leads_nowhere: with_ipam(json!({}), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }] })).fails(999, "172.31.0.1");
    a_gateway_that_is_missing: fails_first(fixed(json!([{ "address": "10.22.0.2/16" }])).fails(7, "gateway"));
    added_twice: ptp(json!({})).steps(&[Add("a"), Again("a"), Del("a")]).fails(100, "10.22.0.2");
}

#[test]
fn ours_takes_over() {
    ptp(json!({})).steps(&REPLACED).hand_over_to_ours();
}

#[test]
fn ours_takes_over_masquerading_in_both_families() {
    dual_stack(json!({ "ipMasq": true }))
        .steps(&REPLACED)
        .hand_over_to_ours();
}

#[test]
fn ours_takes_over_the_dead() {
    ptp(json!({})).steps(&LOST).hand_over_to_ours();
}

#[test]
fn the_reference_takes_over() {
    ptp(json!({})).steps(&REPLACED).hand_over_to_reference();
}
