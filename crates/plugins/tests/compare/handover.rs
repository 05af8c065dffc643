//! An attachment that one has made, checked and removed by the other: an upgrade, and a downgrade, with containers running.

use serde_json::{Value, json};

use crate::case::{Case, Step, Step::*};

/// What is done when the plugins have been replaced under two running containers.
pub(crate) const REPLACED: [Step; 10] = [
    Add("a"),
    Check("a"),
    Join("b"),
    Check("b"),
    Check("a"),
    Meet("a", "b"),
    Del("a"),
    Del("a"),
    Check("b"),
    Del("b"),
];

/// And with a container that has died.
pub(crate) const LOST: [Step; 4] = [Add("a"), Lose("a"), DelBare("a"), DelBare("a")];

/// With a version that has no CHECK.
const OF_0_3_1: [Step; 4] = [Add("a"), Add("b"), Del("a"), Del("b")];

fn network(keys: Value, subnets: &[&str], steps: &[Step]) -> Case {
    let ranges: Vec<Value> = subnets
        .iter()
        .map(|subnet| json!([{ "subnet": subnet }]))
        .collect();
    let mut config = keys;
    config["type"] = "bridge".into();
    config["ipam"] = json!({ "type": "host-local", "ranges": ranges });
    Case::new(config).steps(steps)
}

fn gateway(steps: &[Step]) -> Case {
    network(
        json!({ "isDefaultGateway": true }),
        &["10.22.0.0/16"],
        steps,
    )
}

fn masqueraded(steps: &[Step]) -> Case {
    let keys = json!({ "isDefaultGateway": true, "ipMasq": true });
    network(keys, &["10.22.0.0/16", "fd00:22::/64"], steps)
}

fn dual_stack(steps: &[Step]) -> Case {
    let keys = json!({ "isDefaultGateway": true });
    network(keys, &["10.22.0.0/16", "fd00:22::/64"], steps)
}

fn mac_check(steps: &[Step]) -> Case {
    let keys = json!({ "isGateway": true, "macspoofchk": true });
    network(keys, &["10.22.0.0/16"], steps)
}

fn loopback() -> Case {
    Case::new(json!({ "type": "loopback" })).steps(&[Add("a"), Check("a"), Del("a")])
}

/// Each case in one of the directions.
macro_rules! handovers {
    ($direction:ident: $($name:ident: $case:expr;)*) => {
        $(#[test] fn $name() { $case.$direction(); })*
    };
}

/// The plugins of a node are replaced by ours.
mod to_ours {
    use super::*;

    handovers! { hand_over_to_ours:
        a_gateway: gateway(&REPLACED);
        a_gateway_of_0_3_1: gateway(&OF_0_3_1).version("0.3.1");
        a_gateway_that_died: gateway(&LOST);
        a_masqueraded_one: masqueraded(&REPLACED);
        a_masqueraded_one_of_0_3_1: masqueraded(&OF_0_3_1).version("0.3.1");
        a_dual_stack: dual_stack(&REPLACED);
        a_mac_check: mac_check(&REPLACED);
        a_loopback: loopback();
    }
}

/// And ours by the reference, for those who go back.
mod to_reference {
    use super::*;

    /// Why there is something left in the firewall.
    const OURS: &str =
        "the reference does not know our sets, whose elements go with GC or the next ADD";

    /// Why Debian's DEL fails.
    const CHAIN: &str =
        "1.1.1 cannot DEL when its masquerade chain is not there; ipMasqBackend iptables makes one";

    handovers! { hand_over_to_reference:
        a_gateway: gateway(&REPLACED);
        a_gateway_of_0_3_1: gateway(&OF_0_3_1).version("0.3.1");
        a_gateway_that_died: gateway(&LOST);
        a_masqueraded_one: masqueraded(&REPLACED)
            .differs("the firewall knows", OURS)
            .differs_from_debian("exit status", CHAIN);
        a_masqueraded_one_of_0_3_1: masqueraded(&OF_0_3_1).version("0.3.1")
            .differs("the firewall knows", OURS)
            .differs_from_debian("exit status", CHAIN);
        a_dual_stack: dual_stack(&REPLACED);
        a_mac_check: mac_check(&REPLACED).differs("the firewall knows", OURS);
        a_loopback: loopback();
    }
}
