//! Where the files of CNI are.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::values::duration;

/// Where things are.
#[derive(Args, Debug, Default)]
pub(crate) struct Places {
    /// Directories of plugins, separated by colons [env: CNI_PATH] [default: /opt/cni/bin]
    #[arg(long, value_name = "DIRS")]
    pub(crate) cni_path: Option<String>,
    /// Directory of network configurations [env: NETCONFPATH] [default: /etc/cni/net.d]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) conf_dir: Option<PathBuf>,
    /// Directory in which results are kept [default: /var/lib/cni]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// How long the operation may take, such as 500ms, 30s or 2m; none: as long as it likes
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = duration)]
    pub(crate) timeout: Duration,
}
