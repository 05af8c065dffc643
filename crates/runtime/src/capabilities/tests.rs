use std::net::IpAddr;

use serde_json::json;

use super::*;

fn endpoint() -> Endpoint {
    Endpoint::new("c1".parse().unwrap(), "eth0".parse().unwrap())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The JSON of the conventions, and what comes back from it.
#[test]
fn each_capability_has_the_shape_of_the_conventions_and_is_read_back() {
    let mapping = PortMapping::new(8080, 80, Protocol::Udp).unwrap();
    let mapping = mapping.at(ip("192.0.2.1"));
    let limit = RateLimit::new(10_000_000, 1_000_000).unwrap();
    let bandwidth = Bandwidth::default().with_egress(limit);
    let dns = ResolverConfig::new([ip("10.0.0.53")]).with_searches(["cluster.local"]);
    let dns = dns.with_options(["ndots:5"]);
    let range = IpRange::new("10.1.2.0/24".parse().unwrap());
    let range = range.between(ip("10.1.2.9"), ip("10.1.2.20")).unwrap();
    let range = range.with_gateway(ip("10.1.2.254")).unwrap();
    let guid = [0xc2, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77];
    let endpoint = endpoint()
        .with_port_mappings([mapping])
        .with_bandwidth(&bandwidth)
        .with_ips([
            "10.10.0.1/24".parse().unwrap(),
            "3ffe::1/64".parse().unwrap(),
        ])
        .with_mac("c2:11:22:33:44:55".parse().unwrap())
        .with_dns(&dns)
        .with_ip_ranges([vec![range.clone()]])
        .with_device_id("0000:04:00.5")
        .with_infiniband_guid(guid)
        .with_cgroup_path("/kubepods/pod1")
        .with_aliases(["web", "db"])
        .with_pod_annotations([("a/b", "c")]);
    let expected = json!({
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "udp", "hostIP": "192.0.2.1"}],
        "bandwidth": {"egressRate": 10_000_000, "egressBurst": 1_000_000},
        "ips": ["10.10.0.1/24", "3ffe::1/64"],
        "mac": "c2:11:22:33:44:55",
        "dns": {"servers": ["10.0.0.53"], "searches": ["cluster.local"], "options": ["ndots:5"]},
        "ipRanges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.20", "gateway": "10.1.2.254"}]],
        "deviceID": "0000:04:00.5",
        "infinibandGUID": "c2:11:22:33:44:55:66:77",
        "cgroupPath": "/kubepods/pod1",
        "aliases": ["web", "db"],
        "io.kubernetes.cri.pod-annotations": {"a/b": "c"},
    });
    assert_eq!(Value::Object(endpoint.capability_args.clone()), expected);
    assert_eq!(endpoint.port_mappings().unwrap(), [mapping]);
    assert_eq!(endpoint.bandwidth().unwrap(), Some(bandwidth));
    assert_eq!(endpoint.ips().unwrap().len(), 2);
    let mac = endpoint.mac().unwrap().map(|mac| mac.to_string());
    assert_eq!(mac.as_deref(), Some("c2:11:22:33:44:55"));
    assert_eq!(endpoint.dns().unwrap(), Some(dns));
    assert_eq!(endpoint.ip_ranges().unwrap(), [[range]]);
    assert_eq!(endpoint.device_id().unwrap(), Some("0000:04:00.5"));
    assert_eq!(endpoint.infiniband_guid().unwrap(), Some(guid));
    assert_eq!(endpoint.cgroup_path().unwrap(), Some("/kubepods/pod1"));
    assert_eq!(endpoint.aliases().unwrap(), ["web", "db"]);
    let annotations = endpoint.pod_annotations().unwrap();
    assert_eq!(
        annotations.into_iter().collect::<Vec<_>>(),
        [("a/b".into(), "c".into())]
    );
}

#[test]
fn what_is_not_given_is_none() {
    let endpoint = endpoint();
    assert_eq!(endpoint.port_mappings(), Ok(vec![]));
    assert_eq!(endpoint.bandwidth(), Ok(None));
    assert_eq!(endpoint.mac(), Ok(None));
    assert!(endpoint.pod_annotations().unwrap().is_empty());
}

