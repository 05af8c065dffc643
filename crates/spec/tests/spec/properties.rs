//! What holds for any result, any configuration and any input.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use linkspan_spec::{
    Attachment, ContainerId, Dns, Error, ErrorCode, IfName, Interface, IpConfig, MacAddr,
    NetworkList, NetworkName, PluginConfig, PluginType, Route, Success, Version, VersionInfo,
    address, decode, pretty,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

fn addresses() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
        // Runs of zeros, which are shortened in several ways; IPv4 within IPv6.
        vec(prop_oneof![Just(0), any::<u16>()], 8).prop_map(|groups| {
            let groups: [u16; 8] = groups.try_into().unwrap();
            Ipv6Addr::from(groups).into()
        }),
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).to_ipv6_mapped().into()),
    ]
}

fn nets() -> impl Strategy<Value = IpNet> {
    (addresses(), 0..=128_u8).prop_map(|(address, bits)| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        address::canonical(IpNet::new(address, bits.min(longest)).unwrap())
    })
}

fn gateways() -> impl Strategy<Value = Option<IpAddr>> {
    option::of(addresses().prop_map(|address| address.to_canonical()))
}

prop_compose! {
    fn interfaces()(
        (name, mac, sandbox) in any::<(String, String, String)>(),
        mtu in option::of(1..=u32::MAX),
        (socket_path, pci_id) in any::<(String, String)>(),
    ) -> Interface {
        Interface::new(name)
            .with_mac(mac)
            .with_mtu(mtu)
            .with_sandbox(sandbox)
            .with_socket_path(socket_path)
            .with_pci_id(pci_id)
    }
}

prop_compose! {
    fn ips()(
        interface in option::of(0..1000_usize),
        address in nets(),
        gateway in gateways(),
    ) -> IpConfig {
        IpConfig::new(address).with_interface(interface).with_gateway(gateway)
    }
}

prop_compose! {
    fn routes()(
        dst in nets(),
        gw in gateways(),
        mtu in option::of(1..=u32::MAX),
        advmss in option::of(1..=u32::MAX),
        priority in option::of(1..=u32::MAX),
        table in any::<Option<u32>>(),
        scope in any::<Option<u8>>(),
    ) -> Route {
        Route::new(dst, gw)
            .with_mtu(mtu)
            .with_advmss(advmss)
            .with_priority(priority)
            .with_table(table)
            .with_scope(scope)
    }
}

prop_compose! {
    fn dns()(
        nameservers in vec(any::<String>(), 0..3),
        domain in any::<String>(),
        search in vec(any::<String>(), 0..3),
        options in vec(any::<String>(), 0..3),
    ) -> Dns {
        Dns::default()
            .with_nameservers(nameservers)
            .with_domain(domain)
            .with_search(search)
            .with_options(options)
    }
}

prop_compose! {
    fn successes()(
        interfaces in vec(interfaces(), 0..4),
        ips in vec(ips(), 0..5),
        routes in vec(routes(), 0..5),
        dns in dns(),
    ) -> Success {
        Success::default()
            .with_interfaces(interfaces)
            .with_ips(ips)
            .with_routes(routes)
            .with_dns(dns)
    }
}

fn versions() -> impl Strategy<Value = Version> {
    proptest::sample::select(Version::ALL)
}

/// Any JSON, with the keys of the protocol and without.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        nets().prop_map(|net| Value::from(net.to_string())),
        versions().prop_map(|version| Value::from(version.as_str())),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            objects(inner).prop_map(Value::from),
        ]
    })
}

