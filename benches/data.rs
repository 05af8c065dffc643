//! What was measured, as it is kept in `docs/benchmarks/data.json`: the tables and the pictures are made of it, and of nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spread::Spread;

/// Of each scenario what was measured last, and in which run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Data {
    /// The runs that something is kept of, the newest last.
    pub runs: Vec<Run>,
    /// By the name of the scenario.
    pub scenarios: BTreeMap<String, Measured>,
}

/// One `make bench`: on what, and what else there was to do meanwhile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// When it began, in UTC, `2026-12-01 17:03`; what tells it from others.
    pub began: String,
    /// The version of Linkspan and the commit that was measured.
    pub version: String,
    /// The version of the reference.
    pub reference: String,
    /// That of netavark where it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netavark: Option<String>,
    /// What the kernel says of its processors.
    pub processor: String,
    /// How many of them.
    pub processors: usize,
    /// Its release: `6.18.44`.
    pub kernel: String,
    /// The mean number of processes that were running in the minute before, and in the last minute, in which there was the run itself.
    pub load: [f64; 2],
}

/// What a scenario gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// When its run began.
    pub run: String,
    /// What the order of its calls was drawn from.
    pub seed: u64,
    /// In the order in which they are shown.
    pub figures: Vec<Figure>,
}

/// One row of a table, one point of a picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was done: `bridge + host-local, ipMasq`.
    pub what: String,
    /// With which command of CNI, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// How many of something there were already, or at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u64>,
    /// What the numbers of `sides` are.
    pub unit: Unit,
    /// What was measured of each.
    pub sides: BTreeMap<Side, Spread>,
    /// How many times as long as ours each of the others took, or how many times as much it has: of pairs of the same round.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ratios: BTreeMap<Side, Spread>,
    /// The ratio of ours to ours, a second installation on a host of its own in the same rounds: the noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Spread>,
    /// What does not depend on the machine.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Side, Counts>,
}

/// Whose numbers they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Ours.
    Linkspan,
    /// The plugins of the CNI project.
    Reference,
    /// Podman's own.
    Netavark,
    /// The requests to the kernel alone, without a plugin.
    Kernel,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linkspan => "Linkspan",
            Self::Reference => "reference",
            Self::Netavark => "netavark",
            Self::Kernel => "the kernel alone",
        })
    }
}

/// What a number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Milliseconds: the less, the better.
    #[serde(rename = "ms")]
    Milliseconds,
    /// So many in a second: the more, the better.
    #[serde(rename = "/s")]
    PerSecond,
    /// 1024 bytes.
    KiB,
    /// Of a whole.
    #[serde(rename = "%")]
    Percent,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => "ms",
            Self::PerSecond => "/s",
            Self::KiB => "KiB",
            Self::Percent => "%",
        })
    }
}

/// What one call did, whatever machine it ran on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Programs that were executed, the plugin itself among them.
    #[serde(default)]
    pub processes: usize,
    /// Datagrams that were sent to the kernel's netlink.
    #[serde(default)]
    pub netlink: usize,
    /// Calls that failed and were made again, as a runtime does.
    #[serde(default)]
    pub failures: usize,
}

impl Figure {
    /// Nothing yet of something.
    #[must_use]
    pub fn new(what: impl Into<String>, unit: Unit) -> Self {
        Self {
            what: what.into(),
            command: None,
            at: None,
            unit,
            sides: BTreeMap::new(),
            ratios: BTreeMap::new(),
            noise: None,
            counts: BTreeMap::new(),
        }
    }

    /// The same of a command of CNI.
    #[must_use]
    pub fn command(mut self, command: &str) -> Self {
        self.command = Some(command.to_owned());
        self
    }

    /// The same with so many.
    #[must_use]
    pub fn at(mut self, number: impl Into<u64>) -> Self {
        self.at = Some(number.into());
        self
    }

    /// The same with what was measured of one of the sides.
    #[must_use]
    pub fn with(mut self, side: Side, spread: Spread) -> Self {
        self.sides.insert(side, spread);
        self
    }

