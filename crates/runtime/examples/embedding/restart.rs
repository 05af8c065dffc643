//! A runtime that is killed in the middle of an ADD, and the next one, which finds what was begun.

use std::path::Path;
use std::process::exit;

use linkspan_runtime::{Cancel, DEFAULT_CONFIG_DIR, Endpoint, Error, Event, Runtime, load_network};

use crate::attach::runtime;
use crate::{Failure, tell};

/// Ends with the first plugin that has done its work, as a process does that is killed.
pub(crate) fn crash(network: &str, id: &str, netns: &str) -> Result<(), Failure> {
    let network = load_network(Path::new(DEFAULT_CONFIG_DIR), network)?;
    let endpoint = Endpoint::new(id.parse()?, "eth0".parse()?).with_netns(netns);
    #[expect(clippy::exit, reason = "this is what it is about")]
    let end = |event: Event<'_>| {
        if let Event::Step(step) = event {
            println!("killed behind {}", step.step.plugin);
            exit(1);
        }
    };
    let runtime = Runtime::builder().plugin_dir("/opt/cni/bin").observer(end);
    runtime.build().add(&network, &endpoint)?;
    Ok(())
}

pub(crate) fn restart() -> Result<(), Failure> {
    recover(&runtime(Cancel::new()?))?;
    Ok(())
}

// ANCHOR: restart
fn recover(runtime: &Runtime) -> Result<(), Error> {
    // What is kept, of all networks, and what was noted before a plugin ran.
    for file in runtime.cached_files()? {
        match file.attachment {
            // ADD has not ended; if another process is at it just now, that is waited for.
            Ok(begun) if !begun.is_complete => {
                println!(
                    "{} was not attached to {}",
                    begun.endpoint.container_id, begun.network
                );
                match runtime.detach(&begun) {
                    Err(Error::AttachedSince { .. }) => {}
                    detached => detached?,
                }
            }
            Ok(kept) => println!(
                "{} is attached to {}",
                kept.endpoint.container_id, kept.network
            ),
            // It may be an attachment: a person has to see it.
            Err(error) => {
                tell(&error);
            }
        }
    }
    Ok(())
}
// ANCHOR_END: restart
