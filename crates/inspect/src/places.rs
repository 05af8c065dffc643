//! Where to look.

use std::path::{Path, PathBuf};

use linkspan_runtime::{DEFAULT_CACHE_DIR, DEFAULT_CONFIG_DIR};

/// Where runtimes have their network configurations: the usual place, then those of distributions that have their own.
pub const CONFIG_DIRS: [&str; 5] = [
    DEFAULT_CONFIG_DIR,
    // k3s and RKE2.
    "/var/lib/rancher/k3s/agent/etc/cni/net.d",
    "/var/lib/rancher/rke2/agent/etc/cni/net.d",
    // Nomad.
    "/opt/cni/config",
    // MicroK8s.
    "/var/snap/microk8s/current/args/cni-network",
];

/// Where runtimes have libcni keep what is attached: the usual place of containerd, Podman, CRI-O and Nomad, that of CRI-O of
/// before 2020, and that of Multus for the networks that it delegates to.
pub const CACHE_DIRS: [&str; 3] = [
    DEFAULT_CACHE_DIR,
    "/var/lib/cni/cache",
    "/var/lib/cni/multus",
];

/// Where host-local keeps who has which address, unless a configuration says otherwise.
const POOL_DIR: &str = "/var/lib/cni/networks";

/// Where runtimes look for plugins: by convention, then as Debian's and Fedora's packages have it, then in those runtimes that
/// bring their own.
const PLUGIN_DIRS: [&str; 5] = [
    "/opt/cni/bin",
    "/usr/lib/cni",
    "/usr/libexec/cni",
    "/var/lib/rancher/k3s/data/cni",
    "/var/snap/microk8s/current/opt/cni/bin",
];

/// Where to look.
#[derive(Clone, Debug)]
pub struct Places {
    /// Directories of network configurations.
    pub config_dirs: Vec<PathBuf>,
    /// Directories in which runtimes keep what is attached, each with a directory `results`.
    pub cache_dirs: Vec<PathBuf>,
    /// Directories of plugins.
    pub plugin_dirs: Vec<PathBuf>,
    /// Directories of directories of pools, beside those that configurations name.
    pub pool_dirs: Vec<PathBuf>,
}

impl Places {
    /// All that are usual and are there, and the most usual of each in any case; of those of plugins the first that holds any.
    pub fn usual() -> Self {
        Self {
            config_dirs: there(&CONFIG_DIRS),
            cache_dirs: there(&CACHE_DIRS),
            plugin_dirs: vec![in_use(&PLUGIN_DIRS).into()],
            pool_dirs: vec![POOL_DIR.into()],
        }
    }
}

/// The first directory that holds anything, since a runtime looks in one: what another has would hide that this one lacks it.
fn in_use(directories: &[&'static str]) -> &'static str {
    let holds = |path: &&&str| {
        let entries = std::fs::read_dir(path);
        entries.is_ok_and(|mut entries| entries.next().is_some())
    };
    directories
        .iter()
        .find(holds)
        .copied()
        .unwrap_or(directories[0])
}

fn there(directories: &[&str]) -> Vec<PathBuf> {
    let (first, others) = directories.split_at(1);
    let others = others.iter().filter(|path| Path::new(path).is_dir());
    first.iter().chain(others).map(PathBuf::from).collect()
}
