//! The plugins that make an interface, each with what it needs on the host.

use std::fs;
use std::os::unix::fs::symlink;

use linkspan_testkit::{Feature, Netns, Plugins, Sandbox, Setup, Snapshot, needs, with};
use serde_json::{Value, json};

/// A plugin that makes an interface.
#[derive(Clone)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    features: &'static [Feature],
    /// The keys of its network beside version, name and addresses.
    keys: Value,
    /// What its master, its device or the port of its bridge is called; the other end of the wire is `eth0` outside.
    wire: Option<&'static str>,
    /// The interface is switched on before it has addresses.
    pub(crate) is_up_early: bool,
}

impl Kind {
    fn new(name: &'static str, keys: Value) -> Self {
        Self {
            name,
            features: &[],
            keys,
            wire: None,
            is_up_early: false,
        }
    }

    /// The link outside that it reaches.
    pub(crate) fn outside_link(&self) -> &'static str {
        if self.name == "vlan" {
            "eth0.100"
        } else {
            "eth0"
        }
    }

    /// Whether several containers can have one at a time.
    pub(crate) fn is_shared(&self) -> bool {
        !["vlan", "host-device"].contains(&self.name)
    }

    /// What a test of it asks for.
    pub(crate) fn setup(&self) -> Setup {
        needs(self.features)
    }
}

pub(crate) fn bridge() -> Kind {
    let keys = json!({ "bridge": "cni0", "ipMasq": true });
    Kind {
        wire: Some("port0"),
        ..Kind::new("bridge", keys)
    }
}

pub(crate) fn bridge_with_guard() -> Kind {
    let keys = json!({ "bridge": "cni0", "macspoofchk": true });
    Kind { keys, ..bridge() }
}

pub(crate) fn ptp() -> Kind {
    Kind::new("ptp", json!({ "ipMasq": true }))
}

pub(crate) fn macvlan() -> Kind {
    Kind {
        wire: Some("ens1"),
        ..Kind::new("macvlan", json!({ "master": "ens1" }))
    }
}

pub(crate) fn ipvlan() -> Kind {
    Kind {
        features: &[Feature::Ipvlan],
        wire: Some("ens1"),
        ..Kind::new("ipvlan", json!({ "master": "ens1" }))
    }
}

pub(crate) fn vlan() -> Kind {
    Kind {
        features: &[Feature::Vlan],
        wire: Some("ens1"),
        ..Kind::new("vlan", json!({ "master": "ens1", "vlanId": 100 }))
    }
}

pub(crate) fn host_device() -> Kind {
    Kind {
        wire: Some("nic0"),
        is_up_early: true,
        ..Kind::new("host-device", json!({ "device": "nic0" }))
    }
}

pub(crate) fn tap() -> Kind {
    Kind::new("tap", json!({}))
}

pub(crate) fn dummy() -> Kind {
    Kind {
        features: &[Feature::Dummy],
        ..Kind::new("dummy", json!({}))
    }
}

/// A host, its plugins, and a network of one of them.
pub(crate) struct World<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) plugins: Plugins,
    pub(crate) config: Value,
    outside: Option<Netns>,
}

impl<'a> World<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, kind: &Kind, ipam: Value) -> Self {
        let network =
            json!({ "cniVersion": "1.0.0", "name": "net", "type": kind.name, "ipam": ipam });
        Self {
            sandbox,
            plugins: own_folder(sandbox),
            config: with(&network, kind.keys.clone()),
            outside: kind.wire.map(|wire| lay(sandbox, kind, wire)),
        }
    }

    /// What is at the other end of the wire.
    pub(crate) fn outside(&self) -> &Netns {
        self.outside.as_ref().unwrap()
    }

    /// What of the host and of the container must be as it was after DEL.
    #[track_caller]
    pub(crate) fn snapshot(&self, netns: &Netns) -> Snapshot {
        const STAYS: [&str; 16] = [
            "= directory ",
            "/lock =",
            "/last_reserved_ip.",
            "/forwarding =",
            "/ip_forward =",
            "/accept_redirects =",
            " nft table inet linkspan",
            " nft chain inet linkspan",
            " nft rule inet linkspan",
            " nft table bridge linkspan",
            " nft chain bridge linkspan",
            " nft rule bridge linkspan",
            "\"containers' ",
            "[\"linkdown\"]",
            " promiscuity = ",
            // Of a device that was never switched on.
            " qdisc = ",
        ];
        let directories = ["/var/lib/cni", "/run/cni"];
        Snapshot::of(&[self.sandbox.host(), netns], &directories).without(&STAYS)
    }
}

/// The plugins in a folder that others can be put into.
fn own_folder(sandbox: &Sandbox) -> Plugins {
    let plugins = Plugins::linked(env!("CARGO_BIN_EXE_linkspan-plugins"));
    let folder = sandbox.dir();
    for entry in fs::read_dir(plugins.dir()).unwrap() {
        let entry = entry.unwrap();
        symlink(
            entry.path().canonicalize().unwrap(),
            folder.join(entry.file_name()),
        )
        .unwrap();
    }
    Plugins::at(folder)
}

/// Lays the wire to the outside.
fn lay(sandbox: &Sandbox, kind: &Kind, wire: &str) -> Netns {
    let (host, outside) = (sandbox.host(), sandbox.netns("outside"));
    host.connect(wire, &outside, "eth0");
    match kind.name {
        // As DEL leaves it.
        "host-device" => drop(host.run("ip link set nic0 down")),
        // Its MAC address is set, so that it does not follow its ports.
        "bridge" => drop(host.run(
            "ip link add cni0 address 02:00:00:00:00:b0 type bridge; ip link set cni0 up; ip link set port0 master cni0
             echo 0 >/proc/sys/net/ipv6/conf/cni0/accept_ra",
        )),
        "vlan" => drop(outside.run(
            "ip link add link eth0 name eth0.100 type vlan id 100; ip link set eth0.100 up",
        )),
        _ => {}
    }
    outside
}

/// The MAC address of the container's interface in a result.
pub(crate) fn mac_in(result: &Value) -> Value {
    let interfaces = result["interfaces"].as_array().unwrap();
    let inside = interfaces.iter().find(|one| one["sandbox"].is_string());
    inside.unwrap()["mac"].clone()
}
