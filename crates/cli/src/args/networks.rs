//! `network`.

use clap::{Args, Subcommand};

use super::{Look, NewNetwork};
use crate::complete;

/// `network`.
#[derive(Args, Debug)]
pub(crate) struct Networks {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: NetworksCommand,
}

/// What to do with networks.
#[derive(Debug, Subcommand)]
pub(crate) enum NetworksCommand {
    /// List the networks: their kind, their subnets, how many containers are attached, and the file.
    ///
    /// With --quiet the names alone.
    #[command(visible_alias = "list")]
    Ls(NetworksLs),
    /// Tell all of networks: the configuration in force, where it is, its pools, and what is attached.
    Inspect(NetworksInspect),
    /// Remove networks that no container is attached to, and what they have left on the host.
    ///
    /// The configuration's file; what is left of containers that are gone, by the network's own plugins; the directory of
    /// host-local in which nothing is reserved; the bridge, where only this network has it and nothing else is on it. Says
    /// first what it will do, and asks. No container is ever detached by it.
    #[command(visible_alias = "remove")]
    Rm(NetworksRm),
    /// Write the configuration of a new network: `linkspan new network` by Podman's name.
    Create(Box<NewNetwork>),
}

/// `network ls`.
#[derive(Args, Debug)]
pub(crate) struct NetworksLs {
    #[command(flatten)]
    pub(crate) look: Look,
}

/// `network inspect`.
#[derive(Args, Debug)]
pub(crate) struct NetworksInspect {
    /// Names of networks
    #[arg(value_name = "NET", required = true, add = complete::networks())]
    pub(crate) networks: Vec<String>,
    #[command(flatten)]
    pub(crate) look: Look,
}

const RM_EXAMPLES: &str = "\
Examples:
  # See what would go
  linkspan network rm web --dry-run

  linkspan network rm web --yes

Exit status:
  0  they are removed
  1  a container is or may be attached, or something could not be removed
  2  nobody can be asked, and --yes was not given
  3  there is no such network";

/// `network rm`.
#[derive(Args, Debug)]
#[command(after_help = RM_EXAMPLES)]
pub(crate) struct NetworksRm {
    /// Names of networks
    #[arg(value_name = "NET", required = true, add = complete::networks())]
    pub(crate) networks: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Do not ask, and do not fail where there is no such network; unlike Podman's, it detaches no container
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Tell what would be removed, and change nothing
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}
