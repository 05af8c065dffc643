//! Plugins run as a container runtime runs them.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::command::{Cmd, Output};
use crate::netns::Netns;

/// The names of all reference plugins for Linux.
pub const PLUGIN_NAMES: [&str; 18] = [
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

/// A folder of plugin binaries, ours or anybody's.
#[derive(Debug, Clone)]
pub struct Plugins {
    dir: PathBuf,
    deadline: Duration,
}

impl Plugins {
    /// The plugins in a folder.
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            deadline: Duration::from_secs(30),
        }
    }

    /// A multi-call binary under the name of each of the 18 plugins. `LINKSPAN_PLUGINS` takes precedence: a folder of
    /// plugins, so that the tests run against an installation, or another such binary, the one that ships.
    ///
    /// # Panics
    /// When the links cannot be made.
    #[track_caller]
    #[must_use]
    pub fn linked(binary: impl AsRef<Path>) -> Self {
        let chosen = env::var_os("LINKSPAN_PLUGINS").map(PathBuf::from);
        if let Some(dir) = chosen.as_ref().filter(|path| path.is_dir()) {
            return Self::at(dir);
        }
        let binary = chosen.as_deref().unwrap_or(binary.as_ref());
        let links = || -> std::io::Result<PathBuf> {
            let dir = tempfile::tempdir()?.keep();
            let target = fs::canonicalize(binary)?;
            for name in PLUGIN_NAMES {
                symlink(&target, dir.join(name))?;
            }
            Ok(dir)
        };
        Self::at(
            links().unwrap_or_else(|error| {
                panic!("cannot link plugins to {}: {error}", binary.display())
            }),
        )
    }

    /// The reference plugins: Debian's, or those in the folder that `CNI_REFERENCE` names.
    ///
    /// # Panics
    /// When they are not installed.
    #[track_caller]
    #[must_use]
    pub fn reference() -> Self {
        let dir = env::var_os("CNI_REFERENCE")
            .map_or_else(|| PathBuf::from("/usr/lib/cni"), PathBuf::from);
        assert!(
            dir.join("bridge").is_file(),
            "the reference plugins are not in {}: install Debian's package containernetworking-plugins, or name the \
             folder that holds them with CNI_REFERENCE",
            dir.display()
        );
        Self::at(dir)
    }

    /// How long one call may take, instead of 30 seconds.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A call with no more than its verb and its configuration; the plugin is the configuration's `type`.
    #[must_use]
    pub fn call(&self, verb: &str, config: &Value) -> Call {
        Call {
            plugin: self.dir.join(config["type"].as_str().unwrap_or_default()),
            stdin: config.to_string().into_bytes(),
            env: Vec::new(),
            deadline: self.deadline,
        }
        .env("CNI_COMMAND", verb)
        .env("CNI_PATH", self.dir.to_string_lossy())
    }

    /// What is called about this interface of this container.
    #[must_use]
    pub fn attachment(&self, container: &str, netns: &Netns, ifname: &str) -> Attachment {
        Attachment {
            plugins: self.clone(),
            container: container.to_owned(),
            netns: netns.clone(),
            ifname: ifname.to_owned(),
        }
    }

    /// ADD: attaches a container.
    #[track_caller]
    pub fn add(&self, config: &Value, container: &str, netns: &Netns, ifname: &str) -> Outcome {
        self.attachment(container, netns, ifname).add(config)
    }

    /// CHECK, with the result of ADD in the configuration as `prevResult`.
    #[track_caller]
    pub fn check(&self, config: &Value, container: &str, netns: &Netns, ifname: &str) -> Outcome {
        self.attachment(container, netns, ifname).check(config)
    }

    /// DEL: detaches a container.
    #[track_caller]
    pub fn del(&self, config: &Value, container: &str, netns: &Netns, ifname: &str) -> Outcome {
        self.attachment(container, netns, ifname).del(config)
    }

    /// GC: what belongs to none of the attachments (container ID, interface) is to go.
    #[track_caller]
    pub fn gc(&self, config: &Value, attachments: &[(&str, &str)]) -> Outcome {
        let valid: Vec<Value> = attachments
            .iter()
            .map(|(id, ifname)| json!({ "containerID": id, "ifname": ifname }))
            .collect();
        let mut config = config.clone();
        config["cni.dev/valid-attachments"] = valid.into();
        self.call("GC", &config).run()
    }

    /// STATUS: whether the plugin can serve an ADD.
    #[track_caller]
    pub fn status(&self, config: &Value) -> Outcome {
        self.call("STATUS", config).run()
    }

    /// VERSION of the plugin called `plugin`.
    #[track_caller]
    pub fn version(&self, plugin: &str, cni_version: &str) -> Outcome {
        let mut call = self.call("VERSION", &json!({ "cniVersion": cni_version }));
        call.plugin = self.dir.join(plugin);
        call.run()
    }
}

/// An interface of a container, as plugins are called about it.
#[derive(Debug, Clone)]
pub struct Attachment {
    plugins: Plugins,
    container: String,
    netns: Netns,
    ifname: String,
}

