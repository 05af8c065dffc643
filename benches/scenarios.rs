//! What is measured.

use std::path::Path;

use linkspan_testkit::Sandbox;
use serde_json::{Value, json};

use crate::call::{Attachment, bandwidth, bridge, firewall, forget, portmap};
use crate::contestant::Contestant;
use crate::report::Row;
use crate::stats::Samples;
use crate::{events, floor, leases, pods, ports, show, spans};

/// How often each command of each contestant is timed.
const RUNS: usize = 30;

/// A name and what is done.
type Scenario = (&'static str, fn(&Sandbox) -> Vec<Row>);

/// All scenarios, in the order of the report.
pub(crate) const ALL: &[Scenario] = &[
    ("bridge", |sandbox| {
        compare(sandbox, "bridge + host-local, ipMasq", &json!([bridge()]))
    }),
    ("bridge without masquerade", |sandbox| {
        compare(
            sandbox,
            "bridge + host-local",
            &json!([without(bridge(), "ipMasq")]),
        )
    }),
    ("ptp", |sandbox| {
        compare(sandbox, "ptp + host-local, ipMasq", &json!([ptp()]))
    }),
    ("macvlan", |sandbox| {
        compare(sandbox, "macvlan + host-local", &json!([macvlan()]))
    }),
    ("dhcp", leases::macvlan),
    ("dhcp memory", leases::memory),
    ("loopback", |sandbox| {
        compare(sandbox, "loopback", &json!([{ "type": "loopback" }]))
    }),
    ("version", start),
    ("portmap", |sandbox| {
        compare_last(sandbox, "portmap, one port", &json!([bridge(), portmap()]))
    }),
    ("firewall", |sandbox| {
        compare_last(sandbox, "firewall", &json!([bridge(), firewall()]))
    }),
    ("portmap and firewall", |sandbox| {
        compare_rest(
            sandbox,
            "portmap + firewall",
            &json!([bridge(), portmap(), firewall()]),
        )
    }),
    ("tuning", |sandbox| {
        compare_last(sandbox, "tuning, one sysctl", &json!([bridge(), tuning()]))
    }),
    ("bandwidth", |sandbox| {
        compare_last(
            sandbox,
            "bandwidth, both ways",
            &json!([bridge(), bandwidth()]),
        )
    }),
    ("pods", pods::at_once),
    ("ports", ports::published),
    ("show", show::full_node),
    ("host-local", host_local),
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
fn start(sandbox: &Sandbox) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let mut times = [Samples::default(), Samples::default()];
    for round in 0..=RUNS {
        for (contestant, samples) in both.iter().zip(&mut times) {
            let one = Attachment::new(contestant, &json!([bridge()]), &container);
            let time = one.version();
            if round > 0 {
                samples.push(time);
            }
        }
    }
    vec![Row::paired("bridge: VERSION", &times[0], &times[1])]
}

/// ADD and DEL of a whole chain.
fn compare(sandbox: &Sandbox, what: &str, chain: &Value) -> Vec<Row> {
    measure(sandbox, what, chain, 0)
}

/// ADD and DEL of the last plugin of a chain.
fn compare_last(sandbox: &Sandbox, what: &str, chain: &Value) -> Vec<Row> {
    let before = chain.as_array().map_or(0, |plugins| plugins.len() - 1);
    measure(sandbox, what, chain, before)
}

/// ADD and DEL of all plugins of a chain but the first.
fn compare_rest(sandbox: &Sandbox, what: &str, chain: &Value) -> Vec<Row> {
    measure(sandbox, what, chain, 1)
}

/// Times what comes after the first `before` plugins of the chain.
fn measure(sandbox: &Sandbox, what: &str, chain: &Value, before: usize) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    if let Some(plugin) = missing(&both[0], chain) {
        return vec![Row {
            what: format!("{what}: no {plugin} yet"),
            ..Row::default()
        }];
    }
    for contestant in &both {
        contestant.host.run("ip link add uplink0 type veth peer name uplink1; ip link set uplink0 up; ip link set uplink1 up");
    }
    let container = sandbox.netns("container");
    let plugins = chain.as_array().cloned().unwrap_or_default();
    let (first, rest) = plugins.split_at(before);
    let (mut adds, mut dels) = (
        [Samples::default(), Samples::default()],
        [Samples::default(), Samples::default()],
    );
    let mut counts = [[Default::default(); 2]; 2];
    // The first run makes the bridge and is not counted; the last is traced.
    for round in 0..=RUNS + 1 {
        for (index, contestant) in both.iter().enumerate() {
            let mut base = Attachment::new(contestant, &Value::from(first), &container);
            if before > 0 {
                base.add();
            }
            let mut own = base.followed_by(&Value::from(rest));
            if round == RUNS + 1 {
                counts[index] = [own.counted("ADD"), own.counted("DEL")];
            } else {
                let (add, del) = (own.add(), own.del());
                if round > 0 {
                    adds[index].push(add);
                    dels[index].push(del);
                }
            }
            if before > 0 {
                base.del();
            }
        }
    }
    vec![
        Row::paired(format!("{what}: ADD"), &adds[0], &adds[1]).counted(counts[0][0], counts[1][0]),
        Row::paired(format!("{what}: DEL"), &dels[0], &dels[1]).counted(counts[0][1], counts[1][1]),
    ]
}

/// A plugin of the chain that is not there.
fn missing(contestant: &Contestant, chain: &Value) -> Option<String> {
    let types = chain
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|plugin| plugin["type"].as_str());
    types
        .map(str::to_owned)
        .find(|plugin| !contestant.has(plugin))
}

/// host-local with more and more addresses in use.
fn host_local(sandbox: &Sandbox) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let config = json!([{ "type": "host-local", "ipam": { "type": "host-local", "subnet": "10.16.0.0/12" } }]);
    [0, 1_000, 10_000, 60_000]
        .iter()
        .flat_map(|&count| {
            let (mut adds, mut dels) = (
                [Samples::default(), Samples::default()],
                [Samples::default(), Samples::default()],
            );
            for contestant in &both {
                forget(contestant.name);
                occupy(contestant.name, count);
            }
            for round in 0..=10 {
                for (index, contestant) in both.iter().enumerate() {
                    let mut one = Attachment::new(contestant, &config, &container);
                    let (add, del) = (one.add(), one.del());
                    if round > 0 {
                        adds[index].push(add);
                        dels[index].push(del);
                    }
                }
            }
            ["ADD", "DEL"].map(|command| {
                let samples = if command == "ADD" { &adds } else { &dels };
                Row::paired(
                    format!("host-local, {count} addresses in use: {command}"),
                    &samples[0],
                    &samples[1],
                )
            })
        })
        .collect()
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
