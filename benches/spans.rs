//! What it costs that a call could tell what took how long: where nobody asks, and where somebody does.

use std::hint::black_box;
use std::time::{Duration, Instant};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_spans::{enter, exchange};
use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::call::{Attachment, bridge};
use crate::contestant::Contestant;
use crate::scenarios::RUNS;

/// How many spans nobody asks for are opened to time one.
const MANY: u32 = 1_000_000;

/// A trace that is kept.
const KEPT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// An ADD of `bridge` that nobody asks, and what of it are its spans and requests, none of which is collected; and beside it the same as a
/// part of a trace that is kept.
pub(crate) fn cost(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let [ours, _] = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let attachment = || Attachment::new(&ours, &json!([bridge()]), &container);
    let times = rounds.paired(RUNS, 2, |side| {
        let mut one = match side {
            0 => attachment(),
            _ => attachment().traced_as(KEPT),
        };
        let add = one.add();
        one.del();
        [add]
    });
    let [adds, kept] = [0, 1].map(|side: usize| &times[side][0]);
    let places = places(&ours);
    let unasked = (unasked() * places).as_secs_f64();
    let percent = adds.iter().map(|add| 100.0 * unasked / add.as_secs_f64());
    let what = "in a bridge + host-local, ipMasq: ADD";
    let slower = Spread::of_ratios(adds, kept);
    vec![
        Figure::new(
            format!("{places} spans and requests that nobody asks for, {what}"),
            Unit::Percent,
        )
        .with(Side::Linkspan, Spread::of(percent)),
        Figure::new(
            format!("what is added with TRACEPARENT of a trace that is kept, {what}"),
            Unit::Percent,
        )
        .with(
            Side::Linkspan,
            Spread {
                low: 100.0 * (slower.low - 1.0),
                median: 100.0 * (slower.median - 1.0),
                high: 100.0 * (slower.high - 1.0),
                ..slower
            },
        ),
    ]
}

/// How many there are in an ADD: it has told in the last line of the file.
fn places(ours: &Contestant) -> u32 {
    let line = ours
        .host
        .run("tail -n 2 /run/cni/linkspan/netns-*/traces/spans.json | head -n 1");
    let json: serde_json::Value =
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("no spans: {error}: {line}"));
    let spans = json["resourceSpans"][0]["scopeSpans"][0]["spans"]
        .as_array()
        .cloned();
    let spans = spans.unwrap_or_default();
    let attributes = spans
        .iter()
        .filter_map(|span| span["attributes"].as_array())
        .flatten();
    let requests = attributes.filter(|one| one["key"] == "linkspan.netlink.requests");
    let requests =
        requests.filter_map(|one| one["value"]["intValue"].as_str()?.parse::<u32>().ok());
    u32::try_from(spans.len()).unwrap_or_default() + requests.sum::<u32>()
}

/// One that nobody asks for.
fn unasked() -> Duration {
    let start = Instant::now();
    for number in 0..MANY {
        let span = enter(|| number.to_string());
        black_box((&span, &exchange()));
    }
    start.elapsed() / MANY
}
