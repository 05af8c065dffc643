//! `host-local` by itself.

use serde_json::{Value, json};

use crate::case::{Case, Step, Step::*};

/// `host-local` with these keys under `ipam`.
fn host_local(ipam: Value) -> Case {
    with_keys(ipam, json!({}))
}

/// `host-local` with these keys under `ipam`, and these beside it.
fn with_keys(ipam: Value, keys: Value) -> Case {
    let (mut config, mut ipam) = (keys, ipam);
    ipam["type"] = "host-local".into();
    config["type"] = "host-local".into();
    config["ipam"] = ipam;
    Case::new(config)
}

fn range(range: Value) -> Case {
    host_local(json!({ "ranges": [[range]] }))
}

/// One /16.
fn subnet() -> Value {
    json!({ "subnet": "10.22.0.0/16" })
}

/// Why a reservation without contents is not one.
const EMPTY_RESERVATION: &str = "an empty file is of a reference plugin that was killed; it would be in use for ever (plugins#498)";

/// As many ADDs, DELs in another order, and ADDs once more.
const TO_AND_FRO: [Step; 8] = [
    Add("a"),
    Add("b"),
    Add("c"),
    Del("b"),
    Add("d"),
    Add("b"),
    Del("a"),
    Add("e"),
];

// Ranges.
cases! {
    subnet_in_all_versions: host_local(json!({ "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }))
        .in_all_versions();
    dual_stack_in_all_versions: host_local(json!({ "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]] }))
        .in_all_versions();
    two_addresses_of_a_family_in_all_versions:
        host_local(json!({ "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "10.23.0.0/16" }]] }))
        .version("0.2.0").fails(7, "0.2.0");
    subnet_beside_ranges: host_local(json!({ "subnet": "10.22.0.0/16", "ranges": [[{ "subnet": "10.23.0.0/16" }]] }));
    start_and_end: range(json!({ "subnet": "10.22.0.0/16", "rangeStart": "10.22.3.10", "rangeEnd": "10.22.3.12" }))
        .steps(&TO_AND_FRO).fails(11, "10.22.3.10");
    start_only: range(json!({ "subnet": "10.22.0.0/16", "rangeStart": "10.22.255.254" })).steps(&TO_AND_FRO).fails(11, "10.22.255.254");
    end_only: range(json!({ "subnet": "10.22.0.0/16", "rangeEnd": "10.22.0.3" })).steps(&TO_AND_FRO).fails(11, "10.22.0.3");
    old_form_with_everything: host_local(json!({ "subnet": "10.22.0.0/16", "rangeStart": "10.22.3.10",
        "rangeEnd": "10.22.3.20", "gateway": "10.22.3.254" })).steps(&TO_AND_FRO);
    gateway_in_the_range: range(json!({ "subnet": "10.22.0.0/24", "rangeStart": "10.22.0.10", "gateway": "10.22.0.11" }))
        .steps(&TO_AND_FRO);
    gateway_at_the_start: range(json!({ "subnet": "10.22.0.0/24", "rangeStart": "10.22.0.10", "gateway": "10.22.0.10" }))
        .steps(&TO_AND_FRO);
    gateway_elsewhere: range(json!({ "subnet": "10.22.0.0/24", "gateway": "192.168.1.1" }));
    host_bits_in_the_subnet: range(json!({ "subnet": "10.22.0.7/24" })).fails(7, "10.22.0");
    a_set_of_two_ranges: host_local(json!({ "ranges": [[
        { "subnet": "10.22.0.0/29", "rangeStart": "10.22.0.2", "rangeEnd": "10.22.0.3" }, { "subnet": "10.23.0.0/29" }]] }))
        .steps(&TO_AND_FRO);
    three_sets: host_local(json!({ "ranges": [[{ "subnet": "10.22.0.0/24" }], [{ "subnet": "10.23.0.0/24" }],
        [{ "subnet": "fd00:22::/64" }]] })).steps(&TO_AND_FRO);
    smallest_subnet: range(json!({ "subnet": "10.22.0.0/30" })).steps(&[Add("a"), Add("b"), Del("a"), Add("b")]).fails(11, "10.22.0.1-10.22.0.2");
    start_and_end_that_mean_all_hosts: range(json!({ "subnet": "10.22.0.0/29", "rangeStart": "10.22.0.0",
        "rangeEnd": "10.22.0.7", "gateway": "10.22.0.3" })).steps(&[Add("a"), Del("a")])
        .differs("result ips 0 address", "no container is given an address that means all hosts")
        .may_differ("file /var/lib/cni/networks/mynet/", "it is of another address");
    subnet_of_31_bits: range(json!({ "subnet": "10.22.0.0/31" })).fails(7, "10.22.0.0/31");
    subnet_of_32_bits: range(json!({ "subnet": "10.22.0.1/32" })).fails(7, "10.22.0.1/32");
    an_ipv4_mapped_subnet: range(json!({ "subnet": "::ffff:10.22.0.0/120" }))
        .fails_with_reference("it is an IPv4 subnet, as static reads it");
    a_gateway_of_the_other_family: range(json!({ "subnet": "10.22.0.0/24", "gateway": "fd00::1" })).fails(7, "Gateway fd00::1")
        .differs("exit status", "no kernel takes such a gateway").may_differ("", "nothing is made");
    a_route_with_an_mtu: host_local(json!({ "subnet": "10.22.0.0/24", "routes": [{ "dst": "10.9.0.0/16", "mtu": 1300 }] }))
        .differs_from_debian("result routes 0 mtu", "1.1.1 knows neither mtu nor advmss of a route");
    ipv6_with_start_and_end: range(json!({ "subnet": "fd00:22::/64", "rangeStart": "fd00:22::ff", "rangeEnd": "fd00:22::102" }))
        .steps(&TO_AND_FRO);
    ipv6_subnet_of_128_bits: range(json!({ "subnet": "fd00:22::1/128" })).fails(7, "fd00:22::1/128");
    ipv6_written_at_length: range(json!({ "subnet": "FD00:0022:0:0::/64", "rangeStart": "fd00:0022::00A0" }));
    ipv4_mapped: range(json!({ "subnet": "10.22.0.0/24", "rangeStart": "::ffff:10.22.0.9" }));
    ranges_from_the_runtime: with_keys(json!({}), json!({ "runtimeConfig": { "ipRanges": [[{ "subnet": "10.24.0.0/24" }]] } }));
    ranges_from_the_runtime_first: with_keys(subnet(), json!({ "runtimeConfig": { "ipRanges": [[{ "subnet": "10.24.0.0/24" }]] } }));
}

// Ranges that cannot be.
cases! {
    no_range: host_local(json!({})).fails(7, "range");
    no_range_at_del: host_local(json!({})).steps(&[Del("a")])
        .differs("exit status", "DEL succeeds though the configuration cannot be");
    empty_ranges: host_local(json!({ "ranges": [] })).fails(7, "range");
    empty_set: host_local(json!({ "ranges": [[]] })).fails(7, "range");
    range_without_subnet: range(json!({ "rangeStart": "10.22.0.9" })).fails(7, "subnet");
    subnet_malformed: range(json!({ "subnet": "10.22.0.0" })).fails(7, "10.22.0.0");
    subnet_of_the_wrong_type: range(json!({ "subnet": 10 })).fails(6, "subnet");
    start_outside: range(json!({ "subnet": "10.22.0.0/24", "rangeStart": "10.23.0.9" })).fails(7, "10.23.0.9");
    end_outside: range(json!({ "subnet": "10.22.0.0/24", "rangeEnd": "10.23.0.9" })).fails(7, "10.23.0.9");
    end_before_start: range(json!({ "subnet": "10.22.0.0/24", "rangeStart": "10.22.0.20", "rangeEnd": "10.22.0.10" })).fails(7, "10.22.0.20");
    gateway_malformed: range(json!({ "subnet": "10.22.0.0/24", "gateway": "nine" })).fails(7, "nine");
    overlap_in_a_set: host_local(json!({ "ranges": [[{ "subnet": "10.22.0.0/24" }, { "subnet": "10.22.0.0/16" }]] })).fails(7, "overlap");
    overlap_between_sets: host_local(json!({ "ranges": [[{ "subnet": "10.22.0.0/24" }], [{ "subnet": "10.22.0.0/16" }]] }))
        .fails(7, "overlap");
    families_mixed_in_a_set: host_local(json!({ "ranges": [[{ "subnet": "10.22.0.0/24" }, { "subnet": "fd00:22::/64" }]] }))
        .fails(7, "famil");
}

// Requested addresses.
cases! {
    requested_by_cni_args: host_local(subnet()).args("IP=10.22.5.5");
    requested_by_cni_args_with_a_prefix: host_local(subnet()).args("IP=10.22.5.5/16");
    requested_by_cni_args_empty: host_local(subnet()).args("IP=");
    requested_by_the_configuration: with_keys(subnet(), json!({ "args": { "cni": { "ips": ["10.22.5.6"] } } }));
    requested_by_the_runtime: with_keys(subnet(), json!({ "runtimeConfig": { "ips": ["10.22.5.7"] } }));
    requested_by_the_runtime_with_a_prefix: with_keys(subnet(), json!({ "runtimeConfig": { "ips": ["10.22.5.7/24"] } }));
    requested_for_both_families: with_keys(
        json!({ "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]] }),
        json!({ "runtimeConfig": { "ips": ["fd00:22::77", "10.22.5.7"] } }));
    requested_for_one_of_two: with_keys(
        json!({ "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]] }),
        json!({ "args": { "cni": { "ips": ["fd00:22::77"] } } }));
    requested_twice_over: with_keys(subnet(), json!({ "runtimeConfig": { "ips": ["10.22.5.7", "10.22.5.7"] } })).args("IP=10.22.5.7");
    requested_two_of_one_range: with_keys(subnet(), json!({ "runtimeConfig": { "ips": ["10.22.5.7", "10.22.5.8"] } }))
        .fails(7, "10.22.5").may_differ("last_reserved_ip", "the reference tries one of them, whichever comes first from a map");
    requested_outside: host_local(subnet()).args("IP=192.168.1.1").fails(7, "192.168.1.1");
    requested_outside_the_range: range(json!({ "subnet": "10.22.0.0/16", "rangeEnd": "10.22.0.9" })).args("IP=10.22.5.5").fails(7, "10.22.5.5");
    requested_the_gateway: host_local(subnet()).args("IP=10.22.0.1").fails(7, "gateway");
    requested_the_broadcast: host_local(subnet()).args("IP=10.22.255.255").fails(7, "10.22.255.255");
    requested_what_is_taken: host_local(subnet()).args("IP=10.22.5.5").steps(&[Add("a"), Add("b"), Del("b"), Del("a"), Add("b")])
        .fails(100, "10.22.5.5");
    requested_malformed: host_local(subnet()).args("IP=ten").fails(4, "ten");
    requested_by_the_runtime_malformed: with_keys(subnet(), json!({ "runtimeConfig": { "ips": ["ten"] } })).fails(7, "ten");
    the_next_after_a_requested_one: host_local(subnet()).args("IP=10.22.5.5").steps(&[Add("a"), Del("a"), Check("a")]).fails(101, "container-a");
}

// Routes, DNS, and where the state is.
cases! {
    routes: host_local(json!({ "subnet": "10.22.0.0/16",
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "192.168.0.0/16", "gw": "10.22.0.9" }, { "dst": "fd00::/8" }] }));
    route_with_host_bits: host_local(json!({ "subnet": "10.22.0.0/16", "routes": [{ "dst": "192.168.1.9/16" }] }));
    route_without_destination: host_local(json!({ "subnet": "10.22.0.0/16", "routes": [{ "gw": "10.22.0.9" }] }))
        .differs("- result routes 0 dst = \"<nil>\"", "the reference passes on what nobody can read")
        .may_differ("", "the reference passes on what nobody can read");
    route_malformed: host_local(json!({ "subnet": "10.22.0.0/16", "routes": [{ "dst": "nowhere" }] })).fails(7, "nowhere");
    resolv_conf: host_local(json!({ "subnet": "10.22.0.0/16", "resolvConf": "/run/resolv.conf" })).on_a_host_with(
        "printf '# a comment\\n; another\\nnameserver 10.1.1.1\\nnameserver   fd00::53  \\ndomain example.com\\nsearch a.example b.example\\n\
         options ndots:5 edns0\\nlookup file\\n' > /run/resolv.conf").in_all_versions();
    resolv_conf_empty: host_local(json!({ "subnet": "10.22.0.0/16", "resolvConf": "/run/resolv.conf" }))
        .on_a_host_with(": > /run/resolv.conf");
    resolv_conf_missing: host_local(json!({ "subnet": "10.22.0.0/16", "resolvConf": "/run/nonesuch" })).fails(5, "/run/nonesuch");
    data_dir: host_local(json!({ "subnet": "10.22.0.0/16", "dataDir": "/var/lib/cni/elsewhere" }));
    data_dir_that_is_a_file: host_local(json!({ "subnet": "10.22.0.0/16", "dataDir": "/var/lib/cni/file" }))
        .on_a_host_with(": > /var/lib/cni/file").fails(5, "/var/lib/cni/file");
    name_with_dots: with_keys(subnet(), json!({ "name": "my.net_1-x" }));
}

// The state that somebody else has left.
cases! {
    added_twice: host_local(subnet()).steps(&[Add("a"), Again("a"), Check("a"), Add("b"), Del("a")]).fails(100, "10.22.0.2");
    two_interfaces: host_local(subnet()).steps(&[Add("a"), Add("a/net1"), Check("a/net1"), Del("a"), Check("a/net1"), Del("a/net1")]);
    check_before_add: host_local(subnet()).steps(&[Check("a")]).fails(101, "container-a")
        .may_differ("- file /var/lib/cni/networks/mynet/lock", "the reference makes its directory to find nothing in it");
    del_before_add: host_local(subnet()).steps(&[Del("a")]);
    reservation_of_an_old_plugin: host_local(subnet())
        .on_a_host_with("mkdir -p /var/lib/cni/networks/mynet; printf container-a > /var/lib/cni/networks/mynet/10.22.0.9")
        .steps(&[Run("mkdir -p /var/lib/cni/networks/mynet; printf container-a > /var/lib/cni/networks/mynet/10.22.0.9"),
            Check("a"), Del("a"), Add("a")]);
    reservation_with_a_line_end: host_local(subnet()).steps(&[
        Run("mkdir -p /var/lib/cni/networks/mynet; printf 'container-a\\r\\neth0\\n' > /var/lib/cni/networks/mynet/10.22.0.9"),
        Check("a"), Del("a"), Add("a")]);
    reservation_by_hand: host_local(subnet()).steps(&[
        Run("mkdir -p /var/lib/cni/networks/mynet; : > /var/lib/cni/networks/mynet/10.22.0.2"), Add("a"), Add("b"), Del("a"), Del("b")])
        .differs("file /var/lib/cni/networks/mynet/", EMPTY_RESERVATION).differs("result ips 0 address", EMPTY_RESERVATION);
    last_reserved_elsewhere: host_local(subnet()).steps(&[
        Run("mkdir -p /var/lib/cni/networks/mynet; printf 10.99.0.9 > /var/lib/cni/networks/mynet/last_reserved_ip.0"), Add("a"), Del("a")]);
    last_reserved_at_the_end: host_local(subnet()).steps(&[
        Run("mkdir -p /var/lib/cni/networks/mynet; printf 10.22.255.254 > /var/lib/cni/networks/mynet/last_reserved_ip.0"),
        Add("a"), Del("a")]);
    last_reserved_with_a_line_end: host_local(subnet()).steps(&[
        Run("mkdir -p /var/lib/cni/networks/mynet; echo 10.22.0.9 > /var/lib/cni/networks/mynet/last_reserved_ip.0"),
        Add("a"), Del("a")]);
    a_file_of_something_else: host_local(subnet()).steps(&[
        Run("mkdir -p /var/lib/cni/networks/mynet/folder; echo x > /var/lib/cni/networks/mynet/notes"), Add("a"), Check("a"), Del("a")]);
}
