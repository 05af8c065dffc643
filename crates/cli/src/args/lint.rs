//! `lint`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::Look;

const EXAMPLES: &str = "\
Examples:
  # The configurations of this host
  linkspan lint

  # Files, directories, manifests with NetworkAttachmentDefinitions or ConfigMaps, standard input
  linkspan lint 10-mynet.conflist ./manifests
  kubectl get net-attach-def -A -o yaml | linkspan lint --no-host -

  # Put right what is certain to be meant otherwise
  linkspan lint --fix 10-mynet.conflist

  # In CI: not about this machine, and warnings count
  linkspan lint --no-host --strict --format sarif ./net.d > lint.sarif

Exit status:
  0  there is no error; with --strict no warning either
  1  there is
  3  a file cannot be read";

/// `lint`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Lint {
    /// Files, directories, or - for standard input [default: the directories of network configurations]
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,
    /// Change the files where what was meant is certain, and tell what is left
    #[arg(long, conflicts_with = "list")]
    pub(crate) fix: bool,
    /// How to tell it: text for people, json for programs, or sarif for GitHub and editors
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_possible_values = true,
        conflicts_with = "list"
    )]
    pub(crate) format: LintFormat,
    /// Leave out what this host has: plugins, links, routes and other networks
    #[arg(long, conflicts_with = "list")]
    pub(crate) no_host: bool,
    /// Fail where there are warnings as well
    #[arg(long, conflicts_with = "list")]
    pub(crate) strict: bool,
    /// List the rules, and look at no file
    #[arg(long, conflicts_with = "files")]
    pub(crate) list: bool,
    #[command(flatten)]
    pub(crate) look: Look,
}

/// How findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFormat {
    /// For people.
    #[value(help = None)]
    Text,
    /// One JSON object, as with --json.
    #[value(help = None)]
    Json,
    /// SARIF 2.1.0.
    #[value(help = None)]
    Sarif,
}
