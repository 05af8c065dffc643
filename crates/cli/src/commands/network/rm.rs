//! `network rm`.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_inspect::attachment::Attachment;
use linkspan_inspect::link::Links;
use linkspan_inspect::network::Network;
use linkspan_inspect::removal::{Removal, Step};
use linkspan_inspect::{Host, Places};
use linkspan_ipam::store;
use linkspan_kernel::rtnl::Rtnl;
use linkspan_spec::Value;

use super::leftovers;
use crate::args::NetworksRm;
use crate::commands::confirm;
use crate::failure::{Failure, Kind};
use crate::privilege;
use crate::style::Style;
use crate::ui::{Ui, object};

/// What has become of a step.
pub(super) enum Outcome {
    Done,
    /// It was left alone, for a reason.
    LeftAlone(String),
    Failed(Failure),
}

/// A step, and what has become of it; nothing before it was done.
type Told = (Step, Option<Outcome>);

/// Says what goes, asks, and removes it.
pub(super) fn rm(ui: Ui, args: &NetworksRm) -> Result<(), Failure> {
    if !args.dry_run {
        privilege::require("network rm")?;
    }
    let places = args.look.places();
    let host = ui.look(&places);
    refuse_blind(&host, &places)?;
    let networks = find(ui, args, &host, &places)?;
    let removals: Vec<Removal> = networks
        .iter()
        .map(|network| Removal::of(&host, network))
        .collect();
    refuse_attached(args, &removals)?;
    if args.dry_run {
        let told = removals.iter().map(|removal| {
            (
                removal,
                removal
                    .steps
                    .iter()
                    .map(|step| (step.clone(), None))
                    .collect(),
            )
        });
        return tell(ui, args, &told.collect::<Vec<_>>());
    }
    if !ui.json && !removals.is_empty() {
        ui.print(&plan(ui.style(), &removals, "will"))?;
    }
    if !args.yes && !args.force && !confirm::go_on(ui)? {
        ui.note("nothing was removed");
        return Ok(());
    }
    let first = first_of(&host);
    let mut told = Vec::new();
    for (network, removal) in networks.iter().zip(&removals) {
        told.push((removal, carry_out(ui, args, &places, network)?));
    }
    tell(ui, args, &told)?;
    tell_default(ui, first.as_deref(), &places);
    match failures(told) {
        failures if failures.is_empty() => Ok(()),
        failures => {
            Err(Failure::new(Kind::Failed, "not all could be removed").with_others(failures))
        }
    }
}

/// The networks that were named.
fn find<'h>(
    ui: Ui,
    args: &NetworksRm,
    host: &'h Host,
    places: &Places,
) -> Result<Vec<&'h Network>, Failure> {
    let mut networks: Vec<&Network> = Vec::new();
    for name in &args.networks {
        match host.network(name) {
            Some(network) if networks.iter().any(|known| known.file == network.file) => {}
            Some(network) => networks.push(network),
            None if args.force => ui.note(&format!("there is no network {name}")),
            None => return Err(super::not_found(host, places, name)),
        }
    }
    Ok(networks)
}

/// Refuses to conclude from what was not seen.
fn refuse_blind(host: &Host, places: &Places) -> Result<(), Failure> {
    let kept = || places.cache_dirs.iter().chain(&places.pool_dirs);
    let is_about_kept = |path: &PathBuf| kept().any(|directory| path.starts_with(directory));
    let mut blind = host.blind_spots.iter();
    match blind.find(|problem| problem.path.as_ref().is_some_and(is_about_kept)) {
        None => Ok(()),
        Some(problem) => Err(
            Failure::new(Kind::Failed, "what is attached cannot be seen")
                .because(problem)
                .advise("Nothing was removed."),
        ),
    }
}

/// Refuses to remove what containers are on.
fn refuse_attached(args: &NetworksRm, removals: &[Removal]) -> Result<(), Failure> {
    let attached = removals.iter().flat_map(|removal| &removal.attached);
    let failures: Vec<Failure> = attached.map(attachment).collect();
    if failures.is_empty() {
        return Ok(());
    }
    let advice = match args.force {
        true => {
            "Nothing was removed: --force detaches no container, whatever Podman's does. Stop the containers first."
        }
        false => "Nothing was removed. Stop the containers first.",
    };
    Err(Failure::new(Kind::Failed, "containers are attached")
        .advise(advice)
        .with_others(failures))
}

