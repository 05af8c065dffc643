//! `add`, `check` and `del`.

use linkspan_runtime::{Endpoint, Error, Outcome, Runtime};
use linkspan_spec::NetworkList;

use crate::args::{Add, Del, Target};
use crate::failure::Failure;
use crate::ui::Ui;

/// Attaches, and prints the result.
pub(crate) fn add(ui: Ui, args: &Add) -> Result<(), Failure> {
    let target = &args.target;
    let endpoint = target.endpoint()?;
    let network = target.places.network(&target.network)?;
    let runtime = target
        .places
        .runtime(ui)
        .detach_failed(args.cleanup)
        .build();
    let result = runtime.add(&network, &endpoint)?;
    ui.print_json(&Runtime::result_json(&network, &result)?)
}

/// Checks an attachment.
pub(crate) fn check(ui: Ui, target: &Target) -> Result<(), Failure> {
    let endpoint = target.endpoint()?;
    let network = target.places.network(&target.network)?;
    let runtime = target.places.runtime(ui).build();
    let name = &network.name;
    match runtime.check(&network, &endpoint)? {
        Outcome::Done => ui.done(&format!(
            "{} of network {name} is as it was attached",
            endpoint.container_id
        )),
        Outcome::Disabled => ui.done(&format!(
            "nothing was checked: the configuration of network {name} sets disableCheck"
        )),
        Outcome::NotInVersion => ui.done("nothing was checked"),
    }
}

/// Detaches.
pub(crate) fn del(ui: Ui, args: &Del) -> Result<(), Failure> {
    let target = &args.target;
    let runtime = target
        .places
        .runtime(ui)
        .finish_detach(args.keep_going)
        .build();
    let mut endpoint = target.endpoint()?;
    let network = match target.places.network(&target.network) {
        Ok(network) => network,
        Err(error) => of_attachment(&runtime, target, &endpoint).ok_or(error)?,
    };
    complete(&runtime, &network, &mut endpoint);
    runtime.del(&network, &endpoint)?;
    ui.done(&format!(
        "{} is detached from network {}",
        endpoint.container_id, network.name
    ))
}

/// The configuration that ADD has kept, for when there is no usable one on disk any more: an
/// attachment must not outlive its network for ever.
fn of_attachment(runtime: &Runtime, target: &Target, endpoint: &Endpoint) -> Option<NetworkList> {
    let name = target.network.parse().ok()?;
    let cached = runtime.cached(&name, endpoint).ok()??;
    cached.network_list().ok()
}

/// The specification wants DEL to be called with the arguments of ADD: those that are not given
/// are taken from there. What was kept may be unreadable; then there are none.
fn complete(runtime: &Runtime, network: &NetworkList, endpoint: &mut Endpoint) {
    let cached: Result<_, Error> = runtime.cached(&network.name, endpoint);
    if let Ok(Some(cached)) = cached {
        if endpoint.args.is_empty() {
            endpoint.args = cached.endpoint.args;
        }
        if endpoint.capability_args.is_empty() {
            endpoint.capability_args = cached.endpoint.capability_args;
        }
    }
}
