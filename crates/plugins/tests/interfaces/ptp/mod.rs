//! `ptp`.

mod check;
mod lifetime;
mod refusals;
mod traffic;

use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::world::{World, dual_stack};

/// A host with a network of both families.
fn world(sandbox: &Sandbox) -> World<'_> {
    World::new(
        sandbox,
        json!({ "cniVersion": "1.1.0", "name": "mynet", "type": "ptp", "ipam": dual_stack() }),
    )
}