fn objects(value: impl Strategy<Value = Value>) -> impl Strategy<Value = decode::Map> {
    const KEYS: &[&str] = &[
        "cniVersion",
        "cniVersions",
        "name",
        "type",
        "plugins",
        "ipam",
        "dns",
        "capabilities",
        "prevResult",
        "runtimeConfig",
        "args",
        "disableCheck",
        "cni.dev/valid-attachments",
        "containerID",
        "ifname",
        "interfaces",
        "ips",
        "routes",
        "ip4",
        "ip6",
        "ip",
        "address",
        "gateway",
        "dst",
        "gw",
        "mtu",
        "scope",
        "table",
        "code",
        "msg",
        "details",
        "supportedVersions",
        "nameservers",
        "search",
        "IPs",
        "Name",
    ];
    let key = prop_oneof![
        3 => proptest::sample::select(KEYS).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    vec((key, value), 0..8).prop_map(|pairs| pairs.into_iter().collect())
}

/// Reads the value as everything that this crate reads. What matters is that it returns.
fn read_as_everything(value: &Value) {
    let _ = Error::from_json(value);
    let _ = VersionInfo::from_json(value);
    let _ = Attachment::from_json(value);
    let _ = NetworkList::parse(value.to_string().as_bytes());
    for version in Version::ALL {
        if let Ok(success) = Success::from_json_as(*version, value) {
            let _ = success.to_json(*version);
        }
    }
    if let Ok(config) = PluginConfig::from_value(value.clone()) {
        let _ = (
            config.cni_version(),
            config.name(),
            config.plugin_type(),
            config.prev_result(),
        );
        let _ = (config.ipam_type(), config.runtime_config(), config.args());
        let _ = NetworkList::from_single(config);
    }
}

/// Puts `graft` in the place of the part of `value` that `choice` chooses.
fn graft(value: &mut Value, choice: usize, graft_in: Value) {
    let children = match value {
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    };
    if children == 0 || choice.is_multiple_of(4) {
        *value = graft_in;
        return;
    }
    let (index, rest) = (choice % children, choice / children);
    let child = match value {
        Value::Array(items) => items.get_mut(index),
        Value::Object(map) => map.values_mut().nth(index),
        _ => None,
    };
    graft(child.unwrap(), rest, graft_in);
}

proptest! {
    #[test]
    fn results_since_1_0_0_are_read_as_they_were_written(success in successes()) {
        for version in [Version::V1_0_0, Version::V1_1_0] {
            let text = pretty(&success.to_json(version).unwrap());
            let read = Success::parse(text.as_bytes(), Version::V0_1_0).unwrap();
            prop_assert_eq!(&read, &success);
        }
    }

    #[test]
    fn results_since_0_3_0_keep_all_but_the_new_keys_of_interfaces(success in successes()) {
        let mut kept = success.clone();
        for interface in &mut kept.interfaces {
            interface.mtu = None;
            interface.socket_path.clear();
            interface.pci_id.clear();
        }
        for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0] {
            let read = Success::from_json(&success.to_json(version).unwrap()).unwrap();
            prop_assert_eq!(&read, &kept);
        }
    }

    #[test]
    fn old_results_keep_the_first_address_of_each_family(success in successes()) {
        for version in [Version::V0_1_0, Version::V0_2_0] {
            let Ok(written) = success.to_json(version) else {
                prop_assert!(success.ips.is_empty());
                continue;
            };
            let read = Success::from_json(&written).unwrap();
            let first = |v4: bool| success.ips.iter().find(|ip| ip.address.addr().is_ipv4() == v4);
            let firsts = [first(true), first(false)].into_iter().flatten();
            let expected: Vec<_> = firsts.map(|ip| ip.with_interface(None)).collect();
            prop_assert_eq!(&read.ips, &expected);
            prop_assert_eq!(&read.dns, &success.dns);
            let comes_from = |route: &Route, original: &Route| {
                route.dst == original.dst && (original.gw.is_none() || original.gw == route.gw)
            };
            for route in &read.routes {
                let known = success.routes.iter().any(|original| comes_from(route, original));
                prop_assert!(known, "{:?}", route);
            }
            prop_assert_eq!(read.to_json(version).unwrap(), written);
        }
    }

    #[test]
    fn a_conversion_up_and_back_loses_nothing(
        success in successes(),
        a in versions(),
        b in versions(),
    ) {
        let (old, new) = (a.min(b), a.max(b));
        if let Ok(written) = success.to_json(old) {
            let read = Success::from_json(&written).unwrap();
            let above = Success::from_json(&read.to_json(new).unwrap()).unwrap();
            prop_assert_eq!(above.to_json(old).unwrap(), written);
        }
    }

    #[test]
    fn errors_are_read_as_they_were_written(
        code in any::<u32>(), msg in any::<String>(), details in any::<String>(), version in versions(),
    ) {
        let error = Error::new(ErrorCode(code), msg).with_details(details);
        let text = pretty(&error.to_json(version));
        prop_assert_eq!(Error::parse(text.as_bytes()), Ok(error));
    }

    #[test]
    fn pretty_json_is_the_same_json(value in json()) {
        let text = pretty(&value);
        prop_assert_eq!(decode::value(text.as_bytes()), Ok(value));
        for line in text.lines() {
            let indentation = line.len() - line.trim_start_matches(' ').len();
            prop_assert_eq!(indentation % 4, 0);
        }
    }

    #[test]
    fn configurations_are_written_as_they_were_read(map in objects(json())) {
        let text = Value::from(map).to_string();
        if let Ok(config) = PluginConfig::parse(text.as_bytes()) {
            let written = config.to_string();
            if cfg!(feature = "preserve_order") {
                prop_assert_eq!(&written, &text);
            }
            prop_assert_eq!(decode::value(written.as_bytes()), decode::value(text.as_bytes()));
        }
    }

    #[test]
    fn unknown_keys_survive_injection_in_their_order(map in objects(json())) {
        let own = |key: &str| ["cniVersion", "name"].iter().any(|own| own.eq_ignore_ascii_case(key));
        let others = |map: &decode::Map| -> Vec<(String, Value)> {
            let others = map.iter().filter(|(key, _)| !own(key));
            others.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let expected = others(&map);
        if let Ok(config) = PluginConfig::from_map(map) {
            let config = config.with_network(&"net".parse().unwrap(), Version::V1_1_0);
            prop_assert_eq!(others(config.as_map()), expected);
            prop_assert_eq!(config.name(), Ok("net".parse().unwrap()));
            prop_assert_eq!(config.cni_version(), Ok(Version::V1_1_0));
        }
    }

    #[test]
    fn no_json_panics(value in json()) {
        read_as_everything(&value);
    }

    #[test]
    fn no_damaged_result_panics(
        success in successes(), version in versions(), choice in any::<usize>(), value in json(),
    ) {
        if let Ok(mut damaged) = success.to_json(version) {
            graft(&mut damaged, choice, value);
            read_as_everything(&damaged);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..200)) {
        let _ = decode::value(&bytes);
        let _ = PluginConfig::parse(&bytes);
        let _ = NetworkList::parse(&bytes);
        let _ = Success::parse(&bytes, Version::LATEST);
    }

    #[test]
    fn no_text_panics_and_names_are_what_was_accepted(text in any::<String>()) {
        let accepted = [
            text.parse::<ContainerId>().map(|name| name.to_string()),
            text.parse::<NetworkName>().map(|name| name.to_string()),
            text.parse::<IfName>().map(|name| name.to_string()),
            text.parse::<PluginType>().map(|name| name.to_string()),
        ];
        for name in accepted.into_iter().flatten() {
            prop_assert_eq!(&name, &text);
            prop_assert!(!name.is_empty() && !name.contains('/') && name != "..");
        }
        let _ = (text.parse::<MacAddr>(), text.parse::<Version>());
        let _ = (address::parse_ip(&text), address::parse_cidr(&text));
    }

    #[test]
    fn words_are_names(text in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}") {
        prop_assert!(text.parse::<ContainerId>().is_ok());
        prop_assert!(text.parse::<NetworkName>().is_ok());
        prop_assert!(text.parse::<IfName>().is_ok());
        prop_assert!(text.parse::<PluginType>().is_ok());
    }

    #[test]
    fn mac_addresses_are_read_as_they_are_written(octets in any::<[u8; 6]>()) {
        let mac = MacAddr::new(octets);
        let written = mac.to_string();
        prop_assert_eq!(written.parse(), Ok(mac));
        prop_assert_eq!(written.replace(':', "-").to_uppercase().parse(), Ok(mac));
    }

    #[test]
    fn addresses_are_read_as_they_are_written(net in nets()) {
        prop_assert_eq!(address::parse_cidr(&net.to_string()), Some(net));
        prop_assert_eq!(address::parse_ip(&net.addr().to_string()), Some(net.addr()));
    }
}
