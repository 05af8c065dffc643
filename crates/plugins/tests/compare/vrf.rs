//! `vrf` after `bridge`, in the virtual machine: so all cases are one test.

use linkspan_testkit::Feature;
use serde_json::{Value, json};

use crate::case::{Case, Step::*, compare_together};
use crate::chain::after_bridge;

fn vrf(keys: Value) -> Case {
    after_bridge("vrf", keys)
}

/// On the way into the vrf only Debian's does, which is older than the routes that move.
const ROUTES: &str = "the reference loses the routes of the interface on the way back";

#[test]
fn beside_the_reference() {
    let with_a_table = vrf(json!({ "vrfname": "red", "table": 10 }))
        .differs("container-a route", ROUTES)
        .differs(
            "exit status",
            "the CHECK of the reference's bridge misses them",
        );
    let with_any_table = vrf(json!({ "vrfname": "red" }))
        .steps(&[Add("a"), Del("a")])
        .differs("container-a route", ROUTES);
    let without_a_name = vrf(json!({})).steps(&[Add("a")]).fails(7, "vrfname");
    compare_together(
        &[Feature::Vrf],
        &[
            ("with a table", with_a_table),
            ("with any table", with_any_table),
            ("without a name", without_a_name),
        ],
    );
}
