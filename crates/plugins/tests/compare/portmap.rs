//! `portmap` after `bridge`: who reaches a port, and as whom the container sees it.

use serde_json::{Value, json};

use crate::case::{Case, Step, Step::*};
use crate::chain::{after_bridge, after_dual_stack};

/// The versions that have a prevResult.
const CHAINED: [&str; 4] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0"];

/// Who asks for the port 8080 of the host, and where: all that IPv4 has. `b` is a neighbour of `a`.
const IPV4: [Step; 6] = [
    Reach("outside", "198.51.100.1:8080"),
    Reach("host", "198.51.100.1:8080"),
    Reach("host", "127.0.0.1:8080"),
    Reach("b", "198.51.100.1:8080"),
    Reach("b", "10.22.0.1:8080"),
    Reach("a", "198.51.100.1:8080"),
];

/// The same of IPv6, whose loopback leads nowhere.
const IPV6: [Step; 4] = [
    Reach("outside", "[2001:db8:51::1]:8080"),
    Reach("host", "[2001:db8:51::1]:8080"),
    Reach("b", "[2001:db8:51::1]:8080"),
    Reach("a", "[2001:db8:51::1]:8080"),
];

fn mapping(protocol: &str) -> Value {
    json!({ "hostPort": 8080, "containerPort": 80, "protocol": protocol })
}

fn mapping_at(address: &str) -> Value {
    json!({ "hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": address })
}

fn with(mappings: Value, mut keys: Value) -> Value {
    keys["runtimeConfig"] = json!({ "portMappings": mappings });
    keys
}

fn both() -> Value {
    json!([mapping("tcp"), mapping("udp")])
}

/// These mappings and keys.
fn portmap(mappings: Value, keys: Value) -> Case {
    set_back(after_bridge("portmap", with(mappings, keys)))
}

/// The reference leaves it on for ever.
fn set_back(case: Case) -> Case {
    case.may_differ(
        "node sysctl ipv4/conf/cni0/route_localnet = ",
        "it is set back when the last container with a port is detached",
    )
}

/// Two containers, of which the first serves; who reaches it; and nobody does after its DEL.
fn talking(case: Case, reaches: &[Step]) -> Case {
    let mut steps = vec![Add("a"), Add("b"), Serve("a")];
    steps.extend_from_slice(reaches);
    steps.extend([
        Del("a"),
        Reach("outside", "198.51.100.1:8080"),
        Del("a"),
        Del("b"),
    ]);
    case.steps(&steps)
}

fn reached(mappings: Value, keys: Value) -> Case {
    talking(portmap(mappings, keys), &IPV4)
}

/// Why CHECK fails after ADD.
const CHECK: &str = "1.1.1 looks for rules of IPv6 of a container that has none";

/// Why masqAll does nothing.
const MASQ_ALL: &str = "1.1.1 does not know the key";

/// A mapping of the other family.
const OTHER: &str = "no port of IPv4 is published, so 127.0.0.1 need not leave the host";

