//! A place of its own for each test: plugins, configurations, a cache, and the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use linkspan_testkit::{Cmd, Output, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

/// Records its variables and its standard input; prints an address for ADD and versions for
/// VERSION.
const PLUGIN: &str = r#"#!/bin/sh
log=${0%/bin/*}/log
env | grep ^CNI_ | sort > "$log/$CNI_COMMAND.env"
cat > "$log/$CNI_COMMAND.stdin"
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.0.0","ips":[{"address":"10.22.0.2/16","gateway":"10.22.0.1"}]}' ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["0.4.0","1.0.0"]}' ;;
esac
"#;

pub(crate) struct World {
    dir: TempDir,
}

impl World {
    /// A world with the plugin `rec`, and the network `mynet` of it.
    pub(crate) fn new() -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for folder in ["bin", "log", "net.d", "cache", "ns"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world.script("bin/rec", PLUGIN);
        world.network("1.0.0");
        world
    }

    /// Writes the network `mynet` in a version.
    pub(crate) fn network(&self, version: &str) {
        let text = format!(
            r#"{{"cniVersion":"{version}","name":"mynet","plugins":[
                {{"type":"rec","capabilities":{{"mac":true}}}}]}}"#
        );
        fs::write(self.path("net.d/10-mynet.conflist"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The program, where nothing but its variables says where things are.
    pub(crate) fn linkspan(&self, args: &[&str]) -> Cmd {
        self.linkspan_by(&[], args)
    }

    /// The same, started by another program.
    pub(crate) fn linkspan_by(&self, starter: &[&str], args: &[&str]) -> Cmd {
        self.started_by(&[starter, &[env!("CARGO_BIN_EXE_linkspan")], args].concat())
    }

    /// Any command, in the program's surroundings.
    pub(crate) fn started_by(&self, command: &[&str]) -> Cmd {
        // What changes networks is for root, which an ordinary user is in a namespace of its own.
        let root: &[&str] = match rustix::process::geteuid().is_root() {
            true => &[],
            false => &["unshare", "-Ur"],
        };
        let words = [root, command].concat();
        let bare = Cmd::new(words[0])
            .args(&words[1..])
            .current_dir(self.dir.path());
        ["CNI_ARGS", "CAP_ARGS", "CNI_IFNAME", "NO_COLOR"]
            .into_iter()
            .fold(bare, Cmd::env_remove)
            .env("CNI_PATH", self.path("bin"))
            .env("NETCONFPATH", self.path("net.d"))
    }

    /// Runs a command that uses the cache.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.linkspan(args)
            .args(["--cache-dir", &self.text("cache")])
            .output()
    }

    /// Runs a command that uses the cache and must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).success().to_owned()
    }

    /// Variables that the plugin got with a command.
    pub(crate) fn env(&self, command: &str, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("log/{command}.env"))).unwrap();
        let prefix = format!("{name}=");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap().to_owned()
    }

    /// Whether the plugin got a command.
    pub(crate) fn called(&self, command: &str) -> bool {
        self.path(&format!("log/{command}.env")).exists()
    }

    pub(crate) fn stdin(&self, command: &str) -> Value {
        let text = fs::read(self.path(&format!("log/{command}.stdin"))).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    pub(crate) fn cached(&self) -> usize {
        let entries = fs::read_dir(self.path("cache/results"))
            .into_iter()
            .flatten();
        entries
            .filter(|entry| entry.as_ref().unwrap().path().is_file())
            .count()
    }
}

/// Waits until the bridge `cni0` has so many ports: the kernel takes a moment to end a namespace, and its links go last.
pub(crate) fn wait_for_ports(host: &Sandbox, count: usize) {
    let ports = || host.run("ip -o link show master cni0").lines().count();
    let end = Instant::now() + Duration::from_secs(20);
    while ports() != count {
        assert!(Instant::now() < end, "cni0 has {} ports", ports());
        thread::sleep(Duration::from_millis(10));
    }
}

/// The exit status of a program that has ended by itself.
pub(crate) fn status(output: &Output) -> i32 {
    assert!(!output.timed_out, "{output}");
    output.status.code().unwrap()
}

pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
