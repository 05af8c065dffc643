//! `add`, `check` and `del`.

use std::path::Path;

use linkspan_runtime::{Endpoint, Error, Outcome, Runtime};
use linkspan_spec::{ErrorCode, NetworkList};

use super::network::is_namespace;
use crate::args::{Add, Del, Target};
use crate::failure::Failure;
use crate::ui::Ui;

/// Where `ip netns` keeps namespaces.
const NAMESPACES: &str = "/run/netns";

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
    let result = runtime
        .add(&network, &endpoint)
        .map_err(|error| namespace_explained(error, target, &endpoint))?;
    ui.print_json(&Runtime::result_json(&network, &result)?)
}

/// Checks an attachment.
pub(crate) fn check(ui: Ui, target: &Target) -> Result<(), Failure> {
    let endpoint = target.endpoint()?;
    let network = target.places.network(&target.network)?;
    let runtime = target.places.runtime(ui).build();
    let name = &network.name;
    let checked = runtime.check(&network, &endpoint);
    match checked.map_err(|error| namespace_explained(error, target, &endpoint))? {
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

/// The failure, with what to do when the namespace is not there. That is the commonest mistake, and each
/// plugin has other words for it; but what it asks for may be another kind of place than this program
/// knows, so it is not refused before. It goes before the advice of a plugin that speaks of the namespace
/// or of the variables, which are not what this program's user has written.
fn namespace_explained(error: Error, target: &Target, endpoint: &Endpoint) -> Failure {
    let is_of_plugin = matches!(error, Error::Plugin(_));
    let is_of_namespace = matches!(
        error.code(),
        ErrorCode::INVALID_NETNS | ErrorCode::INVALID_ENVIRONMENT
    );
    let advice = || {
        let path = endpoint.netns.as_deref()?;
        let named = Path::new(NAMESPACES).join(&target.netns);
        if !is_of_plugin || is_namespace(path) {
            return None;
        }
        if target.netns.is_relative() && is_namespace(&named) {
            return Some(format!(
                "Name the namespace by its path, {}.",
                named.display()
            ));
        }
        let what = match path.exists() {
            true => "is no network namespace",
            false => "does not exist",
        };
        let name = path.file_name().unwrap_or_default().display();
        Some(format!(
            "{} {what}. `ip netns add {name}` makes one at {NAMESPACES}/{name}.",
            path.display()
        ))
    };
    let advice = advice();
    let failure = Failure::from(error);
    match advice {
        Some(advice) if is_of_namespace || failure.advice().is_none() => failure.advise(advice),
        _ => failure,
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
