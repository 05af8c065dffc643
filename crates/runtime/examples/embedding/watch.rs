//! The directory of configurations, watched.

use std::time::Duration;

use linkspan_runtime::{DEFAULT_CONFIG_DIR, Deadline, Networks, Watcher};

use crate::Failure;

// ANCHOR: watch
pub(crate) fn watch(changes: &str) -> Result<(), Failure> {
    let mut watcher = Watcher::new(DEFAULT_CONFIG_DIR)?;
    show(&watcher.networks());
    for _ in 0..changes.parse()? {
        // A loop that waits for other things as well polls the watcher's descriptor (AsFd) and calls check().
        match watcher.wait(Deadline::after(Duration::from_secs(30)), None)? {
            Some(networks) => show(&networks),
            None => println!("nothing has changed"),
        }
    }
    Ok(())
}

fn show(networks: &Networks) {
    match networks.default_network() {
        Some(network) => println!("containers are attached to {}", network.name),
        None => println!("there is no network"),
    }
    // What is wrong now. The networks are still those of before.
    for fault in networks.faults() {
        println!("fault: {fault}");
    }
}
// ANCHOR_END: watch
