//! A host with a container that stays attached, and one that comes and goes.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, Netns, Outcome, Plugins, Sandbox, with_prev_result};
use serde_json::{Value, json};

use crate::state::{State, View, files, names_of_mac, renamed};
use crate::subjects::{Life, Subject, capabilities, first_of_chain};

/// How long the kernel may take for what it does after the call that it does it for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where plugins keep what they know.
const DIRECTORIES: [&str; 2] = ["/var/lib/cni", "/run/cni"];

/// Where the configuration of a chain is.
const CONFIGURATIONS: &str = "/etc/cni/net.d";

/// A command, and what it is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Add,
    Check,
    Del,
    /// GC that spares both containers.
    GcNothing,
    /// GC to which `c1` is dead.
    Gc,
    Status,
    Version,
}

impl Command {
    pub(crate) const ALL: [Self; 7] = [
        Self::Add,
        Self::Check,
        Self::Del,
        Self::GcNothing,
        Self::Gc,
        Self::Status,
        Self::Version,
    ];

    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::GcNothing | Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// The containers that a GC is to spare.
    fn spares(self) -> Option<&'static [&'static str]> {
        match self {
            Self::GcNothing => Some(&["c1", "by"]),
            Self::Gc => Some(&["by"]),
            _ => None,
        }
    }

    /// What it is called where a fault is told.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GcNothing => "GC-of-nothing",
            _ => self.verb(),
        }
    }
}

pub(crate) struct Scene<'a> {
    pub(crate) host: &'a Sandbox,
    pub(crate) subject: &'a Subject,
    plugins: Plugins,
    c1: Container,
    by: Container,
    views: Vec<View>,
    is_attached: bool,
    /// What lines about `by` have in them.
    of_by: Vec<String>,
}

/// One of the two, with what is told to a plugin as the result before.
struct Container {
    id: &'static str,
    netns: Netns,
    /// What a chained plugin is called with for its ADD; null where there is nothing before it.
    first: Value,
    /// The answer to the last ADD.
    added: Value,
}

impl Container {
    fn new(host: &Sandbox, plugins: &Plugins, subject: &Subject, id: &'static str) -> Self {
        let netns = host.netns(id);
        if subject.name == "loopback" {
            // As its DEL leaves it.
            netns.run("ip link set lo down");
        }
        let first = if subject.is_chained {
            let add = plugins.add(&first_of_chain(), id, &netns, "eth0");
            add.success()
        } else {
            Value::Null
        };
        Self {
            id,
            netns,
            added: first.clone(),
            first,
        }
    }

    /// The MAC addresses that chance has given, and what to call them.
    fn names(&self) -> Vec<(String, String)> {
        let mut names = Vec::new();
        for (result, what) in [(&self.first, "first"), (&self.added, "added")] {
            for interface in result["interfaces"].as_array().into_iter().flatten() {
                let part = |key: &str| interface[key].as_str().unwrap_or_default();
                // A loopback interface has none, and one that begins so was asked for.
                let mac = part("mac");
                if !mac.is_empty()
                    && !mac.starts_with("00:00:00")
                    && !mac.starts_with("02:00:00:00")
                {
                    names.extend(names_of_mac(mac, &format!("{what} {}", part("name"))));
                }
            }
        }
        names
    }
}

impl<'a> Scene<'a> {
    /// With `by` attached, and `c1` ready to be.
    pub(crate) fn new(host: &'a Sandbox, subject: &'a Subject) -> Self {
        let plugins = linkspan_proof::plugins();
        if !subject.setup.is_empty() {
            host.run(subject.setup);
        }
        let container = |id| {
            let netns = host.netns(id);
            let first = if subject.is_chained {
                plugins.add(&first_of_chain(), id, &netns, "eth0").success()
            } else {
                Value::Null
            };
            let added = first.clone();
            Container {
                id,
                netns,
                first,
                added,
            }
        };
        let (by, c1) = (container("by"), container("c1"));
        let views = [&c1.netns, host.host(), &by.netns].map(View::of).into();
        let mut scene = Self {
            host,
            subject,
            plugins,
            c1,
            by,
            views,
            is_attached: false,
            of_by: ["/by/", "mynet by", "by\\r\\n", "devby", "outby"]
                .map(str::to_owned)
                .to_vec(),
        };
        if subject.is_run_by_linkspan {
            fs::create_dir_all(CONFIGURATIONS).unwrap();
            let list = (subject.config)("c1").to_string();
            fs::write(format!("{CONFIGURATIONS}/10-mynet.conflist"), list).unwrap();
        }
        scene.by.added = scene.cmd(&scene.by, Command::Add).run_as_plugin().success();
        let ends = scene.by.added["interfaces"]
            .as_array()
            .into_iter()
            .flatten();
        let names = ends.filter_map(|end| end["name"].as_str());
        let names = names.filter(|name| name.starts_with("veth"));
        scene.of_by.extend(names.map(str::to_owned));
        // What stays of a first ADD is there from now on.
        scene.attach();
        scene.detach();
        scene
    }

    /// Detaches `c1` as it must be possible, and has a new container where the old one is worn out.
    pub(crate) fn detach(&mut self) {
        self.run(Command::Del).success();
        self.forget();
        if self.subject.life == Life::Once {
            self.renew();
        }
    }

