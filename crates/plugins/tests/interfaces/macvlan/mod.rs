//! `macvlan`.

mod check;
mod keys;
mod lifetime;
mod refusals;
mod traffic;

use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::wire::{MASTER, Peer};
use crate::world::{World, dual_stack};

/// A host with a master, a peer behind it, and a network of both families on it.
fn world(sandbox: &Sandbox) -> (World<'_>, Peer) {
    let peer = Peer::behind(sandbox, MASTER);
    let config = json!({
        "cniVersion": "1.1.0", "name": "mynet", "type": "macvlan", "master": MASTER, "ipam": dual_stack()
    });
    (World::new(sandbox, config), peer)
}
