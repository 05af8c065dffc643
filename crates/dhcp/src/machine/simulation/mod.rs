//! Clients and servers on a network that loses, delays, doubles and reorders, with strangers, restarts and sleep, in virtual
//! time: thousands of seeds, each a course of events that it alone decides. What must hold holds after each event; and when
//! the network has become a good one, every client has an address soon, one, and gives it back.

mod chance;
mod host;
mod server;
mod world;

use std::thread;

use world::World;

/// How many courses of events are played, and by how many threads.
const SEEDS: u64 = 2000;
const THREADS: u64 = 4;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `SEED=17 cargo test -p linkspan-dhcp simulation -- --nocapture` plays one and tells all that happens; `SEEDS=100000`
/// plays more than usual.
#[test]
fn whatever_a_network_does_an_address_is_held_in_order_and_found_again() {
    if let Some(seed) = from_environment("SEED") {
        return World::new(seed, true).play();
    }
    let seeds = from_environment("SEEDS").unwrap_or(SEEDS);
    let play = |first: u64| {
        for seed in (first..seeds).step_by(THREADS as usize) {
            let played = std::panic::catch_unwind(|| World::new(seed, false).play());
            assert!(played.is_ok(), "SEED={seed}");
        }
    };
    thread::scope(|scope| {
        for first in 0..THREADS {
            scope.spawn(move || play(first));
        }
    });
}
