//! Commands on this program itself: `completions` and `man`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::complete;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  # In ~/.bashrc; `make install` puts it where bash looks by itself
  source <(linkspan completions bash)

  # In ~/.zshrc, behind compinit
  source <(linkspan completions zsh)

  linkspan completions fish > ~/.config/fish/completions/linkspan.fish";

/// `completions`.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct Completions {
    /// The shell: bash, zsh or fish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    pub(crate) shell: Shell,
}

/// A shell whose completions there are.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    #[value(help = None)]
    Bash,
    /// The Z shell.
    #[value(help = None)]
    Zsh,
    /// The friendly interactive shell.
    #[value(help = None)]
    Fish,
}

const MAN_EXAMPLES: &str = "\
Examples:
  linkspan man add | man -l -
  linkspan man --dir /usr/local/share/man/man1";

/// `man`.
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct Man {
    /// The command whose page is printed, such as add or ipam-show [default: the page of the program]
    #[arg(value_name = "COMMAND", conflicts_with = "dir", add = complete::pages())]
    pub(crate) command: Option<String>,
    /// Write the pages of all commands into this directory, which is made if need be
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
}
