//! Networks that are explained and then attached to, so that each of the plugins is in one.

use linkspan_testkit::Feature;
use serde_json::Value;

pub(super) struct Case {
    pub(super) name: &'static str,
    plugins: &'static str,
    /// What is supposed beside.
    pub(super) words: &'static [&'static str],
    /// What the kernel must have for an ADD.
    pub(super) features: &'static [Feature],
    /// Whether a container is attached: nobody answers dhcp here.
    pub(super) is_attached: bool,
}

const fn case(name: &'static str, plugins: &'static str) -> Case {
    Case {
        name,
        plugins,
        words: &[],
        features: &[],
        is_attached: true,
    }
}

const fn in_machine(
    name: &'static str,
    features: &'static [Feature],
    plugins: &'static str,
) -> Case {
    Case {
        features,
        ..case(name, plugins)
    }
}

impl Case {
    pub(super) fn plugins(&self) -> Value {
        serde_json::from_str(self.plugins).unwrap()
    }

    /// The same suppositions, as ADD takes them.
    pub(super) fn cap_args(&self) -> String {
        match self.words {
            ["--cap-args", json] => (*json).to_owned(),
            _ => "{}".to_owned(),
        }
    }
}

pub(super) const CASES: &[Case] = &[
    case(
        "bridge",
        r#"[{ "type": "bridge", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true, "mtu": 1400,
              "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]] } }]"#,
    ),
    case(
        "bridge-and-portmap",
        r#"[{ "type": "bridge", "bridge": "ports0", "isGateway": true, "macspoofchk": true, "ipam": { "type": "host-local", "subnet": "10.23.0.0/24" } },
            { "type": "portmap", "capabilities": { "portMappings": true } },
            { "type": "firewall", "ingressPolicy": "same-bridge" },
            { "type": "bandwidth", "ingressRate": 8000000, "ingressBurst": 800000, "egressRate": 16000000, "egressBurst": 800000 },
            { "type": "tuning", "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" }, "mtu": 1450, "promisc": true },
            { "type": "sbr" }]"#,
    )
    .supposing(&["--cap-args", r#"{ "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }] }"#]),
    case(
        "ptp",
        r#"[{ "type": "ptp", "ipMasq": true, "ipam": { "type": "host-local", "subnet": "10.24.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] } }]"#,
    ),
    case(
        "macvlan",
        r#"[{ "type": "macvlan", "master": "up0", "ipam": { "type": "static", "addresses": [{ "address": "192.0.2.9/24", "gateway": "192.0.2.254" }] } }]"#,
    ),
    case(
        "host-device",
        r#"[{ "type": "host-device", "device": "dev0", "ipam": { "type": "static", "addresses": [{ "address": "198.51.100.9/24" }] } }]"#,
    ),
    case(
        "tap",
        r#"[{ "type": "tap", "multiQueue": true, "ipam": { "type": "static", "addresses": [{ "address": "10.25.0.2/24" }] } }]"#,
    ),
    case("loopback", r#"[{ "type": "loopback" }]"#),
    case("dhcp", r#"[{ "type": "bridge", "isGateway": true, "ipam": { "type": "dhcp" } }]"#).not_attached(),
    in_machine(
        "bridge-vlan",
        &[Feature::BridgeVlanFiltering],
        r#"[{ "type": "bridge", "bridge": "vlans0", "vlan": 100, "vlanTrunk": [{ "minID": 200, "maxID": 210 }, { "id": 300 }], "isGateway": true,
              "ipam": { "type": "host-local", "subnet": "10.26.0.0/24" } }]"#,
    ),
    in_machine(
        "ipvlan",
        &[Feature::Ipvlan],
        r#"[{ "type": "ipvlan", "master": "up1", "mode": "l3", "ipam": { "type": "static", "addresses": [{ "address": "192.0.2.10/24" }] } }]"#,
    ),
    in_machine(
        "vlan",
        &[Feature::Vlan],
        r#"[{ "type": "vlan", "master": "up0", "vlanId": 7, "mtu": 1400, "ipam": { "type": "host-local", "subnet": "10.27.0.0/24" } }]"#,
    ),
    in_machine(
        "dummy",
        &[Feature::Dummy],
        r#"[{ "type": "dummy", "ipam": { "type": "host-local", "subnet": "10.28.0.0/24" } }]"#,
    ),
    in_machine(
        "vrf",
        &[Feature::Vrf],
        r#"[{ "type": "ptp", "ipam": { "type": "host-local", "subnet": "10.29.0.0/24", "routes": [{ "dst": "0.0.0.0/0" }] } },
            { "type": "vrf", "vrfname": "red" }]"#,
    ),
];

impl Case {
    const fn supposing(mut self, words: &'static [&'static str]) -> Self {
        self.words = words;
        self
    }

    const fn not_attached(mut self) -> Self {
        self.is_attached = false;
        self
    }
}
