//! What is put to the proof: plugins with configurations that have them do all that they can.

use serde_json::{Value, json};

/// A plugin, or a chain of them.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// What the host needs first, as lines of shell.
    pub(crate) setup: &'static str,
    /// Whether the container has an interface of `bridge` before.
    pub(crate) is_chained: bool,
    /// What of `c1` is there behind its DEL or GC.
    pub(crate) life: Life,
    /// Whether it is a list of plugins, which `linkspan` runs.
    pub(crate) is_run_by_linkspan: bool,
    /// The configuration for one of the two containers: `c1`, or `by`, which stays.
    pub(crate) config: fn(&str) -> Value,
}

/// Where what a plugin makes has its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// On the host: GC takes all of it away.
    Host,
    /// In the container, or on its link: GC takes away what is known of it, the rest goes with the namespace.
    Namespace,
    /// A namespace serves for one ADD, whose DEL does not bring back what there was, as the reference's does not.
    Once,
    /// It outlives the container, and comes home by DEL.
    Device,
}

fn subject(name: &'static str, config: fn(&str) -> Value) -> Subject {
    Subject {
        name,
        setup: "",
        is_chained: false,
        life: Life::Host,
        is_run_by_linkspan: false,
        config,
    }
}

fn chained(name: &'static str, config: fn(&str) -> Value) -> Subject {
    Subject {
        is_chained: true,
        ..subject(name, config)
    }
}

fn on_master(name: &'static str, config: fn(&str) -> Value) -> Subject {
    Subject {
        life: Life::Namespace,
        setup: "ip link add ens1 type veth peer name ens2; ip link set ens1 up; ip link set ens2 up",
        ..subject(name, config)
    }
}

/// A configuration of the network `mynet` with these keys.
fn network(keys: Value) -> Value {
    linkspan_testkit::with(&json!({ "cniVersion": "1.1.0", "name": "mynet" }), keys)
}

/// Exactly as many addresses as there are containers: one that is lost is missed by the next ADD.
fn two_addresses() -> Value {
    json!([[{ "subnet": "10.22.0.0/24", "rangeStart": "10.22.0.2", "rangeEnd": "10.22.0.3" }]])
}

fn host_local() -> Value {
    json!({ "type": "host-local", "ranges": two_addresses(), "routes": [{ "dst": "0.0.0.0/0" }] })
}

/// An address of each container's own.
fn static_address(id: &str) -> Value {
    let address = if id == "by" {
        "10.22.0.8/24"
    } else {
        "10.22.0.9/24"
    };
    json!({ "type": "static", "addresses": [{ "address": address, "gateway": "10.22.0.1" }] })
}

/// The network that chained plugins are called after.
pub(crate) fn first_of_chain() -> Value {
    network(json!({ "type": "bridge", "bridge": "cni0", "isGateway": true, "ipam": host_local() }))
}

pub(crate) fn bridge() -> Subject {
    subject("bridge", |_| first_of_chain())
}

pub(crate) fn bridge_masquerade() -> Subject {
    subject("bridge with ipMasq", |_| {
        network(json!({
            "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "macspoofchk": true, "ipam": host_local()
        }))
    })
}

pub(crate) fn bridge_masquerade_iptables() -> Subject {
    subject("bridge with ipMasq by iptables", |_| {
        network(json!({
            "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipMasqBackend": "iptables", "ipam": host_local()
        }))
    })
}

