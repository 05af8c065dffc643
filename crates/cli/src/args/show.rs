//! `show`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Look;
use super::values::duration;
use crate::complete;

const SHOW_EXAMPLES: &str = "\
Examples:
  linkspan show

  # One of them, by anything that is known of it
  linkspan show 10.22.0.7
  linkspan show web-0
  linkspan show 8080/tcp

  # How much each receives and sends, every two seconds
  linkspan show --watch=2s

  # What is connected to what, on a terminal and for a ticket
  linkspan show --tree
  linkspan show mynet --format svg > mynet.svg";

/// `show`.
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// Only what is called so: a network, container, pod, namespace, interface, address or subnet, MAC address, link of the host, or
    /// published port; of a container the beginning of its ID or name is enough
    #[arg(value_name = "WORD", add = complete::attached())]
    pub(crate) word: Option<String>,
    /// How it is drawn: table, tree, svg, mermaid, dot or json [default: a table, or for a word that means one attachment all that
    /// is known of it]
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<Format>,
    /// Draw what is connected to what as a tree; the same as --format tree
    #[arg(long, conflicts_with = "format")]
    tree: bool,
    /// Show again and again how much each attachment receives and sends, as its container sees it, until it is interrupted; with
    /// --json each time in a line (JSON Lines)
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, require_equals = true, default_missing_value = "1s",
          value_parser = interval, conflicts_with_all = ["format", "tree"])]
    pub(crate) watch: Option<Duration>,
    /// End after so many times
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// A time after which there is something to see.
fn interval(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::MAX => Err("without an interval nothing is shown".to_owned()),
        time => Ok(time),
    }
}

/// How it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line for each attachment.
    #[value(help = None)]
    Table,
    /// From the host to the containers.
    #[value(help = None)]
    Tree,
    /// A picture.
    #[value(help = None)]
    Svg,
    /// A flowchart of Mermaid.
    #[value(help = None)]
    Mermaid,
    /// The language of Graphviz.
    #[value(help = None)]
    Dot,
    /// For programs.
    #[value(help = None)]
    Json,
}

impl Show {
    /// How it is to be drawn, where that was said.
    pub(crate) fn format(&self) -> Option<Format> {
        self.format.or(self.tree.then_some(Format::Tree))
    }
}