    /// The same with the durations of a side, each of which belongs to that of ours in its place; ours come first.
    #[must_use]
    pub fn timed(mut self, side: Side, ours: &[Duration], own: &[Duration]) -> Self {
        self.sides.insert(side, Spread::milliseconds(own));
        if side != Side::Linkspan {
            self.ratios.insert(side, Spread::of_ratios(ours, own));
        }
        self
    }

    /// The same with the ratios of what the sides have: how many times as much the others have, or of what is the better the more
    /// there is, ours.
    #[must_use]
    pub fn compared(mut self) -> Self {
        let Some(ours) = self.sides.get(&Side::Linkspan).copied() else {
            return self;
        };
        for (side, spread) in &self.sides {
            let ratio = match self.unit {
                Unit::PerSecond => ours.median / spread.median,
                _ => spread.median / ours.median,
            };
            if *side != Side::Linkspan {
                self.ratios.insert(*side, Spread::exactly(ratio));
            }
        }
        self
    }

    /// Whether ours differs from that side by no more than from itself, or is the faster one here and the slower one there.
    #[must_use]
    pub fn is_noise(&self, side: Side) -> bool {
        let Some(ratio) = self.ratios.get(&side) else {
            return false;
        };
        let is_either = ratio.count > 1 && (ratio.low..=ratio.high).contains(&1.0);
        let is_within = |noise: &Spread| ratio.median.max(1.0 / ratio.median) <= noise.from_one();
        is_either || self.noise.as_ref().is_some_and(is_within)
    }
}

impl Run {
    /// Whether something else kept half a processor busy before it began, so that what it claims is to be doubted.
    #[must_use]
    pub fn is_noisy(&self) -> bool {
        self.load[0] > 0.5
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} UTC; {}, {} processors, Linux {}; Linkspan {}, reference {}",
            self.began, self.processor, self.processors, self.kernel, self.version, self.reference
        )?;
        if let Some(netavark) = &self.netavark {
            write!(f, ", netavark {netavark}")?;
        }
        write!(
            f,
            "; load {:.1} before, {:.1} after",
            self.load[0], self.load[1]
        )?;
        match self.is_noisy() {
            true => f.write_str(" (noisy: the machine had other work)"),
            false => Ok(()),
        }
    }
}

impl Data {
    /// The figures of a scenario; none where it was not measured.
    pub fn figures(&self, scenario: &str) -> impl Iterator<Item = &Figure> {
        let measured = self.scenarios.get(scenario);
        measured.into_iter().flat_map(|measured| &measured.figures)
    }

    /// Keeps what a run gave of a scenario in the place of what was there, and the run; forgets those that nothing is left of.
    pub fn keep(&mut self, run: &Run, scenario: &str, seed: u64, figures: Vec<Figure>) {
        let measured = Measured {
            run: run.began.clone(),
            seed,
            figures,
        };
        self.scenarios.insert(scenario.to_owned(), measured);
        self.runs.retain(|other| other.began != run.began);
        self.runs.push(run.clone());
        let scenarios = self.scenarios.values();
        let named: BTreeSet<&str> = scenarios.map(|one| one.run.as_str()).collect();
        self.runs.retain(|run| named.contains(run.began.as_str()));
    }

    /// How much ours differed from itself in a run: the factor that the quartiles of half of its figures are within.
    #[must_use]
    pub fn noise(&self, run: &Run) -> Option<f64> {
        let measured = self.scenarios.values().filter(|one| one.run == run.began);
        let figures = measured.flat_map(|one| &one.figures);
        let noise = Spread::of(figures.filter_map(|figure| Some(figure.noise?.from_one())));
        (noise.count > 0).then_some(noise.median)
    }

