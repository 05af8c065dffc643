//! What it costs a call to tell of itself: the line in the ring, beside a whole ADD.

use std::time::{Duration, Instant, SystemTime};

use linkspan_events::{Delegated, Event, Ring};
use linkspan_kernel::netns::Identity;
use linkspan_testkit::Sandbox;
use serde_json::json;

use crate::call::{Attachment, bridge};
use crate::contestant::Contestant;
use crate::report::Row;
use crate::stats::Samples;

/// How often each is timed.
const RUNS: usize = 100;

/// An ADD of `bridge` as it is, and what of it is the ring, as the plugin tells of a call. A ring
/// that has its usual size is turned on the way, so that the time that takes is in the sum.
pub(crate) fn cost(sandbox: &Sandbox) -> Vec<Row> {
    let [ours, _] = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let (mut adds, mut lines) = (Samples::default(), Samples::default());
    for round in 0..=RUNS {
        let mut one = Attachment::new(&ours, &json!([bridge()]), &container);
        let add = one.add();
        one.del();
        let line = ours.host.enter(append);
        if round > 0 {
            adds.push(add);
            lines.push(line);
        }
    }
    let percent = 100.0 * lines.median() / adds.median();
    let mean = ours
        .host
        .enter(|| (0..5000).map(|_| append()).sum::<Duration>() / 5000);
    vec![Row {
        what: "a call's line in the ring of events, in a bridge + host-local, ipMasq: ADD"
            .to_owned(),
        ours: format!("{:.3} of {:.2}", lines.median(), adds.median()),
        ratio: format!("{percent:.1} %, mean {:.3} ms", mean.as_secs_f64() * 1e3),
        ..Row::default()
    }]
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