/// Why a container keeps its network, and what to do about it.
fn attachment(one: &Attachment) -> Failure {
    let (label, network) = (one.label(), &one.network);
    if let Some(why) = one.life.why() {
        return Failure::new(Kind::Failed, format!("{label} may be attached to {network}"))
            .because(why)
            .advise(format!(
                "`linkspan show {}` tells what is known of it. Who knows that it is gone says so with `linkspan gc {network} --all`.",
                one.container
            ));
    }
    let ifname = one.ifname.as_deref().unwrap_or("?");
    let failure = Failure::new(
        Kind::Failed,
        format!("{label} is attached to {network} by {ifname}"),
    );
    match &one.netns {
        Some(netns) => failure.advise(format!(
            "Stop the container, or `linkspan del {network} {}`.",
            netns.display()
        )),
        None => failure,
    }
}

/// Removes a network. What is left of containers goes first: while something of that fails, the configuration stays.
fn carry_out(
    ui: Ui,
    args: &NetworksRm,
    places: &Places,
    network: &Network,
) -> Result<Vec<Told>, Failure> {
    let name = network.name.clone().unwrap_or_default();
    let _progress = ui.progress(format!("removing network {name}"));
    // Nothing is attached between this look and the end.
    let list = network.list.as_ref().ok_or_else(|| {
        Failure::new(
            Kind::Network,
            format!("{} cannot be read", network.file.display()),
        )
    })?;
    let runtimes = leftovers::runtimes(ui, places);
    let turns = leftovers::take_turns(&runtimes, list)?;
    let host = Host::look(places);
    let removal = Removal::of(&host, network);
    refuse_attached(args, std::slice::from_ref(&removal))?;
    let cleared = leftovers::clear(&turns, &host, places, &removal);
    let mut told: Vec<Told> = cleared
        .into_iter()
        .map(|(step, outcome)| (step, Some(outcome)))
        .collect();
    let has_failed = told
        .iter()
        .any(|(_, outcome)| matches!(outcome, Some(Outcome::Failed(_))));
    for step in removal.steps {
        let outcome = match (&step, has_failed) {
            (Step::Forget { .. } | Step::Collect, _) => continue,
            (_, true) => {
                Outcome::LeftAlone("what is left of containers could not be removed".to_owned())
            }
            (Step::File(path), false) => removed(path, fs::remove_file(path)),
            (Step::Pool(path), false) => pool(path),
            (Step::Bridge(bridge), false) => self::bridge(bridge),
        };
        told.push((step, Some(outcome)));
    }
    Ok(told)
}

fn removed(path: &Path, outcome: std::io::Result<()>) -> Outcome {
    match outcome {
        Ok(()) => Outcome::Done,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Outcome::LeftAlone("it was removed meanwhile".to_owned())
        }
        Err(error) => Outcome::Failed(
            Failure::new(Kind::Failed, format!("cannot remove {}", path.display())).because(error),
        ),
    }
}

fn pool(path: &Path) -> Outcome {
    match store::remove_unused(path) {
        Ok(true) => Outcome::Done,
        Ok(false) => Outcome::LeftAlone("something in it is reserved or another's".to_owned()),
        Err(error) => {
            let mut failure = Failure::new(Kind::Failed, error.to_string());
            if let Some(source) = std::error::Error::source(&error) {
                failure = failure.because(source);
            }
            Outcome::Failed(failure)
        }
    }
}

