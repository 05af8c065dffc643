//! `bridge` with `host-local`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*, UNDONE};

/// A bridge with one IPv4 range, and these keys.
fn bridge(keys: Value) -> Case {
    with_ranges(keys, json!([[{ "subnet": "10.22.0.0/16" }]]))
}

/// A bridge with an IPv4 and an IPv6 range, and these keys.
fn dual_stack(keys: Value) -> Case {
    with_ranges(
        keys,
        json!([[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]]),
    )
}

fn with_ranges(keys: Value, ranges: Value) -> Case {
    let v6 = ranges.to_string().contains("::");
    let v4 = ranges.to_string().contains('.');
    let routes: Vec<Value> = [(v4, "0.0.0.0/0"), (v6, "::/0")]
        .iter()
        .filter(|(wanted, _)| *wanted)
        .map(|(_, dst)| json!({ "dst": dst }))
        .collect();
    with_ipam(
        keys,
        json!({ "type": "host-local", "ranges": ranges, "routes": routes }),
    )
}

fn with_ipam(keys: Value, ipam: Value) -> Case {
    let mut config = keys;
    config["ipam"] = ipam;
    layer2(config)
}

/// A bridge without IPAM.
fn layer2(keys: Value) -> Case {
    let mut config = keys;
    config["type"] = "bridge".into();
    Case::new(config)
}

fn gateway() -> Value {
    json!({ "isGateway": true })
}

/// Why the reference's CHECK fails without `ipam`.
const CHECK_WITHOUT_IPAM: &str =
    "the reference cannot CHECK without ipam: it asks a plugin without a name";

/// A container with these routes.
fn routes(routes: Value) -> Case {
    let ipam = json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": routes });
    with_ipam(gateway(), ipam)
}

/// Why a route that is there twice is taken once.
const ONE_ROUTE: &str = "nothing is wrong with it";

/// Why a number that the kernel cannot have is refused.
const NO_NUMBER: &str = "the reference makes something else, or ignores it";

/// What is for the outside is sent as it is: a VPN, say.
const EXEMPTION: &str = "iptables -t nat -A POSTROUTING -d 198.51.100.0/24 -j ACCEPT";

/// What a person writes first.
fn mynet() -> Case {
    with_ipam(
        json!({ "bridge": "cni0", "isGateway": true, "ipMasq": true }),
        json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }),
    )
}

// Results, in every version.
cases! {
    mynet_in_all_versions: mynet().in_all_versions();
    plain_in_all_versions: bridge(json!({})).in_all_versions();
    ipv6_only_in_all_versions: with_ranges(gateway(), json!([[{ "subnet": "fd00:22::/64" }]])).in_all_versions();
    dual_stack_in_all_versions: dual_stack(gateway()).in_all_versions();
    layer2_in_new_versions: layer2(json!({})).versions(&["0.3.0", "0.3.1", "0.4.0", "1.0.0"])
        .differs("exit status", CHECK_WITHOUT_IPAM);
    layer2_in_old_versions: layer2(json!({})).versions(&["0.1.0", "0.2.0"]).fails(1, "0.3.0")
        .differs("container-a link eth0 ifname", UNDONE).may_differ("", UNDONE);
    dns_in_all_versions: bridge(json!({ "dns": {
        "nameservers": ["10.1.1.1", "fd00::53"], "domain": "example.com", "search": ["example.com", "example.org"],
        "options": ["ndots:5"] } })).in_all_versions();
    routes_in_all_versions: with_ipam(gateway(), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "192.168.0.0/16", "gw": "10.22.0.9" }] }))
        .in_all_versions();
    default_gateway_in_all_versions: with_ipam(json!({ "isDefaultGateway": true }),
        json!({ "type": "host-local", "subnet": "10.22.0.0/16" })).in_all_versions();
    several_ranges_in_new_versions: with_ranges(gateway(), json!([[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]]));
    several_ipv4_ranges: with_ranges(json!({}), json!([[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "10.23.0.0/16" }]]))
        .version("0.3.1");
    failure_in_all_versions: with_ipam(json!({}), json!({ "type": "host-local" })).in_all_versions().fails(7, "range");
}

