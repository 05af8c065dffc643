//! Network namespaces, by name.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::command::{Cmd, Output};

/// A network namespace of the sandbox: the host's, or one that was made for a container. It lasts until the sandbox ends
/// or [`delete`](Self::delete) is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netns {
    /// `None` for the host's.
    name: Option<String>,
    path: PathBuf,
}

impl Netns {
    pub(crate) fn host() -> Self {
        Self {
            name: None,
            path: PathBuf::from("/proc/1/ns/net"),
        }
    }

    #[track_caller]
    pub(crate) fn create(name: &str) -> Self {
        Cmd::new("ip").args(["netns", "add", name]).run();
        let netns = Self::existing(name);
        netns.run("ip link set lo up");
        netns
    }

    #[track_caller]
    pub(crate) fn existing(name: &str) -> Self {
        let path = Path::new("/run/netns").join(name);
        assert!(path.exists(), "there is no {}", path.display());
        Self {
            name: Some(name.to_owned()),
            path,
        }
    }

    /// Its name below `/run/netns`; `host` for the host's.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("host")
    }

    pub(crate) fn is_host(&self) -> bool {
        self.name.is_none()
    }

    /// The path to give to a plugin as `CNI_NETNS`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A program to be run inside.
    #[must_use]
    pub fn cmd(&self, program: &str) -> Cmd {
        match &self.name {
            Some(name) => Cmd::new("ip").args(["netns", "exec", name, program]),
            None => Cmd::new(program),
        }
    }

    /// A line of shell to be run inside.
    #[must_use]
    pub fn shell(&self, line: &str) -> Cmd {
        self.cmd("sh").args(["-ec", line])
    }

    /// Runs a line of shell inside and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        self.shell(line).run()
    }

    /// Runs a line of shell inside, whether it fails or not.
    #[track_caller]
    pub fn try_run(&self, line: &str) -> Output {
        self.shell(line).output()
    }

    /// What `ip -details -json <what>` says inside, for example of `addr show dev eth0`. `ip` prints nothing at all when there is
    /// nothing; that comes back as an empty array.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    #[must_use]
    pub fn ip_json(&self, what: &str) -> Value {
        self.json(&format!("ip -details -json {what}"))
    }

    /// What a command prints as JSON; an empty array when it prints nothing.
    ///
    /// # Panics
    /// When it fails or prints something else.
    #[track_caller]
    #[must_use]
    pub fn json(&self, line: &str) -> Value {
        let text = self.run(line);
        if text.is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("`{line}` printed no JSON: {error}\n{text}"))
    }

    /// Calls a function on a thread that is inside; sockets that it opens stay inside.
    ///
    /// # Panics
    /// When the function does, or the namespace cannot be entered.
    #[track_caller]
    pub fn enter<T: Send>(&self, function: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            let entered = File::open(&self.path).and_then(|file| {
                Ok(move_into_link_name_space(
                    file.as_fd(),
                    Some(LinkNameSpaceType::Network),
                )?)
            });
            match entered {
                Ok(()) => function(),
                Err(error) => panic!("cannot enter {}: {error}", self.path.display()),
            }
        };
        match thread::scope(|scope| scope.spawn(inside).join()) {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Pings an address from inside: one packet that must be answered, of up to three.
    ///
    /// # Panics
    /// When nothing answers.
    #[track_caller]
    pub fn ping(&self, address: &str) {
        let output = self.try_ping(address);
        assert!(
            output.ok(),
            "{} cannot reach {address}\n{output}{}",
            self.name(),
            self.describe()
        );
    }

    /// Whether an address does not answer within a second.
    ///
    /// # Panics
    /// When it answers.
    #[track_caller]
    pub fn ping_fails(&self, address: &str) {
        let output = self
            .cmd("ping")
            .args(["-n", "-c", "1", "-W", "1", address])
            .output();
        assert!(
            !output.ok(),
            "{} reaches {address}, and should not\n{output}{}",
            self.name(),
            self.describe()
        );
    }

    /// Pings an address from inside, up to three times until it answers.
    #[track_caller]
    pub fn try_ping(&self, address: &str) -> Output {
        self.shell(&format!(
            "for i in 1 2 3; do ping -n -c 1 -W 1 {address} && exit 0; done; exit 1"
        ))
        .output()
    }

    /// Links, addresses and routes, for a message.
    #[must_use]
    pub fn describe(&self) -> String {
        let state = self.try_run("ip -brief address; ip route; ip -6 route");
        format!("--- in {}\n{}", self.name(), state.stdout)
    }

    /// Takes the name away. The namespace dies with its last process and its last open file.
    ///
    /// # Panics
    /// When there is no such name any more.
    #[track_caller]
    pub fn delete(&self) {
        Cmd::new("ip").args(["netns", "delete", self.name()]).run();
    }
}
