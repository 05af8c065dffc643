//! How long an operator waits for an answer on a full node.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Cmd, Sandbox};
use serde_json::json;

use crate::call::bridge;

/// Attachments on the node.
const ATTACHMENTS: usize = 500;
/// How often each command is timed.
const RUNS: usize = 20;
/// What nobody notices as waiting.
const PROMISED: Duration = Duration::from_millis(300);

/// The commands that look at everything.
const COMMANDS: [&str; 4] = ["show", "show 10.22.1.7", "show --format svg", "status"];

/// Looks at a node with many attachments.
pub(crate) fn full_node(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let linkspan = program();
    attach(sandbox, &linkspan);
    let times = rounds.paired(RUNS, COMMANDS.len(), |command| {
        let begun = Instant::now();
        Cmd::new(&linkspan).args(COMMANDS[command].split(' ')).run();
        [begun.elapsed()]
    });
    let figures = COMMANDS.iter().zip(&times).map(|(command, [times])| {
        let what = format!(
            "linkspan {command}, {ATTACHMENTS} attachments; promised: {} ms",
            PROMISED.as_millis()
        );
        Figure::new(what, Unit::Milliseconds).with(Side::Linkspan, Spread::milliseconds(times))
    });
    figures.collect()
}

/// Attaches as many containers as a full node has, several at a time.
fn attach(sandbox: &Sandbox, linkspan: &Path) {
    fs::create_dir_all("/etc/cni/net.d").unwrap_or_else(|error| panic!("{error}"));
    let network = json!({ "cniVersion": "1.0.0", "name": "bench", "plugins": [bridge()] });
    fs::write("/etc/cni/net.d/bench.conflist", network.to_string())
        .unwrap_or_else(|error| panic!("{error}"));
    let plugins = env::var("LINKSPAN_BIN").unwrap_or_else(|_| "target/bench".to_owned());
    let each = format!(
        "ip netns add p@ && {} add bench p@ --container-id p@ --cni-path {plugins} >/dev/null",
        linkspan.display()
    );
    let line = format!("seq {ATTACHMENTS} | xargs -P 8 -I@ sh -c '{each}'");
    sandbox
        .host()
        .shell(&line)
        .deadline(Duration::from_secs(300))
        .run();
}

/// The program beside the plugins that are measured.
fn program() -> PathBuf {
    env::var_os("LINKSPAN").map_or_else(|| "target/release/linkspan".into(), PathBuf::from)
}
