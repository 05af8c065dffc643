//! `explain`: what ADD would do, what a key means, and what is behind an error.

mod draw;
mod error;
mod key;
mod network;

use crate::args::{Explain, ExplainCommand};
use crate::failure::Failure;
use crate::ui::Ui;

/// Explains what is asked for.
pub(crate) fn explain(ui: Ui, args: &Explain) -> Result<(), Failure> {
    match &args.command {
        Some(ExplainCommand::Key(args)) => key::explain(ui, args),
        Some(ExplainCommand::Error(args)) => error::explain(ui, args),
        None => network::explain(ui, &args.network),
    }
}
