//! `gc`.

use std::fs;
use std::path::Path;

use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::life::Life;
use linkspan_inspect::namespace::{AtPath, NAMED};
use linkspan_inspect::{Places, provenance};
use linkspan_runtime::{CachedAttachment, Endpoint, Runtime};
use linkspan_spec::{Command, NetworkList, Value};

use crate::args::Gc;
use crate::failure::{Failure, Kind};
use crate::netns;
use crate::privilege;
use crate::text::few;
use crate::ui::{Ui, object, table};

mod unknown;

use unknown::{Unknown, refuse_running};

/// An attachment, and what is to become of it.
struct Decision {
    endpoint: Endpoint,
    stays: bool,
    why: String,
}

impl Decision {
    /// Whether it is on an attachment that was found otherwise.
    fn is(&self, other: &Attachment) -> bool {
        is_same(&self.endpoint, other)
    }
}

fn is_same(endpoint: &Endpoint, attachment: &Attachment) -> bool {
    let ifname = attachment.ifname.as_deref();
    attachment.container == endpoint.container_id.as_str()
        && ifname.is_none_or(|ifname| ifname == endpoint.ifname.as_str())
}

/// Removes what belongs to no attachment in use, or tells what that is.
pub(crate) fn gc(ui: Ui, args: &Gc) -> Result<(), Failure> {
    if !args.dry_run {
        privilege::require("gc")?;
    }
    let network = args.network.places.network(ui, &args.network.network)?;
    require_cache(args)?;
    let runtime = args.network.places.runtime(ui).build();
    let _progress = ui.progress(format!(
        "looking for what network {} has left",
        network.name
    ));
    // Nothing may be attached between the look at what is and the removal of the rest.
    let collection = match args.dry_run {
        true => None,
        false => Some(runtime.collection(&network)?),
    };
    let seen = look(ui, args, &network);
    let decisions = decide(args, &runtime, &network, &seen)?;
    let unknown = Unknown::of(seen, &decisions);
    if let Some(collection) = collection {
        refuse_running(args, &network, &unknown)?;
        refuse_blind(args, &network, &decisions)?;
        announce(ui, &network, &decisions);
        let staying = decisions.iter().filter(|decision| decision.stays);
        let in_use: Vec<_> = staying
            .map(|decision| decision.endpoint.attachment())
            .collect();
        collection.remove_all_but(&in_use)?;
        drop(collection);
        remove_tests(&runtime, &network)?;
    }
    tell(ui, args, &network, &decisions, &unknown)
}

/// Says to a person what is about to be removed.
fn announce(ui: Ui, network: &NetworkList, decisions: &[Decision]) {
    if ui.json || network.disable_gc {
        return;
    }
    let going = decisions.iter().filter(|decision| !decision.stays);
    let going: Vec<_> = going
        .map(|one| {
            let Endpoint {
                container_id,
                ifname,
                ..
            } = &one.endpoint;
            format!("{container_id} {ifname}, since {}", one.why)
        })
        .collect();
    let mut words = match going.is_empty() {
        true => format!("network {}: no attachment is removed", network.name),
        false => format!("network {}: removing {}", network.name, few(&going)),
    };
    if asks_plugins(network) {
        words.push_str("; its plugins remove what they hold for any attachment that is not in use");
    }
    ui.note(&words);
}

/// Removes what tests left that were killed, beside what is kept of them: namespaces, and what of an ADD was begun.
fn remove_tests(runtime: &Runtime, network: &NetworkList) -> Result<(), Failure> {
    let mut failures = linkspan_connectivity::sweep(runtime, network, false)
        .errors
        .into_iter()
        .map(Failure::from);
    match failures.next() {
        Some(first) => Err(first.with_others(failures.collect())),
        None => Ok(()),
    }
}

/// All that tells of a network's attachments on this host.
fn look(ui: Ui, args: &Gc, network: &NetworkList) -> Vec<Attachment> {
    let given = &args.network.places;
    let mut places = Places::usual();
    places.config_dirs = vec![given.config_dir()];
    let cache_dir = given.cache_dir();
    if !places.cache_dirs.contains(&cache_dir) {
        places.cache_dirs.push(cache_dir);
    }
    let mut attachments = ui.look(&places).attachments;
    attachments.retain(|one| one.network == network.name.as_str());
    attachments
}

fn decide(
    args: &Gc,
    runtime: &Runtime,
    network: &NetworkList,
    seen: &[Attachment],
) -> Result<Vec<Decision>, Failure> {
    let attachments = match args.all {
        // What cannot be read is in use as little as the rest; the runtime names it once all else is done.
        true => runtime
            .cached_files()?
            .into_iter()
            .filter_map(|file| file.attachment.ok())
            .filter(|cached| cached.network == network.name)
            .collect(),
        false => runtime.attachments(&network.name)?,
    };
    let unknown = |name: &&String| !attachments.iter().any(|cached| is_named(cached, name));
    if let Some(name) = args.keep.iter().find(unknown) {
        return Err(names_nothing(name, network, &attachments));
    }
    let decide = |cached: CachedAttachment| {
        let file = runtime.cached_path(&network.name, &cached.endpoint);
        let seen = seen.iter().find(|one| is_same(&cached.endpoint, one));
        let life = seen.map(|one| &one.life);
        let (stays, why) = judge(args, network, &cached, &file, life);
        Decision {
            endpoint: cached.endpoint,
            stays,
            why,
        }
    };
    Ok(attachments.into_iter().map(decide).collect())
}

