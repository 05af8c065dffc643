//! `add`, `check` and `del`.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_inspect::namespace::{AtPath, NAMED};
use linkspan_inspect::provenance;
use linkspan_runtime::{CachedAttachment, Endpoint, Error, Outcome, Runtime};
use linkspan_spec::{ErrorCode, NetworkList, NetworkName, Value};

use crate::args::{Add, Del, Target};
use crate::failure::Failure;
use crate::netns;
use crate::privilege;
use crate::ui::{Ui, object};

/// What was done, in words and for a program.
pub(crate) struct Done {
    pub(crate) words: String,
    pub(crate) told: Value,
}

/// Attaches, and prints the result.
pub(crate) fn add(ui: Ui, args: &Add) -> Result<(), Failure> {
    let result = attached(ui, args)?;
    ui.print_json(&result)
        .map_err(|failure| unprinted(failure, &args.target))
}

/// The container is attached, and nobody was told.
pub(crate) fn unprinted(failure: Failure, target: &Target) -> Failure {
    failure.advise(format!(
        "The container is attached; {} detaches it.",
        del_command(target)
    ))
}

/// Attaches; returns the result.
pub(crate) fn attached(ui: Ui, args: &Add) -> Result<Value, Failure> {
    let target = &args.target;
    let endpoint = target.endpoint(ui)?;
    privilege::require("add")?;
    let network = target.places.network(ui, &target.network)?;
    let runtime = target
        .places
        .runtime(ui)
        .detach_failed(args.cleanup)
        .build();
    // Beside the plugins, who holds a lock may be waited for.
    let progress = ui.progress(format!("attaching to network {}", network.name));
    let result = runtime
        .add(&network, &endpoint)
        .map_err(|error| not_attached(error, args, &endpoint))?;
    drop(progress);
    let kept = runtime.cached_path(&network.name, &endpoint);
    provenance::note(&kept, endpoint.netns.as_deref());
    ui.detail(|| format!("the result is kept in {}", kept.display()));
    Runtime::result_json(&network, &result).map_err(|error| unprinted(Failure::from(error), target))
}

/// Why it is not attached, or not known to be; what is left of it, and what to do.
fn not_attached(error: Error, args: &Add, endpoint: &Endpoint) -> Failure {
    let target = &args.target;
    let del = del_command(target);
    let (error, undone) = match error {
        Error::Undone(undone) => (undone.add, Some(undone.del)),
        error => (error, None),
    };
    let is_attached = matches!(error, Error::NotKept { .. });
    let is_cancelled = error.is_cancelled();
    let failure = namespace_explained(error, target, endpoint);
    match undone {
        Some(Ok(())) if is_cancelled => failure.advise(format!(
            "What was only begun has been detached again; {del} makes sure of it."
        )),
        Some(Ok(())) => failure,
        Some(Err(error)) => failure
            .advise(format!(
                "It could not be detached again. {del} does it once the cause below is mended."
            ))
            .with_others(vec![error.into()]),
        None if is_attached => {
            let first = failure.advice().map(|advice| format!("{advice} "));
            let first = first.unwrap_or_default();
            failure.advise(format!(
                "{first}The container is attached; {del} detaches it."
            ))
        }
        None if is_cancelled => failure.advise(format!(
            "Nothing was detached, since it is attached already or nothing was begun; {del} makes sure of it."
        )),
        None => failure,
    }
}

/// How a person detaches it.
fn del_command(target: &Target) -> String {
    let mut command = format!("linkspan del {} {}", target.network, target.netns.display());
    let places = &target.places;
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    for (flag, given) in [
        ("--ifname", target.ifname.clone()),
        ("--container-id", target.container_id.clone()),
        ("--cni-path", places.cni_path.clone()),
        ("--conf-dir", path(&places.conf_dir)),
        ("--cache-dir", path(&places.cache_dir)),
    ] {
        if let Some(given) = given {
            command.push_str(&format!(" {flag} {given}"));
        }
    }
    format!("`{command}`")
}

/// Checks an attachment.
pub(crate) fn check(ui: Ui, target: &Target) -> Result<(), Failure> {
    let done = checked(ui, target)?;
    ui.done(&done.words, done.told)
}

/// Checks an attachment; returns what there is to tell.
pub(crate) fn checked(ui: Ui, target: &Target) -> Result<Done, Failure> {
    let endpoint = target.attached_endpoint(ui)?;
    privilege::require("check")?;
    let network = target.places.network(ui, &target.network)?;
    let runtime = target.places.runtime(ui).build();
    let name = &network.name;
    let _progress = ui.progress(format!("checking an attachment to network {name}"));
    let checked = runtime.check(&network, &endpoint);
    let outcome = checked.map_err(|error| namespace_explained(error, target, &endpoint))?;
    let is_checked = outcome == Outcome::Done;
    let words = match is_checked {
        true => format!(
            "{} of network {name} is as it was attached",
            endpoint.container_id
        ),
        false => {
            format!("nothing was checked: the configuration of network {name} sets disableCheck")
        }
    };
    let told = told(name, &endpoint, ("checked", is_checked));
    Ok(Done { words, told })
}

