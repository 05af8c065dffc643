//! Thousands of published ports: what one more costs, and what a connection costs.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::{Attachment, bridge, portmap};
use crate::contestant::Contestant;
use crate::report::Row;
use crate::stats::Samples;

/// Attachments with a published port each.
const PORTS: u16 = 2_000;

/// The host port of the first of them.
const FIRST: u16 = 20_000;

/// Connections that are timed.
const CONNECTIONS: usize = 500;

/// ADDs that are averaged at either end.
const ADDS: usize = 50;

/// The first and the two thousandth port, and a connection to one of them.
pub(crate) fn published(sandbox: &Sandbox) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    let container = sandbox.netns("container");
    let hosts = both.each_ref().map(|contestant| Host {
        contestant,
        outside: outside(sandbox, &contestant.host, contestant.name),
    });
    let [ours, theirs] = hosts.each_ref().map(|host| measure(host, &container));
    let connection = |what: &str, ours: &Samples, theirs: &Samples| {
        Row::paired(
            format!("a TCP connection from outside to a published port, {what}"),
            ours,
            theirs,
        )
    };
    vec![
        connection("1 published", &ours.with_one, &theirs.with_one),
        connection(
            "2,000 published, that in the middle",
            &ours.with_all,
            &theirs.with_all,
        ),
        Row {
            what: format!(
                "portmap ADD, the first {ADDS} and the last {ADDS} of {PORTS} attachments (of the reference the first)"
            ),
            ours: format!("{:.2}, {:.2}", ours.first.median(), ours.last.median()),
            theirs: format!("{:.2}", theirs.first.median()),
            ratio: format!("{:.1}", theirs.first.median() / ours.last.median()),
            ..Row::default()
        },
    ]
}

struct Host<'a> {
    contestant: &'a Contestant,
    outside: Netns,
}

#[derive(Default)]
struct Measured {
    with_one: Samples,
    with_all: Samples,
    first: Samples,
    last: Samples,
}

fn measure(host: &Host<'_>, container: &Netns) -> Measured {
    let contestant = host.contestant;
    let mut base = Attachment::new(contestant, &json!([bridge()]), container);
    base.add();
    let publish = |number: u16| {
        let mut one = base
            .followed_by(&json!([port(FIRST + number)]))
            .of(format!("container{number}"));
        one.add()
    };
    let mut measured = Measured::default();
    let middle = PORTS / 2;
    measured.first.push(publish(middle));
    measured.with_one = connections(host, container, FIRST + middle);
    let others = (0..PORTS).filter(|number| *number != middle);
    if contestant.name == "reference" {
        for number in others.clone().take(ADDS) {
            measured.first.push(publish(number));
        }
        // The reference itself needs many minutes for that many.
        copy_chains(&contestant.host, FIRST + middle, others.skip(ADDS));
    } else {
        let adds: Vec<Duration> = others.map(publish).collect();
        adds.iter()
            .take(ADDS)
            .for_each(|add| measured.first.push(*add));
        adds.iter()
            .rev()
            .take(ADDS)
            .for_each(|add| measured.last.push(*add));
    }
    measured.with_all = connections(host, container, FIRST + middle);
    base.del();
    measured
}

fn port(host_port: u16) -> Value {
    let mut portmap = portmap();
    portmap["runtimeConfig"]["portMappings"][0]["hostPort"] = host_port.into();
    portmap
}

/// A neighbour of the host that is no container.
fn outside(sandbox: &Sandbox, host: &Netns, name: &str) -> Netns {
    let outside = sandbox.netns(&format!("outside-{name}"));
    host.run(&format!(
        "ip link add uplink0 type veth peer name eth0 netns outside-{name};
         ip addr add 192.0.2.1/24 dev uplink0; ip link set uplink0 up"
    ));
    outside.run("ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up");
    outside
}

/// Times connections from outside to a published port, each closed at once.
fn connections(host: &Host<'_>, container: &Netns, port: u16) -> Samples {
    let listener = container.enter(|| TcpListener::bind(("0.0.0.0", 80)));
    let listener = listener.unwrap_or_else(|error| panic!("cannot listen: {error}"));
    let address = SocketAddr::from(([192, 0, 2, 1], port));
    let mut samples = Samples::default();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..=CONNECTIONS {
                drop(listener.accept());
            }
        });
        host.outside.enter(|| {
            for number in 0..=CONNECTIONS {
                let start = Instant::now();
                let connection = TcpStream::connect(address);
                let elapsed = start.elapsed();
                drop(connection.unwrap_or_else(|error| panic!("{address}: {error}")));
                // The first has to find neighbours.
                if number > 0 {
                    samples.push(elapsed);
                }
            }
        });
    });
    samples
}

/// Repeats what the reference made for one port for further ports: before `template`'s up to the middle.
fn copy_chains(host: &Netns, template: u16, numbers: impl Iterator<Item = u16>) {
    let rules = host.run("iptables-save -t nat");
    let jump = line(&rules, &format!("--dports {template} "));
    let chain = jump
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    let own = rules
        .lines()
        .filter(|line| line.contains(&chain))
        .collect::<Vec<_>>()
        .join("\n");
    let half = usize::from(PORTS / 2);
    let mut copies = String::from("*nat\n");
    for (count, number) in numbers.enumerate() {
        let name = format!("CNI-DN-{number:021x}");
        let mut text = own
            .replace(&chain, &name)
            .replace(&template.to_string(), &(FIRST + number).to_string());
        if count < half {
            text = text.replace("-A CNI-HOSTPORT-DNAT ", "-I CNI-HOSTPORT-DNAT ");
        }
        copies.push_str(&text);
        copies.push('\n');
    }
    copies.push_str("COMMIT\n");
    host.cmd("iptables-restore")
        .arg("--noflush")
        .stdin(copies)
        .run();
}

fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("{part:?} is not in {text}"))
}
