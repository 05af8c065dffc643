//! Podman with networks of CNI.

use std::path::Path;

use serde_json::Value;

use super::cri::Pod;
use crate::command::Cmd;
use crate::netns::Netns;
use crate::sandbox::Sandbox;

/// What Podman is told once: that networks are CNI's, by plugins of `/opt/cni/bin`, and that it has neither a journal nor systemd.
const CONFIG: &str = r#"[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "crun"
"#;

/// Podman on the host of a sandbox, with an image of busybox. What it keeps stands in a directory of the sandbox, and what a reboot takes in
/// `/run`. Its containers end with the sandbox.
#[derive(Debug)]
pub struct Podman {
    dir: String,
}

impl Podman {
    /// Makes it know the image.
    ///
    /// # Panics
    /// When it is not installed, or does not take the image.
    #[track_caller]
    #[must_use]
    pub fn new(host: &Sandbox) -> Self {
        let dir = host.dir().to_string_lossy().into_owned();
        host.run(&format!(
            "cd {dir} && cat >containers.conf <<'END'\n{CONFIG}END
             # crun looks for cgroups, though it is told to use none; Podman's locks are in shared memory, which is everybody's.
             mount -t cgroup2 cgroup2 /sys/fs/cgroup && mount -t tmpfs tmpfs /dev/shm
             mkdir -p image/bin && cp $(command -v busybox) image/bin && tar -C image -cf image.tar ."
        ));
        let podman = Self { dir };
        podman.run(&format!("import {}/image.tar image", podman.dir));
        podman
    }

    /// A command of it, of words that the shell parts.
    #[must_use]
    pub fn cmd(&self, words: &str) -> Cmd {
        let dir = &self.dir;
        Cmd::shell(&format!(
            "exec podman --root {dir}/storage --runroot /run/containers/storage --storage-driver vfs {words}"
        ))
        .env("CONTAINERS_CONF", Path::new(dir).join("containers.conf"))
        .deadline(std::time::Duration::from_secs(120))
    }

    /// Runs a command and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, words: &str) -> String {
        self.cmd(words).run()
    }

    /// The command that starts a container with these options, which sleeps.
    #[must_use]
    pub fn start(&self, name: &str, options: &str) -> Cmd {
        self.cmd(&format!(
            "run --detach --name {name} --cgroups disabled --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 \
             {options} image /bin/busybox sleep 100000"
        ))
    }

    /// A container that runs.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    #[must_use]
    pub fn container(&self, name: &str) -> Pod {
        let printed = self.run(&format!("inspect {name}"));
        let told: Value = match serde_json::from_str(&printed) {
            Ok(Value::Array(mut containers)) => containers.remove(0),
            other => panic!("podman inspect printed {other:?}"),
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let settings = &told["NetworkSettings"];
        let networks = settings["Networks"].as_object().into_iter().flatten();
        let ips = networks.flat_map(|(_, network)| {
            [
                text(&network["IPAddress"]),
                text(&network["GlobalIPv6Address"]),
            ]
        });
        let path = text(&settings["SandboxKey"]);
        Pod {
            id: text(&told["Id"]),
            ips: ips.filter_map(|ip| ip.parse().ok()).collect(),
            netns: Netns::existing(path.rsplit('/').next().unwrap_or_default()),
        }
    }
}
