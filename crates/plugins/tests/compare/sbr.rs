//! `sbr` after `bridge`.

use serde_json::{Value, json};

use crate::case::{Case, Step::*};
use crate::chain::{after_bridge, after_dual_stack};

fn sbr(keys: Value) -> Case {
    once(after_bridge("sbr", keys))
}

/// ADD and DEL alone: Debian's CHECK of the bridge misses the routes that have moved.
fn once(case: Case) -> Case {
    case.steps(&[Add("a"), Del("a")])
        .may_differ("- container-a route", EMPTIED)
}

/// Why the tables are empty after our DEL.
const EMPTIED: &str = "the reference leaves the routes until the interface goes";

cases! {
    in_all_versions: sbr(json!({})).in_all_versions();
    traffic: sbr(json!({})).and_traffic();
    dual_stack: once(after_dual_stack("sbr", json!({}))).and_traffic();
    without_a_gateway: once(Case::chain(&json!([
        { "type": "bridge", "ipam": { "type": "host-local", "subnet": "10.22.0.0/16" } }, { "type": "sbr" } ])));
    without_addresses: Case::chain(&json!([{ "type": "bridge" }, { "type": "sbr" }]))
        .steps(&[Add("a"), Del("a")]).fails(7, "No IP addresses");
    checked: sbr(json!({})).steps(&[Add("a"), Check("a"), Del("a")])
        .differs("exit status", "the reference's bridge misses its routes");
    deleted_twice: sbr(json!({})).steps(&[Add("a"), Del("a"), Del("a")])
        .differs_from_debian("exit status", "1.1.1 cannot DEL when the interface is gone");
    a_container_that_died: sbr(json!({})).steps(&[Add("a"), Lose("a"), DelBare("a")])
        .differs("exit status", "the reference cannot DEL without a namespace");
}

#[test]
fn handed_over_to_ours() {
    sbr(json!({})).hand_over_to_ours();
}

#[test]
fn handed_over_to_the_reference() {
    sbr(json!({}))
        .may_differ("+ container-a route", EMPTIED)
        .hand_over_to_reference();
}
