//! What is measured.

use std::path::Path;
use std::time::Duration;

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::numbers::whole;
use linkspan_benches::rounds::Rounds;
use linkspan_testkit::Sandbox;
use serde_json::{Value, json};

use crate::call::{Attachment, bandwidth, bridge, firewall, forget, portmap};
use crate::contestant::{Contestant, compared};
use crate::{events, floor, leases, memory, netavark, pods, ports, show, size, spans, storm};

/// How often each command of each contestant is timed.
pub(crate) const RUNS: usize = 100;

/// Addresses in use, and how often a call is timed beside them: the reference needs half a second beside the most.
const ADDRESSES: [(u32, usize); 6] = [
    (0, 50),
    (10, 50),
    (100, 50),
    (1_000, 30),
    (10_000, 20),
    (60_000, 10),
];

/// What is done.
pub(crate) type Scenario = fn(&Sandbox, &mut Rounds) -> Vec<Figure>;

/// All scenarios with their names, in the order of the report.
pub(crate) const ALL: &[(&str, Scenario)] = &[
    ("bridge", |sandbox, rounds| {
        compare(
            sandbox,
            rounds,
            "bridge + host-local, ipMasq",
            &json!([bridge()]),
        )
    }),
    ("bridge without masquerade", |sandbox, rounds| {
        compare(
            sandbox,
            rounds,
            "bridge + host-local",
            &json!([without(bridge(), "ipMasq")]),
        )
    }),
    ("ptp", |sandbox, rounds| {
        compare(sandbox, rounds, "ptp + host-local, ipMasq", &json!([ptp()]))
    }),
    ("macvlan", |sandbox, rounds| {
        compare(sandbox, rounds, "macvlan + host-local", &json!([macvlan()]))
    }),
    ("dhcp", leases::macvlan),
    ("dhcp memory", leases::memory),
    ("loopback", |sandbox, rounds| {
        compare(
            sandbox,
            rounds,
            "loopback",
            &json!([{ "type": "loopback" }]),
        )
    }),
    ("version", start),
    ("portmap", |sandbox, rounds| {
        compare_last(
            sandbox,
            rounds,
            "portmap, one port",
            &json!([bridge(), portmap()]),
        )
    }),
    ("firewall", |sandbox, rounds| {
        compare_last(sandbox, rounds, "firewall", &json!([bridge(), firewall()]))
    }),
    ("portmap and firewall", |sandbox, rounds| {
        compare_rest(
            sandbox,
            rounds,
            "portmap + firewall",
            &json!([bridge(), portmap(), firewall()]),
        )
    }),
    ("tuning", |sandbox, rounds| {
        compare_last(
            sandbox,
            rounds,
            "tuning, one sysctl",
            &json!([bridge(), tuning()]),
        )
    }),
    ("bandwidth", |sandbox, rounds| {
        compare_last(
            sandbox,
            rounds,
            "bandwidth, both ways",
            &json!([bridge(), bandwidth()]),
        )
    }),
    ("pods", pods::at_once),
    ("ports", ports::published),
    ("show", show::full_node),
    ("host-local", host_local),
    ("memory", memory::of_a_call),
    ("size", size::installed),
    ("storm", storm::in_one_process),
    ("netavark", netavark::beside),
    ("floor", floor::removal),
    ("events", events::cost),
    ("spans", spans::cost),
];

fn without(mut config: Value, key: &str) -> Value {
    if let Some(map) = config.as_object_mut() {
        map.remove(key);
    }
    config
}

fn ptp() -> Value {
    let mut config = bridge();
    config["type"] = "ptp".into();
    config
}

fn macvlan() -> Value {
    json!({ "type": "macvlan", "master": "uplink0", "ipam": { "type": "host-local", "subnet": "10.23.0.0/16" } })
}

fn tuning() -> Value {
    json!({ "type": "tuning", "sysctl": { "net.ipv4.conf.all.log_martians": "1" } })
}

/// VERSION: nothing but the start of a process.
fn start(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let all = Contestant::all(sandbox);
    let container = sandbox.netns("container");
    let times = rounds.paired(RUNS, all.len(), |side| {
        [Attachment::new(&all[side], &json!([bridge()]), &container).version()]
    });
    compared("bridge", ["VERSION"], &times, &[])
}