/// Removes a bridge that nothing is on, by another look.
fn bridge(name: &str) -> Outcome {
    let links = Rtnl::open().and_then(|rtnl| Ok((Links::read(&rtnl)?, rtnl)));
    let (links, rtnl) = match links {
        Ok(opened) => opened,
        Err(error) => return Outcome::Failed(error.into()),
    };
    let Some(bridge) = links.named(name) else {
        return Outcome::LeftAlone("it is gone".to_owned());
    };
    if let Some(port) = links
        .links
        .iter()
        .find(|link| link.master == Some(bridge.index))
    {
        return Outcome::LeftAlone(format!("{} is on it by now", port.name));
    }
    match rtnl.delete_link(name) {
        Ok(()) => Outcome::Done,
        Err(error) => Outcome::Failed(error.into()),
    }
}

fn failures(told: Vec<(&Removal, Vec<Told>)>) -> Vec<Failure> {
    let outcomes = told.into_iter().flat_map(|(_, told)| told);
    let failure = |(_, outcome)| match outcome {
        Some(Outcome::Failed(failure)) => Some(failure),
        _ => None,
    };
    outcomes.filter_map(failure).collect()
}

fn plan(style: Style, removals: &[Removal], verb: &str) -> String {
    let mut text = format!("This {verb}:\n");
    for removal in removals {
        for step in &removal.steps {
            text.push_str(&format!(
                "  {step} {}\n",
                style.dim(&format!("[{}]", removal.network))
            ));
        }
    }
    for remark in removals.iter().flat_map(|removal| &removal.remarks) {
        text.push_str(&format!("{} {remark}\n", style.dim("note:")));
    }
    text
}

fn tell(ui: Ui, args: &NetworksRm, told: &[(&Removal, Vec<Told>)]) -> Result<(), Failure> {
    if ui.json {
        return ui.print_json(&json(args, told));
    }
    if args.dry_run {
        let removals: Vec<Removal> = told.iter().map(|(removal, _)| (*removal).clone()).collect();
        return match removals.is_empty() {
            true => Ok(()),
            false => ui.print(&plan(ui.style(), &removals, "would")),
        };
    }
    if ui.is_quiet() {
        return Ok(());
    }
    let style = ui.style();
    let mut text = String::new();
    for (step, outcome) in told.iter().flat_map(|(_, told)| told) {
        text.push_str(&match outcome {
            Some(Outcome::LeftAlone(why)) => format!("– {step}: left alone, since {why}\n"),
            Some(Outcome::Failed(_)) => format!("{} {step}\n", style.bad("✗")),
            _ => format!("{} {step}\n", style.good("✓")),
        });
    }
    ui.print(&text)
}

fn json(args: &NetworksRm, told: &[(&Removal, Vec<Told>)]) -> Value {
    let networks = told.iter().map(|(removal, told)| {
        let steps = told.iter().map(|(step, outcome)| {
            let (word, why) = match outcome {
                None => ("planned", None),
                Some(Outcome::Done) => ("done", None),
                Some(Outcome::LeftAlone(why)) => ("left-alone", Some(why.clone())),
                Some(Outcome::Failed(failure)) => ("failed", Some(failure.behind().to_owned())),
            };
            object([
                ("what", step.to_string().into()),
                ("outcome", word.into()),
                ("why", why.into()),
            ])
        });
        object([
            ("network", removal.network.as_str().into()),
            ("steps", steps.collect()),
            (
                "remarks",
                removal.remarks.iter().map(String::as_str).collect(),
            ),
        ])
    });
    object([
        ("dryRun", args.dry_run.into()),
        ("networks", networks.collect()),
    ])
}

/// The network of the first file, which runtimes take that know one alone.
fn first_of(host: &Host) -> Option<String> {
    let directory = host.networks.first()?.file.parent()?;
    let here = host
        .networks
        .iter()
        .filter(|network| network.file.parent() == Some(directory));
    here.min_by_key(|network| network.file.clone())?
        .name
        .clone()
}

/// Says so where runtimes take another network for their default now.
fn tell_default(ui: Ui, before: Option<&str>, places: &Places) {
    let now = first_of(&Host::networks_only(places));
    match (before, now) {
        (Some(before), Some(now)) if before != now => {
            ui.note(&format!("containerd and CRI-O take {now} for their default now, whose file is the first of the directory"));
        }
        (Some(_), None) => {
            ui.note("no network is left: containerd and CRI-O have none for new pods")
        }
        _ => {}
    }
}
