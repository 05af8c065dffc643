//! `bandwidth` after `bridge`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};
use crate::chain::after_bridge;

fn bandwidth(keys: Value) -> Case {
    after_bridge("bandwidth", keys).may_differ("node link * qdisc = ", LIFTED)
}

fn ingress() -> Value {
    json!({ "ingressRate": 8_000_000, "ingressBurst": 200_000 })
}

fn both() -> Value {
    json!({ "ingressRate": 8_000_000, "ingressBurst": 200_000, "egressRate": 16_000_000, "egressBurst": 400_000 })
}

/// Why what `tc` shows differs.
const TWICE: &str = "the reference redirects with two actions, of which the first takes the packet";
/// Why there is less after DEL.
const LIFTED: &str = "the reference leaves the limits on the host's end until that goes";

cases! {
    in_all_versions: bandwidth(ingress()).versions(&["0.3.0", "0.3.1", "0.4.0", "1.0.0"]).differs("node tc ", LIFTED);
    both_directions: bandwidth(both()).and_traffic().differs("node tc ", TWICE);
    of_the_runtime: bandwidth(json!({ "runtimeConfig": { "bandwidth": both() } })).differs("node tc ", TWICE);
    as_kubernetes_asks: bandwidth(json!({ "runtimeConfig": { "bandwidth": {
        "ingressRate": 10_000_000, "ingressBurst": i32::MAX, "egressRate": 10_000_000, "egressBurst": i32::MAX } } }))
        .differs("node tc ", TWICE);
    of_configuration_and_runtime: bandwidth(json!({ "ingressRate": 8_000_000, "ingressBurst": 200_000,
        "runtimeConfig": { "bandwidth": both() } })).differs("node tc ", LIFTED);
    limits_that_are_gone: bandwidth(ingress())
        .steps(&[Add("a"), Run("tc qdisc del dev $(ip -o link show type veth | grep -o 'veth[0-9a-f]*' | head -1) root"), Check("a")])
        .differs("exit status", "the reference's CHECK passes where there is no limit").may_differ("", "it says why");
    before_the_reference: bandwidth(ingress()).versions(&["0.1.0", "0.2.0"]).steps(&[Add("a")])
        .fails_with_reference("the reference knows bandwidth from 0.3.0 on");
    odd_numbers: bandwidth(json!({ "ingressRate": 999_999, "ingressBurst": 65_535 })).differs("node tc ", LIFTED);
    tiny_numbers: bandwidth(json!({ "ingressRate": 8, "ingressBurst": 8 })).differs("node tc ", LIFTED);
    nothing: bandwidth(json!({})).steps(&[Add("a"), Del("a"), Del("a")]);
    nothing_checked: bandwidth(json!({}))
        .differs_from_debian("exit status", "1.1.1's CHECK panics when nothing is configured")
        .differs_from_debian("error", "1.1.1's CHECK panics when nothing is configured");
    zeros: bandwidth(json!({ "ingressRate": 0, "ingressBurst": 0 })).steps(&[Add("a"), Del("a")]);
    a_burst_without_a_rate: bandwidth(json!({ "ingressBurst": 8 })).fails(7, "rate must also be set");
    a_burst_that_is_too_large: bandwidth(json!({ "ingressRate": 8, "ingressBurst": 1u64 << 36 })).fails(7, "4GB");
    a_rate_as_text: bandwidth(json!({ "ingressRate": "8" })).fails(6, "ingressRate");
    a_container_that_died: bandwidth(both()).steps(&[Add("a"), Lose("a"), DelBare("a"), DelBare("a")])
        .differs("node tc ", TWICE);
}

#[test]
fn handed_over_to_ours() {
    both_handed_over().hand_over_to_ours();
}

#[test]
fn handed_over_to_the_reference() {
    both_handed_over().hand_over_to_reference();
}

fn both_handed_over() -> Case {
    bandwidth(both())
        .steps(&[
            Add("a"),
            Check("a"),
            Del("a"),
            Add("a"),
            Lose("a"),
            DelBare("a"),
        ])
        .may_differ("node tc ", LIFTED)
}
