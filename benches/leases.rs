//! Addresses from a DHCP server: what an ADD costs, and what the daemon weighs.

use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::Attachment;
use crate::contestant::Contestant;
use crate::report::Row;
use crate::stats::Samples;

/// How often each command of each contestant is timed.
const RUNS: usize = 30;

/// Leases that a daemon holds at once.
const LEASES: usize = 500;

/// macvlan with an address from a server behind its link.
pub(crate) fn macvlan(sandbox: &Sandbox) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    let worlds = both
        .each_ref()
        .map(|contestant| World::new(sandbox, contestant));
    let container = sandbox.netns("container");
    let (mut adds, mut dels) = (
        [Samples::default(), Samples::default()],
        [Samples::default(), Samples::default()],
    );
    for round in 0..=RUNS {
        for (index, world) in worlds.iter().enumerate() {
            let mut one = Attachment::new(world.contestant, &json!([world.macvlan()]), &container);
            let (add, del) = (one.add(), one.del());
            if round > 0 {
                adds[index].push(add);
                dels[index].push(del);
            }
        }
    }
    vec![
        Row::paired("macvlan + dhcp: ADD", &adds[0], &adds[1]),
        Row::paired("macvlan + dhcp: DEL", &dels[0], &dels[1]),
    ]
}

/// The memory of a daemon with one lease and with many. All are of one container, whose interfaces differ.
pub(crate) fn memory(sandbox: &Sandbox) -> Vec<Row> {
    let both = Contestant::both(sandbox);
    let [ours, theirs] = both.each_ref().map(|contestant| {
        let world = World::new(sandbox, contestant);
        let container = sandbox.netns(&format!("{}-c", contestant.name));
        let links = format!(
            "for i in $(seq {LEASES}); do \
             echo link add link uplink0 name m$i netns {} type macvlan mode bridge; done | ip -batch -",
            container.name()
        );
        contestant.host.run(&links);
        [1, LEASES].map(|count| {
            for number in 1..=count {
                world.lease(&container, number);
            }
            world.memory()
        })
    });
    let row = |what: String, index: usize| Row {
        what,
        ours: format!("{} KiB", ours[index]),
        theirs: format!("{} KiB", theirs[index]),
        ratio: format!("{:.1}", theirs[index] as f64 / ours[index] as f64),
        ..Row::default()
    };
    vec![
        row("the dhcp daemon's memory (RSS), 1 lease".to_owned(), 0),
        row(
            format!("the dhcp daemon's memory (RSS), {LEASES} leases"),
            1,
        ),
    ]
}

/// A contestant's host with a daemon, and a server behind its link.
struct World<'a> {
    contestant: &'a Contestant,
    socket: String,
    daemon: Running,
    _server: Running,
}

/// A program that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl<'a> World<'a> {
    fn new(sandbox: &Sandbox, contestant: &'a Contestant) -> Self {
        let server = sandbox.netns(&format!("{}-dhcp", contestant.name));
        contestant.host.run(&format!(
            "ip link add uplink0 type veth peer name lan netns {}; ip link set uplink0 up",
            server.name()
        ));
        server.run("ip addr add 10.24.0.1/16 dev lan; ip link set lan up");
        let leases = format!("/run/{}.leases", contestant.name);
        let mut dnsmasq = Command::new("dnsmasq");
        dnsmasq.args([
            "--no-daemon",
            "--conf-file=/dev/null",
            "--port=0",
            "--no-ping",
            "--interface=lan",
            "--dhcp-range=10.24.1.0,10.24.200.0,1h",
            "--dhcp-option=3,10.24.0.1",
        ]);
        dnsmasq.arg(format!("--dhcp-leasefile={leases}"));
        let socket = format!("/run/{}.sock", contestant.name);
        let mut daemon = Command::new(contestant.dir.join("dhcp"));
        daemon.args(["daemon", "-socketpath", &socket]);
        let world = Self {
            contestant,
            _server: start(&server, dnsmasq),
            daemon: start(&contestant.host, daemon),
            socket,
        };
        let begun = Instant::now();
        while !std::path::Path::new(&world.socket).exists() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "the daemon does not listen"
            );
            sleep(Duration::from_millis(10));
        }
        world
    }

    fn ipam(&self) -> Value {
        json!({ "type": "dhcp", "daemonSocketPath": self.socket })
    }

    fn macvlan(&self) -> Value {
        json!({ "type": "macvlan", "master": "uplink0", "ipam": self.ipam() })
    }

    /// A lease for one of the container's interfaces.
    fn lease(&self, container: &Netns, number: usize) {
        let config = json!([{ "type": "dhcp", "ipam": self.ipam() }]);
        Attachment::new(self.contestant, &config, container)
            .on(format!("m{number}"))
            .add();
    }

    fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.daemon.0.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        number.unwrap_or_else(|| panic!("the daemon has ended"))
    }
}

fn start(netns: &Netns, mut program: Command) -> Running {
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let started = netns.enter(|| program.spawn());
    Running(started.unwrap_or_else(|error| panic!("cannot start {program:?}: {error}")))
}