#[test]
fn what_cannot_be_is_refused_before_a_plugin_sees_it() {
    assert_eq!(
        PortMapping::new(0, 80, Protocol::Tcp),
        Err(InvalidPort::Zero)
    );
    assert_eq!(
        PortMapping::new(80, 0, Protocol::Tcp),
        Err(InvalidPort::Zero)
    );
    assert_eq!("SCTP".parse(), Ok(Protocol::Sctp));
    assert!("icmp".parse::<Protocol>().is_err());
    assert_eq!(RateLimit::new(0, 1), Err(InvalidLimit::NoRate));
    assert!(RateLimit::new(1, MAX + 1).is_err() && RateLimit::new(1, MAX).is_ok());
    let range = || IpRange::new("10.1.2.7/24".parse().unwrap());
    assert_eq!(range().subnet.to_string(), "10.1.2.0/24");
    assert!(matches!(
        range().between(ip("10.1.3.1"), ip("10.1.2.2")),
        Err(InvalidRange::Outside { .. })
    ));
    assert!(matches!(
        range().between(ip("10.1.2.3"), ip("10.1.2.2")),
        Err(InvalidRange::Empty { .. })
    ));
    assert!(range().with_gateway(ip("fd00::1")).is_err());
}

/// 2^32 - 1 bytes.
const MAX: u64 = 34_359_738_359;

#[test]
fn what_another_runtime_has_given_may_be_anything() {
    for (capability, value, message) in [
        (
            PORT_MAPPINGS,
            json!([{"hostPort": 0, "containerPort": 1}]),
            "portMappings[0].hostPort",
        ),
        (
            PORT_MAPPINGS,
            json!([{"hostPort": 1, "containerPort": 70000}]),
            "containerPort",
        ),
        (
            PORT_MAPPINGS,
            json!([{"hostPort": 1, "containerPort": 1, "protocol": "icmp"}]),
            "protocol",
        ),
        (PORT_MAPPINGS, json!({}), "portMappings"),
    ] {
        let error = endpoint().with_capability_arg(capability, value.clone());
        let error = error.port_mappings().unwrap_err().to_string();
        assert!(error.contains(message), "{value}: {error}");
    }
    for wrong in [
        "c2:11",
        "c2:11:22:33:44:55:66:7g",
        "c2:11:22:33:44:55:66:77:88",
        "+2:11:22:33:44:55:66:77",
    ] {
        let endpoint = endpoint().with_capability_arg(INFINIBAND_GUID, wrong.into());
        assert!(endpoint.infiniband_guid().is_err(), "{wrong}");
    }
    // As go-cni writes it: in Go the case of the letters does not matter.
    let dns =
        endpoint().with_capability_arg(DNS, json!({"Servers": ["10.0.0.1"], "Options": null}));
    assert_eq!(dns.dns().unwrap().unwrap().servers, ["10.0.0.1"]);
    let mapping = endpoint().with_capability_arg(
        PORT_MAPPINGS,
        json!([{"HostPort": 1, "ContainerPort": 2, "Protocol": "TCP", "HostIP": ""}]),
    );
    assert_eq!(
        mapping.port_mappings().unwrap(),
        [PortMapping::new(1, 2, Protocol::Tcp).unwrap()]
    );
}

/// multus PR#387, and the port that nobody publishes.
#[test]
fn arguments_that_no_plugin_declares_are_told() {
    let network = |capabilities: Value| {
        let list = json!({"cniVersion": "1.0.0", "name": "net", "plugins": [
            {"type": "bridge", "capabilities": {"ips": true, "mac": false}},
            {"type": "portmap", "capabilities": capabilities},
        ]});
        NetworkList::parse(list.to_string().as_bytes()).unwrap()
    };
    let endpoint = endpoint()
        .with_port_mappings([PortMapping::new(80, 80, Protocol::Tcp).unwrap()])
        .with_ips(["10.0.0.1/8".parse().unwrap()])
        .with_mac("c2:11:22:33:44:55".parse().unwrap())
        // As Kubernetes' runtimes send them when there is nothing.
        .with_pod_annotations([("a", ""); 0])
        .with_dns(&ResolverConfig::default())
        .with_cgroup_path("");
    // Their order is that of a JSON object: see the feature `preserve_order`.
    let unused = |capabilities| {
        let mut unused = Runtime::unused_capabilities(&network(capabilities), &endpoint).unwrap();
        unused.sort_unstable();
        unused
    };
    assert_eq!(unused(json!({})), ["mac", "portMappings"]);
    assert_eq!(unused(json!({"portMappings": true})), ["mac"]);
    let declared = Runtime::capabilities(&network(json!({"portMappings": true, "ips": true})));
    assert_eq!(declared.unwrap(), ["ips", "portMappings"]);
}
