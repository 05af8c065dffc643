//! Commands on the plugins and the netfilter of this host: `install`, `uninstall`, `version` and `reconcile`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use linkspan_netfilter::Backend;

use super::Places;
use crate::complete;

const INSTALL_EXAMPLES: &str = "\
Examples:
  # See what it would do
  linkspan install --bin-dir /opt/cni/bin --dry-run

  linkspan install --bin-dir /opt/cni/bin
  linkspan install --bin-dir ./bin --from target/release/linkspan-plugins

  # Whether all is as it was installed
  linkspan install --bin-dir /opt/cni/bin --check";

/// `install`.
#[derive(Args, Debug)]
#[command(after_help = INSTALL_EXAMPLES)]
pub(crate) struct Install {
    /// Where to; container runtimes look in /opt/cni/bin
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) bin_dir: PathBuf,
    /// The plugins' file, or a directory with it [default: linkspan-plugins beside this program or in CNI_PATH]
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Overwrite also what does not answer as a CNI plugin
    #[arg(long)]
    pub(crate) force: bool,
    /// Keep what is replaced and is not Linkspan's, so that `uninstall` puts it back: the default
    #[arg(long, overrides_with = "no_backup")]
    backup: bool,
    /// Do not keep what is replaced
    #[arg(long)]
    pub(crate) no_backup: bool,
    /// Tell what would be done, and change nothing; fails where it would be refused
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// As --dry-run, and fail where something would have to be done
    #[arg(long)]
    pub(crate) check: bool,
}

const UNINSTALL_EXAMPLES: &str = "\
Examples:
  # See what it would do
  linkspan uninstall --bin-dir /opt/cni/bin --dry-run

  linkspan uninstall --bin-dir /opt/cni/bin

  # From a container that has the machine's files in /host, and its network
  linkspan uninstall --root /host --bin-dir /opt/cni/bin

  # On a node without containers, from a pod that has nothing but the directory
  linkspan uninstall --bin-dir /host/opt/cni/bin --files-only";

/// `uninstall`.
#[derive(Args, Debug)]
#[command(after_help = UNINSTALL_EXAMPLES)]
pub(crate) struct Uninstall {
    /// Where the plugins were installed
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) bin_dir: PathBuf,
    /// From within a container: where the files of the machine are, which become the root of all paths, and of iptables
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    /// Tell what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Put back the files alone: rules and records of containers are neither looked at nor changed
    #[arg(long)]
    pub(crate) files_only: bool,
    /// Go on where running containers are left without the plugins that detach them
    #[arg(long)]
    pub(crate) force: bool,
}

const VERSION_EXAMPLES: &str = "\
Examples:
  linkspan version
  linkspan version bridge portmap --cni-path /usr/lib/cni";

/// `version`.
#[derive(Args, Debug)]
#[command(after_help = VERSION_EXAMPLES)]
pub(crate) struct Version {
    /// Plugins to ask
    #[arg(value_name = "PLUGIN", add = complete::plugins())]
    pub(crate) plugins: Vec<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

const RECONCILE_EXAMPLES: &str = "\
Examples:
  nft flush ruleset; linkspan reconcile
  linkspan reconcile --watch     as the unit contrib/systemd/linkspan-reconcile.service runs it";

/// `reconcile`.
#[derive(Args, Debug)]
#[command(after_help = RECONCILE_EXAMPLES)]
pub(crate) struct Reconcile {
    /// Go on: put back whenever the ruleset was changed; with --json each time a line of its own (JSON Lines)
    #[arg(long, conflicts_with = "backend")]
    pub(crate) watch: bool,
    /// Have this backend do for running attachments what another does: nftables, or iptables, with the chains of the
    /// reference plugins
    #[arg(long, value_name = "BACKEND")]
    pub(crate) backend: Option<Backend>,
    /// Tell what would be done, and change nothing
    #[arg(long, requires = "backend")]
    pub(crate) dry_run: bool,
}
