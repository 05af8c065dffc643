//! The host that the configurations in `bad/host` are looked at for.

use std::path::PathBuf;

use linkspan_inspect::link::{Link, Links, Route};
use linkspan_lint::host::Facts;
use linkspan_lint::input;

/// A host with a network card, the bridges of Docker and of a network that is gone, a route to another site, the reference
/// plugins, and a network on its disk.
pub(crate) fn facts() -> Facts {
    let link = |index, name: &str, kind: Option<&str>, address: &str| Link {
        index,
        name: name.to_owned(),
        kind: kind.map(str::to_owned),
        mtu: 1500,
        addresses: vec![address.parse().expect("an address")],
        ..Link::default()
    };
    let route = |destination: &str, gateway: Option<&str>| Route {
        destination: destination.parse().expect("a network"),
        gateway: gateway.map(|gateway| gateway.parse().expect("an address")),
        link: Some(2),
    };
    let links = Links {
        links: vec![
            link(1, "lo", None, "127.0.0.1/8"),
            link(2, "eth0", None, "192.168.7.5/24"),
            link(3, "docker0", Some("bridge"), "172.17.0.1/16"),
            link(4, "cni7", Some("bridge"), "10.7.0.1/16"),
            link(5, "br-ondisk", Some("bridge"), "10.33.0.1/16"),
        ],
        routes: vec![
            route("0.0.0.0/0", Some("192.168.7.1")),
            route("192.168.7.0/24", None),
            route("10.50.0.0/16", Some("192.168.7.9")),
        ],
    };
    let on_disk = br#"{ "cniVersion": "1.0.0", "name": "ondisk", "type": "bridge", "bridge": "br-ondisk", "isGateway": true,
        "ipam": { "type": "host-local", "subnet": "10.33.0.0/16" } }"#;
    Facts {
        plugin_dirs: vec![PathBuf::from("/opt/cni/bin")],
        plugins: Some(
            linkspan_plugins::PLUGINS
                .iter()
                .map(|plugin| plugin.name().to_owned())
                .collect(),
        ),
        links: Some(links),
        allowlist: Some("^net.ipv4.conf.IFNAME.[a-z_]*$\n".to_owned()),
        networks: input::text("/etc/cni/net.d/10-ondisk.conf", on_disk),
    }
}
