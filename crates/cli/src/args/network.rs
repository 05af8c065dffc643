//! Commands on a network as a whole: `status`, `list` and `gc`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Places;
use super::values::duration;
use crate::complete;

/// A network as a whole.
#[derive(Args, Debug)]
pub(crate) struct OneNetwork {
    /// Name of the network
    #[arg(value_name = "NET", add = complete::networks())]
    pub(crate) network: String,
    /// Not used; cnitool asks for it
    #[arg(value_name = "NETNS", hide = true, add = complete::namespaces())]
    pub(crate) netns: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) places: Places,
}

const STATUS_EXAMPLES: &str = "\
Examples:
  linkspan status

  # Nothing when all is well
  linkspan status --brief

  # At boot: go on once the networks are ready
  linkspan status --wait 60s --quiet

  # Whether one network is ready, as cnitool asks
  linkspan status mynet";

/// `status`.
#[derive(Args, Debug)]
#[command(after_help = STATUS_EXAMPLES)]
pub(crate) struct Status {
    /// Only whether this network is ready
    #[arg(value_name = "NET", add = complete::networks())]
    pub(crate) network: Option<String>,
    /// Not used; cnitool asks for it
    #[arg(value_name = "NETNS", hide = true, add = complete::namespaces())]
    pub(crate) netns: Option<PathBuf>,
    /// Tell only what is not as it should be
    #[arg(long, conflicts_with = "network")]
    pub(crate) brief: bool,
    /// Wait so long for the networks to be ready, such as 60s
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// `list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only this network
    #[arg(value_name = "NET", add = complete::networks())]
    pub(crate) network: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

const GC_EXAMPLES: &str = "\
Examples:
  # Remove what belongs to namespaces that are gone
  linkspan gc mynet

  # See what would go, and why
  linkspan gc mynet --dry-run

  # Remove all but the attachments of two containers: of the one all, of the other one interface
  linkspan gc mynet --keep c1 --keep /run/netns/c2:net1";

/// `gc`.
#[derive(Args, Debug)]
#[command(after_help = GC_EXAMPLES)]
pub(crate) struct Gc {
    #[command(flatten)]
    pub(crate) network: OneNetwork,
    /// A container that is in use, and no other but those named so: by its ID, or its namespace's name,
    /// path or process; all its interfaces, or the one behind a colon
    #[arg(long, value_name = "CONTAINER[:IFNAME]", add = complete::containers())]
    pub(crate) keep: Vec<String>,
    /// No attachment is in use: remove all, as cnitool does
    #[arg(long, conflicts_with = "keep")]
    pub(crate) all: bool,
    /// Change nothing; show what would go and why
    #[arg(long)]
    pub(crate) dry_run: bool,
}