    /// The runs that these scenarios were measured in, that of most of them first.
    #[must_use]
    pub fn runs_of(&self, scenarios: &[&str]) -> Vec<&Run> {
        let of = |run: &Run| {
            let measured = scenarios
                .iter()
                .filter_map(|name| self.scenarios.get(*name));
            measured.filter(|one| one.run == run.began).count()
        };
        let mut runs: Vec<&Run> = self.runs.iter().filter(|run| of(run) > 0).collect();
        runs.sort_by_key(|run| std::cmp::Reverse(of(run)));
        runs
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn run(began: &str) -> Run {
        Run {
            began: began.to_owned(),
            version: "0.1.0".to_owned(),
            reference: "1.1.1".to_owned(),
            netavark: None,
            processor: "a processor".to_owned(),
            processors: 2,
            kernel: "6.1".to_owned(),
            load: [0.1, 1.0],
        }
    }

    #[test]
    fn a_run_is_kept_while_something_of_it_is() {
        let mut data = Data::default();
        data.keep(&run("1"), "bridge", 7, Vec::new());
        data.keep(&run("1"), "ptp", 7, Vec::new());
        data.keep(&run("1"), "macvlan", 7, Vec::new());
        data.keep(&run("2"), "ptp", 8, Vec::new());
        let names = |runs: Vec<&Run>| runs.iter().map(|run| run.began.clone()).collect::<Vec<_>>();
        assert_eq!(names(data.runs.iter().collect()), ["1", "2"]);
        assert_eq!(
            names(data.runs_of(&["ptp", "bridge", "macvlan"])),
            ["1", "2"]
        );
        assert_eq!(names(data.runs_of(&["ptp", "no such"])), ["2"]);
        data.keep(&run("2"), "bridge", 8, Vec::new());
        data.keep(&run("2"), "macvlan", 8, Vec::new());
        assert_eq!(names(data.runs.iter().collect()), ["2"]);
    }

    #[test]
    fn what_is_no_more_than_noise() {
        let figure = |theirs: [u64; 3], low: f64, high: f64| {
            let times = |numbers: [u64; 3]| numbers.map(Duration::from_millis);
            let ours = times([10, 10, 10]);
            let mut figure = Figure::new("it", Unit::Milliseconds)
                .timed(Side::Linkspan, &ours, &ours)
                .timed(Side::Reference, &ours, &times(theirs));
            figure.noise = Some(Spread {
                low,
                median: 1.0,
                high,
                count: 3,
            });
            figure
        };
        assert!(figure([11, 11, 11], 0.9, 1.2).is_noise(Side::Reference));
        assert!(figure([9, 9, 9], 0.8, 1.0).is_noise(Side::Reference));
        assert!(figure([2, 12, 20], 1.0, 1.0).is_noise(Side::Reference));
        assert!(!figure([20, 20, 20], 0.9, 1.2).is_noise(Side::Reference));
        assert!(!figure([5, 5, 5], 0.9, 1.2).is_noise(Side::Reference));
        assert!(!figure([11, 11, 11], 0.9, 1.2).is_noise(Side::Netavark));
        // Where ours was not compared with itself.
        let alone = |theirs| Figure {
            noise: None,
            ..figure(theirs, 1.0, 1.0)
        };
        assert!(alone([7, 9, 12]).is_noise(Side::Reference));
        assert!(!alone([7, 8, 9]).is_noise(Side::Reference));
    }

    #[test]
    fn of_what_is_better_the_more_there_is_ours_is_divided() {
        let of = |unit| {
            let figure = Figure::new("it", unit)
                .with(Side::Linkspan, Spread::exactly(8.0))
                .with(Side::Reference, Spread::exactly(2.0));
            figure.compared().ratios[&Side::Reference].median
        };
        assert_eq!(of(Unit::PerSecond), 4.0);
        assert_eq!(of(Unit::KiB), 0.25);
    }

    #[test]
    fn a_loaded_machine_is_said_to_be_one() {
        let busy = Run {
            load: [2.1, 3.0],
            ..run("1")
        };
        assert!(
            busy.to_string()
                .ends_with("load 2.1 before, 3.0 after (noisy: the machine had other work)")
        );
        assert!(!run("1").to_string().contains("noisy"));
    }
}
