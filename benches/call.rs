//! A chain of plugins called as a runtime calls it, each call timed from its start to its end.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use linkspan_benches::data::Counts;
use linkspan_testkit::{Netns, with_prev_result};
use serde_json::{Value, json};

use crate::contestant::Contestant;
use crate::memory;

/// The networks of both have their own names, since they share `/var/lib/cni`.
const VERSION: &str = "1.0.0";

/// One attachment of a container to a chain of plugins.
pub(crate) struct Attachment<'a> {
    contestant: &'a Contestant,
    chain: Vec<Value>,
    container: String,
    netns: PathBuf,
    ifname: String,
    /// What the plugins before these returned.
    base: Value,
    result: Value,
    /// `TRACEPARENT`.
    trace: Option<&'static str>,
}

impl<'a> Attachment<'a> {
    pub(crate) fn new(contestant: &'a Contestant, chain: &Value, container: &Netns) -> Self {
        let nothing = Self {
            contestant,
            chain: Vec::new(),
            container: container.name().to_owned(),
            netns: container.path().to_owned(),
            ifname: "eth0".to_owned(),
            base: Value::Null,
            result: Value::Null,
            trace: None,
        };
        nothing.followed_by(chain)
    }

    /// The plugins that come after these in a chain, with the result of these.
    pub(crate) fn followed_by(&self, chain: &Value) -> Self {
        let own = |config: &Value| {
            let mut config = config.clone();
            config["cniVersion"] = VERSION.into();
            config["name"] = self.contestant.name.into();
            config
        };
        Self {
            contestant: self.contestant,
            chain: chain.as_array().into_iter().flatten().map(own).collect(),
            container: self.container.clone(),
            netns: self.netns.clone(),
            ifname: self.ifname.clone(),
            base: self.result.clone(),
            result: self.result.clone(),
            trace: self.trace,
        }
    }

    /// The same for another container, as far as the plugins can tell.
    pub(crate) fn of(mut self, container: impl Into<String>) -> Self {
        self.container = container.into();
        self
    }

    /// The same for another interface.
    pub(crate) fn on(mut self, ifname: impl Into<String>) -> Self {
        self.ifname = ifname.into();
        self
    }

    /// The same as a part of a trace.
    pub(crate) fn traced_as(mut self, context: &'static str) -> Self {
        self.trace = Some(context);
        self
    }

    /// ADD of each plugin in order.
    ///
    /// # Panics
    /// When one fails.
    pub(crate) fn add(&mut self) -> Duration {
        self.try_add().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same; with the error of the plugin that failed.
    pub(crate) fn try_add(&mut self) -> Result<Duration, String> {
        self.result = self.base.clone();
        let mut elapsed = Duration::ZERO;
        for config in self.chain.clone() {
            let (time, output) = self.timed("ADD", &self.completed(&config))?;
            elapsed += time;
            self.result =
                serde_json::from_str(&output).map_err(|error| format!("{error}: {output}"))?;
        }
        Ok(elapsed)
    }

    /// DEL of each plugin in reverse order.
    ///
    /// # Panics
    /// When one fails.
    pub(crate) fn del(&self) -> Duration {
        self.try_del().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same; with the error of the plugin that failed.
    pub(crate) fn try_del(&self) -> Result<Duration, String> {
        let calls = self.chain.iter().rev();
        calls
            .map(|config| Ok(self.timed("DEL", &self.completed(config))?.0))
            .sum()
    }

    /// VERSION of each plugin.
    ///
    /// # Panics
    /// When one fails.
    pub(crate) fn version(&self) -> Duration {
        let calls = self.chain.iter();
        let times: Result<Duration, String> = calls
            .map(|config| Ok(self.timed("VERSION", config)?.0))
            .sum();
        times.unwrap_or_else(|error| panic!("{error}"))
    }

    /// What one call of each plugin does, by strace.
    pub(crate) fn counted(&mut self, command: &str) -> Counts {
        let mut counts = Counts::default();
        for config in self.in_order(command) {
            let log = self.traced(command, &self.completed(&config));
            counts.processes += log.matches("execve(").count();
            counts.netlink += log.lines().filter(|line| is_netlink(line)).count();
        }
        counts
    }

    /// ADD of each plugin in order; what the largest of all processes had resident at most, in KiB.
    ///
    /// # Panics
    /// When one fails.
    pub(crate) fn resident(&mut self) -> u64 {
        self.result = self.base.clone();
        let mut most = 0;
        for config in self.chain.clone() {
            let plugin = self.plugin(&config);
            let config = self.completed(&config);
            let mut strace = Command::new(memory::LINGERING[0]);
            strace.args(&memory::LINGERING[1..]).arg(plugin);
            let (largest, output) = self.contestant.host.enter(|| {
                let mut child = self.started(&mut strace, "ADD", &config);
                (memory::largest(&mut child), child.wait_with_output())
            });
            most = most.max(largest);
            let output = output.unwrap_or_else(|error| panic!("cannot wait for strace: {error}"));
            self.result = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
                panic!("{error}: {}", String::from_utf8_lossy(&output.stdout))
            });
        }
        most
    }

