//! `explain`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

use super::Places;
use crate::complete;

const EXAMPLES: &str = "\
Examples:
  # What a container of the network mynet will get on this host, and by which steps
  linkspan explain mynet

  # A configuration that is not installed yet, with a published port
  linkspan explain ./10-mynet.conflist --ports 8080:80

  # What may stand there, and what it does
  linkspan explain key bridge.vlanTrunk
  linkspan explain key portmap

  # What is behind an error, out of a runtime's log or from standard input
  journalctl -u containerd --since -1h | linkspan explain error -
  linkspan explain error --message 'no IP addresses available in range set: 10.88.0.1-10.88.0.254'";

/// `explain`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Explain {
    #[command(flatten)]
    pub(crate) network: ExplainNetwork,
    /// What else to explain.
    #[command(subcommand)]
    pub(crate) command: Option<ExplainCommand>,
}

/// `explain NET`.
#[derive(Args, Debug)]
pub(crate) struct ExplainNetwork {
    /// Name of the network, or the path of its configuration
    #[arg(value_name = "NET|FILE", required = true, default_value = "", hide_default_value = true, add = complete::networks())]
    pub(crate) network: String,
    /// Name of the interface in the container [env: CNI_IFNAME] [default: eth0]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) ifname: Option<String>,
    /// Suppose these published ports: HOST:CONTAINER, with ADDRESS: before and /udp or /sctp behind
    #[arg(short, long, value_name = "PORTS", value_delimiter = ',')]
    pub(crate) ports: Vec<String>,
    /// Suppose these arguments for the plugins, such as 'IgnoreUnknown=1;IP=10.22.0.9' [env: CNI_ARGS]
    #[arg(long, value_name = "KEY=VALUE;...")]
    pub(crate) args: Option<String>,
    /// Suppose these arguments by capability, a JSON object [env: CAP_ARGS]
    #[arg(long, value_name = "JSON")]
    pub(crate) cap_args: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

/// What to explain.
#[derive(Debug, Subcommand)]
pub(crate) enum ExplainCommand {
    /// Tell what a key of a configuration means, its type, default and range, and where it may stand.
    ///
    /// As bridge.vlanTrunk or host-local.ranges.subnet; the name of a plugin lists its keys, and a key alone is told of every
    /// plugin that has it. Keys of the specification are those of network, plugin and ipam.
    Key(ExplainKey),
    /// Tell what is behind an error: its cause, the section of the specification, and what to do.
    ///
    /// Reads an error object as plugins print it, or a log of kubelet, containerd, CRI-O, Podman or Nomad, and finds what is
    /// of CNI in it. Each error is told once, with how often it stands there.
    Error(ExplainError),
}

/// `explain key`.
#[derive(Args, Debug)]
pub(crate) struct ExplainKey {
    /// PLUGIN.KEY, PLUGIN or KEY
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
    /// As the table of the reference pages, in Markdown; only of a plugin
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// `explain error`.
#[derive(Args, Debug)]
pub(crate) struct ExplainError {
    /// A file with the error, or a log; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present_any = ["message", "list"])]
    pub(crate) file: Option<PathBuf>,
    /// The message itself
    #[arg(long, value_name = "WORDS", conflicts_with = "file")]
    pub(crate) message: Option<String>,
    /// List the messages that are known, as the reference page has them, in Markdown
    #[arg(long, conflicts_with_all = ["file", "message"])]
    pub(crate) list: bool,
}