// Each key by itself.
cases! {
    another_name: bridge(json!({ "bridge": "br-test.1", "isGateway": true }));
    name_at_its_longest: bridge(json!({ "bridge": "br-123456789012" }));
    is_gateway: bridge(gateway()).and_traffic();
    is_gateway_ipv6: with_ranges(gateway(), json!([[{ "subnet": "fd00:22::/64" }]])).and_traffic();
    is_gateway_dual_stack: dual_stack(gateway()).and_traffic();
    is_default_gateway_beside_default_routes: dual_stack(json!({ "isDefaultGateway": true }))
        .fails_with_reference("it adds the default route a second time: \"file exists\"");
    is_default_gateway: with_ipam(json!({ "isDefaultGateway": true }),
        json!({ "type": "host-local", "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]] }))
        .and_traffic();
    is_default_gateway_with_another_default_route: with_ipam(json!({ "isDefaultGateway": true }),
        json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0", "gw": "10.22.0.9" }] }));
    ip_masq: bridge(json!({ "isGateway": true, "ipMasq": true })).and_traffic();
    ip_masq_dual_stack: dual_stack(json!({ "isGateway": true, "ipMasq": true })).and_traffic();
    ip_masq_ipv6_only: with_ranges(json!({ "isGateway": true, "ipMasq": true }), json!([[{ "subnet": "fd00:22::/64" }]]))
        .and_traffic();
    ip_masq_without_gateway: bridge(json!({ "ipMasq": true })).and_traffic();
    ip_masq_spares_neighbours: bridge(json!({ "isGateway": true, "ipMasq": true }))
        .steps(&[Add("a"), Add("b"), Meet("a", "b"), Meet("b", "a"), Del("a"), Del("b")]);
    mtu: bridge(json!({ "mtu": 1400, "isGateway": true }));
    mtu_negative: bridge(json!({ "mtu": -100 }));
    mtu_large: bridge(json!({ "mtu": 9000 }));
    mtu_of_an_existing_bridge: bridge(json!({ "mtu": 1400 })).on_a_host_with("ip link add cni0 mtu 1300 type bridge");
    hairpin_mode: bridge(json!({ "hairpinMode": true, "isGateway": true }));
    promisc_mode: bridge(json!({ "promiscMode": true, "isGateway": true }));
    mac_spoof_check: bridge(json!({ "macspoofchk": true, "isGateway": true })).and_traffic();
    enable_dad: dual_stack(json!({ "enabledad": true, "isGateway": true }));
    layer2_only: layer2(json!({ "isGateway": true, "ipMasq": true })).differs("exit status", CHECK_WITHOUT_IPAM);
    hairpin_that_was_switched_off: bridge(json!({ "hairpinMode": true, "isGateway": true }))
        .steps(&[Add("a"), Run("bridge link set dev $(ip -o link show type veth | grep -o 'veth[0-9a-f]*' | head -1) hairpin off"), Check("a")])
        .differs("exit status", "the reference's CHECK does not look").may_differ("", "it says why");
    layer2_mtu_and_hairpin: layer2(json!({ "mtu": 1400, "hairpinMode": true }))
        .differs("exit status", CHECK_WITHOUT_IPAM);
    disable_container_interface: layer2(json!({ "disableContainerInterface": true }))
        .differs_from_debian("container-a", "1.1.1 does not know disableContainerInterface")
        .differs("exit status", CHECK_WITHOUT_IPAM);
    unknown_keys: bridge(json!({ "isGateway": true, "colour": "blue", "args": { "else": 1 }, "runtimeConfig": { "x": [] } }));
    keys_in_another_case: bridge(json!({ "ISGATEWAY": true, "Bridge": "br7", "Mtu": 1400 }));
    keys_that_are_null: bridge(json!({ "isGateway": null, "mtu": null, "dns": null, "args": null, "runtimeConfig": null }));
}

// The MAC address of the container's interface.
cases! {
    mac_of_the_runtime: bridge(json!({ "runtimeConfig": { "mac": "c2:11:22:33:44:55" } }));
    mac_of_the_configuration: bridge(json!({ "args": { "cni": { "mac": "c2:11:22:33:44:66" } } }));
    mac_of_cni_args: bridge(json!({})).args("IgnoreUnknown=true;MAC=c2:11:22:33:44:77");
    mac_of_cni_args_in_capitals: bridge(json!({})).args("IgnoreUnknown=1;MAC=C2:11:22:33:44:AA");
    mac_of_cni_args_without_ipam: layer2(json!({})).args("MAC=c2:11:22:33:44:77")
        .differs("exit status", CHECK_WITHOUT_IPAM);
    mac_of_cni_args_that_ipam_does_not_know: bridge(json!({})).args("MAC=c2:11:22:33:44:77").fails(4, "MAC");
    mac_of_all_three: bridge(json!({ "runtimeConfig": { "mac": "c2:11:22:33:44:55" },
        "args": { "cni": { "mac": "c2:11:22:33:44:66" } } })).args("IgnoreUnknown=1;MAC=c2:11:22:33:44:77");
    mac_of_two: bridge(json!({ "args": { "cni": { "mac": "c2:11:22:33:44:66" } } }))
        .args("IgnoreUnknown=1;MAC=c2:11:22:33:44:77");
    mac_and_arguments_to_ignore: bridge(json!({})).args("IgnoreUnknown=1;MAC=c2:11:22:33:44:77;K8S_POD_NAME=web");
    mac_malformed: bridge(json!({ "runtimeConfig": { "mac": "c2:11" } })).fails(7, "mac");
    mac_of_a_group: bridge(json!({ "runtimeConfig": { "mac": "01:11:22:33:44:55" } })).fails(7, "mac");
    arguments_unknown: bridge(json!({})).args("COLOUR=blue").fails(4, "COLOUR");
}

// Several attachments, and what others have left.
cases! {
    two_containers: dual_stack(gateway())
        .steps(&[Add("a"), Add("b"), Meet("a", "b"), Check("a"), Check("b"), Del("a"), Check("b"), Del("b")]);
    two_interfaces: bridge(gateway())
        .steps(&[Add("a"), Add("a/net1"), Check("a/net1"), Del("a"), Check("a/net1"), Del("a/net1")]);
    two_interfaces_without_routes: with_ipam(gateway(), json!({ "type": "host-local", "subnet": "10.22.0.0/16" }))
        .steps(&[Add("a"), Add("a/net1"), Check("a"), Check("a/net1"), Del("a"), Check("a/net1"), Del("a/net1")]);
    addresses_go_round: bridge(gateway())
        .steps(&[Add("a"), Del("a"), Add("a"), Add("b"), Del("a"), Del("b"), Add("a"), Del("a")]);
    existing_bridge: bridge(gateway()).on_a_host_with("ip link add cni0 type bridge; ip link set cni0 up");
    existing_bridge_that_is_down: layer2(json!({})).on_a_host_with("ip link add cni0 type bridge")
        .differs("exit status", CHECK_WITHOUT_IPAM);
    existing_bridge_with_the_address: bridge(gateway())
        .on_a_host_with("ip link add cni0 type bridge; ip addr add 10.22.0.1/16 dev cni0");
    existing_bridge_with_another_prefix: bridge(gateway())
        .on_a_host_with("ip link add cni0 type bridge; ip addr add 10.22.0.1/24 dev cni0")
        .fails(7, "10.22.0.1/24");
    existing_bridge_with_another_address: bridge(gateway())
        .on_a_host_with("ip link add cni0 type bridge; ip addr add 192.168.7.1/24 dev cni0")
        .fails(7, "192.168.7.1/24");
    existing_bridge_with_another_address_forced: bridge(json!({ "isGateway": true, "forceAddress": true }))
        .on_a_host_with("ip link add cni0 type bridge; ip addr add 192.168.7.1/24 dev cni0");
    existing_bridge_with_two_addresses_forced: bridge(json!({ "isGateway": true, "forceAddress": true }))
        .on_a_host_with("ip link add cni0 type bridge; ip addr add 192.168.7.1/24 dev cni0; ip addr add 192.168.8.1/24 dev cni0");
    existing_bridge_with_an_address_and_no_gateway: bridge(json!({}))
        .on_a_host_with("ip link add cni0 type bridge; ip addr add 192.168.7.1/24 dev cni0");
    existing_bridge_with_another_ipv6_address: with_ranges(gateway(), json!([[{ "subnet": "fd00:22::/64" }]]))
        .on_a_host_with("ip link add cni0 type bridge; ip -6 addr add fd00:99::1/64 dev cni0 nodad");
    existing_bridge_with_an_overlapping_ipv6_address: with_ranges(gateway(), json!([[{ "subnet": "fd00:22::/64" }]]))
        .on_a_host_with("ip link add cni0 type bridge; ip -6 addr add fd00:22::9/64 dev cni0 nodad")
        .fails(7, "fd00:22::9/64");
    existing_bridge_with_an_overlapping_ipv6_address_forced:
        with_ranges(json!({ "isGateway": true, "forceAddress": true }), json!([[{ "subnet": "fd00:22::/64" }]]))
        .on_a_host_with("ip link add cni0 type bridge; ip -6 addr add fd00:22::9/64 dev cni0 nodad");
    existing_link_that_is_no_bridge: layer2(json!({}))
        .on_a_host_with("ip link add cni0 type veth peer name other")
        .fails(7, "not a bridge");
    existing_interface_in_the_container: layer2(json!({}))
        .on_a_host_with("ip link add x type veth peer name eth0 netns container-a")
        .steps(&[Run("ip link add x type veth peer name eth0 netns container-a"), Add("a")])
        .fails(4, "eth0");
    existing_bridge_whose_ports_have_gone: bridge(gateway())
        .on_a_host_with("ip link add cni0 type bridge; ip link add p type veth; ip link set p master cni0; ip link del p")
        .fails_with_reference("it sets the bridge's MAC address to the one that it had, which is none");
    forwarding_that_is_on: bridge(gateway()).on_a_host_with("echo 1 > /proc/sys/net/ipv4/ip_forward");
    ipv6_disabled_in_the_container: dual_stack(gateway())
        .steps(&[Run("ip netns exec container-a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; \
                      echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'"), Add("a"), Check("a"), Del("a")]);
    ipv6_disabled_on_the_host: bridge(gateway())
        .on_a_host_with("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
}

// DEL when something is gone.
cases! {
    del_before_add: bridge(gateway()).steps(&[Del("a")]);
    del_without_namespace: bridge(gateway()).steps(&[Add("a"), Lose("a"), DelBare("a"), DelBare("a")]);
    del_with_a_path_that_is_gone: bridge(gateway()).steps(&[Add("a"), Lose("a"), Del("a"), Del("a")]);
    del_masqueraded_without_namespace: mynet().steps(&[Add("a"), Lose("a"), DelBare("a")])
        .differs("the firewall knows", "the reference leaks the rules (plugins#810)");
    del_without_result_in_the_namespace: bridge(json!({ "isGateway": true, "ipMasq": true })).version("0.3.1");
    del_after_the_interface_went: bridge(gateway())
        .steps(&[Add("a"), Run("ip -n container-a link del eth0"), Del("a")]);
    del_after_the_bridge_went: bridge(gateway()).steps(&[Add("a"), Run("ip link del cni0"), Del("a")]);
    del_after_the_state_went: bridge(gateway()).steps(&[Add("a"), Run("rm -r /var/lib/cni/networks"), Del("a")]);
    del_masqueraded_after_a_flush: mynet().steps(&[Add("a"), Run("nft flush ruleset"), Del("a")])
        .differs_from_debian("exit status", "the reference's DEL fails for ever when its chain is gone");
}

// CHECK when something is wrong.
cases! {
    check_after_the_interface_went: bridge(gateway())
        .steps(&[Add("a"), Run("ip -n container-a link del eth0"), Check("a"), Del("a")]).fails(999, "eth0");
    check_after_the_address_went: bridge(gateway())
        .steps(&[Add("a"), Run("ip -n container-a addr flush dev eth0"), Check("a"), Del("a")]).fails(999, "10.22.0.2");
    check_after_the_route_went: bridge(gateway())
        .steps(&[Add("a"), Run("ip -n container-a route del default"), Check("a"), Del("a")]).fails(999, "route");
    check_after_the_bridge_went: bridge(gateway())
        .steps(&[Add("a"), Run("ip link del cni0"), Check("a"), Del("a")]).fails(999, "cni0");
    check_after_the_port_left: bridge(gateway())
        .steps(&[Add("a"), Run("ip link set $(ls /sys/class/net | grep veth) nomaster"), Check("a"), Del("a")])
        .fails(999, "cni0");
    check_after_the_mac_changed: bridge(gateway())
        .steps(&[Add("a"), Run("ip -n container-a link set eth0 address c2:00:00:00:00:09"), Check("a"), Del("a")])
        .fails(999, "c2:00:00:00:00:09");
    check_after_the_reservation_went: bridge(gateway())
        .steps(&[Add("a"), Run("rm /var/lib/cni/networks/mynet/10.22.0.2"), Check("a"), Del("a")]).fails(101, "container-a");
    check_after_the_interface_went_down: bridge(gateway())
        .steps(&[Add("a"), Run("ip -n container-a link set eth0 down"), Check("a"), Del("a")]).fails(999, "route");
}

// An ADD for an attachment that is alive fails, and does no harm.
cases! {
    added_twice: bridge(gateway())
        .steps(&[Add("a"), Again("a"), Check("a"), Talk("a"), Add("b"), Meet("b", "a"), Del("a"), Del("b")])
        .fails(100, "attached already");
    added_twice_with_another_address: bridge(gateway()).args("IgnoreUnknown=1")
        .steps(&[Add("a"), Again("a"), Again("a"), Check("a"), Add("b"), Check("b"), Meet("a", "b"), Del("a"), Check("b"), Del("b")])
        .fails(100, "10.22.0.2");
    added_twice_with_masquerade: mynet()
        .steps(&[Add("a"), Again("a"), Check("a"), Talk("a"), Del("a")]).fails(100, "attached already");
    added_twice_without_ipam: layer2(json!({})).steps(&[Add("a"), Again("a"), Del("a")]).fails(4, "eth0");
    added_twice_after_its_reservation_went: bridge(gateway())
        .steps(&[Add("a"), Run("rm /var/lib/cni/networks/mynet/10.22.0.2"), Again("a"), Talk("a"), Del("a")]).fails(4, "eth0")
        .may_differ("file /var/lib/cni/networks", "what is reserved by an ADD that fails is given back");
}

// Configurations that cannot be.
cases! {
    hairpin_and_promisc: layer2(json!({ "hairpinMode": true, "promiscMode": true })).fails(7, "hairpin mode");
    bridge_name_too_long: layer2(json!({ "bridge": "a-name-of-16-chr" })).fails(7, "bridge");
    bridge_name_empty: layer2(json!({ "bridge": "" })).fails(7, "bridge");
    bridge_name_with_a_slash: layer2(json!({ "bridge": "a/b" })).fails(7, "bridge");
    mtu_of_the_wrong_type: layer2(json!({ "mtu": "1500" })).fails(6, "mtu");
    mtu_too_small: bridge(json!({ "mtu": 10 })).fails(7, "mtu");
    mtu_too_large: bridge(json!({ "mtu": 70000 })).fails(7, "mtu");
    is_gateway_of_the_wrong_type: layer2(json!({ "isGateway": "yes" })).fails(6, "isGateway");
    vlan_too_large: layer2(json!({ "vlan": 4095 })).fails(7, "vlan");
    vlan_negative: layer2(json!({ "vlan": -1 })).fails(7, "vlan");
    ipam_that_does_not_exist: with_ipam(json!({}), json!({ "type": "nonesuch" })).fails(5, "nonesuch");
    ipam_in_another_folder: with_ipam(json!({}), json!({ "type": "../cni/host-local" })).fails(7, "host-local");
    route_that_leads_nowhere: with_ipam(json!({}), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "192.168.0.0/16", "gw": "172.31.0.1" }] })).fails(999, "172.31.0.1");
    exhausted: with_ranges(gateway(), json!([[{ "subnet": "10.22.0.0/30" }]]))
        .steps(&[Add("a"), Add("b"), Del("b"), Check("a"), Del("a"), Add("b"), Del("b")]).fails(11, "10.22.0.1-10.22.0.2");
    route_with_host_bits: with_ipam(gateway(), json!({ "type": "host-local", "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "172.16.5.5/12" }] })).fails_with_reference("the kernel refuses a route with host bits");
    route_twice: routes(json!([{ "dst": "192.0.2.0/24" }, { "dst": "192.0.2.0/24" }])).fails_with_reference(ONE_ROUTE);
    route_with_an_mtu_below_zero: routes(json!([{ "dst": "192.0.2.0/24", "mtu": -1 }])).steps(&[Add("a")])
        .fails(7, "mtu").differs("exit status", NO_NUMBER).may_differ("", NO_NUMBER);
    route_with_a_scope_beyond_a_byte: routes(json!([{ "dst": "192.0.2.0/24", "scope": 999 }])).steps(&[Add("a")])
        .fails(7, "scope").differs("exit status", NO_NUMBER).may_differ("", NO_NUMBER);
    exemption_of_others: mynet().steps(&[Run(EXEMPTION), Add("a"), Talk("a"), Del("a")])
        .differs("198.51.100.2:80 is ", "an ACCEPT in iptables' chain ends no other chain");
    exemption_of_others_by_iptables: with_ipam(json!({ "isGateway": true, "ipMasq": true, "ipMasqBackend": "iptables" }),
        json!({ "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }))
        .steps(&[Run(EXEMPTION), Add("a"), Talk("a"), Del("a")]);
}