/// ADD and DEL of a whole chain.
fn compare(sandbox: &Sandbox, rounds: &mut Rounds, what: &str, chain: &Value) -> Vec<Figure> {
    measure(sandbox, rounds, what, chain, 0)
}

/// ADD and DEL of the last plugin of a chain.
fn compare_last(sandbox: &Sandbox, rounds: &mut Rounds, what: &str, chain: &Value) -> Vec<Figure> {
    let before = chain.as_array().map_or(0, |plugins| plugins.len() - 1);
    measure(sandbox, rounds, what, chain, before)
}

/// ADD and DEL of all plugins of a chain but the first.
fn compare_rest(sandbox: &Sandbox, rounds: &mut Rounds, what: &str, chain: &Value) -> Vec<Figure> {
    measure(sandbox, rounds, what, chain, 1)
}

/// Times what comes after the first `before` plugins of the chain.
fn measure(
    sandbox: &Sandbox,
    rounds: &mut Rounds,
    what: &str,
    chain: &Value,
    before: usize,
) -> Vec<Figure> {
    let all = Contestant::all(sandbox);
    for contestant in &all {
        contestant.host.run("ip link add uplink0 type veth peer name uplink1; ip link set uplink0 up; ip link set uplink1 up");
    }
    let container = sandbox.netns("container");
    let plugins = chain.as_array().cloned().unwrap_or_default();
    let (first, rest) = plugins.split_at(before);
    let (first, rest) = (Value::from(first), Value::from(rest));
    // What the first plugins made is there while the others are called, and goes afterwards.
    let attached = |contestant, work: &mut dyn FnMut(&mut Attachment<'_>)| {
        let mut base = Attachment::new(contestant, &first, &container);
        if before > 0 {
            base.add();
        }
        work(&mut base.followed_by(&rest));
        if before > 0 {
            base.del();
        }
    };
    let times = rounds.paired(RUNS, all.len(), |side| {
        let mut took = [Duration::ZERO; 2];
        attached(&all[side], &mut |own| took = [own.add(), own.del()]);
        took
    });
    let mut figures = compared(what, ["ADD", "DEL"], &times, &[]);
    for (side, contestant) in [(Side::Linkspan, &all[0]), (Side::Reference, &all[2])] {
        attached(contestant, &mut |own| {
            for (figure, command) in figures.iter_mut().zip(["ADD", "DEL"]) {
                figure.counts.insert(side, own.counted(command));
            }
        });
    }
    figures
}

/// host-local with more and more addresses in use.
fn host_local(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let both = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let config = json!([{ "type": "host-local", "ipam": { "type": "host-local", "subnet": "10.16.0.0/12" } }]);
    let mut figures = Vec::new();
    for (count, runs) in ADDRESSES {
        for contestant in &both {
            forget(contestant.name);
            occupy(contestant.name, count);
        }
        let times = rounds.paired(runs, both.len(), |side| {
            let mut one = Attachment::new(&both[side], &config, &container);
            [one.add(), one.del()]
        });
        for (number, command) in ["ADD", "DEL"].into_iter().enumerate() {
            let what = format!("host-local, {} addresses in use", whole(count.into()));
            let [ours, theirs] = [&times[0][number], &times[1][number]];
            let figure = Figure::new(what, Unit::Milliseconds)
                .command(command)
                .at(count)
                .timed(Side::Linkspan, ours, ours)
                .timed(Side::Reference, ours, theirs);
            figures.push(figure);
        }
    }
    figures
}

fn occupy(network: &str, count: u32) {
    let dir = Path::new("/var/lib/cni/networks").join(network);
    let first = u32::from(std::net::Ipv4Addr::new(10, 16, 0, 2));
    let fill = || -> std::io::Result<()> {
        std::fs::create_dir_all(&dir)?;
        for number in 0..count {
            let address = std::net::Ipv4Addr::from(first + number);
            std::fs::write(
                dir.join(address.to_string()),
                format!("other{number}\r\neth0"),
            )?;
        }
        Ok(())
    };
    fill().unwrap_or_else(|error| panic!("cannot occupy addresses: {error}"));
}
