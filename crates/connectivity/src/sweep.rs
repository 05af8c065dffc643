//! What runs left that were killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use linkspan_runtime::{Endpoint, Error, Runtime};
use linkspan_spec::NetworkList;

use crate::Run;
use crate::outside::disconnect;
use crate::place::{NAMESPACES, Place, turn};

/// The interface in containers, unless it is said otherwise.
const DEFAULT_IFNAME: &str = "eth0";

/// What was removed.
#[derive(Debug, Default)]
pub struct Swept {
    /// The containers and namespaces.
    pub names: BTreeSet<String>,
    /// What could not be removed.
    pub errors: Vec<Error>,
}

/// Detaches the containers of runs that were killed from a network, and removes their namespaces: of one network, those of
/// others are for the next run there. With `kept`, those as well that somebody wanted to keep.
///
/// Nothing of a run that lives is touched, nor anything else.
pub fn sweep(runtime: &Runtime, network: &NetworkList, kept: bool) -> Swept {
    let mut swept = Swept::default();
    let mut dead = abandoned(network, kept);
    for place in &dead {
        let name = file_name(&place.path);
        let Some((id, _)) = name.split_once('@') else {
            continue;
        };
        if !id.ends_with("-outside") {
            for endpoint in endpoints(runtime, network, id) {
                let endpoint = endpoint.with_netns(&place.path);
                detach(runtime, network, endpoint, &mut swept);
            }
        } else if let Some(run) = Run::named(id) {
            disconnect(run);
        }
        swept.names.insert(id.to_owned());
    }
    cached(runtime, network, kept, &mut swept);
    dead.clear();
    swept
}

/// What may be attached of a container: what is kept, or else what a killed ADD has begun, with the usual interface.
fn endpoints(runtime: &Runtime, network: &NetworkList, id: &str) -> Vec<Endpoint> {
    let attachments = runtime.attachments(&network.name).unwrap_or_default();
    let endpoints = attachments.into_iter().map(|cached| cached.endpoint);
    let known: Vec<_> = endpoints
        .filter(|endpoint| endpoint.container_id.as_str() == id)
        .collect();
    if !known.is_empty() {
        return known;
    }
    let begun = id.parse().ok().zip(DEFAULT_IFNAME.parse().ok());
    begun
        .map(|(id, ifname)| Endpoint::new(id, ifname))
        .into_iter()
        .collect()
}

/// The namespaces that nobody has locked any more, with the lock.
fn abandoned(network: &NetworkList, kept: bool) -> Vec<Place> {
    let Ok(_turn) = turn() else {
        return Vec::new();
    };
    let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| {
            let name = file_name(path);
            let is_of_network = name
                .split_once('@')
                .is_some_and(|(_, of)| of == network.name.as_str());
            is_of_network && Run::named(&name).is_some_and(|run| kept || !run.kept)
        })
        .filter_map(Place::adopt)
        .collect()
}

/// Whether the namespace at a path was made by a run that was killed.
pub fn is_abandoned(path: &Path) -> bool {
    let is_passing = Run::named(&file_name(path)).is_some_and(|run| !run.kept);
    is_passing && turn().is_ok_and(|_turn| Place::is_free(path))
}

/// Attachments whose namespace is gone, as after a boot.
fn cached(runtime: &Runtime, network: &NetworkList, kept: bool, swept: &mut Swept) {
    let attachments = runtime.attachments(&network.name).unwrap_or_default();
    for cached in attachments {
        let id = cached.endpoint.container_id.to_string();
        let is_ours = Run::named(&id).is_some_and(|run| kept || !run.kept);
        let path = cached.endpoint.netns.clone();
        let is_gone = path.is_some_and(|path| file_name(&path).starts_with(&id) && !path.exists());
        if is_ours && is_gone {
            let then = cached.detach_with(network);
            let network = then.as_ref().unwrap_or(network);
            detach(runtime, network, cached.endpoint, swept);
            swept.names.insert(id);
        }
    }
}

fn detach(runtime: &Runtime, network: &NetworkList, endpoint: Endpoint, swept: &mut Swept) {
    let outcome = runtime.del_with(&network.name, &endpoint, |kept| {
        let kept = kept.ok().flatten();
        let then = kept.as_ref().and_then(|kept| kept.detach_with(network));
        let endpoint = kept.map_or_else(|| endpoint.clone(), |kept| kept.endpoint);
        Ok((then.unwrap_or_else(|| network.clone()), endpoint))
    });
    swept.errors.extend(outcome.err());
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
