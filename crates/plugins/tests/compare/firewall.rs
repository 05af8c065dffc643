//! `firewall` after `bridge`, on hosts whose FORWARD drops.

use serde_json::{Value, json};

use crate::case::{Case, Step, Step::*};

/// As Docker sets it.
const DROP: &str = "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP";
const LEGACY_DROP: &str = "iptables-legacy -P FORWARD DROP; ip6tables-legacy -P FORWARD DROP";

/// A backend that the reference does not know is iptables.
const UNKNOWN: &str = "a word that nobody understands is a mistake";

/// What the reference's `bridge` leaves.
const LEFT: &str = "without a result the reference knows no rules to remove";

/// What is tried: two containers, which talk with the outside and with each other; then one of them.
const TALKING: [Step; 12] = [
    Add("a"),
    Talk("a"),
    Add("b"),
    Talk("b"),
    Meet("a", "b"),
    Check("a"),
    Del("a"),
    Del("a"),
    Talk("a"),
    Talk("b"),
    Check("b"),
    Del("b"),
];

fn bridge(ranges: &Value) -> Value {
    json!({
        "type": "bridge", "isGateway": true, "ipMasq": true, "ipMasqBackend": "iptables",
        "ipam": { "type": "host-local", "ranges": ranges, "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] },
    })
}

/// A container with an address of each family.
fn firewall(mut keys: Value) -> Case {
    keys["type"] = "firewall".into();
    let ranges = json!([[{ "subnet": "10.22.0.0/16" }], [{ "subnet": "fd00:22::/64" }]]);
    Case::chain(&json!([bridge(&ranges), keys]))
}

fn dropped(keys: Value) -> Case {
    firewall(keys).steps(&TALKING).on_a_host_with(DROP)
}

cases! {
    in_all_versions: firewall(json!({})).versions(&["0.4.0", "1.0.0"]);
    a_host_that_forwards: firewall(json!({})).steps(&TALKING);
    a_host_that_drops: dropped(json!({}));
    a_host_that_drops_by_iptables: dropped(json!({ "backend": "iptables" }));
    a_host_that_drops_by_the_older_iptables: firewall(json!({ "backend": "iptables" })).steps(&TALKING)
        .iptables("legacy").on_a_host_with(LEGACY_DROP);
    an_admin_who_drops: dropped(json!({ "backend": "iptables" }))
        .on_a_host_with("iptables -N CNI-ADMIN; iptables -A CNI-ADMIN -p tcp --dport 80 -j DROP");
    an_admin_with_a_chain: dropped(json!({ "iptablesAdminChainName": "MINE" }))
        .on_a_host_with("iptables -N MINE; iptables -A MINE -p tcp --dport 80 -j DROP");
    open: dropped(json!({ "ingressPolicy": "open" }));
    same_bridge: dropped(json!({ "ingressPolicy": "same-bridge" }));
    alone: Case::new(json!({ "type": "firewall" })).fails(7, "prevResult");
    a_backend_that_there_is_not: firewall(json!({ "backend": "ipfw" })).differs("exit status", UNKNOWN);
    a_backend_that_is_a_number: firewall(json!({ "backend": 7 })).fails(6, "backend");
    a_policy_that_there_is_not: firewall(json!({ "ingressPolicy": "closed" })).fails(7, "ingressPolicy");
    a_container_that_died: dropped(json!({})).steps(&[Add("a"), Lose("a"), DelBare("a"), DelBare("a")])
        .differs("the firewall knows", LEFT);
}

/// Attachments handed over, with each implementation of iptables.
mod handover {
    use super::*;

    /// Two containers, of which the second comes after the plugins have been replaced.
    const REPLACED: [Step; 11] = [
        Add("a"),
        Check("a"),
        Join("b"),
        Check("b"),
        Talk("a"),
        Talk("b"),
        Meet("a", "b"),
        Del("a"),
        Talk("a"),
        Talk("b"),
        Del("b"),
    ];

    fn case(keys: Value, variant: &'static str) -> Case {
        let policy = if variant == "nft" { DROP } else { LEGACY_DROP };
        let case = firewall(keys).steps(&REPLACED).iptables(variant);
        case.on_a_host_with(policy)
    }

    fn iptables() -> Value {
        json!({ "backend": "iptables" })
    }

    macro_rules! handovers {
        ($direction:ident: $($name:ident: $case:expr;)*) => {
            $(#[test] fn $name() { $case.$direction(); })*
        };
    }

    mod to_ours {
        use super::*;

        handovers! { hand_over_to_ours:
            by_default: case(json!({}), "nft");
            by_default_from_the_older_iptables: case(json!({}), "legacy");
            by_iptables: case(iptables(), "nft");
            by_the_older_iptables: case(iptables(), "legacy");
        }
    }

    mod to_reference {
        use super::*;

        handovers! { hand_over_to_reference:
            by_iptables: case(iptables(), "nft");
            by_the_older_iptables: case(iptables(), "legacy");
        }
    }
}