/// What a program is told of an attachment.
fn told(network: &NetworkName, endpoint: &Endpoint, (what, is_done): (&str, bool)) -> Value {
    object([
        ("network", network.as_str().into()),
        ("containerID", endpoint.container_id.as_str().into()),
        ("ifname", endpoint.ifname.as_str().into()),
        (what, is_done.into()),
    ])
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
        is_of_plugin.then(|| namespace_advice(path, &target.netns))?
    };
    let advice = advice();
    let failure = Failure::from(error);
    match advice {
        Some(advice) if is_of_namespace || failure.advice().is_none() => failure.advise(advice),
        _ => failure,
    }
}

/// What to do when what was given leads to no namespace.
fn namespace_advice(path: &Path, given: &Path) -> Option<String> {
    let [folder, _] = NAMED;
    let shown = path.display();
    let tried = netns::candidates(given).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().display();
    let is_named = NAMED
        .into_iter()
        .any(|folder| path.parent() == Some(Path::new(folder)));
    match AtPath::look(path) {
        AtPath::There => None,
        AtPath::Unknown(kind) => Some(format!("{shown} cannot be looked at: {kind}.")),
        AtPath::Gone => Some(match fs::symlink_metadata(path) {
            Err(_) if tried.len() > 1 => {
                let tried = tried.iter().map(|path| path.display().to_string());
                let tried = tried.collect::<Vec<_>>().join(", ");
                format!(
                    "{} is no namespace: there is nothing at {tried}. Name one by its path, by its name in {folder}, or by \
                         the PID of a process in it; `ip netns add {name}` makes one of this name.",
                    given.display()
                )
            }
            Ok(_) if is_named => format!(
                "{shown} is no network namespace, perhaps what a restart has left of one. `ip netns del \
                     {name}; ip netns add {name}` makes one there."
            ),
            Ok(_) => format!("{shown} is no network namespace."),
            Err(_) if is_named => {
                format!("{shown} does not exist. `ip netns add {name}` makes one there.")
            }
            Err(_) if path.starts_with("/proc") => {
                format!("{shown} does not exist: the process has ended.")
            }
            Err(_) => format!(
                "{shown} does not exist. Name the path of a network namespace; `ip netns add c1` makes one \
                     at {folder}/c1."
            ),
        }),
    }
}

/// Detaches.
pub(crate) fn del(ui: Ui, args: &Del) -> Result<(), Failure> {
    let done = detached(ui, args)?;
    ui.done(&done.words, done.told)
}

/// Detaches; returns what there is to tell.
pub(crate) fn detached(ui: Ui, args: &Del) -> Result<Done, Failure> {
    let target = &args.target;
    let endpoint = target.attached_endpoint(ui)?;
    privilege::require("del")?;
    let runtime = target
        .places
        .runtime(ui)
        .finish_detach(args.keep_going)
        .build();
    let name = match target.network.parse() {
        Ok(name) => name,
        // Whether there is a network of such a name is for its configuration to say.
        Err(_) => target.places.network(ui, &target.network)?.name,
    };
    let mut is_known = false;
    let _progress = ui.progress(format!("detaching from network {name}"));
    runtime.del_with(&name, &endpoint, |kept| {
        // What cannot be read is something that is known.
        is_known = !matches!(kept, Ok(None));
        let kept = kept.ok().flatten();
        let network = configuration(ui, target, kept.as_ref())?;
        Ok((network, completed(kept, endpoint.clone())))
    })?;
    if !is_known && let Some(advice) = mistyped(target, &endpoint) {
        ui.note(&advice);
    }
    let id = &endpoint.container_id;
    let words = match is_known {
        true => format!("{id} is detached from network {name}"),
        false => format!(
            "nothing was known of {id} on network {name}; the plugins were told to detach it all the same"
        ),
    };
    let told = told(&name, &endpoint, ("detached", is_known));
    Ok(Done { words, told })
}

/// What to look at when nothing is known of an attachment, and what was given leads to no namespace.
fn mistyped(target: &Target, endpoint: &Endpoint) -> Option<String> {
    let path = endpoint.netns.as_deref()?;
    let advice = target
        .netns
        .is_relative()
        .then(|| namespace_advice(path, &target.netns))??;
    Some(format!(
        "nothing was known of {} on network {}. {advice}",
        endpoint.container_id, target.network
    ))
}

/// The configuration to detach with: that on disk, unless it is not that of `add`, or there is no usable one any more: an
/// attachment must not outlive its configuration.
fn configuration(
    ui: Ui,
    target: &Target,
    kept: Option<&CachedAttachment>,
) -> Result<NetworkList, Error> {
    let network = match target.places.network(ui, &target.network) {
        Ok(network) => network,
        Err(error) => {
            return kept.and_then(|kept| kept.network_list().ok()).ok_or(error);
        }
    };
    Ok(match kept.and_then(|kept| kept.detach_with(&network)) {
        Some(then) => {
            ui.note(&format!(
                "The configuration of network {} is another than at `add`; it is detached with that of then.",
                network.name
            ));
            then
        }
        None => network,
    })
}

/// The specification wants DEL to be called with the arguments of ADD: those that are not given
/// are taken from there. What was kept may be unreadable; then there are none.
fn completed(kept: Option<CachedAttachment>, mut endpoint: Endpoint) -> Endpoint {
    let Some(kept) = kept else { return endpoint };
    if endpoint.args.is_empty() {
        endpoint.args = kept.endpoint.args;
    }
    if endpoint.capability_args.is_empty() {
        endpoint.capability_args = kept.endpoint.capability_args;
    }
    endpoint
}
