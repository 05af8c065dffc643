//! Podman's netavark, where `NETAVARK` is its path: what takes the place of a chain of plugins.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use linkspan_benches::data::{Figure, Side, Unit};
use linkspan_benches::rounds::Rounds;
use linkspan_benches::spread::Spread;
use linkspan_testkit::{Netns, Sandbox};
use serde_json::{Value, json};

use crate::call::{Attachment, bridge, firewall, portmap, surroundings};
use crate::contestant::{Contestant, compared};
use crate::memory;
use crate::scenarios::RUNS;
use crate::size;

/// How often memory is looked at.
const LOOKS: usize = 5;

/// A container with a published port. Nothing where there is no netavark.
pub(crate) fn beside(sandbox: &Sandbox, rounds: &mut Rounds) -> Vec<Figure> {
    let Some(program) = env::var_os("NETAVARK") else {
        return Vec::new();
    };
    let all = Contestant::all(sandbox);
    let container = sandbox.netns("container");
    let netavark = Netavark::new(sandbox, program.into(), &container);
    let chain = json!([bridge(), portmap(), firewall()]);
    let times = rounds.paired(RUNS, all.len() + 1, |side| match all.get(side) {
        Some(contestant) => {
            let mut one = Attachment::new(contestant, &chain, &container);
            [one.add(), one.del()]
        }
        None => [netavark.timed("setup"), netavark.timed("teardown")],
    });
    let what = "bridge + portmap + firewall";
    let mut figures = compared(what, ["ADD", "DEL"], &times, &[Side::Netavark]);
    let looks = 0..rounds.count(LOOKS);
    let of_chain = |contestant| {
        let mut one = Attachment::new(contestant, &chain, &container);
        let most = one.resident();
        one.del();
        most as f64
    };
    let of_netavark = || {
        let most = netavark.resident();
        netavark.timed("teardown");
        most as f64
    };
    figures.push(
        Figure::new(format!("{what}, memory"), Unit::KiB)
            .command("ADD")
            .with(
                Side::Linkspan,
                Spread::of(looks.clone().map(|_| of_chain(&all[0]))),
            )
            .with(
                Side::Reference,
                Spread::of(looks.clone().map(|_| of_chain(&all[2]))),
            )
            .with(Side::Netavark, Spread::of(looks.map(|_| of_netavark())))
            .compared(),
    );
    figures.push(
        Figure::new("netavark itself", Unit::KiB)
            .with(Side::Netavark, size::file(&netavark.program)),
    );
    figures
}

/// The program, and the host that it works on.
struct Netavark {
    program: PathBuf,
    config: PathBuf,
    host: Netns,
    container: PathBuf,
    options: Value,
}

impl Netavark {
    fn new(sandbox: &Sandbox, program: PathBuf, container: &Netns) -> Self {
        let host = sandbox.netns("netavark");
        host.run("ip link set lo up");
        Self {
            program,
            config: sandbox.dir(),
            host,
            container: container.path().to_owned(),
            options: options(),
        }
    }

    fn timed(&self, command: &str) -> Duration {
        let input = self.options.to_string();
        self.host.enter(|| {
            let start = Instant::now();
            let mut child = self.started(Command::new(&self.program), command);
            give(&mut child, &input);
            let output = child.wait_with_output();
            let elapsed = start.elapsed();
            let output = output.unwrap_or_else(|error| panic!("cannot wait for netavark: {error}"));
            let said =
                String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
            assert!(output.status.success(), "netavark {command}: {said}");
            elapsed
        })
    }

    fn resident(&self) -> u64 {
        let input = self.options.to_string();
        self.host.enter(|| {
            let mut strace = Command::new(memory::LINGERING[0]);
            strace.args(&memory::LINGERING[1..]).arg(&self.program);
            let mut child = self.started(strace, "setup");
            give(&mut child, &input);
            memory::largest(&mut child)
        })
    }

    fn started(&self, mut program: Command, command: &str) -> std::process::Child {
        surroundings(&mut program)
            .arg("--config")
            .arg(&self.config)
            .arg(command)
            .arg(&self.container)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program:?}: {error}"))
    }
}

fn give(child: &mut std::process::Child, input: &str) {
    let pipe = child.stdin.take();
    let given = pipe.map(|mut pipe| pipe.write_all(input.as_bytes()));
    if let Some(Err(error)) = given {
        panic!("netavark does not read: {error}");
    }
}

/// What Podman tells it of a container with one published port on its usual network.
fn options() -> Value {
    let id = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9";
    json!({
        "container_id": id,
        "container_name": "bench",
        "networks": { "podman": { "static_ips": ["10.88.0.2"], "interface_name": "eth0" } },
        "network_info": { "podman": {
            "name": "podman",
            "id": id,
            "driver": "bridge",
            "network_interface": "podman0",
            "subnets": [{ "subnet": "10.88.0.0/16", "gateway": "10.88.0.1" }],
            "ipv6_enabled": false,
            "internal": false,
            "dns_enabled": false,
            "ipam_options": { "driver": "host-local" }
        } },
        "port_mappings": [{
            "host_ip": "", "host_port": 8080, "container_port": 80, "protocol": "tcp", "range": 1
        }]
    })
}