impl Attachment {
    /// A call that names all of it.
    #[must_use]
    pub fn call(&self, verb: &str, config: &Value) -> Call {
        self.plugins
            .call(verb, config)
            .container(&self.container)
            .netns(self.netns.path())
            .ifname(&self.ifname)
    }

    /// ADD.
    #[track_caller]
    pub fn add(&self, config: &Value) -> Outcome {
        self.call("ADD", config).run()
    }

    /// CHECK, of a configuration with the result of the ADD.
    #[track_caller]
    pub fn check(&self, config: &Value) -> Outcome {
        self.call("CHECK", config).run()
    }

    /// DEL.
    #[track_caller]
    pub fn del(&self, config: &Value) -> Outcome {
        self.call("DEL", config).run()
    }
}

/// One call of a plugin, put together piece by piece; what is not said is not in its environment.
#[derive(Debug, Clone)]
pub struct Call {
    plugin: PathBuf,
    stdin: Vec<u8>,
    env: Vec<(String, String)>,
    deadline: Duration,
}

impl Call {
    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// `CNI_CONTAINERID`.
    #[must_use]
    pub fn container(self, id: &str) -> Self {
        self.env("CNI_CONTAINERID", id)
    }

    /// `CNI_NETNS`.
    #[must_use]
    pub fn netns(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_string_lossy().into_owned();
        self.env("CNI_NETNS", path)
    }

    /// `CNI_IFNAME`.
    #[must_use]
    pub fn ifname(self, ifname: &str) -> Self {
        self.env("CNI_IFNAME", ifname)
    }

    /// `CNI_ARGS`, for example `IgnoreUnknown=1;IP=10.22.0.9`.
    #[must_use]
    pub fn args(self, args: &str) -> Self {
        self.env("CNI_ARGS", args)
    }

    /// Standard input as it is, instead of a configuration.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The call as a command, for those who run it in their own way.
    #[must_use]
    pub fn cmd(&self) -> Cmd {
        let inherited = ["COMMAND", "CONTAINERID", "NETNS", "IFNAME", "ARGS", "PATH"];
        let cmd = Cmd::new(&self.plugin)
            .stdin(self.stdin.clone())
            .deadline(self.deadline);
        let cmd = inherited
            .iter()
            .fold(cmd, |cmd, name| cmd.env_remove(format!("CNI_{name}")));
        self.env
            .iter()
            .fold(cmd, |cmd, (key, value)| cmd.env(key, value))
    }

    /// Makes the call.
    ///
    /// # Panics
    /// When the plugin cannot be run, or exceeds the deadline.
    #[track_caller]
    pub fn run(&self) -> Outcome {
        self.cmd().run_as_plugin()
    }
}

impl Cmd {
    /// Runs it to its end, and takes what it says as a plugin's answer.
    ///
    /// # Panics
    /// When it cannot be run, or exceeds the deadline.
    #[track_caller]
    pub fn run_as_plugin(self) -> Outcome {
        Outcome::of(self.output())
    }
}

/// What a plugin answered.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// How it ended, what it printed and how long it took.
    pub output: Output,
    /// Standard output, when it is JSON.
    pub json: Option<Value>,
}

impl Outcome {
    /// Takes what a program has said as a plugin's answer.
    ///
    /// # Panics
    /// When it has exceeded its deadline.
    #[track_caller]
    #[must_use]
    pub fn of(output: Output) -> Self {
        assert!(
            !output.timed_out,
            "the plugin did not answer in time: {output}"
        );
        Self {
            json: serde_json::from_str(&output.stdout).ok(),
            output,
        }
    }

    /// The result; JSON null when it printed none, as DEL and CHECK do not.
    ///
    /// # Panics
    /// When the call failed, or printed something that is not JSON.
    #[track_caller]
    pub fn success(&self) -> Value {
        let text = self.output.success();
        match &self.json {
            Some(json) => json.clone(),
            None if text.trim().is_empty() => Value::Null,
            None => panic!("the plugin printed no JSON: {}", self.output),
        }
    }

    /// The error: its code, and its message with its details.
    ///
    /// # Panics
    /// When the call succeeded, or printed no error in the form of the specification.
    #[track_caller]
    pub fn failure(&self) -> (u64, String) {
        assert!(
            !self.output.ok(),
            "the plugin should have failed: {}",
            self.output
        );
        let error = self
            .json
            .as_ref()
            .and_then(|json| Some((json["code"].as_u64()?, json["msg"].as_str()?, json)));
        match error {
            Some((code, msg, json)) => match json["details"].as_str() {
                Some(details) if !details.is_empty() => (code, format!("{msg}: {details}")),
                _ => (code, msg.to_owned()),
            },
            None => panic!(
                "the plugin printed no error of the specification: {}",
                self.output
            ),
        }
    }

    /// The call failed with this code, whichever it is for `None`, and its message or details have all of these words.
    ///
    /// # Panics
    /// When it did not, with what it answered instead.
    #[track_caller]
    pub fn fails(&self, code: impl Into<Option<u64>>, words: &[&str]) {
        let (found, message) = self.failure();
        assert_eq!(found, code.into().unwrap_or(found), "{message}");
        for word in words {
            assert!(message.contains(word), "{word:?} is missing in: {message}");
        }
    }
}