/// Whether an attachment stays, and why.
fn judge(
    args: &Gc,
    network: &NetworkList,
    cached: &CachedAttachment,
    file: &Path,
    life: Option<&Life>,
) -> (bool, String) {
    let (stays, why) = match &cached.endpoint.netns {
        _ if network.disable_gc => (true, "the network's configuration sets disableGC"),
        _ if args.all => (false, "--all was given"),
        _ if args.keep.iter().any(|name| is_named(cached, name)) => (true, "--keep names it"),
        _ if !args.keep.is_empty() => (false, "no --keep names it"),
        // Nobody is at it: who attaches has the network's lock.
        _ if !cached.is_complete => (false, "it was only begun, or could not be detached"),
        // Better one too many.
        None => (true, "its namespace is not known"),
        Some(path) if linkspan_connectivity::is_abandoned(path) => {
            (false, "`linkspan test` was killed before it removed it")
        }
        Some(path) => match AtPath::look(path) {
            AtPath::There => (true, "its namespace is there"),
            AtPath::Gone => return judge_without_path(file, life),
            AtPath::Unknown(_) => (true, "its namespace cannot be looked at"),
        },
    };
    (stays, why.to_owned())
}

/// The same where nothing is at the namespace's path. The cached result of a runtime that is not ours notes no namespace; what else tells
/// of the attachment then decides: what its plugins noted, and who has its address.
fn judge_without_path(file: &Path, life: Option<&Life>) -> (bool, String) {
    let Some(reason) = provenance::reason_to_live(file) else {
        return (false, "its namespace is gone".to_owned());
    };
    let is_noted = provenance::of(file).is_ok_and(|noted| noted.origin.is_some());
    match life {
        Some(Life::Gone(why)) if !is_noted => (false, why.clone()),
        _ => (
            true,
            format!("nothing is at its namespace's path, but {reason}"),
        ),
    }
}

/// Refuses to collect the garbage of a network of which nothing is known: its plugins would be told that nothing is in use, and
/// remove what another runtime, or one with another cache, has attached.
fn refuse_blind(args: &Gc, network: &NetworkList, decisions: &[Decision]) -> Result<(), Failure> {
    if args.all || !asks_plugins(network) || !decisions.is_empty() {
        return Ok(());
    }
    let cache = args.network.places.cache_dir();
    let words = format!(
        "no attachment of network {} is known in {}: its plugins would remove all that they hold for it",
        network.name,
        cache.display()
    );
    Err(Failure::new(Kind::Failed, words).advise(
        "Nothing was removed. If nothing is attached to the network, say so with --all; else name the cache of the \
         runtime that attaches with --cache-dir.",
    ))
}

/// Whether the network's plugins are told to remove what belongs to no attachment.
fn asks_plugins(network: &NetworkList) -> bool {
    network.cni_version >= Command::Gc.since() && !network.disable_gc
}

/// Refuses a directory that was given and is not there.
fn require_cache(args: &Gc) -> Result<(), Failure> {
    match &args.network.places.cache_dir {
        Some(given) => fs::read_dir(given).map(drop).map_err(|error| {
            let words = format!("cannot read the cache's directory {}", given.display());
            Failure::new(Kind::Failed, words)
                .because(error)
                .advise("Nothing was removed. Name the directory that --cache-dir was at `add`.")
        }),
        None => Ok(()),
    }
}

/// Whether a text names an attachment: by the container's ID, the namespace's name or its path, each
/// alone, which means all interfaces, or with `:` and an interface behind it.
fn is_named(cached: &CachedAttachment, text: &str) -> bool {
    let endpoint = &cached.endpoint;
    let container = |name: &str| {
        name == endpoint.container_id.as_str()
            || endpoint
                .netns
                .as_deref()
                .is_some_and(|netns| is_at(netns, name))
    };
    container(text)
        || text
            .rsplit_once(':')
            .is_some_and(|(name, ifname)| ifname == endpoint.ifname.as_str() && container(name))
}

/// Whether a namespace has a name, a path however written, or a process.
fn is_at(netns: &Path, name: &str) -> bool {
    let real = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let meant = netns::candidates(Path::new(name)).unwrap_or_default();
    let named = NAMED.map(|folder| Path::new(folder).join(name));
    let mut meant = meant.iter().chain(&named);
    meant.any(|path| real(path) == real(netns))
}

