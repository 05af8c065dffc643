//! `demo`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

const DEMO_EXAMPLES: &str = "\
Examples:
  linkspan demo

  # Look around with two containers attached; `exit` goes on
  linkspan demo --shell

  # The same with other plugins
  linkspan demo --plugins /usr/lib/cni";

/// `demo`.
#[derive(Args, Debug)]
#[command(after_help = DEMO_EXAMPLES)]
pub(crate) struct Demo {
    /// Directory of the plugins to show [default: Linkspan's own, from the file linkspan-plugins beside
    /// this program or in CNI_PATH]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) plugins: Option<PathBuf>,
    /// Start a shell in the sandbox before the containers are detached
    #[arg(long)]
    pub(crate) shell: bool,
}
