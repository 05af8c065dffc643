//! One of those that are compared: a folder of plugins, and a host of its own to run them on.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Times;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Netns, Plugins, Sandbox};

/// For one scenario. The reference needs minutes for thousands of ports.
pub(crate) const DEADLINE: Duration = Duration::from_secs(600);

/// Plugins, and the host that they work on.
pub(crate) struct Contestant {
    /// Of the host, and of its networks, since all share `/var/lib/cni`.
    pub(crate) name: &'static str,
    pub(crate) dir: PathBuf,
    pub(crate) host: Netns,
}

impl Contestant {
    /// Linkspan and the reference, each on a host of its own.
    pub(crate) fn both(sandbox: &Sandbox) -> [Self; 2] {
        [Self::ours(sandbox, "linkspan"), Self::reference(sandbox)]
    }

    /// Linkspan twice, so that is known how much it differs from itself, and the reference.
    pub(crate) fn all(sandbox: &Sandbox) -> [Self; 3] {
        [
            Self::ours(sandbox, "linkspan"),
            Self::ours(sandbox, "again"),
            Self::reference(sandbox),
        ]
    }

    fn ours(sandbox: &Sandbox, name: &'static str) -> Self {
        Self::new(sandbox, name, ours())
    }

    fn reference(sandbox: &Sandbox) -> Self {
        Self::new(sandbox, "reference", Plugins::reference().dir().to_owned())
    }

    fn new(sandbox: &Sandbox, name: &'static str, dir: PathBuf) -> Self {
        let host = sandbox.netns(name);
        host.run("ip link set lo up");
        Self { name, dir, host }
    }
}

/// The figures of some commands, of what [`Contestant::all`] took for each, and of further sides behind them.
pub(crate) fn compared<const N: usize>(
    what: &str,
    commands: [&str; N],
    times: &Times<N>,
    further: &[Side],
) -> Vec<Figure> {
    let others = [Side::Reference].into_iter().chain(further.iter().copied());
    let others: Vec<Side> = others.collect();
    let figure = |number: usize| {
        let [ours, again] = [0, 1].map(|side: usize| &times[side][number]);
        let mut figure = Figure::new(what, Unit::Milliseconds)
            .command(commands[number])
            .timed(Side::Linkspan, ours, ours);
        for (place, side) in others.iter().enumerate() {
            figure = figure.timed(*side, ours, &times[place + 2][number]);
        }
        figure.noise = Some(Spread::of_ratios(ours, again));
        figure
    };
    (0..N).map(figure).collect()
}

/// Installed as a host has them: files of its disk.
pub(crate) fn ours() -> PathBuf {
    let dir = env::var_os("LINKSPAN_BIN").map_or_else(|| "target/bench".into(), PathBuf::from);
    assert!(
        dir.join("bridge").is_file(),
        "there are no plugins in {}: run `make bench`",
        dir.display()
    );
    dir
}
