//! A machine to install packages on.

use std::fs;
use std::path::{Path, PathBuf};

use linkspan_testkit::{Cmd, Output, Sandbox};

/// A Debian machine with all that this one has: an overlay over its root, so that its packages and their database are there, and
/// nothing that is done to it reaches this one. Its network is the sandbox's. It takes no time to make.
///
/// Who makes it must be root: an overlay that an ordinary user mounts cannot change files of root, such as dpkg's database.
#[derive(Debug)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Makes it, in a sandbox.
    ///
    /// # Panics
    /// When it cannot be mounted.
    #[must_use]
    #[track_caller]
    pub fn new(host: &Sandbox) -> Self {
        let dir = host.dir();
        host.run(&format!(
            "cd {} && mkdir upper work root
             mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
             for same in proc sys dev; do mount --rbind /$same root/$same; done
             for empty in run tmp var/lib/cni; do mount -t tmpfs tmpfs root/$empty; done
             # Namespaces that are made there are mounts, to be seen here too.
             mount --bind /run/netns /run/netns && mount --make-shared /run/netns
             mkdir root/run/netns && mount --bind /run/netns root/run/netns
             mkdir -p root/opt/cni/bin root/etc/cni/net.d && rm -rf root/opt/cni/bin/* root/etc/cni/net.d/*
             # A package with manual pages would have the index of all written anew.
             rm -f root/var/lib/man-db/auto-update",
            dir.display()
        ));
        Self {
            root: dir.join("root"),
        }
    }

    /// A line of shell on it.
    #[must_use]
    pub fn shell(&self, line: &str) -> Cmd {
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let environment = [
            "env",
            "-i",
            path,
            "LC_ALL=C",
            "DEBIAN_FRONTEND=noninteractive",
        ];
        Cmd::new("chroot")
            .arg(&self.root)
            .args(environment)
            .args(["sh", "-ec", line])
            .deadline(std::time::Duration::from_secs(120))
    }

    /// Runs a line of shell on it and gives what it printed.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn run(&self, line: &str) -> String {
        self.shell(line).run()
    }

    /// Runs a line of shell on it and gives how it ended.
    #[must_use]
    pub fn try_run(&self, line: &str) -> Output {
        self.shell(line).output()
    }

    /// Where a path of the machine is here.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Brings a file to its `/tmp`; returns the path there.
    ///
    /// # Panics
    /// When it cannot be copied.
    #[track_caller]
    pub fn bring(&self, file: &Path) -> String {
        let name = file.file_name().unwrap().to_string_lossy();
        let path = format!("/tmp/{name}");
        fs::copy(file, self.path(&path)).unwrap();
        path
    }
}
