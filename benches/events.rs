//! What it costs a call to tell of itself: the line in the ring, beside a whole ADD.

use std::time::{Duration, Instant, SystemTime};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_events::{Delegated, Event, Ring};
use linkspan_kernel::netns::Identity;
use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::call::{Attachment, bridge};
use crate::contestant::Contestant;
use crate::scenarios::RUNS;

/// Lines that are written one after the other, so that the turns of the ring are among them.
const MANY: u32 = 5000;

/// An ADD of `bridge` as it is, and what of it is the ring, as the plugin tells of a call. A ring
/// that has its usual size is turned on the way, so that the time that takes is in the mean.
pub(crate) fn cost(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let [ours, _] = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let times = rounds.paired(RUNS, 1, |_| {
        let mut one = Attachment::new(&ours, &json!([bridge()]), &container);
        let add = one.add();
        one.del();
        [add, ours.host.enter(append)]
    });
    let [adds, lines] = &times[0];
    let mean = ours
        .host
        .enter(|| (0..MANY).map(|_| append()).sum::<Duration>() / MANY);
    let parts = adds.iter().zip(lines);
    let percent = parts.map(|(add, line)| 100.0 * line.as_secs_f64() / add.as_secs_f64());
    vec![
        Figure::new(
            "a call's line in the ring of events, the first that a process writes; promised: 2 % of an ADD",
            Unit::Milliseconds,
        )
        .with(Side::Linkspan, Spread::milliseconds(lines)),
        Figure::new(
            "the same, as a part of a bridge + host-local, ipMasq: ADD",
            Unit::Percent,
        )
        .with(Side::Linkspan, Spread::of(percent)),
        Figure::new(
            format!("the same, the mean of {MANY}, the turns of the ring among them"),
            Unit::Milliseconds,
        )
        .with(Side::Linkspan, Spread::milliseconds(&[mean])),
    ]
}

fn append() -> Duration {
    let event = Event {
        began: SystemTime::now(),
        took: Duration::from_micros(1900),
        command: "ADD".into(),
        plugin: "bridge".into(),
        network: "linkspan".into(),
        container: "3f2a9c01b2d43f2a9c01b2d43f2a9c01b2d43f2a9c01b2d43f2a9c01b2d43f2a".into(),
        ifname: "eth0".into(),
        pod: String::new(),
        caller: 1,
        ipam: vec![Delegated {
            plugin: "host-local".into(),
            command: "ADD".into(),
            took: Duration::from_micros(55),
            code: None,
        }],
        error: None,
    };
    // The plugin has looked at it before, to keep away from it.
    let host = Identity::current().ok();
    let start = Instant::now();
    Ring::tell(host, &event).unwrap_or_else(|error| panic!("cannot append: {error}"));
    start.elapsed()
}
