//! `show`.

use clap::Args;

use super::Look;
use crate::complete;

const SHOW_EXAMPLES: &str = "\
Examples:
  linkspan show

  # One of them, by anything that is known of it
  linkspan show 10.22.0.7
  linkspan show web-0
  linkspan show 8080/tcp";

/// `show`.
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// Only what is called so: a network, container, pod, namespace, interface, address or subnet, MAC address, link of the host, or
    /// published port; of a container the beginning of its ID or name is enough
    #[arg(value_name = "WORD", add = complete::attached())]
    pub(crate) word: Option<String>,
    #[command(flatten)]
    pub(crate) look: Look,
}
