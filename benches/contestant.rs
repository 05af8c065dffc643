//! One of the two that are compared: a folder of plugins, and a host of its own to run them on.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use linkspan_testkit::{Netns, Plugins, Sandbox};

/// Plugins, and the host that they work on.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) dir: PathBuf,
    pub(crate) host: Netns,
}

impl Contestant {
    /// Linkspan and the reference, each on a host of its own.
    pub(crate) fn both(sandbox: &Sandbox) -> [Self; 2] {
        let reference = Plugins::reference().dir().to_owned();
        [("linkspan", ours()), ("reference", reference)].map(|(name, dir)| {
            let host = sandbox.netns(name);
            host.run("ip link set lo up");
            Self { name, dir, host }
        })
    }

    /// Whether it has a plugin.
    pub(crate) fn has(&self, plugin: &str) -> bool {
        let asked = Command::new(self.dir.join(plugin))
            .env("CNI_COMMAND", "VERSION")
            .stdin(Stdio::null())
            .output();
        asked.is_ok_and(|output| output.status.success())
    }
}

/// Installed as a host has them: files of its disk.
fn ours() -> PathBuf {
    let dir = env::var_os("LINKSPAN_BIN").map_or_else(|| "target/bench".into(), PathBuf::from);
    assert!(
        dir.join("bridge").is_file(),
        "there are no plugins in {}: run `make bench`",
        dir.display()
    );
    dir
}
