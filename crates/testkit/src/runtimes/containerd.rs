//! containerd with its CRI service.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::cri::Cri;
use crate::background::Background;
use crate::command::Cmd;
use crate::sandbox::Sandbox;

/// The pod's one process is the image of its sandbox, which serves `/www` at port 80. Without cgroups and the rights that a machine
/// of its own would have, since a sandbox is none.
const CONFIG: &str = r#"
version = 2
root = "DIR/root"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "docker.io/library/pod:1"
disable_apparmor = true
disable_cgroup = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
"#;

/// How long it may take until it answers.
const READY: Duration = Duration::from_secs(60);

/// How long to wait before asking again.
const STEP: Duration = Duration::from_millis(20);

/// A containerd on the host of a sandbox, which finds plugins in `/opt/cni/bin` and configurations in `/etc/cni/net.d`. What it keeps
/// stands in a directory of the sandbox, and what a reboot takes in `/run`. It ends with the test; its pods end with the sandbox.
#[derive(Debug)]
pub struct Containerd {
    dir: PathBuf,
    running: Option<Background>,
}

impl Containerd {
    /// Starts it, with an image for its pods.
    ///
    /// # Panics
    /// When it is not installed, does not answer, or cannot take the image.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Sandbox) -> Self {
        let dir = host.dir();
        // runc looks for cgroups, though it is told to use none.
        host.run("mount -t cgroup2 cgroup2 /sys/fs/cgroup");
        let config = CONFIG.replace("DIR", &dir.to_string_lossy());
        if let Err(error) = fs::write(dir.join("config.toml"), config) {
            panic!("cannot write into {}: {error}", dir.display());
        }
        let mut containerd = Self { dir, running: None };
        containerd.start_again();
        containerd.import_image();
        containerd
    }

    /// Starts it once more after [`kill`](Self::kill) and waits until it answers.
    ///
    /// # Panics
    /// When it does not answer.
    #[track_caller]
    pub fn start_again(&mut self) {
        let program = Cmd::new("containerd").arg("--config");
        self.running = Some(program.arg(self.dir.join("config.toml")).start());
        let end = Instant::now() + READY;
        let cri = self.cri();
        // Until it listens there is no answer, and until its services are there another one.
        while let Err(error) = cri.list() {
            assert!(Instant::now() < end, "{error}\n{}", self.log());
            thread::sleep(STEP);
        }
    }

    /// Kills it as `kill -9` does, while its pods run on.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = running.kill();
        }
    }

    /// Ends it as `systemctl stop` does, while its pods run on.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            Cmd::new("kill").arg(running.pid().to_string()).run();
            let _ = running.wait().success();
        }
    }

    /// The processes of its pods and those that watch over them, which its end does not end.
    #[must_use]
    pub fn processes_of_pods(&self) -> Vec<u32> {
        let bundles = "/run/containerd/io.containerd.runtime.v2.task";
        let listed = Cmd::new("find").args([bundles, "-name", "*.pid"]).output();
        let read = |path| fs::read_to_string(path).ok()?.trim().parse().ok();
        listed.stdout.lines().filter_map(read).collect()
    }

    /// A client of its CRI service.
    #[must_use]
    pub fn cri(&self) -> Cri {
        Cri::at("/run/containerd/containerd.sock")
    }

    /// Its command line for people, speaking to it in the namespace of its pods.
    #[must_use]
    pub fn ctr(&self) -> Cmd {
        Cmd::new("ctr")
            .args(["--address", "/run/containerd/containerd.sock"])
            .args(["--namespace", "k8s.io"])
    }

    /// The files of the image, as a directory.
    #[must_use]
    pub fn rootfs(&self) -> PathBuf {
        self.dir.join("image")
    }

    /// What it has written since it was started.
    #[must_use]
    pub fn log(&self) -> String {
        let running = self.running.as_ref();
        running.map_or_else(String::new, Background::stderr_so_far)
    }

    /// Makes the image and imports it.
    #[track_caller]
    fn import_image(&self) {
        make_image(&self.dir);
        self.ctr()
            .args(["images", "import", "--snapshotter", "native"])
            .arg(self.dir.join("image.tar"))
            .run();
    }
}

/// `image.tar` in a directory: busybox, which serves a page.
#[track_caller]
fn make_image(dir: &Path) {
    Cmd::shell(
        "mkdir -p image/www image/bin; cp $(command -v busybox) image/bin/; echo hello >image/www/index.html
         tar -C image -cf layer.tar .
         echo '{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Cmd\":[\"/bin/busybox\",\"httpd\",\"-f\",\"-p\",\"80\",\"-h\",\"/www\"]},
               \"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:'$(sha256sum layer.tar | cut -d ' ' -f 1)'\"]}}' >config.json
         echo '[{\"Config\":\"config.json\",\"RepoTags\":[\"docker.io/library/pod:1\"],\"Layers\":[\"layer.tar\"]}]' >manifest.json
         tar -cf image.tar manifest.json config.json layer.tar",
    )
    .current_dir(dir)
    .run();
}
