//! Commands on one attachment: `add`, `del` and `check`.

use std::path::PathBuf;

use clap::Args;

use super::Places;
use crate::complete;

/// An attachment: which container's end, on which network.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// Name of the network
    #[arg(value_name = "NET", add = complete::networks())]
    pub(crate) network: String,
    /// The network namespace: its path, its name in /run/netns, or the PID of a process in it
    #[arg(value_name = "NETNS", add = complete::namespaces())]
    pub(crate) netns: PathBuf,
    /// Name of the interface in the container [env: CNI_IFNAME] [default: eth0]
    #[arg(short, long, value_name = "NAME")]
    pub(crate) ifname: Option<String>,
    /// ID of the container [default: derived from NETNS, as cnitool does]
    #[arg(long, value_name = "ID", add = complete::containers())]
    pub(crate) container_id: Option<String>,
    /// Arguments for the plugins, such as 'IgnoreUnknown=1;IP=10.22.0.9' [env: CNI_ARGS]
    #[arg(long, value_name = "KEY=VALUE;...")]
    pub(crate) args: Option<String>,
    /// Arguments by capability, a JSON object [env: CAP_ARGS]
    #[arg(long, value_name = "JSON")]
    pub(crate) cap_args: Option<String>,
    #[command(flatten)]
    pub(crate) places: Places,
}

const ADD_EXAMPLES: &str = "\
Examples:
  # Attach the namespace c1 to the network mynet, as eth0
  ip netns add c1
  linkspan add mynet /run/netns/c1

  # With a configuration and plugins of your own, and a fixed address
  linkspan add mynet /run/netns/c1 --conf-dir ./net.d --cni-path ./bin \\
      --args 'IgnoreUnknown=1;IP=10.22.0.9'

  # With a MAC address, where the network declares the capability
  linkspan add mynet /run/netns/c1 --cap-args '{\"mac\":\"02:00:00:00:00:01\"}'";

/// `add`.
#[derive(Args, Debug)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct Add {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Detach at once when it fails, instead of leaving that to `del`; not what was attached before, nor what the first plugin
    /// refuses
    #[arg(long)]
    pub(crate) cleanup: bool,
}

const DEL_EXAMPLES: &str = "\
Examples:
  linkspan del mynet /run/netns/c1

  # The namespace is gone, and other plugins are to be run though one fails
  linkspan del mynet /run/netns/c1 --keep-going";

/// `del`.
#[derive(Args, Debug)]
#[command(after_help = DEL_EXAMPLES)]
pub(crate) struct Del {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Go on to the other plugins when one fails
    #[arg(long)]
    pub(crate) keep_going: bool,
}
