//! One container: attached, checked, detached, and what nobody has any more collected.

use std::path::Path;
use std::time::Duration;

use linkspan_runtime::{
    Cancel, Collection, DEFAULT_CONFIG_DIR, Endpoint, Error, Event, NetworkList, Outcome,
    PortMapping, Protocol, Runtime, Success, load_network,
};

use crate::Failure;

pub(crate) fn attach_and_detach(network: &str, id: &str, netns: &str) -> Result<(), Failure> {
    let network = load_network(Path::new(DEFAULT_CONFIG_DIR), network)?;
    let runtime = runtime(Cancel::new()?);
    let endpoint = endpoint(id, netns)?;
    let result = attach(&runtime, &network, &endpoint)?;
    for ip in &result.ips {
        println!("{id} has {}", ip.address);
    }
    match runtime.check(&network, &endpoint)? {
        Outcome::Done => println!("it is as ADD has left it"),
        Outcome::Disabled | Outcome::NotInVersion => println!("this network is not checked"),
    }
    // ANCHOR: del
    runtime.del(&network, &endpoint)?;
    // ANCHOR_END: del
    println!("{id} is detached");
    collect(&runtime, &network)?;
    Ok(())
}

// ANCHOR: runtime
pub(crate) fn runtime(cancel: Cancel) -> Runtime {
    Runtime::builder()
        .plugin_dir("/opt/cni/bin")
        // Of one operation, whatever its plugins do.
        .timeout(Duration::from_secs(30))
        // An ADD that fails half-way is detached before its error is returned.
        .detach_failed(true)
        // A DEL goes on when one plugin fails.
        .finish_detach(true)
        .cancel(cancel)
        .observer(log)
        .build()
}

fn log(event: Event<'_>) {
    match event {
        Event::Step(done) => println!("{:?} of {} is done", done.step.command, done.step.plugin),
        Event::Missing { error, .. } => println!("{error}"),
        Event::Unused { capabilities, .. } => println!("nobody has asked for {capabilities:?}"),
        // The wait for a turn, and whole operations with their time.
        _ => {}
    }
}
// ANCHOR_END: runtime

// ANCHOR: endpoint
fn endpoint(id: &str, netns: &str) -> Result<Endpoint, Failure> {
    Ok(Endpoint::new(id.parse()?, "eth0".parse()?)
        .with_netns(netns)
        // CNI_ARGS. Plugins that do not know a name refuse it unless this is said.
        .with_arg("IgnoreUnknown", "1")?
        .with_arg("K8S_POD_NAME", "web-1")?
        // Reaches the plugins whose entry declares the capability portMappings.
        .with_port_mappings([PortMapping::new(8080, 80, Protocol::Tcp)?]))
}
// ANCHOR_END: endpoint

// ANCHOR: attach
fn attach(runtime: &Runtime, network: &NetworkList, endpoint: &Endpoint) -> Result<Success, Error> {
    // Another runtime of this host may have the same directory of results: who begins waits for its turn.
    match runtime.add(network, endpoint) {
        Err(Error::Undone(undone)) => {
            // Nothing is left, unless that failed as well.
            undone.del?;
            Err(undone.add)
        }
        result => result,
    }
}
// ANCHOR_END: attach

// ANCHOR: gc
fn collect(runtime: &Runtime, network: &NetworkList) -> Result<(), Error> {
    // From here on nobody attaches: the list stays true until the collection is dropped.
    let collection: Collection<'_> = runtime.collection(network)?;
    let attachments = runtime.attachments(&network.name)?;
    let is_there = |netns: &Path| netns.exists();
    let in_use: Vec<_> = attachments
        .iter()
        .filter(|kept| kept.is_complete)
        .filter(|kept| kept.endpoint.netns.as_deref().is_none_or(is_there))
        .map(|kept| kept.endpoint.attachment())
        .collect();
    collection.remove_all_but(&in_use)?;
    Ok(())
}
// ANCHOR_END: gc
