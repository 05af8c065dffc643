//! `network`.

use clap::{Args, Subcommand};

use super::{Look, NewNetwork};

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
    /// Write the configuration of a new network: `linkspan new network` by Podman's name.
    Create(Box<NewNetwork>),
}

/// `network ls`.
#[derive(Args, Debug)]
pub(crate) struct NetworksLs {
    #[command(flatten)]
    pub(crate) look: Look,
}