    /// Has the namespace of `c1` go.
    pub(crate) fn lose_namespace(&mut self) {
        // Its sockets would keep it.
        self.views.remove(0);
        self.c1.netns.delete();
    }

    /// Another `c1` in the place of the one whose namespace is gone, or goes now.
    pub(crate) fn renew(&mut self) {
        if self.c1.netns.path().exists() {
            self.lose_namespace();
        }
        if self.subject.is_chained {
            let first = self.plugins.call("DEL", &first_of_chain());
            let first = first.container("c1").ifname("eth0").netns("");
            first.run().success();
        }
        self.c1 = Container::new(self.host, &self.plugins, self.subject, "c1");
        self.views.insert(0, View::of(&self.c1.netns));
        self.is_attached = false;
        if self.subject.name == "tuning" {
            // What it has set in a namespace stays set, as the reference's does.
            self.attach();
            self.run(Command::Del).success();
            self.forget();
        }
    }

    /// A command about `c1`.
    pub(crate) fn command(&self, command: Command) -> Cmd {
        self.cmd(&self.c1, command)
    }

    fn cmd(&self, container: &Container, command: Command) -> Cmd {
        if self.subject.is_run_by_linkspan {
            return self.linkspan(container, command);
        }
        let mut config = (self.subject.config)(container.id);
        let result = match command {
            Command::Add => &container.first,
            Command::Check | Command::Del => &container.added,
            _ => &Value::Null,
        };
        if *result != Value::Null {
            config = with_prev_result(&config, result);
        }
        if let Some(valid) = command.spares() {
            let attachment = |id: &&str| json!({ "containerID": id, "ifname": self.ifname() });
            config["cni.dev/valid-attachments"] = valid.iter().map(attachment).collect();
        }
        let call = self.plugins.call(command.verb(), &config);
        let call = if matches!(command, Command::Add | Command::Check | Command::Del) {
            call.container(container.id)
                .netns(container.netns.path())
                .ifname(self.ifname())
        } else {
            call
        };
        call.cmd().env_remove("LD_LIBRARY_PATH")
    }

    /// The same for a chain.
    fn linkspan(&self, container: &Container, command: Command) -> Cmd {
        let verb = command.verb().to_lowercase();
        let cmd = Cmd::new(linkspan_proof::linkspan()).env_remove("LD_LIBRARY_PATH");
        if command == Command::Version {
            return cmd.arg("--version");
        }
        let cmd = cmd.args([&verb, "mynet"]);
        let cmd = match command.spares() {
            Some(spared) => spared.iter().fold(cmd, |cmd, id| cmd.args(["--keep", id])),
            None if command == Command::Status => cmd,
            None => cmd
                .arg(container.netns.path())
                .args(["--container-id", container.id])
                .args(["--cap-args", &capabilities(container.id).to_string()]),
        };
        cmd.args(["--cni-path", &self.plugins.dir().to_string_lossy()])
    }

    fn ifname(&self) -> &'static str {
        if self.subject.name == "loopback" {
            "lo"
        } else {
            "eth0"
        }
    }

    /// Runs a command about `c1` without a fault.
    pub(crate) fn run(&self, command: Command) -> Outcome {
        self.command(command).run_as_plugin()
    }

    /// Attaches `c1`, and remembers the answer.
    pub(crate) fn attach(&mut self) -> Value {
        let result = self.run(Command::Add).success();
        self.learn(result.clone());
        result
    }

    /// Whether `c1` has an answer to an ADD.
    pub(crate) fn is_attached(&self) -> bool {
        self.is_attached
    }

    /// What `c1` was told is what there is.
    pub(crate) fn learn(&mut self, result: Value) {
        self.is_attached = true;
        self.c1.added = result;
    }

    /// Nothing was told to `c1`, or it is over.
    pub(crate) fn forget(&mut self) {
        self.is_attached = false;
        self.c1.added = self.c1.first.clone();
    }

    /// What there is now.
    pub(crate) fn look(&self) -> State {
        let mut state = State::new();
        for view in &self.views {
            view.look(&mut state);
        }
        files(&DIRECTORIES, &mut state);
        let forwarding = fs::read_to_string("/proc/sys/net/ipv4/ip_forward");
        state.insert(format!(
            "forwarding {}",
            forwarding.unwrap_or_default().trim()
        ));
        renamed(state, &self.c1.names())
    }

    /// In what the host differs from a state that it should have, or comes to have in a while.
    pub(crate) fn differs(&self, wanted: &State) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let now = self.look();
            let signed = |sign: char, lines: &State, others: &State| -> String {
                let lines = lines.difference(others);
                lines
                    .map(|line| format!("{sign} {}\n", short(line)))
                    .collect()
            };
            let difference = signed('-', wanted, &now) + &signed('+', &now, wanted);
            if difference.is_empty() || Instant::now() > end {
                return difference;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether a line is about `by`, which nobody may touch.
    pub(crate) fn is_of_by(&self, line: &str) -> bool {
        line.starts_with("by ") || self.of_by.iter().any(|word| line.contains(word))
    }
}

/// A line that a person can still read.
fn short(line: &str) -> String {
    line.chars().take(220).collect()
}
