//! Thousands of published ports: what one more costs, and what a connection costs.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::numbers::whole;
use linkspan_benches::rounds::Rounds;
use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::{Attachment, bridge, portmap};
use crate::contestant::Contestant;

/// Ports published already, an attachment each, and how often a call is timed beside them: the reference needs seconds beside the most.
const PUBLISHED: [(u16, usize); 5] = [(1, 50), (10, 50), (100, 30), (500, 20), (2_000, 15)];

/// The host port of the first of them, and that of the one that comes and goes.
const FIRST: u16 = 20_000;
const ONE_MORE: u16 = 30_000;

/// Connections that are timed.
const CONNECTIONS: usize = 500;

/// One more port beside some and beside thousands, and a connection to one of them.
pub(crate) fn published(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let both = Contestant::both(sandbox);
    let hosts = both
        .each_ref()
        .map(|contestant| Host::new(sandbox, contestant));
    let mut figures = Vec::new();
    let mut before = 0;
    for (count, runs) in PUBLISHED {
        for host in &hosts {
            host.publish(before, count);
        }
        before = count;
        let times = rounds.paired(runs, hosts.len(), |side| {
            let mut one = hosts[side].attachment(ONE_MORE);
            [one.add(), one.del()]
        });
        let connections = rounds.paired(CONNECTIONS, hosts.len(), |side| {
            [hosts[side].connect(FIRST + count / 2)]
        });
        let beside = whole(count.into());
        let figure = |what: String, [ours, theirs]: [&[Duration]; 2]| {
            Figure::new(what, Unit::Milliseconds)
                .at(count)
                .timed(Side::Linkspan, ours, ours)
                .timed(Side::Reference, ours, theirs)
        };
        for (number, command) in ["ADD", "DEL"].into_iter().enumerate() {
            let what = format!("portmap beside {beside} published");
            figures.push(figure(what, [&times[0][number], &times[1][number]]).command(command));
        }
        let what = format!("a TCP connection to a published port, that in the middle of {beside}");
        figures.push(figure(what, [&connections[0][0], &connections[1][0]]));
    }
    figures
}

/// One that publishes, and a neighbour of it that is no container.
struct Host<'a> {
    contestant: &'a Contestant,
    /// The container's, whose ports they are.
    base: Attachment<'a>,
    outside: Netns,
}

impl<'a> Host<'a> {
    fn new(sandbox: &Sandbox, contestant: &'a Contestant) -> Self {
        let container = sandbox.netns(&format!("container-{}", contestant.name));
        let mut base = Attachment::new(contestant, &json!([bridge()]), &container);
        base.add();
        listen(&container);
        Self {
            contestant,
            base,
            outside: outside(sandbox, &contestant.host, contestant.name),
        }
    }

    fn attachment(&self, port: u16) -> Attachment<'a> {
        self.base
            .followed_by(&json!([published_port(port)]))
            .of(format!("container{port}"))
    }

    /// Publishes ports from one number to another. Of the reference's, which would need many minutes, the first is made by itself, and the
    /// others as copies of what it made for that.
    fn publish(&self, from: u16, to: u16) {
        let ports = (from..to).map(|number| FIRST + number);
        if from > 0 && self.contestant.name == "reference" {
            copy_chains(&self.contestant.host, FIRST, ports);
        } else {
            ports.for_each(|port| {
                self.attachment(port).add();
            });
        }
    }

    /// Times a connection from outside to a published port, which is closed at once.
    fn connect(&self, port: u16) -> Duration {
        let address = SocketAddr::from(([192, 0, 2, 1], port));
        self.outside.enter(|| {
            let start = Instant::now();
            let connection = TcpStream::connect(address);
            let elapsed = start.elapsed();
            drop(connection.unwrap_or_else(|error| panic!("{address}: {error}")));
            elapsed
        })
    }
}

/// Takes whoever connects to a container's port, for as long as this process is there.
fn listen(container: &Netns) {
    let listener = container.enter(|| TcpListener::bind(("0.0.0.0", 80)));
    let listener = listener.unwrap_or_else(|error| panic!("cannot listen: {error}"));
    thread::spawn(move || listener.incoming().for_each(drop));
}

fn published_port(host_port: u16) -> Value {
    let mut portmap = portmap();
    portmap["runtimeConfig"]["portMappings"][0]["hostPort"] = host_port.into();
    portmap
}

fn outside(sandbox: &Sandbox, host: &Netns, name: &str) -> Netns {
    let outside = sandbox.netns(&format!("outside-{name}"));
    host.run(&format!(
        "ip link add uplink0 type veth peer name eth0 netns outside-{name};
         ip addr add 192.0.2.1/24 dev uplink0; ip link set uplink0 up"
    ));
    outside.run("ip addr add 192.0.2.2/24 dev eth0; ip link set eth0 up");
    outside
}

/// Repeats what the reference made for one port for further ports.
fn copy_chains(host: &Netns, template: u16, ports: impl Iterator<Item = u16>) {
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
    let mut copies = String::from("*nat\n");
    for port in ports {
        let name = format!("CNI-DN-{port:021x}");
        let text = own
            .replace(&chain, &name)
            .replace(&template.to_string(), &port.to_string());
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
