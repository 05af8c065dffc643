//! Which metrics there are. Names and units are by the conventions: <https://prometheus.io/docs/practices/naming/>.

use std::collections::BTreeMap;

use linkspan_events::{BOUNDS, Calls, Totals};
use linkspan_inspect::Host;
use linkspan_inspect::life::Life;

use super::exposition::{Exposition, Kind};

/// All of them, as text.
pub(super) fn text(totals: &Totals, host: &Host) -> String {
    let mut all = Exposition::default();
    let mut family = all.family(
        "linkspan_build_info",
        Kind::Gauge,
        "1, with the version of the program that wrote this.",
    );
    family.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    calls(&mut all, totals);
    attachments(&mut all, host);
    pools(&mut all, host);
    let mut family = all.family(
        "linkspan_networks",
        Kind::Gauge,
        "Networks of the configuration directories that a runtime uses.",
    );
    let networks = host.networks.iter();
    family.sample(
        &[],
        networks.filter(|network| network.is_in_force()).count(),
    );
    let mut family = all.family(
        "linkspan_blind_spots",
        Kind::Gauge,
        "Places that could not be looked at, so that numbers here are less than there is.",
    );
    family.sample(&[], host.blind_spots.len());
    all.text()
}

/// What plugins were called for since the machine was started.
fn calls(all: &mut Exposition, totals: &Totals) {
    let mut family = all.family(
        "linkspan_plugin_calls_total",
        Kind::Counter,
        "Calls of plugins that were answered, IPAM plugins called by others among them.",
    );
    for (plugin, command, calls) in totals.all() {
        family.sample(&[("plugin", plugin), ("command", command)], calls.count());
    }
    let mut family = all.family(
        "linkspan_plugin_failures_total",
        Kind::Counter,
        "Calls of plugins that failed, by the code of the error.",
    );
    for (plugin, command, calls) in totals.all() {
        for (code, &count) in &calls.failures {
            let code = code.map_or("other".to_owned(), |code| code.to_string());
            let labels = [("plugin", plugin), ("command", command), ("code", &code)];
            family.sample(&labels, count);
        }
    }
    let mut family = all.family(
        "linkspan_plugin_duration_seconds",
        Kind::Histogram,
        "How long calls of plugins took, from the start of the work to the answer.",
    );
    for (plugin, command, calls) in totals.all() {
        let labels = [("plugin", plugin), ("command", command)];
        family.histogram(&labels, classes(calls), calls.took.as_secs_f64());
    }
}

fn classes(calls: &Calls) -> impl Iterator<Item = (f64, u64)> {
    let bounds = BOUNDS.iter().map(|bound| bound.as_secs_f64());
    bounds.chain([f64::INFINITY]).zip(calls.classes)
}

/// How many attachments there are of each network, also of one that has none.
fn attachments(all: &mut Exposition, host: &Host) {
    let of_network = |is_counted: &dyn Fn(&Life) -> bool| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let networks = host.networks.iter().filter(|network| network.is_in_force());
        for name in networks.filter_map(|network| network.name.as_deref()) {
            counts.insert(name, 0);
        }
        for attachment in &host.attachments {
            let count = counts.entry(&attachment.network).or_default();
            *count += usize::from(is_counted(&attachment.life));
        }
        counts
    };
    let mut family = all.family(
        "linkspan_attachments",
        Kind::Gauge,
        "Interfaces of containers that are attached, those whose container is gone among them.",
    );
    for (network, count) in of_network(&|_| true) {
        family.sample(&[("network", network)], count);
    }
    let mut family = all.family(
        "linkspan_attachments_stale",
        Kind::Gauge,
        "Attachments whose container is certainly gone: `linkspan gc` removes them.",
    );
    for (network, count) in of_network(&Life::is_gone) {
        family.sample(&[("network", network)], count);
    }
}

/// How full the pools are, a sample for each set of ranges: an attachment gets one address of each.
fn pools(all: &mut Exposition, host: &Host) {
    let mut sets: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    for pool in &host.pools {
        for set in &pool.sets {
            // Pools of the same name in two directories are told together.
            let key = (pool.network.clone(), set.ranges.clone());
            let (size, used) = sets.entry(key).or_insert((set.size, 0));
            *size = set.size.max(*size);
            *used += set.used;
        }
    }
    let mut family = all.family(
        "linkspan_pool_addresses",
        Kind::Gauge,
        "Addresses that a set of ranges of a network can give.",
    );
    for ((network, pool), (size, _)) in &sets {
        family.sample(&[("network", network), ("pool", pool)], size);
    }
    let mut family = all.family(
        "linkspan_pool_addresses_used",
        Kind::Gauge,
        "Addresses of a set of ranges that are reserved.",
    );
    for ((network, pool), (_, used)) in &sets {
        family.sample(&[("network", network), ("pool", pool)], used);
    }
    let mut leaked: BTreeMap<&str, usize> = BTreeMap::new();
    for pool in &host.pools {
        let gone = pool.reservations.iter().filter(|held| held.life.is_gone());
        *leaked.entry(&pool.network).or_default() += gone.count();
    }
    let mut family = all.family(
        "linkspan_pool_addresses_leaked",
        Kind::Gauge,
        "Addresses that are reserved for containers that are certainly gone: `linkspan ipam check` names them.",
    );
    for (network, count) in leaked {
        family.sample(&[("network", network)], count);
    }
}
