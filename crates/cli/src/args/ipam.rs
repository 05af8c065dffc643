//! `ipam`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Look;
use crate::complete;

/// `ipam`.
#[derive(Args, Debug)]
pub(crate) struct Ipam {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: IpamCommand,
}

/// What to do with addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum IpamCommand {
    /// Show the pools of addresses: how full they are, which addresses are in use, and who holds them.
    Show(IpamShow),
    /// Find what is wrong with the pools, and change nothing.
    ///
    /// Leaked addresses, whose container is gone; addresses that two hold, that are in no range of the configuration, or that a
    /// container has without holding them; files that a crash left behind. The exit status is 1 when there is anything.
    Check(IpamCheck),
    /// Give leaked addresses back: those that a report of `ipam check` names, and no other.
    ///
    /// Each is looked at again under the pool's lock. One that is held by somebody else by now, or whose container is there again,
    /// is left alone.
    Free(IpamFree),
}

const SHOW_EXAMPLES: &str = "\
Examples:
  linkspan ipam show
  linkspan ipam show mynet

  # Whose is it?
  linkspan ipam show --ip 10.22.0.7";

/// `ipam show`.
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct IpamShow {
    /// Only this network, and who holds each of its addresses
    #[arg(value_name = "NET", conflicts_with = "ip", add = complete::networks())]
    pub(crate) network: Option<String>,
    /// Tell who holds this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<IpAddr>,
    #[command(flatten)]
    pub(crate) look: Look,
}

const CHECK_EXAMPLES: &str = "\
Examples:
  linkspan ipam check

  # Write down what is found, read it, and give back what is leaked
  linkspan ipam check --report leaks.json
  linkspan ipam free --from-report leaks.json";

/// `ipam check`.
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct IpamCheck {
    /// Only this network
    #[arg(value_name = "NET", add = complete::networks())]
    pub(crate) network: Option<String>,
    /// Write what is found to this file, for `ipam free`
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// `ipam free`.
#[derive(Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct IpamFree {
    /// The report of `ipam check`
    #[arg(long, value_name = "FILE")]
    pub(crate) from_report: PathBuf,
    /// Tell what would be given back, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}
