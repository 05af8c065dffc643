//! `doctor`.

use clap::Args;

use super::Look;

const EXAMPLES: &str = "\
Examples:
  linkspan doctor

  # See what would be put right, then have it put right
  linkspan doctor --fix --dry-run
  linkspan doctor --fix --yes

  # One check alone, as a script asks for it
  linkspan doctor --check ip-forward-off

Exit status:
  0  nothing is wrong that keeps containers from what they should reach: notes and warnings at most
  1  there is an error, or something could not be put right";

/// `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Doctor {
    /// Make this check alone; can be given several times
    #[arg(long, value_name = "ID", conflicts_with = "list")]
    pub(crate) check: Vec<String>,
    /// List what is as it should be as well
    #[arg(short, long)]
    pub(crate) all: bool,
    /// List the checks, and make none
    #[arg(long, conflicts_with_all = ["fix", "all"])]
    pub(crate) list: bool,
    /// Put right what needs nobody's decision and disturbs no container: says first what that is, and asks
    #[arg(long)]
    pub(crate) fix: bool,
    /// Do not ask
    #[arg(short, long, requires = "fix")]
    pub(crate) yes: bool,
    /// Tell what would be put right, and change nothing
    #[arg(long, requires = "fix", conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}
