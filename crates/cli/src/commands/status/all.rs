//! `status` of all networks: what it is told from.

use std::path::PathBuf;
use std::thread;

use linkspan_inspect::checks::Report;
use linkspan_inspect::finding::Severity;
use linkspan_inspect::life::Life;
use linkspan_inspect::network::Network;
use linkspan_inspect::{Host, Places, Problem, System};
use linkspan_runtime::{Error, Runtime};
use serde::Serialize;

use super::draw;
use super::failures::{self, Failures};
use crate::args;
use crate::failure::{Failure, Kind};
use crate::ui::Ui;

/// How this host's container networks are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// All networks are ready, and there is one.
    pub(super) ready: bool,
    pub(super) networks: Vec<NetworkStatus>,
    pub(super) pools: Vec<PoolStatus>,
    pub(super) attachments: Counts,
    pub(super) failures: Vec<Failures>,
    pub(super) findings: Findings,
    pub(super) blind_spots: Vec<Problem>,
    /// Where networks were looked for.
    pub(super) config_dirs: Vec<PathBuf>,
}

/// How one network is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NetworkStatus {
    /// `None` where the file cannot be read.
    pub(super) name: Option<String>,
    pub(super) file: PathBuf,
    pub(super) cni_version: Option<String>,
    pub(super) plugins: Vec<String>,
    pub(super) ready: bool,
    /// Why it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<Problem>,
    /// The file that is used instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shadowed_by: Option<PathBuf>,
    pub(super) attachments: Counts,
}

/// How many attachments there are.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    /// Whose container is there.
    pub(super) alive: usize,
    /// Whose container is gone.
    pub(super) gone: usize,
    /// Of which it cannot be told.
    pub(super) unknown: usize,
}

/// How many findings `doctor` would tell.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Findings {
    pub(super) errors: usize,
    pub(super) warnings: usize,
}

impl Findings {
    fn of(host: &Host, places: &Places) -> Self {
        let report = Report::of(host, &System::look(host, places), &[]);
        let count = |severity| {
            let findings = report.findings.iter();
            findings.filter(|found| found.severity == severity).count()
        };
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
        }
    }
}

/// How full a set of ranges is.
#[derive(Serialize)]
pub(super) struct PoolStatus {
    pub(super) network: String,
    pub(super) ranges: String,
    pub(super) size: u64,
    /// `None` where the pool cannot be read.
    pub(super) used: Option<u64>,
}

impl Counts {
    fn of<'l>(lives: impl Iterator<Item = &'l Life>) -> Self {
        let mut counts = Self::default();
        for life in lives {
            match life {
                Life::Alive => counts.alive += 1,
                Life::Gone(_) => counts.gone += 1,
                Life::Unknown(_) => counts.unknown += 1,
            }
        }
        counts
    }
}

/// Tells how all networks are.
pub(super) fn status(ui: Ui, args: &args::Status) -> Result<(), Failure> {
    let places = args.places.look().places();
    let host = ui.look(&places);
    let runtime = runtime(ui, args);
    let status = Status::of(&host, &runtime, &places);
    match ui.json {
        true => ui.print_json(&ui.value(&status)?)?,
        false => ui.print(&draw::text(ui.style(), &status, args.brief))?,
    }
    match status.ready {
        true => Ok(()),
        false => Err(not_ready(&status)),
    }
}

/// Whether all networks are ready.
pub(super) fn is_ready(ui: Ui, args: &args::Status) -> bool {
    let host = Host::networks_only(&args.places.look().places());
    let statuses = networks(&host, &runtime(ui, args));
    is_whole(&statuses)
}

/// A runtime that looks for plugins wherever they usually are.
fn runtime(ui: Ui, args: &args::Status) -> Runtime {
    let plugin_dirs = args.places.look().places().plugin_dirs;
    args.places.runtime_of(ui, plugin_dirs).build()
}

impl Status {
    fn of(host: &Host, runtime: &Runtime, places: &Places) -> Self {
        let networks = networks(host, runtime);
        let pools = host.pools.iter().flat_map(|pool| {
            pool.sets.iter().map(|set| PoolStatus {
                network: pool.network.clone(),
                ranges: set.ranges.clone(),
                size: set.size,
                used: pool.problem.is_none().then_some(set.used),
            })
        });
        Self {
            ready: is_whole(&networks),
            networks,
            pools: pools.collect(),
            attachments: Counts::of(host.attachments.iter().map(|one| &one.life)),
            failures: failures::lately(),
            findings: Findings::of(host, places),
            blind_spots: host.blind_spots.clone(),
            config_dirs: places.config_dirs.clone(),
        }
    }
}

fn is_whole(networks: &[NetworkStatus]) -> bool {
    let is_wanted = |network: &&NetworkStatus| network.shadowed_by.is_none();
    let mut networks = networks.iter().filter(is_wanted).peekable();
    networks.peek().is_some() && networks.all(|network| network.ready)
}

/// Asks all networks at a time: their plugins wait for the kernel more than they compute.
fn networks(host: &Host, runtime: &Runtime) -> Vec<NetworkStatus> {
    thread::scope(|scope| {
        let asked: Vec<_> = host
            .networks
            .iter()
            .map(|network| (network, scope.spawn(|| ask(network, runtime))))
            .collect();
        let told = asked.into_iter().map(|(network, asked)| {
            let problem = asked
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            NetworkStatus::of(host, network, problem)
        });
        told.collect()
    })
}

/// Why a network is not ready.
fn ask(network: &Network, runtime: &Runtime) -> Option<Problem> {
    let Some(list) = &network.list else {
        return network.problem.clone();
    };
    if network.shadowed_by.is_some() {
        return None;
    }
    let asked = runtime.status(list).map(drop);
    asked.err().map(|error: Error| Problem::from(&error))
}

impl NetworkStatus {
    fn of(host: &Host, network: &Network, problem: Option<Problem>) -> Self {
        let name = network.name.clone();
        let attached = name.iter().flat_map(|name| host.attachments_of(name));
        Self {
            attachments: Counts::of(attached.map(|one| &one.life)),
            name,
            file: network.file.clone(),
            cni_version: network.cni_version.clone(),
            plugins: network.plugins.clone(),
            ready: problem.is_none() && network.is_in_force(),
            problem,
            shadowed_by: network.shadowed_by.clone(),
        }
    }
}

fn not_ready(status: &Status) -> Failure {
    let wanted = |network: &&NetworkStatus| network.shadowed_by.is_none();
    let all = status.networks.iter().filter(wanted).count();
    let missing = status
        .networks
        .iter()
        .filter(wanted)
        .filter(|network| !network.ready)
        .count();
    if all == 0 {
        let directories: Vec<_> = status
            .config_dirs
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let words = format!("there is no network in {}", directories.join(", "));
        return Failure::new(Kind::Failed, words)
            .advise("Write a configuration there, or name another directory with --conf-dir.");
    }
    Failure::new(
        Kind::Failed,
        format!("{missing} of {all} networks are not ready"),
    )
    .advise("What is wrong stands with each of them; `linkspan doctor` looks further.")
}