cases! {
    in_all_versions: portmap(both(), json!({})).versions(&CHAINED).differs_from_debian("exit status", CHECK);
    everybody: reached(both(), json!({}));
    everybody_of_ipv6: talking(set_back(after_dual_stack("portmap", with(both(), json!({})))), &IPV6);
    tcp_alone: reached(json!([mapping("tcp")]), json!({}));
    an_address: reached(json!([mapping_at("198.51.100.1")]), json!({}));
    an_address_that_is_not_there: reached(json!([mapping_at("203.0.113.7")]), json!({}));
    every_address_of_ipv4: reached(json!([mapping_at("0.0.0.0")]), json!({}));
    the_loopback: reached(json!([mapping_at("127.0.0.1")]), json!({}));
    an_address_of_the_other_family: reached(json!([mapping_at("2001:db8:51::1")]), json!({}))
        .differs("node sysctl ipv4/conf/cni0/route_localnet", OTHER);
    without_snat: reached(both(), json!({ "snat": false }));
    masquerading_all: reached(both(), json!({ "masqAll": true }))
        .differs_from_debian("198.51.100.1:8080 is reached", MASQ_ALL);
    another_bit: reached(both(), json!({ "markMasqBit": 5 }));
    a_chain_that_marks: reached(both(), json!({ "externalSetMarkChain": "MARKED" }))
        .on_a_host_with("iptables -t nat -N MARKED; iptables -t nat -A MARKED -j MARK --set-xmark 0x40/0x40
            iptables -t nat -I POSTROUTING -m mark --mark 0x40/0x40 -j MASQUERADE");
    conditions: reached(both(), json!({ "conditionsV4": ["!", "-s", "198.51.100.0/24"] }));
    nothing: portmap(json!([]), json!({}));
    no_mappings: after_bridge("portmap", json!({}));
    nothing_of_the_runtime: after_bridge("portmap", json!({ "runtimeConfig": {} }));
    a_host_port_of_zero: portmap(json!([{ "hostPort": 0, "containerPort": 80, "protocol": "tcp" }]), json!({}))
        .fails(7, "host port");
    a_container_port_of_zero: portmap(json!([{ "hostPort": 8080, "containerPort": 0, "protocol": "tcp" }]), json!({}))
        .fails(7, "container port");
    a_port_below_zero: portmap(json!([{ "hostPort": -1, "containerPort": 80, "protocol": "tcp" }]), json!({}))
        .fails(7, "host port");
    a_port_as_text: portmap(json!([{ "hostPort": "8080", "containerPort": 80, "protocol": "tcp" }]), json!({}))
        .fails(6, "hostPort");
    a_bit_that_is_none: portmap(both(), json!({ "markMasqBit": 32 })).fails(7, "31");
    a_bit_and_a_chain: portmap(both(), json!({ "markMasqBit": 5, "externalSetMarkChain": "MARKED" }))
        .fails(7, "externalSetMarkChain");
    alone: Case::new(with(both(), json!({ "type": "portmap" }))).fails(7, "chained plugin");
    a_container_that_died: portmap(both(), json!({})).steps(&[Add("a"), Lose("a"), DelBare("a"), DelBare("a")]);
    deleted_without_a_result: portmap(both(), json!({})).version("0.3.1");
    two_containers: portmap(both(), json!({})).steps(&[Add("a"), Add("b"), Serve("a"), Serve("b"), Del("a"),
        Reach("outside", "198.51.100.1:8080"), Reach("outside", "198.51.100.1:8081"), Del("b"),
        Reach("outside", "198.51.100.1:8081")]);
}

/// Attachments handed over, with each implementation of iptables and each backend.
mod handover {
    use super::*;

    /// Two containers, of which the second comes after the plugins have been replaced.
    const REPLACED: [Step; 15] = [
        Add("a"),
        Serve("a"),
        Check("a"),
        Join("b"),
        Serve("b"),
        Check("b"),
        Reach("outside", "198.51.100.1:8080"),
        Reach("outside", "198.51.100.1:8081"),
        Reach("b", "198.51.100.1:8080"),
        Del("a"),
        Del("a"),
        Reach("outside", "198.51.100.1:8080"),
        Reach("outside", "198.51.100.1:8081"),
        Del("b"),
        Reach("outside", "198.51.100.1:8081"),
    ];

    /// What the other leaves.
    const GONE: [Step; 2] = [Add("a"), Del("a")];

    /// Why there is something left in the firewall.
    const OURS: &str = "the reference does not know our maps, whose elements go with GC";

    /// A container that died.
    const LOST: [Step; 4] = [Add("a"), Lose("a"), DelBare("a"), DelBare("a")];

    fn case(keys: Value, steps: &[Step], variant: &'static str) -> Case {
        let case = portmap(both(), keys).steps(steps).iptables(variant);
        match steps.contains(&Check("a")) {
            true => case.differs_from_debian("exit status", CHECK),
            false => case,
        }
    }

    fn iptables() -> Value {
        json!({ "backend": "iptables" })
    }

    fn nftables() -> Value {
        json!({ "backend": "nftables" })
    }

    macro_rules! handovers {
        ($direction:ident: $($name:ident: $case:expr;)*) => {
            $(#[test] fn $name() { $case.$direction(); })*
        };
    }

    mod to_ours {
        use super::*;

        handovers! { hand_over_to_ours:
            by_default: case(json!({}), &REPLACED, "nft");
            by_iptables: case(iptables(), &REPLACED, "nft");
            by_the_older_iptables: case(iptables(), &REPLACED, "legacy");
            from_the_older_iptables_to_nftables: case(json!({}), &REPLACED, "legacy");
            // 1.1.1 does not know the key, and takes iptables.
            by_nftables: case(nftables(), &REPLACED, "nft");
            one_that_died: case(json!({}), &LOST, "nft");
            one_that_died_by_the_older_iptables: case(json!({}), &LOST, "legacy");
            one_that_died_by_nftables: case(nftables(), &LOST, "nft");
        }
    }

    mod to_reference {
        use super::*;

        handovers! { hand_over_to_reference:
            by_iptables: case(iptables(), &REPLACED, "nft");
            by_the_older_iptables: case(iptables(), &REPLACED, "legacy");
            by_default: case(json!({}), &GONE, "nft").differs("the firewall knows", OURS);
            one_that_died: case(iptables(), &LOST, "nft");
            one_that_died_by_the_older_iptables: case(iptables(), &LOST, "legacy");
        }
    }
}
