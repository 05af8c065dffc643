//! A place of its own for each test: plugins that record what they are given, configurations and
//! a cache.

use std::error::Error as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use linkspan_runtime::{Builder, Endpoint, Error, Runtime};
use linkspan_spec::{NetworkList, Value};
use tempfile::TempDir;

/// Records the command, the variables and the standard input; prints what the test has put into
/// `<plugin>.<command>.out`, and ends with the status in `<plugin>.<command>.status`.
const RECORDER: &str = r#"#!/bin/sh
plugin=${0##*/}
log=${0%/bin/*}/log
cat > "$log/$plugin.$CNI_COMMAND.stdin"
env > "$log/$plugin.$CNI_COMMAND.env"
echo "$CNI_COMMAND $plugin $CNI_CONTAINERID" >> "$log/calls"
answer="$log/$plugin.$CNI_COMMAND"
if [ -e "$answer.err" ]; then cat "$answer.err" >&2; fi
if [ -e "$answer.out" ]; then cat "$answer.out"; fi
if [ -e "$answer.status" ]; then exit "$(cat "$answer.status")"; fi
"#;

pub(crate) struct World {
    path: PathBuf,
    _dir: Option<TempDir>,
}

/// Where a process finds the world of the test that runs it.
const WORLD: &str = "LINKSPAN_TEST_WORLD";

impl World {
    /// A world with recording plugins of these names. Their ADD prints an empty result.
    pub(crate) fn new(plugins: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let world = Self {
            path: dir.path().to_owned(),
            _dir: Some(dir),
        };
        for folder in ["bin", "log", "net.d", "cache"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        for plugin in plugins {
            world.script(plugin, RECORDER);
            world.answer(plugin, "ADD", "{}");
        }
        world
    }

    /// The world of the test that runs this process, in a process that [`again`](Self::again) has made.
    pub(crate) fn of_parent() -> Option<Self> {
        let path = std::env::var_os(WORLD)?.into();
        Some(Self { path, _dir: None })
    }

    /// A test once more, in a process of its own and in this world.
    pub(crate) fn again(&self, test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let command_line = ["--exact", test];
        command.args(command_line).env(WORLD, &self.path);
        command.stdout(Stdio::null());
        command
    }

    /// Waits until a file is there.
    pub(crate) fn wait_for(&self, name: &str) {
        let (path, begin) = (self.path(name), Instant::now());
        while !path.exists() {
            assert!(begin.elapsed() < Duration::from_secs(30), "{name}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A plugin of the test's own.
    pub(crate) fn script(&self, plugin: &str, text: &str) {
        let path = self.path("bin").join(plugin);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// What a recording plugin prints for a command.
    pub(crate) fn answer(&self, plugin: &str, command: &str, text: &str) {
        self.write(&format!("log/{plugin}.{command}.out"), text);
    }

    /// A recording plugin fails a command with these words.
    pub(crate) fn fail(&self, plugin: &str, command: &str, msg: &str) {
        self.answer(plugin, command, &format!(r#"{{"code":100,"msg":"{msg}"}}"#));
        self.write(&format!("log/{plugin}.{command}.status"), "1");
    }

    /// A recording plugin fails a command no more.
    pub(crate) fn mend(&self, plugin: &str, command: &str) {
        for kind in ["out", "status"] {
            fs::remove_file(self.path(&format!("log/{plugin}.{command}.{kind}"))).unwrap();
        }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn builder(&self) -> Builder {
        Runtime::builder()
            .plugin_dir(self.path("bin"))
            .cache_dir(self.path("cache"))
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.builder().build()
    }

    /// The recorded calls, "COMMAND plugin container" each, in order. They are forgotten.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = self.path("log/calls");
        let calls = fs::read_to_string(&log).unwrap_or_default();
        if log.exists() {
            fs::remove_file(log).unwrap();
        }
        calls
            .lines()
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// What a recording plugin read from standard input.
    pub(crate) fn stdin(&self, plugin: &str, command: &str) -> Value {
        let path = self.path(&format!("log/{plugin}.{command}.stdin"));
        linkspan_spec::decode::value(&fs::read(path).unwrap()).unwrap()
    }

    /// A variable that a recording plugin saw.
    pub(crate) fn env(&self, plugin: &str, command: &str, name: &str) -> Option<String> {
        let path = self.path(&format!("log/{plugin}.{command}.env"));
        let prefix = format!("{name}=");
        let text = fs::read_to_string(path).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(&prefix))
            .map(str::to_owned)
    }

    /// The results in the cache.
    pub(crate) fn cached(&self) -> Vec<String> {
        self.files("cache/results")
    }

    /// What the journal has.
    pub(crate) fn pending(&self) -> Vec<String> {
        self.files("cache/pending")
    }

    fn files(&self, folder: &str) -> Vec<String> {
        let mut names = Vec::new();
        let Ok(entries) = fs::read_dir(self.path(folder)) else {
            return names;
        };
        for entry in entries.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if name == ".tmp" {
                assert_eq!(fs::read_dir(entry.path()).unwrap().count(), 0);
            } else {
                names.push(name);
            }
        }
        names.sort();
        names
    }
}

/// A list of plugins in a version.
pub(crate) fn network(version: &str, plugins: &[&str]) -> NetworkList {
    named("net", version, plugins)
}

pub(crate) fn named(name: &str, version: &str, plugins: &[&str]) -> NetworkList {
    let plugins: Vec<_> = plugins
        .iter()
        .map(|plugin| serde_json::json!({ "type": plugin }))
        .collect();
    list(&serde_json::json!({"cniVersion": version, "name": name, "plugins": plugins}))
}

pub(crate) fn list(value: &Value) -> NetworkList {
    NetworkList::parse(value.to_string().as_bytes()).unwrap()
}

pub(crate) fn endpoint(container: &str) -> Endpoint {
    Endpoint::new(container.parse().unwrap(), "eth0".parse().unwrap()).with_netns("/run/netns/c1")
}

/// An error's words, and those of what lies behind it.
pub(crate) fn words(error: &Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(": ");
        words.push_str(&error.to_string());
        source = error.source();
    }
    words
}

pub(crate) fn read(path: &Path) -> Value {
    linkspan_spec::decode::value(&fs::read(path).unwrap()).unwrap()
}
