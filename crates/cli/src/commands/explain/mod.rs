//! `explain`: what ADD would do, what a key means, and what is behind an error.

mod draw;
mod error;
mod key;
mod network;

use std::path::{Path, PathBuf};

use linkspan_spec::NetworkList;

use crate::args::{Explain, ExplainCommand};
use crate::failure::Failure;
use crate::style::Style;
use crate::ui::Ui;

/// Explains what is asked for.
pub(crate) fn explain(ui: Ui, args: &Explain) -> Result<(), Failure> {
    match &args.command {
        Some(ExplainCommand::Key(args)) => key::explain(ui, args),
        Some(ExplainCommand::Error(args)) => error::explain(ui, args),
        None => network::explain(ui, &args.network),
    }
}

/// What ADD would do on a network that need not be on disk, in words; and why it would fail, if it would.
pub(crate) fn network_words(
    style: Style,
    list: &NetworkList,
    file: Option<&Path>,
    dirs: &[PathBuf],
) -> Result<(String, Option<String>), Failure> {
    network::of(style, list, file, dirs)
}
