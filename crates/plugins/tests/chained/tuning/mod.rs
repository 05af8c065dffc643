//! `tuning` after a plugin that made an interface: kernel parameters, settings of the interface, and both
//! put back.

mod leftovers;
mod reference;
mod settings;
mod sysctls;

use std::fs;

use linkspan_testkit::Sandbox;
use serde_json::{Value, json};

use crate::world::Pair;

/// Where replaced settings are kept by default.
const DATA_DIR: &str = "/run/cni/tuning";

pub(crate) fn world(sandbox: &Sandbox) -> Pair {
    Pair::new(sandbox, "tuning")
}

impl Pair {
    /// One fact that `ip` tells of the container's interface.
    fn eth0(&self, key: &str) -> Value {
        self.netns.ip_json("link show dev eth0")[0][key].clone()
    }

    /// Whether the container's interface has a flag.
    fn eth0_is(&self, flag: &str) -> bool {
        self.eth0("flags")
            .as_array()
            .unwrap()
            .contains(&json!(flag))
    }

    /// The value of a kernel parameter in the container.
    fn sysctl(&self, name: &str) -> String {
        let value = self
            .netns
            .run(&format!("cat /proc/sys/{}", name.replace('.', "/")));
        value.trim_end().to_owned()
    }
}

/// The files in a directory; none when it is not there.
fn files(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}
