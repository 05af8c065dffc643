//! Addresses from a DHCP server: what an ADD costs, and what the daemon weighs.

use std::iter;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::Attachment;
use crate::contestant::{Contestant, compared};

/// How often each command of each contestant is timed: the reference waits for two seconds each time.
const RUNS: usize = 15;

/// Leases that a daemon holds at once.
const LEASES: usize = 500;

/// Leases that are asked for at the same time.
const AT_ONCE: usize = 50;

/// macvlan with an address from a server behind its link.
pub(crate) fn macvlan(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let all = Contestant::all(sandbox);
    let worlds = all
        .each_ref()
        .map(|contestant| World::new(sandbox, contestant));
    let container = sandbox.netns("container");
    let times = rounds.paired(RUNS, worlds.len(), |side| {
        let world = &worlds[side];
        let mut one = Attachment::new(world.contestant, &json!([world.macvlan()]), &container);
        [one.add(), one.del()]
    });
    compared("macvlan + dhcp", ["ADD", "DEL"], &times, &[])
}

/// The memory of a daemon with one lease and with many. All are of one container, whose interfaces differ.
pub(crate) fn memory(sandbox: &Sandbox, _: &mut Rounds) -> Vec<Figure> {
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
            world.leases(&container, count);
            world.memory()
        })
    });
    let figure = |leases: &str, number: usize| {
        let of = |side: [u64; 2]| Spread::exactly(side[number] as f64);
        Figure::new(format!("the dhcp daemon, {leases}"), Unit::KiB)
            .with(Side::Linkspan, of(ours))
            .with(Side::Reference, of(theirs))
            .compared()
    };
    vec![figure("1 lease", 0), figure(&format!("{LEASES} leases"), 1)]
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

    /// A lease for each of the container's first interfaces, many at a time, since the reference waits for seconds.
    fn leases(&self, container: &Netns, count: usize) {
        let next = AtomicUsize::new(1);
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    let numbers = iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
                    numbers
                        .take_while(|number| *number <= count)
                        .for_each(|number| self.lease(container, number));
                });
            }
        });
    }

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
