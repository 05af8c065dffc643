//! `test`: networks as they should be, and broken on purpose.

mod broken;
mod ending;
mod page;
mod proven;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use linkspan_testkit::{Cmd, PLUGIN_NAMES, Plugins, Sandbox, Snapshot};
use serde_json::{Value, json};

use crate::world::json as parsed;

const LINKSPAN: &str = env!("CARGO_BIN_EXE_linkspan");

/// What is to be as it was, once the test is over.
const DIRECTORIES: [&str; 4] = ["/run/netns", "/run/cni", "/var/lib/cni", "/etc/cni"];

/// What a bridge passes on is then the bridge's alone, as where br_netfilter is not loaded.
const BRIDGES_ALONE: &str =
    "for file in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $file ] || echo 0 > $file; done";

/// How long many networks in turn may take.
const LONG: Duration = Duration::from_secs(900);

/// A plugin that succeeds, and then breaks something, once the second container is attached.
const BREAKER: &str = r#"#!/bin/sh
dir=${0%/*}
"$dir/tuning"; code=$?
case $CNI_COMMAND-$CNI_CONTAINERID in ADD-*-b) . "$dir/break" >&2 ;; esac
exit $code
"#;

/// The host's network and its plugins.
struct Node<'a> {
    host: &'a Sandbox,
    bin: PathBuf,
}

impl<'a> Node<'a> {
    /// With our plugins, and the one that breaks.
    fn new(host: &'a Sandbox) -> Self {
        fs::create_dir_all("/etc/cni/net.d").unwrap();
        let bin = host.dir();
        let binary = Path::new(LINKSPAN).with_file_name("linkspan-plugins");
        for name in PLUGIN_NAMES {
            symlink(&binary, bin.join(name)).unwrap();
        }
        let breaker = bin.join("breaker");
        fs::write(&breaker, BREAKER).unwrap();
        fs::set_permissions(breaker, fs::Permissions::from_mode(0o755)).unwrap();
        Self { host, bin }
    }

    fn with_reference(host: &'a Sandbox) -> Self {
        Self {
            bin: Plugins::reference().dir().to_owned(),
            ..Self::new(host)
        }
    }

    fn network(&self, plugins: &Value) {
        self.network_with(plugins, false);
    }

    fn network_with(&self, plugins: &Value, disable_check: bool) {
        let list = json!({"cniVersion": "1.0.0", "name": "mynet", "disableCheck": disable_check, "plugins": plugins});
        fs::write("/etc/cni/net.d/mynet.conflist", list.to_string()).unwrap();
    }

    fn command(&self, args: &[&str]) -> Cmd {
        Cmd::new(LINKSPAN)
            .args(["test", "mynet"])
            .args(args)
            .env("CNI_PATH", &self.bin)
    }

    fn report(&self, args: &[&str]) -> Value {
        let output = self.command(&[args, &["--json"]].concat()).output();
        assert!(!output.timed_out, "{output}");
        parsed(&output.stdout)
    }

    fn snapshot(&self) -> Snapshot {
        // The last address that was given is remembered, as the reference's format has it.
        Snapshot::of(&[self.host.host()], &DIRECTORIES).without(&["last_reserved_ip"])
    }

    /// Runs it, and sees to it that the host is then as it was.
    fn leaves_nothing(&self, args: &[&str]) -> Value {
        let before = self.snapshot();
        let report = self.report(args);
        before.assert_same(&self.snapshot(), "after the test");
        report
    }
}

fn bridge() -> Value {
    json!({"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true, "ipam": ipam(true)})
}

fn ipam(dual: bool) -> Value {
    let v4 = json!([{"subnet": "10.22.0.0/24"}]);
    let v6 = json!([{"subnet": "fd00:22::/64"}]);
    let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]);
    match dual {
        true => json!({"type": "host-local", "ranges": [v4, v6], "routes": routes}),
        false => json!({"type": "host-local", "ranges": [v4], "routes": [routes[0]]}),
    }
}

fn portmap() -> Value {
    json!({"type": "portmap", "capabilities": {"portMappings": true}})
}

fn checks(report: &Value) -> &Vec<Value> {
    report["checks"].as_array().unwrap()
}

/// `neighbour c1 c2 10.22.0.3 passed`, without the addresses.
fn line(check: &Value) -> String {
    let text = |key: &str| check[key].as_str().unwrap_or("-").to_owned();
    let family = match check["address"].as_str() {
        Some(address) if address.contains(':') => "v6",
        Some(_) => "v4",
        None => "-",
    };
    let words = [
        text("check"),
        text("from"),
        text("to"),
        text("protocol"),
        family.to_owned(),
    ];
    words.join(" ")
}

fn with_outcome(report: &Value, outcome: &str) -> Vec<String> {
    let of = checks(report)
        .iter()
        .filter(|check| check["outcome"] == outcome);
    of.map(line).collect()
}

/// What fails where everything is as it should be.
const NOTHING: [&str; 0] = [];

/// What failed, and why.
fn failures(report: &Value) -> Vec<String> {
    let failed = checks(report)
        .iter()
        .filter(|check| check["outcome"] == "failed");
    failed
        .map(|check| format!("{}: {}", line(check), check["why"]))
        .collect()
}