fn names_nothing(name: &str, network: &NetworkList, attachments: &[CachedAttachment]) -> Failure {
    let network = &network.name;
    let attached: Vec<_> = attachments.iter().map(name_of).collect();
    let advice = match attached.is_empty() {
        true => format!("Nothing is attached to {network}. Nothing was removed."),
        false => format!(
            "Attached are: {}. Nothing was removed.",
            attached.join(", ")
        ),
    };
    Failure::usage(format!(
        "--keep {name:?} names no attachment of network {network}"
    ))
    .advise(advice)
}

fn name_of(cached: &CachedAttachment) -> String {
    let endpoint = &cached.endpoint;
    let (id, ifname) = (&endpoint.container_id, &endpoint.ifname);
    let netns = endpoint.netns.as_deref();
    let netns = netns.map(|path| format!(" ({})", path.display()));
    format!("{id}:{ifname}{}", netns.unwrap_or_default())
}

fn tell(
    ui: Ui,
    args: &Gc,
    network: &NetworkList,
    decisions: &[Decision],
    unknown: &[Unknown],
) -> Result<(), Failure> {
    let (kept, removed): (Vec<_>, Vec<_>) = decisions.iter().partition(|decision| decision.stays);
    let name = &network.name;
    let list = |decisions: &[&Decision]| decisions.iter().map(|one| json(one)).collect();
    let told = object([
        ("network", name.as_str().into()),
        ("dryRun", args.dry_run.into()),
        ("removed", list(&removed)),
        ("kept", list(&kept)),
        ("unknown", unknown.iter().map(Unknown::json).collect()),
        ("pluginsAsked", asks_plugins(network).into()),
    ]);
    if !network.disable_gc && !asks_plugins(network) {
        ui.note(&format!(
            "the plugins of network {name} are not asked what they hold for anybody else, since GC is of CNI {} and the network \
             of {}: give it \"cniVersion\": \"{}\" to have them asked",
            Command::Gc.since(),
            network.cni_version,
            Command::Gc.since()
        ));
    }
    if args.dry_run && !ui.json {
        return ui.print(&dry_run(ui, args, network, decisions, unknown));
    }
    let words = match network.disable_gc {
        true => format!("nothing was removed: the configuration of network {name} sets disableGC"),
        false => format!(
            "network {name}: {} attachments were removed, {} are in use",
            removed.len(),
            kept.len()
        ),
    };
    ui.done(&words, told)
}

/// What would go, and why.
fn dry_run(
    ui: Ui,
    args: &Gc,
    network: &NetworkList,
    decisions: &[Decision],
    unknown: &[Unknown],
) -> String {
    let name = &network.name;
    let mut text = String::new();
    if decisions.is_empty() && unknown.is_empty() {
        text = format!("Nothing that is known here is attached to network {name}.\n");
    } else {
        let heading = ["CONTAINER", "INTERFACE", "NAMESPACE", "WOULD", "WHY"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(decisions.iter().map(|decision| {
            let endpoint = &decision.endpoint;
            let netns = endpoint.netns.as_deref();
            vec![
                endpoint.container_id.to_string(),
                endpoint.ifname.to_string(),
                netns.map_or("unknown".to_owned(), |path| path.display().to_string()),
                if decision.stays { "stay" } else { "go" }.to_owned(),
                decision.why.clone(),
            ]
        }));
        let would = if asks_plugins(network) { "go" } else { "stay" };
        rows.extend(unknown.iter().map(|one| one.row(would).to_vec()));
        text.push_str(&table(ui.style(), &rows));
    }
    if asks_plugins(network) {
        text.push_str("What the network's plugins hold for any other attachment would go too.\n");
        if let Err(failure) = refuse_running(args, network, unknown) {
            text.push_str(&format!(
                "Nothing would, as it is now: {}.\n",
                failure.behind()
            ));
        }
    }
    text
}

fn json(decision: &Decision) -> Value {
    let endpoint = &decision.endpoint;
    let netns = endpoint.netns.as_deref();
    object([
        ("containerID", endpoint.container_id.as_str().into()),
        ("ifname", endpoint.ifname.as_str().into()),
        ("netns", netns.map(|path| path.to_string_lossy()).into()),
        ("why", decision.why.as_str().into()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ctr run --cni --detach`, of whose containers none is ever detached, and Podman: their caches note no namespace.
    #[test]
    fn what_others_cached_goes_when_all_else_tells_that_its_container_is_gone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let stays = |life| judge_without_path(file.path(), life).0;
        let gone = Life::Gone("no network namespace has its address".to_owned());
        let unknown = Life::Unknown("nothing tells its network namespace".to_owned());
        for (life, expected) in [
            (None, true),
            (Some(&Life::Alive), true),
            (Some(&unknown), true),
            (Some(&gone), false),
        ] {
            assert_eq!(stays(life), expected, "{life:?}");
        }
        provenance::note(file.path(), None);
        assert!(stays(Some(&gone)), "it was noted");
    }
}