pub(crate) fn bridge_dual_stack() -> Subject {
    subject("bridge, dual stack", |_| {
        let mut ipam = host_local();
        let v6 = json!([{ "subnet": "fd00:22::/64", "rangeStart": "fd00:22::2", "rangeEnd": "fd00:22::3" }]);
        ipam["ranges"].as_array_mut().unwrap().push(v6);
        network(
            json!({ "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true, "ipam": ipam }),
        )
    })
}

pub(crate) fn ptp() -> Subject {
    subject("ptp", |_| {
        network(json!({ "type": "ptp", "ipMasq": true, "ipam": host_local() }))
    })
}

pub(crate) fn macvlan() -> Subject {
    on_master("macvlan", |_| {
        network(json!({ "type": "macvlan", "master": "ens1", "ipam": host_local() }))
    })
}

pub(crate) fn host_device() -> Subject {
    Subject {
        life: Life::Device,
        setup: "ip link add devc1 type veth peer name outc1; ip link add devby type veth peer name outby",
        ..subject("host-device", |id| {
            network(
                json!({ "type": "host-device", "device": format!("dev{id}"), "ipam": static_address(id) }),
            )
        })
    }
}

pub(crate) fn loopback() -> Subject {
    Subject {
        life: Life::Namespace,
        ..subject("loopback", |_| network(json!({ "type": "loopback" })))
    }
}

pub(crate) fn tap() -> Subject {
    Subject {
        life: Life::Namespace,
        ..subject("tap", |id| {
            network(json!({ "type": "tap", "ipam": static_address(id) }))
        })
    }
}

pub(crate) fn host_local_alone() -> Subject {
    subject("host-local", |_| {
        network(json!({ "type": "host-local", "ipam": host_local() }))
    })
}

pub(crate) fn static_alone() -> Subject {
    subject("static", |id| {
        network(json!({ "type": "static", "ipam": static_address(id) }))
    })
}

fn ports(id: &str, backend: &str) -> Value {
    let port = if id == "by" { 7070 } else { 8080 };
    network(json!({
        "type": "portmap", "backend": backend, "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": [
            { "hostPort": port, "containerPort": 80, "protocol": "tcp" },
            { "hostPort": port, "containerPort": 80, "protocol": "udp" }
        ] }
    }))
}

pub(crate) fn portmap() -> Subject {
    chained("portmap", |id| ports(id, "nftables"))
}

pub(crate) fn portmap_iptables() -> Subject {
    chained("portmap by iptables", |id| ports(id, "iptables"))
}

pub(crate) fn firewall() -> Subject {
    chained("firewall", |_| {
        network(json!({ "type": "firewall", "backend": "nftables" }))
    })
}

pub(crate) fn firewall_iptables() -> Subject {
    chained("firewall by iptables", |_| {
        network(json!({ "type": "firewall", "backend": "iptables" }))
    })
}

pub(crate) fn bandwidth() -> Subject {
    Subject {
        life: Life::Namespace,
        ..chained("bandwidth", |_| {
            network(json!({
                "type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
                "egressRate": 8_000_000, "egressBurst": 8_000_000
            }))
        })
    }
}

pub(crate) fn tuning() -> Subject {
    Subject {
        life: Life::Namespace,
        ..chained("tuning", |id| {
            let mac = if id == "by" {
                "02:00:00:00:00:08"
            } else {
                "02:00:00:00:00:09"
            };
            network(json!({
                "type": "tuning", "mtu": 1400, "promisc": true, "mac": mac, "txQLen": 500, "allmulti": true,
                "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1", "net.ipv4.conf.IFNAME.rp_filter": "2" }
            }))
        })
    }
}

pub(crate) fn sbr() -> Subject {
    Subject {
        life: Life::Once,
        ..chained("sbr", |_| network(json!({ "type": "sbr" })))
    }
}

/// What most networks are, all of it run by `linkspan`.
pub(crate) fn chain() -> Subject {
    Subject {
        life: Life::Namespace,
        is_run_by_linkspan: true,
        ..subject("a chain", |id| {
            let subjects = [
                bridge_masquerade(),
                portmap(),
                firewall(),
                bandwidth(),
                tuning(),
            ];
            let mut plugins = subjects.map(|subject| (subject.config)(id));
            for plugin in &mut plugins {
                let keys = plugin.as_object_mut().unwrap();
                for key in ["cniVersion", "name", "runtimeConfig", "mac"] {
                    keys.remove(key);
                }
            }
            json!({ "cniVersion": "1.1.0", "name": "mynet", "plugins": plugins })
        })
    }
}

/// What a chain's plugins get by their capabilities.
pub(crate) fn capabilities(id: &str) -> Value {
    ports(id, "nftables")["runtimeConfig"].clone()
}
