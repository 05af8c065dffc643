//! What containers that are gone have left on a network that is removed.

use linkspan_inspect::removal::{Removal, Step};
use linkspan_inspect::repair::Repair;
use linkspan_inspect::{Host, Places, audit};
use linkspan_runtime::{Collection, Error, Runtime};
use linkspan_spec::NetworkList;

use super::rm::Outcome;
use crate::failure::{Failure, Kind};
use crate::target::watch;
use crate::ui::Ui;

/// A runtime for every cache in which attachments are kept.
pub(super) fn runtimes(ui: Ui, places: &Places) -> Vec<Runtime> {
    let runtime = |cache| {
        Runtime::builder()
            .plugin_dirs(places.plugin_dirs.clone())
            .cache_dir(cache)
            .observer(watch(ui))
            .build()
    };
    places.cache_dirs.iter().map(runtime).collect()
}

/// Keeps everybody from attaching to a network until what is returned is dropped.
pub(super) fn take_turns<'a>(
    runtimes: &'a [Runtime],
    network: &'a NetworkList,
) -> Result<Vec<Collection<'a>>, Failure> {
    let turns = runtimes.iter().map(|runtime| runtime.collection(network));
    Ok(turns.collect::<Result<_, _>>()?)
}

/// Removes what is left by containers that are gone, all of which `removal` names.
pub(super) fn clear(
    turns: &[Collection<'_>],
    host: &Host,
    places: &Places,
    removal: &Removal,
) -> Vec<(Step, Outcome)> {
    let is_one = |step: &&Step| matches!(step, Step::Forget { .. } | Step::Collect);
    let steps: Vec<&Step> = removal.steps.iter().filter(is_one).collect();
    let nobody_left = !steps.iter().any(|step| matches!(step, Step::Forget { .. }));
    // DEL for those that a runtime has kept, and what the plugins hold for anybody.
    let mut failure = turns.iter().find_map(|turn| turn.remove_all_but(&[]).err());
    let after = Host::look(places);
    let outcomes = steps.into_iter().map(|step| {
        let outcome = match (step, failure.take()) {
            (_, Some(error)) if nobody_left && is_missing(&error) => Outcome::LeftAlone(
                "its plugins are not all there, and nobody was attached".to_owned(),
            ),
            (_, Some(error)) => Outcome::Failed(error.into()),
            (
                Step::Forget {
                    container, ifname, ..
                },
                None,
            ) => forget(host, &after, &removal.network, container, ifname.as_deref()),
            (_, None) => Outcome::Done,
        };
        (step.clone(), outcome)
    });
    outcomes.collect()
}

/// Whether all that failed is that plugins are not there.
fn is_missing(error: &Error) -> bool {
    let mut errors = error.errors().into_iter();
    errors.all(|error| matches!(error, Error::PluginNotFound { .. }))
}

/// Gives back what DEL has not: addresses of a container that no runtime has kept, and what netfilter has of it.
fn forget(
    before: &Host,
    after: &Host,
    network: &str,
    container: &str,
    ifname: Option<&str>,
) -> Outcome {
    let report = audit::Report::of(before);
    let is_its = |item: &&audit::Item| {
        item.network == network && item.container.as_deref() == Some(container)
    };
    let leaked = report
        .items
        .into_iter()
        .filter(|item| is_its(&item) && item.kind.is_freed());
    let mut repairs: Vec<Repair> = leaked.map(Repair::Free).collect();
    repairs.push(Repair::Forget {
        network: network.to_owned(),
        container: container.to_owned(),
        ifname: ifname.map(str::to_owned),
    });
    let mut outcomes = repairs.iter().map(|repair| repair.carry_out(after));
    match outcomes.find_map(Result::err) {
        None => Outcome::Done,
        Some(problem) => Outcome::Failed(Failure::new(Kind::Failed, problem.to_string())),
    }
}