    fn in_order(&self, command: &str) -> Vec<Value> {
        let mut chain = self.chain.clone();
        if command == "DEL" {
            chain.reverse();
        }
        chain
    }

    fn completed(&self, config: &Value) -> Value {
        if self.result.is_null() {
            return config.clone();
        }
        with_prev_result(config, &self.result)
    }

    fn timed(&self, command: &str, config: &Value) -> Result<(Duration, String), String> {
        let plugin = self.plugin(config);
        self.contestant
            .host
            .enter(|| self.run(Command::new(&plugin), command, config))
    }

    fn traced(&mut self, command: &str, config: &Value) -> String {
        let plugin = self.plugin(config);
        let log = std::env::temp_dir().join("trace");
        let mut strace = Command::new("strace");
        strace
            .args([
                "-f",
                "-qq",
                "-yy",
                "-e",
                "trace=execve,sendto,sendmsg",
                "-o",
            ])
            .arg(&log)
            .arg(&plugin);
        let (_, output) = self
            .contestant
            .host
            .enter(|| self.run(strace, command, config))
            .unwrap_or_else(|error| panic!("{error}"));
        if command == "ADD" {
            self.result = serde_json::from_str(&output).unwrap_or_default();
        }
        std::fs::read_to_string(&log).unwrap_or_else(|error| panic!("no log of strace: {error}"))
    }

    fn plugin(&self, config: &Value) -> PathBuf {
        self.contestant
            .dir
            .join(config["type"].as_str().unwrap_or_default())
    }

    fn run(
        &self,
        mut program: Command,
        command: &str,
        config: &Value,
    ) -> Result<(Duration, String), String> {
        let start = Instant::now();
        let child = self.started(&mut program, command, config);
        let output = child
            .wait_with_output()
            .unwrap_or_else(|error| panic!("cannot wait for {program:?}: {error}"));
        let elapsed = start.elapsed();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let (name, status) = (self.contestant.name, output.status);
            return Err(format!("{name} {command}: {status}: {text}\n{config}"));
        }
        Ok((elapsed, text))
    }

    /// A program that has been told what it is to do.
    fn started(&self, program: &mut Command, command: &str, config: &Value) -> Child {
        surroundings(program)
            .env("CNI_COMMAND", command)
            .env("CNI_CONTAINERID", &self.container)
            .env("CNI_NETNS", &self.netns)
            .env("CNI_IFNAME", &self.ifname)
            .env("CNI_PATH", &self.contestant.dir)
            .envs(self.trace.map(|context| ("TRACEPARENT", context)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let input = config.to_string();
        let mut child = program
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {program:?}: {error}"));
        match child
            .stdin
            .take()
            .map(|mut pipe| pipe.write_all(input.as_bytes()))
        {
            // For VERSION nothing is read.
            Some(Err(error)) if error.kind() != ErrorKind::BrokenPipe => {
                panic!("{program:?} does not read: {error}")
            }
            _ => {}
        }
        child
    }
}

/// As little as a runtime that systemd has started.
pub(crate) fn surroundings(program: &mut Command) -> &mut Command {
    program.env_clear().env(
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )
}

/// A line of strace about a message to netlink: `1234 sendto(4<NETLINK:[ROUTE:1234]>, …`.
fn is_netlink(line: &str) -> bool {
    let socket = line.split(',').next().unwrap_or_default();
    socket.contains("send") && socket.contains("<NETLINK")
}

/// Removes what host-local has kept of a network.
pub(crate) fn forget(network: &str) {
    let dir = Path::new("/var/lib/cni/networks").join(network);
    // There need not be any.
    let _ = std::fs::remove_dir_all(dir);
}

/// A bridge with host-local, as most people have it.
pub(crate) fn bridge() -> Value {
    json!({
        "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true,
        "ipam": { "type": "host-local", "subnet": "10.22.0.0/16", "routes": [{ "dst": "0.0.0.0/0" }] }
    })
}

/// One published port.
pub(crate) fn portmap() -> Value {
    json!({ "type": "portmap", "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": [{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp" }] } })
}

/// The host forwards for the container.
pub(crate) fn firewall() -> Value {
    json!({ "type": "firewall" })
}

/// A megabyte a second each way.
pub(crate) fn bandwidth() -> Value {
    json!({ "type": "bandwidth", "ingressRate": 8_000_000, "ingressBurst": 8_000_000,
        "egressRate": 8_000_000, "egressBurst": 8_000_000 })
}
