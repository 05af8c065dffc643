//! Where a command looks that tells what there is.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Where to look.
#[derive(Args, Debug, Default)]
pub(crate) struct Look {
    /// Directory of network configurations [env: NETCONFPATH] [default: /etc/cni/net.d, and those of k3s, RKE2, Nomad and
    /// MicroK8s where they are there]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) conf_dir: Option<PathBuf>,
    /// Directory in which runtimes keep results [default: /var/lib/cni, and those of Multus and of older runtimes where they are
    /// there]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Directories of plugins, separated by colons [env: CNI_PATH] [default: the first of /opt/cni/bin, /usr/lib/cni and
    /// /usr/libexec/cni that holds any]
    #[arg(long, value_name = "DIRS")]
    pub(crate) cni_path: Option<String>,
}
